"""Logs read once more: in the order in which things happened, as far as the clocks tell, and never against a shard's own."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import pytest
from aiokafka import TopicPartition

from chassis.consumer import BEGINNING, Batch, Inbox, TopicOffset
from chassis.progress import NOTHING, Hole, Progress, Step
from chassis.replay import Decoder, Reading, in_order_of_time
from chassis.subscribers import UnknownVersion
from contracts.event import SHARDS, Envelope, Recorded, recorded_from_meta
from tests.chassis.tallies import Counted, FixedClock, in_shard
from tests.chassis.tally_rows import MODEL

PARTITIONS = 4

ENVELOPE = Envelope(
    event_id=UUID(int=1),
    type=Counted.TYPE,
    service="tally",
    stream_id=in_shard(1),
    version=1,
    epoch=1,
    time=FixedClock().now(),
    correlation_id=UUID(int=2),
    causation_id=UUID(int=3),
    traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
)


def at(
    second: float, pos: int, *, service: str = "tally", type_name: str = Counted.TYPE, stream_id: UUID = ENVELOPE.stream_id
) -> Recorded:
    time = ENVELOPE.time + timedelta(seconds=second)
    envelope = replace(ENVELOPE, time=time, service=service, type=type_name, stream_id=stream_id)
    return recorded_from_meta(envelope.encode(), pos, Counted(tally_id=ENVELOPE.stream_id, amount=pos).encode())


async def flow(events: Sequence[Recorded], sizes: list[int]) -> AsyncIterator[Step]:
    """In batches of these sizes, in turn."""
    left = list(events)
    for size in sizes * len(events):
        if left:
            yield Step({"reader": left[:size]}, left[:size], None)
        left = left[size:]


async def merged(*flows: AsyncIterator[Step]) -> list[Recorded]:
    return [event async for events in in_order_of_time(flows) for event in events]


class TestInOrderOfTime:
    async def test_merges_flows_however_they_are_cut(self) -> None:
        choose = random.Random(4)
        every = [at(second, second + 1, service=choose.choice(["one", "two", "three"])) for second in range(200)]
        flows = [
            flow([event for event in every if event.service == name], sizes)
            for name, sizes in (("one", [1]), ("two", [7, 2]), ("three", [200]))
        ]
        assert every == await merged(*flows)

    async def test_keeps_each_flow_in_its_order_where_a_clock_was_set_back(self) -> None:
        one = [at(10, 1), at(2, 2), at(11, 3)]
        other = [at(3, 1, service="other"), at(10.5, 2, service="other")]
        found = await merged(flow(one, [1]), flow(other, [2]))
        assert [1, 2, 3] == [event.pos for event in found if event.service == "tally"]
        assert [(3, "other"), (10, "tally"), (2, "tally"), (10.5, "other"), (11, "tally")] == [
            ((event.time - ENVELOPE.time).total_seconds(), event.service) for event in found
        ]


@dataclass
class Given:
    """A source that gives these batches from an offset on, and nothing else."""

    batches: Sequence[Batch]
    name: str = "tally"

    async def follow(self, partition: int, positions: Mapping[int, int], offset: TopicOffset) -> AsyncIterator[Batch]:
        for batch in self.batches:
            if batch.next_offset is not None and batch.next_offset > offset:
                yield batch


def reading(*batches: Batch) -> Reading:
    return Reading(Given(batches), Progress("tally", 1, {"reader": dict.fromkeys(range(1, SHARDS, PARTITIONS), NOTHING)}))


async def taken(reading: Reading, target: Mapping[int, int]) -> list[int]:
    return [event.pos async for step in reading.until(target) for event in step.fresh["reader"]]


class TestReading:
    async def test_passes_over_what_a_relay_that_began_anew_published_twice(self) -> None:
        found = reading(
            Batch([at(3, 3)], TopicOffset(1), is_last=False),
            Batch([at(1, 1), at(2, 2), at(3, 3)], TopicOffset(4)),
        )
        assert [1, 2, 3] == await taken(found, {1: 3})

    async def test_of_a_topic_with_a_hole_ends_with_it(self) -> None:
        with pytest.raises(Hole):
            await taken(reading(Batch([at(1, 1), at(3, 3)], TopicOffset(2))), {1: 3})

    async def test_goes_on_later_with_what_lay_beyond_the_target(self) -> None:
        beyond = at(1, 2)
        found = reading(
            Batch([at(0, 1), beyond], TopicOffset(2), is_last=False),
            Batch([at(2, 1, stream_id=in_shard(1 + PARTITIONS))], TopicOffset(3)),
        )
        assert [1, 1] == await taken(found, {1: 1, 1 + PARTITIONS: 1})
        assert [beyond.pos] == await taken(found, {1: 2, 1 + PARTITIONS: 1})


class TestDecoder:
    def test_passes_over_what_is_not_subscribed_to(self) -> None:
        found = list(Decoder(MODEL).facts([at(1, 1), at(2, 2, type_name="gatehouse.tally.painted.v1"), at(3, 3)]))
        assert [1, 3] == [fact.recorded.pos for fact in found]

    def test_stops_at_a_version_that_it_does_not_know(self) -> None:
        with pytest.raises(UnknownVersion):
            list(Decoder(MODEL).facts([at(1, 1), at(2, 2, type_name="gatehouse.tally.counted.v2")]))


class TestInbox:
    async def test_gives_all_that_waits_as_one_batch(self) -> None:
        inbox = Inbox(partition=TopicPartition("topic", 1), begin_at=BEGINNING)
        inbox.batches.put_nowait(Batch([at(1, 1), at(2, 2)], TopicOffset(2)))
        inbox.batches.put_nowait(Batch([at(3, 3)], TopicOffset(3)))
        taken = await inbox.take()
        assert ([1, 2, 3], 3) == ([event.pos for event in taken.events], taken.next_offset)
        assert inbox.batches.empty()
