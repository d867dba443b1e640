"""A record of every bad kind on real Kafka, and what must follow: it is parked, set aside, passed over, or halts its partition.

The neighbours of a record that is parked or set aside always get through; nothing gets past one that halts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from chassis import projector as projector_module
from chassis.consumer import TopicFeed
from chassis.kafka import make_producer
from chassis.projector import ForeignLog, Projector
from chassis.testing.wait import eventually
from contracts.event import Recorded, record_headers
from tests.chassis.log_database import LogDatabase
from tests.chassis.tallies import in_shard
from tests.chassis.tally_topics import make_topic, started
from tests.chassis.test_parking import waiting
from tests.chassis.test_projector import (
    OTHER,
    PARTITIONS,
    TAKEN,
    Taken,
    counted,
    has_reached,
    position,
    positions_taken,
    projecting,
    projector_of,
    recorded,
)

SHARD, NEXT_DOOR = 1, 5
"""Of the same partition."""


@pytest.fixture(autouse=True)
async def _prepared(log: LogDatabase, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    await log.owner.execute(TAKEN)
    monkeypatch.setattr(projector_module, "HALTED_PAUSE_S", 0.1)
    with capture_logs():
        yield


@dataclass
class Road:
    """A topic with a worker behind it."""

    bootstrap: str
    topic: str
    projector: Projector
    stream: UUID = field(default_factory=lambda: in_shard(SHARD))
    neighbour: UUID = field(default_factory=lambda: in_shard(SHARD))
    elsewhere: UUID = field(default_factory=lambda: in_shard(NEXT_DOOR))

    async def bring(self, *events: Recorded, **changes: Any) -> None:
        """Events as a relay would publish them, but for what is changed of their records."""
        async with started(make_producer(self.bootstrap)) as producer:
            for event in events:
                record = {
                    "key": str(event.stream_id).encode(),
                    "value": event.data,
                    "headers": record_headers(event.headers, event.pos),
                    "partition": event.shard % PARTITIONS,
                }
                await producer.send_and_wait(self.topic, **(record | changes))

    def halt(self) -> str | None:
        return self.projector.halts.get(("other", SHARD))


@pytest.fixture
async def road(log: LogDatabase, kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Road]:
    topic = await make_topic(kafka_bootstrap, topic_prefix)
    feed = TopicFeed(kafka_bootstrap, {"other": topic})
    fetching = asyncio.create_task(feed.run())
    projector = projector_of(log, Taken(subscribes=OTHER), source=ForeignLog("other", feed))
    async with projecting(projector):
        yield Road(kafka_bootstrap, topic, projector)
    fetching.cancel()
    await asyncio.wait([fetching])


def quarantined() -> float:
    return REGISTRY.get_sample_value("gatehouse_consumer_quarantined_total") or 0.0


class TestIsParked:
    @pytest.mark.parametrize(
        "value",
        [b"not JSON", b'{"tally_id": "', b"\xff\xfe", b"{}", b"null", b'{"tally_id": 7, "amount": "many"}'],
        ids=["not JSON", "truncated", "not UTF-8", "without its fields", "no object", "other types"],
    )
    async def test_what_is_not_what_its_type_says(self, log: LogDatabase, road: Road, value: bytes) -> None:
        await road.bring(*counted(road.stream, 1))
        await road.bring(*counted(road.stream, 2), value=value)
        await road.bring(*counted(road.neighbour, 3), *counted(road.stream, 4), *counted(road.elsewhere, 1))
        await eventually(lambda: has_reached(log, SHARD, 4))
        await eventually(lambda: has_reached(log, NEXT_DOOR, 1))

        assert [(SHARD, 1), (SHARD, 3), (NEXT_DOOR, 1)] == sorted(await positions_taken(log))
        assert [(SHARD, 2), (SHARD, 4)] == await waiting(log)
        assert road.halt() is None


class TestIsSetAside:
    """It is no event: what it pretends to be comes behind it."""

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda road: {"value": None},
            lambda road: {"value": b""},
            lambda road: {"headers": []},
            lambda road: {"headers": [("ce_id", b"truncated")]},
            lambda road: {"key": str(road.neighbour).encode()},
            lambda road: {"key": None},
            lambda road: {"partition": SHARD, "key": str(road.elsewhere).encode()},
        ],
        ids=["null", "empty", "no headers", "truncated headers", "another key", "no key", "a key of another shard"],
    )
    async def test_what_has_no_valid_envelope(self, log: LogDatabase, road: Road, spoil: Callable[[Road], dict[str, Any]]) -> None:
        before = quarantined()
        await road.bring(*counted(road.stream, 1))
        await road.bring(*counted(road.stream, 2), **spoil(road))
        await road.bring(*counted(road.stream, 2, 3))
        await eventually(lambda: has_reached(log, SHARD, 3))

        assert [(SHARD, 1), (SHARD, 2), (SHARD, 3)] == await positions_taken(log)
        assert quarantined() == before + 1
        assert [] == await waiting(log)

    async def test_what_lies_in_the_wrong_partition(self, log: LogDatabase, road: Road) -> None:
        before = quarantined()
        await road.bring(*counted(in_shard(SHARD + 1), 1), partition=SHARD)
        await road.bring(*counted(road.stream, 1))
        await eventually(lambda: has_reached(log, SHARD, 1))

        assert [(SHARD, 1)] == await positions_taken(log)
        assert quarantined() == before + 1


class TestIsPassedOver:
    async def test_a_type_that_nobody_subscribes_to(self, log: LogDatabase, road: Road) -> None:
        await road.bring(*counted(road.stream, 1))
        await road.bring(recorded(road.stream, 2, type_name="gatehouse.other.never-heard-of.v1"), value=b"not JSON")
        await road.bring(*counted(road.stream, 3))
        await eventually(lambda: has_reached(log, SHARD, 3))

        assert [(SHARD, 1), (SHARD, 3)] == await positions_taken(log)
        assert [] == await waiting(log)


class TestHalts:
    async def test_a_subscribed_type_in_an_unknown_version(self, log: LogDatabase, road: Road) -> None:
        newer = recorded(road.stream, 2, type_name="gatehouse.other.counted.v2")
        await road.bring(*counted(road.stream, 1), newer, *counted(road.neighbour, 3))
        await eventually(lambda: road.halt() == "unknown-version")

        assert [(SHARD, 1)] == await positions_taken(log)
        assert [] == await waiting(log)

    async def test_a_gap_and_goes_on_when_it_is_filled(self, log: LogDatabase, road: Road) -> None:
        await road.bring(*counted(road.stream, 1, 3))
        await eventually(lambda: road.halt() == "hole")
        assert [(SHARD, 1)] == await positions_taken(log)

        await road.bring(*counted(road.stream, 2, 3))
        await eventually(lambda: has_reached(log, SHARD, 3))
        assert [(SHARD, 1), (SHARD, 2), (SHARD, 3)] == await positions_taken(log)

    async def test_a_forged_event_when_the_true_one_comes_to_its_position(self, log: LogDatabase, road: Road) -> None:
        """Nothing tells the forged one from a true one before: its version has a gap, but readers keep no versions."""
        [forged] = counted(road.neighbour, 2)
        headers = [(name, b"99" if name == "ce_streamversion" else value) for name, value in record_headers(forged.headers, 2)]
        await road.bring(*counted(road.stream, 1))
        await road.bring(forged, headers=headers)
        await eventually(lambda: has_reached(log, SHARD, 2))
        await road.bring(*counted(road.stream, 2, 3))
        await eventually(lambda: road.halt() == "fork")

        assert 2 == await position(log, SHARD)
        assert [(SHARD, 1), (SHARD, 2)] == await positions_taken(log)

    async def test_a_position_of_before_a_restore(self, log: LogDatabase, road: Road) -> None:
        [event] = counted(road.stream, 1)
        headers = [(name, b"2" if name == "ce_epoch" else value) for name, value in record_headers(event.headers, 1)]
        await road.bring(event, *counted(road.stream, 2))
        await eventually(lambda: has_reached(log, SHARD, 2))
        await road.bring(event, headers=headers)
        await eventually(lambda: road.halt() == "wrong-epoch")
