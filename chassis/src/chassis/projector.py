"""The projector: events → rows and commands, each exactly once in effect.

A partition is leased (`project/NN`) and all its sources are followed: the own log from the database, the others from
Kafka. Each batch is taken in by `chassis.intake`. A position that was taken in already is a duplicate and dropped; one too
far is a hole: the topic is scanned anew, and if the hole is still there the partition halts, because an event that is
missing might be a ban. It halts likewise where another history is told, or an event in a version that is not known here.
What comes before is taken in, whatever follows waits, and both are tried again every so often. An event that cannot be
applied does not halt it: that one is parked, with its stream (`chassis.parking`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Protocol

import asyncpg
import structlog

from chassis.consumer import BEGINNING, Batch, TopicFeed, TopicOffset
from chassis.event_store import EventStore
from chassis.intake import Intake, is_transient
from chassis.leases import Lease, Work
from chassis.metrics import HALTED
from chassis.parking import Parking, TooManyParked
from chassis.progress import AnotherHistory, Fork, Hole, Progress, WrongEpoch
from chassis.reacting import Reactions
from chassis.shard_heads import ShardHeads, read_shard
from chassis.subscribers import Policy, ReadModel, Subscriber, UnknownVersion
from contracts.event import SHARDS, Event

HALTED_PAUSE_S = 10.0
"""How long a halted partition waits before it tries again."""

REASONS: Mapping[type[Exception], str] = {
    Hole: "hole",
    Fork: "fork",
    WrongEpoch: "wrong-epoch",
    UnknownVersion: "unknown-version",
    TooManyParked: "too-many-parked",
}
"""Why a partition halts, as codes. Anything else is `cannot-apply`: the database, or the code, fails with any event."""

log = structlog.get_logger()


def lease_name(partition: int) -> str:
    """The lease under which a partition of all sources is taken in."""
    return f"project/{partition:02}"


class Source(Protocol):
    """A log that is followed."""

    @property
    def name(self) -> str: ...

    def follow(self, partition: int, positions: Mapping[int, int], offset: TopicOffset) -> AsyncIterator[Batch]:
        """Batches of a partition in order, without end, from `positions` on or earlier. Where there are offsets, from `offset`."""


@dataclass(frozen=True)
class OwnLog:
    """The service's own events, read from its database."""

    name: str
    pool: asyncpg.Pool
    heads: ShardHeads
    linger_s: float = 0.0
    """What comes within so long after a batch is taken in together. See `Application.own_log_linger_s`."""

    async def follow(self, partition: int, positions: Mapping[int, int], offset: TopicOffset) -> AsyncIterator[Batch]:
        marks = dict(positions)
        while True:
            for shard in await self.heads.beyond(marks):
                async with self.pool.acquire() as connection:
                    events = await read_shard(connection, shard, after=marks[shard])
                if events:
                    marks[shard] = events[-1].pos
                    yield Batch(events, None)
            await asyncio.sleep(self.linger_s)


@dataclass(frozen=True)
class ForeignLog:
    """Another service's events, read from its topic."""

    name: str
    feed: TopicFeed

    async def follow(self, partition: int, positions: Mapping[int, int], offset: TopicOffset) -> AsyncIterator[Batch]:
        inbox = self.feed.open(self.name, partition, at=offset)
        try:
            while True:
                yield await inbox.take()
        finally:
            self.feed.close(inbox)


