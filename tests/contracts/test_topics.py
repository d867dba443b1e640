"""Topics, as data."""

import pytest

from contracts.districts import DISTRICTS
from contracts.event import SHARDS
from contracts.registry import EVENTS_BY_OWNER
from contracts.topics import DAY_MS, EVENT_TOPICS, POLICE_TOPICS, TOPICS, topics_of, topics_read_by


class TestTopics:
    def test_have_names_of_their_own(self) -> None:
        assert len({topic.name for topic in TOPICS}) == len(TOPICS)

    def test_carry_what_somebody_tells(self) -> None:
        assert {topic.carries for topic in TOPICS} == set(EVENTS_BY_OWNER) - {"police-bridge"}

    def test_publish_what_the_police_is_told_only_as_rendered(self) -> None:
        assert {"police"} == {topic.carries for topic in topics_of("police-bridge")}

    def test_keep_logs_for_ever_in_sixteen_partitions(self) -> None:
        assert {(topic.partitions, topic.retention_ms) for topic in EVENT_TOPICS.values()} == {(16, None)}

    def test_keep_police_messages_for_35_days_in_four_partitions(self) -> None:
        assert {(topic.partitions, topic.retention_ms) for topic in POLICE_TOPICS.values()} == {(4, 35 * DAY_MS)}

    def test_are_written_by_the_service_after_which_they_are_named(self) -> None:
        assert [topic.name for topic in topics_of("gatekeeper")] == ["gatekeeper.events.v1"]
        assert {topic.name for topic in topics_of("police-bridge")} == {f"police.arrivals.{district}.v1" for district in DISTRICTS}

    def test_are_found_by_their_readers(self) -> None:
        assert {topic.owner for topic in topics_read_by("gatekeeper")} == {"registration", "health"}
        assert {topic.carries for topic in topics_read_by("police_subscriber")} == {"police"}

    def test_have_full_names_with_the_prefix_of_the_installation(self) -> None:
        assert EVENT_TOPICS["healthcloud-bridge"].full_name("test7.") == "test7.healthcloud-bridge.events.v1"


class TestPartitionOf:
    @pytest.mark.parametrize("partitions", [1, 2, 4, 8, 16, 32, 64])
    def test_spreads_the_shards_evenly(self, partitions: int) -> None:
        topic = EVENT_TOPICS["health"].with_partitions(partitions)
        used = [topic.partition_of(shard) for shard in range(SHARDS)]
        assert {used.count(partition) for partition in range(partitions)} == {SHARDS // partitions}

    @pytest.mark.parametrize("partitions", [0, -1, 3, 12, 128])
    def test_refuses_a_number_that_does_not_divide_the_shards(self, partitions: int) -> None:
        with pytest.raises(ValueError, match="do not divide"):
            EVENT_TOPICS["health"].with_partitions(partitions)
