from __future__ import annotations

import pytest

from chassis.consistency import ConsistencyToken, MalformedToken, Place


class TestConsistencyToken:
    @pytest.mark.parametrize("text", ["registration/1/5:42", "healthcloud-bridge/12/0:1,63:999999999999999999"])
    def test_reads_what_it_writes(self, text: str) -> None:
        assert text == str(ConsistencyToken.parse(text))

    def test_stands_for_the_later_position_of_a_shard_that_it_names_twice(self) -> None:
        assert "health/1/1:2" == str(ConsistencyToken.parse("health/1/1:2,1:1"))

    def test_writes_shards_in_order(self) -> None:
        assert "health/2/1:5,7:3" == str(ConsistencyToken(service="health", epoch=2, positions={7: 3, 1: 5}))

    def test_of_several_facts_is_of_the_lowest_epoch_in_which_one_was_written(self) -> None:
        assert "health/1/1:5,7:3" == str(ConsistencyToken.of("health", [Place(7, 3, 1), Place(1, 5, 2)]))
        assert ConsistencyToken.of("health", []) is None

    def test_of_several_tokens_stands_for_the_latest_of_each_shard(self) -> None:
        tokens = [ConsistencyToken.parse(text) for text in ("health/2/1:5,7:3", "health/2/1:4,8:1")]
        assert "health/2/1:5,7:3,8:1" == str(ConsistencyToken.merged([None, *tokens]))
        assert ConsistencyToken.merged([None]) is None

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "health",
            "health/1",
            "health/1/",
            "health/0/1:1",
            "health/01/1:1",
            "health/1/64:1",
            "health/1/1:1,",
            "health/1/1:-1",
            "health/1/1:1234567890123456789",
            "Health/1/1:1",
            "health/1/1:1\n",
            "health/1/１:1",
            "health/1/" + ",".join(["1:1"] * 65),
            "x" * 5_000,
        ],
    )
    def test_is_not_any_text(self, text: str) -> None:
        with pytest.raises(MalformedToken):
            ConsistencyToken.parse(text)