@dataclass
class Projector:
    """Feeds the read models and policies of one service, as far as its partitions are leased here."""

    pool: asyncpg.Pool
    sources: Sequence[Source]
    read_models: Sequence[ReadModel]
    policies: Sequence[Policy[Any]]
    partitions: int
    store: EventStore | None = None
    """Where the policies append. None for a service without any."""
    durable: bool = True
    """False lets the database acknowledge before it has synced. Only where every row can be derived again."""
    reached: dict[tuple[str, int], int] = field(default_factory=dict)
    """(source, shard) → the position that every subscriber here has committed, for the partitions held."""
    halts: dict[tuple[str, int], str] = field(default_factory=dict)
    """(source, partition) → why it cannot go on, as a code."""

    def __post_init__(self) -> None:
        if self.policies and (self.store is None or not self.durable):
            raise ValueError("what policies append is stored for good: they need a store, and a projector that is durable")
        names = [subscriber.name for subscriber in self._subscribers]
        if len(set(names)) < len(names):
            raise ValueError(f"two subscribers would share their positions: {names}")

    @cached_property
    def _reactions(self) -> Reactions | None:
        return Reactions(self.store) if self.store is not None else None

    def works(self) -> dict[str, Work]:
        """None where nobody subscribes: work that has nothing to do would end, and be taken up again without end."""
        if not any(self._subscribers_to(source) for source in self.sources):
            return {}
        return {lease_name(partition): partial(self._project, partition) for partition in range(self.partitions)}

    @property
    def _subscribers(self) -> Sequence[Subscriber]:
        return [*self.read_models, *self.policies]

    def _subscribers_to(self, source: Source) -> Sequence[Subscriber]:
        return [s for s in self._subscribers if any(_service_of(event) == source.name for event in s.subscribes)]

    async def _project(self, partition: int, lease: Lease) -> None:
        one_at_a_time = asyncio.Lock()
        try:
            async with asyncio.TaskGroup() as group:
                for source in self.sources:
                    group.create_task(self._follow(source, partition, lease, one_at_a_time))
        except ExceptionGroup as group_error:
            # The lease's owner wants the one reason, not the group.
            raise group_error.exceptions[0] from None
        finally:
            for source in self.sources:
                for shard in range(partition, SHARDS, self.partitions):
                    self.reached.pop((source.name, shard), None)

    async def _follow(self, source: Source, partition: int, lease: Lease, one_at_a_time: asyncio.Lock) -> None:
        subscribers = self._subscribers_to(source)
        if not subscribers:
            return
        intake = await self._intake(source, partition, lease, subscribers)
        progress = intake.progress
        offset = progress.next_offset
        stuck: Exception | None = None
        try:
            while True:
                await intake.parking.load()
                try:
                    async with aclosing(source.follow(partition, progress.lowest(), offset)) as batches:  # type: ignore[type-var]
                        async for batch in batches:
                            async with one_at_a_time:
                                is_fresh = await intake.take(batch, is_scanning=isinstance(stuck, Hole))
                            if is_fresh and progress.is_past(stuck):
                                stuck = None
                                self._goes_on(source, partition)
                            elif isinstance(stuck, Hole) and batch.is_last:
                                raise stuck
                except Hole as hole:
                    is_known = isinstance(stuck, Hole) and stuck.args == hole.args
                    offset, stuck = BEGINNING, hole
                    if not is_known:
                        log.warning("projector.scans_anew", source=source.name, partition=partition)
                        continue
                except Exception as error:
                    if is_transient(error):
                        raise
                    offset, stuck = progress.next_offset, error
                self._halt(source, partition, stuck)
                await asyncio.sleep(HALTED_PAUSE_S)
        finally:
            # Whoever holds the lease next says how it is.
            self._goes_on(source, partition)

    async def _intake(self, source: Source, partition: int, lease: Lease, subscribers: Sequence[Subscriber]) -> Intake:
        names = [subscriber.name for subscriber in subscribers]
        progress = await Progress.load(self.pool, source.name, partition, partitions=self.partitions, subscribers=names)
        self._publish_reached(progress)
        return Intake(
            pool=self.pool,
            lease=lease,
            subscribers=subscribers,
            progress=progress,
            parking=Parking(self.pool, lease.name, source.name, range(partition, SHARDS, self.partitions)),
            reactions=self._reactions,
            durable=self.durable,
            on_commit=self._publish_reached,
        )

    def _halt(self, source: Source, partition: int, stuck: Exception | None) -> None:
        reason = halt_reason(stuck)
        self.halts[source.name, partition] = reason
        HALTED.labels(source.name, str(partition)).set(1)
        log.error("projector.halted", source=source.name, partition=partition, reason=reason, **_where(stuck), exc_info=stuck)

    def _goes_on(self, source: Source, partition: int) -> None:
        self.halts.pop((source.name, partition), None)
        HALTED.labels(source.name, str(partition)).set(0)

    def _publish_reached(self, progress: Progress) -> None:
        for shard, pos in progress.lowest().items():
            self.reached[progress.source, shard] = pos


def halt_reason(stuck: Exception | None) -> str:
    """Why a partition cannot go on, as a code."""
    return next((reason for kind, reason in REASONS.items() if isinstance(stuck, kind)), "cannot-apply")


def _where(stuck: Exception | None) -> dict[str, int]:
    match stuck:
        case Hole():
            return {"shard": stuck.shard, "last_pos": stuck.last}
        case AnotherHistory():
            return {"shard": stuck.shard, "pos": stuck.pos}
        case _:
            return {}


def _service_of(event: type[Event]) -> str:
    """The service that an event type belongs to: `gatehouse.<service>.<fact>.v<n>`."""
    return event.TYPE.split(".")[1]
