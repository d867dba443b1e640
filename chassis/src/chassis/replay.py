"""Logs read once more, as far as a read model has come: what a rebuild folds (`chassis.rebuild`).

Nothing is waited for: the events are there, in the own log or in a topic that keeps them for ever. One that does not come
within `STALLED_S_MAX` is missing, and then nothing is rebuilt.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import accumulate
from operator import itemgetter

import asyncpg

from chassis.consumer import BEGINNING, Batch, TopicOffset
from chassis.progress import Progress, Step
from chassis.projector import Log
from chassis.shard_heads import read_shard
from chassis.subscribers import Fact, UnknownVersion
from chassis.tables import ReadModel
from contracts.event import Event, Recorded

STALLED_S_MAX = 30.0
"""How long a source may bring nothing new while something is missing."""
READ_EVENTS_MAX = 5_000
"""Events of the own log that one read returns."""

TIME_HEADER = 4
"""Index of `ce_time` in `Recorded.headers`. Its texts sort as their times: all are UTC, to the microsecond."""


class Stalled(Exception):
    """A source did not bring what the live read model has taken in: it is not complete, or cannot be reached."""

    def __init__(self, source: str, shard: int, reached: int, target: int) -> None:
        super().__init__(f"shard {shard} of {source} ends or halts at {reached}, and the live read model stands at {target}")


@dataclass(frozen=True)
class StoredLog:
    """A shard of the service's own log, up to its end. A partition here is one shard."""

    name: str
    pool: asyncpg.Pool

    async def follow(self, partition: int, positions: Mapping[int, int], offset: int) -> AsyncIterator[Batch]:
        last = positions[partition]
        while True:
            async with self.pool.acquire() as connection:
                events = await read_shard(connection, partition, after=last, limit=READ_EVENTS_MAX)
            if not events:
                return
            last = events[-1].pos
            yield Batch(events, None)


@dataclass
class Reading:
    """One partition of one source, from where `progress` stands."""

    source: Log
    progress: Progress
    offset: TopicOffset = BEGINNING
    """Where the source goes on, as far as everything before was taken."""

    async def until(self, target: Mapping[int, int]) -> AsyncIterator[Step]:
        """What comes next, each event once, up to the target. A step is taken when the next is asked for.

        Raises: Stalled; Hole.
        """
        if not self._behind(target):
            return
        is_complete = True
        async with aclosing(self.source.follow(self.progress.partition, self.progress.lowest(), self.offset)) as batches:  # type: ignore[type-var]
            while behind := self._behind(target):
                try:
                    async with asyncio.timeout(STALLED_S_MAX):
                        batch = await anext(batches)
                except (TimeoutError, StopAsyncIteration):
                    raise Stalled(self.source.name, behind[0], self.progress.lowest()[behind[0]], target[behind[0]]) from None
                wanted = [event for event in batch.events if event.pos <= target.get(event.shard, 0)]
                step = self.progress.step(wanted, None, is_scanning=not batch.is_last)
                if step.reached:
                    yield step
                    self.progress.take(step)
                is_complete &= len(wanted) == len(batch.events)
                if batch.next_offset is not None and is_complete:
                    self.offset = batch.next_offset

    def _behind(self, target: Mapping[int, int]) -> list[int]:
        return [shard for shard, pos in self.progress.lowest().items() if pos < target.get(shard, 0)]


@dataclass
class _Flow:
    """A reading with what was read ahead of the others."""

    steps: AsyncIterator[Step]
    events: Sequence[Recorded] = ()
    times: Sequence[bytes] = ()
    latest: bytes = b""

    async def fill(self) -> bool:
        """Read on where nothing is left; False at the end."""
        if not self.events:
            async for step in self.steps:
                [self.events] = step.fresh.values()
                # A clock that was set back must not swap two events of one shard.
                self.times = list(accumulate((event.headers[TIME_HEADER] for event in self.events), max, initial=self.latest))[1:]
                self.latest = self.times[-1]
                break
        return bool(self.events)

    def until(self, time: bytes) -> Iterator[tuple[bytes, Recorded]]:
        end = bisect_right(self.times, time)
        found = zip(self.times[:end], self.events[:end], strict=True)
        self.times, self.events = self.times[end:], self.events[end:]
        return found


async def in_order_of_time(flows: Sequence[AsyncIterator[Step]]) -> AsyncIterator[Sequence[Recorded]]:
    """All events, each flow's in its own order, and among flows by when they were recorded.

    Live, one source's events come at any time between the other's. By their times they come as they would have with no
    delay at all.
    """
    if len(flows) == 1:
        async for step in flows[0]:
            [events] = step.fresh.values()
            yield events
        return
    open_flows = [_Flow(steps) for steps in flows]
    while open_flows := [flow for flow in open_flows if await flow.fill()]:
        horizon = min(flow.latest for flow in open_flows)
        timed = [each for flow in open_flows for each in flow.until(horizon)]
        timed.sort(key=itemgetter(0))
        yield [event for _, event in timed]


@dataclass
class Decoder:
    """Events → the facts that a read model subscribes to."""

    model: ReadModel
    _classes: dict[str, type[Event]] = field(init=False)
    _ignored: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._classes = {event.TYPE: event for event in self.model.subscribes}

    def facts(self, events: Sequence[Recorded]) -> Iterator[Fact[Event]]:
        """Decoded only where the type is wanted. Raises: UnknownVersion; pydantic.ValidationError."""
        for event in events:
            known = self._classes.get(event.type)
            if known is not None:
                yield Fact(known.decode(event.data), event)
            elif event.type not in self._ignored:
                self._ignore(event.type)

    def _ignore(self, type_name: str) -> None:
        if type_name.rpartition(".")[0] in {name.rpartition(".")[0] for name in self._classes}:
            raise UnknownVersion(type_name)
        self._ignored.add(type_name)
