"""The projector: events → rows and commands, each exactly once in effect.

A partition is leased (`project/NN`) and all its sources are followed: the own log from the database, the others from
Kafka. Each batch is taken in by `chassis.intake`. A position that was taken in already is a duplicate and dropped; one too
far is a hole: the topic is scanned anew, and if the hole is still there the partition halts, because an event that is
missing might be a ban. It halts likewise where another history is told, or an event in a version that is not known here.
What comes before is taken in, whatever follows waits, and both are tried again every so often. An event that cannot be
applied does not halt it: that one is parked, with its stream (`chassis.parking`).

Those who stand at the same positions of a source share a pass over it. Whoever is behind, because he is new or was set back,
has a pass beside theirs until he is near; then one pass goes on for all, from where he stands, and the others drop what they
have. A partition has one transaction at a time: the passes take turns, as the sources do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Protocol

import asyncpg
import structlog

from chassis.consumer import BEGINNING, Batch, TopicFeed, TopicOffset
from chassis.event_store import EventStore
from chassis.intake import HINDERS_ONE, Intake, is_transient
from chassis.leases import Lease, Work
from chassis.metrics import HALTED
from chassis.parking import Parking, TooManyParked
from chassis.progress import AnotherHistory, Fork, Hole, Progress, WrongEpoch
from chassis.reacting import Reactions
from chassis.shard_heads import READ_EVENTS_MAX, ShardHeads, read_shard
from chassis.subscribers import Policy, ReadModel, Subscriber, UnknownVersion, sources_of
from contracts.event import SHARDS

HALTED_PAUSE_S = 10.0
"""How long a halted partition waits before it tries again."""
NEAR_EVENTS = 500
"""So few events behind the others, besides those at hand, and whoever is behind joins them: they wait for him that long."""
BEHIND_AT_ONCE = 2
"""Transactions of those behind at the same time, of all partitions of a worker: the others find the database as ever."""

REASONS: Mapping[type[Exception], str] = {
    Hole: "hole",
    Fork: "fork",
    WrongEpoch: "wrong-epoch",
    UnknownVersion: "unknown-version",
    TooManyParked: "too-many-parked",
    **dict.fromkeys(HINDERS_ONE, "hindered"),
}
"""Why a partition halts, as codes. Anything else is `cannot-apply`: the database, or the code, fails with any event."""

_NO_LIMIT = nullcontext()

log = structlog.get_logger()


def lease_name(partition: int) -> str:
    """The lease under which a partition of all sources is taken in."""
    return f"project/{partition:02}"


class Log(Protocol):
    """A log that is read."""

    @property
    def name(self) -> str: ...

    def follow(self, partition: int, positions: Mapping[int, int], offset: TopicOffset) -> AsyncIterator[Batch]:
        """Batches of a partition in order, without end, from `positions` on or earlier. Where there are offsets, from `offset`."""


class Source(Log, Protocol):
    """A log that is followed."""

    def beside(self, others: ShardHeads) -> Log:
        """The same for a second reader of a partition, who is to follow the `others` as far as they have come."""


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
                known = max(0, self.heads[shard] - marks[shard])
                async with self.pool.acquire() as connection:
                    events = await read_shard(connection, shard, after=marks[shard], limit=min(known, READ_EVENTS_MAX))
                if events:
                    marks[shard] = events[-1].pos
                    yield Batch(events, None)
            await asyncio.sleep(self.linger_s)

    def beside(self, others: ShardHeads) -> OwnLog:
        """It ends where the others are."""
        return replace(self, heads=others)


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

    def beside(self, others: ShardHeads) -> ForeignLogBeside:
        return ForeignLogBeside(self.name, self.feed)


@dataclass(frozen=True)
class ForeignLogBeside:
    """Another service's events, by a client of their own while somebody reads them."""

    name: str
    feed: TopicFeed

    async def follow(self, partition: int, positions: Mapping[int, int], offset: TopicOffset) -> AsyncIterator[Batch]:
        async with (
            self.feed.beside() as feed,
            aclosing(ForeignLog(self.name, feed).follow(partition, positions, offset)) as batches,  # type: ignore[type-var]
        ):
            async for batch in batches:
                yield batch


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
    reached: dict[tuple[str, str, int], int] = field(default_factory=dict)
    """(subscriber, source, shard) → the position that it has committed, for the partitions held."""
    halts: dict[tuple[str, int], str] = field(default_factory=dict)
    """(source, partition) → why it cannot go on, as a code. Of those behind the source is told as `<source>/behind`."""
    _few_behind: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(BEHIND_AT_ONCE))

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
        return [each for each in self._subscribers if source.name in sources_of(each)]

    async def _project(self, partition: int, lease: Lease) -> None:
        turn = asyncio.Lock()
        try:
            async with asyncio.TaskGroup() as group:
                for source in self.sources:
                    group.create_task(self._follow(source, partition, lease, turn))
        except ExceptionGroup as group_error:
            # The lease's owner wants the one reason, not the group.
            raise _first(group_error) from None
        finally:
            for place in [each for each in self.reached if each[2] % self.partitions == partition]:
                del self.reached[place]

    async def _follow(self, source: Source, partition: int, lease: Lease, turn: asyncio.Lock) -> None:
        names = [subscriber.name for subscriber in self._subscribers_to(source)]
        if not names:
            return
        progress = await Progress.load(self.pool, source.name, partition, partitions=self.partitions, subscribers=names)
        level, behind = (self._intake(part, lease) for part in progress.divided())
        if behind.subscribers:
            await self._bring_near(source, behind, level, turn)
            level.admit(behind)
        await self._take_in(source, level, turn)

    async def _bring_near(self, source: Source, behind: Intake, level: Intake, turn: asyncio.Lock) -> None:
        """Both passes, until whoever is behind is near, and never beyond the others."""
        others, tell = ShardHeads(self.pool), level.on_commit

        def tell_others(progress: Progress) -> None:
            tell(progress)
            for shard, pos in progress.lowest().items():
                others.tell(shard, pos)

        tell_others(level.progress)
        level.on_commit = tell_others

        def is_near(batch: Batch) -> bool:
            left = behind.progress.events_to(level.progress)
            return left <= len(batch.events) + NEAR_EVENTS and behind.progress.lacks_any_of(batch.events)

        partition = level.progress.partition
        log.info("projector.reads_beside", source=source.name, partition=partition, count=len(behind.subscribers))
        async with asyncio.TaskGroup() as group:
            sharing = group.create_task(self._take_in(source, level, turn))
            await self._take_in(source.beside(others), behind, turn, limit=self._few_behind, until=is_near)
            # Not in the middle of a transaction of theirs.
            async with turn:
                sharing.cancel()
        level.on_commit = tell
        log.info("projector.joins", source=source.name, partition=partition, count=len(behind.subscribers))

    async def _take_in(
        self,
        source: Log,
        intake: Intake,
        turn: asyncio.Lock,
        *,
        limit: AbstractAsyncContextManager[None] = _NO_LIMIT,
        until: Callable[[Batch], bool] | None = None,
    ) -> None:
        """One pass, without end, or until a batch is the last one not to be taken in: asked with the turn in hand."""
        progress = intake.progress
        offset = progress.next_offset
        stuck: Exception | None = None
        try:
            while True:
                try:
                    await intake.parking.load()
                    async with aclosing(source.follow(progress.partition, progress.lowest(), offset)) as batches:  # type: ignore[type-var]
                        async for batch in batches:
                            async with limit, turn:
                                if stuck is None and until is not None and until(batch):
                                    return
                                is_fresh = await intake.take(batch, is_scanning=isinstance(stuck, Hole))
                            if is_fresh and progress.is_past(stuck):
                                stuck = None
                                self._goes_on(progress)
                            elif isinstance(stuck, Hole) and batch.is_last:
                                raise stuck
                except Hole as hole:
                    is_known = isinstance(stuck, Hole) and stuck.args == hole.args
                    offset, stuck = BEGINNING, hole
                    if not is_known:
                        log.warning("projector.scans_anew", source=progress.source, partition=progress.partition)
                        continue
                except Exception as error:
                    # Whoever is behind waits alone for what may be in his way alone.
                    if is_transient(error) and not (progress.is_behind and isinstance(error, HINDERS_ONE)):
                        raise
                    offset, stuck = progress.next_offset, error
                self._halt(progress, stuck)
                await asyncio.sleep(HALTED_PAUSE_S)
        finally:
            # Whoever holds the lease next says how it is.
            self._goes_on(progress)

    def _intake(self, progress: Progress, lease: Lease) -> Intake:
        self._publish_reached(progress)
        return Intake(
            pool=self.pool,
            lease=lease,
            subscribers=[subscriber for subscriber in self._subscribers if subscriber.name in progress.lasts],
            progress=progress,
            parking=Parking(self.pool, lease.name, progress.source, range(progress.partition, SHARDS, self.partitions)),
            reactions=self._reactions,
            durable=self.durable,
            on_commit=self._publish_reached,
        )

    def _halt(self, progress: Progress, stuck: Exception | None) -> None:
        name, reason = _told_as(progress), halt_reason(stuck)
        self.halts[name, progress.partition] = reason
        HALTED.labels(name, str(progress.partition)).set(1)
        log.error("projector.halted", source=name, partition=progress.partition, reason=reason, **_where(stuck), exc_info=stuck)

    def _goes_on(self, progress: Progress) -> None:
        self.halts.pop((_told_as(progress), progress.partition), None)
        HALTED.labels(_told_as(progress), str(progress.partition)).set(0)

    def _publish_reached(self, progress: Progress) -> None:
        for name, lasts in progress.lasts.items():
            for shard, last in lasts.items():
                self.reached[name, progress.source, shard] = last.pos


def _told_as(progress: Progress) -> str:
    """The source, and whether it is of those behind: they may halt where the others go on."""
    return f"{progress.source}/behind" if progress.is_behind else progress.source


def _first(error: Exception) -> Exception:
    """Of a group, and of a group in it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


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
