"""The projector: events → rows and commands, each exactly once in effect.

A partition is leased (`project/NN`) and all its sources are followed: the own log from the database, the others from
Kafka. Each batch is one transaction: lease first (`fence`), then positions, read models, and what the policies append.
A position that was taken in already is a duplicate and dropped; one too far is a hole: the topic is scanned anew, and
if the hole is still there the partition halts, because an event that is missing might be a ban. It halts likewise at an
event that cannot be applied. What comes before is taken in, whatever follows waits, and both are tried again every so often.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Protocol

import asyncpg
import structlog

from chassis.consumer import BEGINNING, Batch, TopicFeed, TopicOffset
from chassis.event_store import EventStore, read_shard
from chassis.faults import Unavailable
from chassis.leases import Lease, LeaseLost, Work, fence
from chassis.metrics import DUPLICATES, HALTED, PROJECTED, PROJECTION_AGE_S
from chassis.progress import Fork, Hole, Progress, WrongEpoch
from chassis.reacting import DoneBefore, EpochChanged, Raced, Reactions
from chassis.shard_heads import ShardHeads
from chassis.subscribers import Facts, Policy, ReadModel, Subscriber, UnknownVersion
from contracts.event import SHARDS, Event

HALTED_PAUSE_S = 10.0
"""How long a halted partition waits before it tries again."""

RACES_MAX = 20
"""How often an event is decided anew because other facts came first, before the lease is given back."""


class RacedForEver(Exception):
    """Somebody else's facts came first again and again."""


TRANSIENT = (
    LeaseLost,
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    Unavailable,
    RacedForEver,
)
"""Says nothing about the events: the lease is given back, and whoever takes it tries again."""

log = structlog.get_logger()


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

    async def follow(self, partition: int, positions: Mapping[int, int], offset: TopicOffset) -> AsyncIterator[Batch]:
        marks = dict(positions)
        while True:
            for shard in await self.heads.beyond(marks):
                async with self.pool.acquire() as connection:
                    events = await read_shard(connection, shard, after=marks[shard])
                if events:
                    marks[shard] = events[-1].pos
                    yield Batch(events, None)


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
        return {f"project/{partition:02}": partial(self._project, partition) for partition in range(self.partitions)}

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
        names = [subscriber.name for subscriber in subscribers]
        progress = await Progress.load(self.pool, source.name, partition, partitions=self.partitions, subscribers=names)
        self._publish_reached(progress)
        halted = HALTED.labels(source.name, str(partition))
        offset = progress.next_offset
        stuck: Exception | None = None
        try:
            while True:
                try:
                    async with aclosing(source.follow(partition, progress.lowest(), offset)) as batches:  # type: ignore[type-var]
                        async for batch in batches:
                            async with one_at_a_time:
                                is_scanning = isinstance(stuck, Hole) and not batch.is_last
                                is_fresh = await self._take(lease, progress, subscribers, batch, is_scanning=is_scanning)
                            if is_fresh and progress.is_past(stuck):
                                stuck = None
                                self._goes_on(source, partition)
                except Hole as hole:
                    is_known = isinstance(stuck, Hole) and stuck.args == hole.args
                    offset, stuck = BEGINNING, hole
                    if not is_known:
                        log.warning("projector.scans_anew", source=source.name, partition=partition)
                        continue
                    log.error("projector.hole", source=source.name, partition=partition, shard=hole.shard, last_pos=hole.last)
                except TRANSIENT:
                    raise
                except Exception as error:
                    offset, stuck = progress.next_offset, error
                    log.error("projector.cannot_apply", source=source.name, partition=partition, exc_info=error)
                self.halts[source.name, partition] = halt_reason(stuck)
                halted.set(1)
                await asyncio.sleep(HALTED_PAUSE_S)
        finally:
            # Whoever holds the lease next says how it is.
            self._goes_on(source, partition)

    def _goes_on(self, source: Source, partition: int) -> None:
        self.halts.pop((source.name, partition), None)
        HALTED.labels(source.name, str(partition)).set(0)

    async def _take(
        self, lease: Lease, progress: Progress, subscribers: Sequence[Subscriber], batch: Batch, *, is_scanning: bool
    ) -> bool:
        """Take a batch in; False where it held nothing new.

        Where a policy's command was raced, or an event cannot be applied, in halves: others are not kept waiting, and
        all that comes before the event is taken in.
        """
        is_fresh, is_careful, races = False, False, 0
        left = [batch]
        while left:
            part = left.pop()
            try:
                is_fresh |= await self._commit(lease, progress, subscribers, part, is_careful=is_careful, is_scanning=is_scanning)
                races = 0
            except TRANSIENT:
                raise
            except Exception as error:
                if isinstance(error, EpochChanged) and self.store is not None:
                    await self.store.learn_epoch()
                is_careful |= isinstance(error, DoneBefore)
                if len(part.events) == 1:
                    races += 1
                    if not isinstance(error, Raced):
                        raise
                    if races > RACES_MAX:
                        raise RacedForEver from error
                left += _halves(part)
        return is_fresh

    async def _commit(
        self,
        lease: Lease,
        progress: Progress,
        subscribers: Sequence[Subscriber],
        batch: Batch,
        *,
        is_careful: bool,
        is_scanning: bool,
    ) -> bool:
        """Take a batch in, whole or not at all; False where it held nothing new."""
        step = progress.step(batch.events, batch.next_offset, is_scanning=is_scanning)
        if not step.reached:
            DUPLICATES.labels(progress.source).inc()
            return False
        facts = Facts(subscribers)
        reactions = self._reactions
        asked = [(policy, facts.of(policy, step.fresh[policy.name])) for policy in subscribers if isinstance(policy, Policy)]
        commands = await reactions.decide(asked, is_careful=is_careful) if reactions else []
        async with self.pool.acquire() as connection, connection.transaction():
            await fence(connection, lease)
            if not self.durable:
                await connection.execute("SET LOCAL synchronous_commit = off")
            await progress.store(connection, step)
            for subscriber in subscribers:
                if not isinstance(subscriber, Policy) and (wanted := facts.of(subscriber, step.fresh[subscriber.name])):
                    await subscriber.project(connection, wanted, partition=progress.partition)
            appended = await reactions.append(connection, commands) if reactions else []
        progress.take(step)
        self._publish_reached(progress)
        if reactions:
            reactions.tell(appended)
        PROJECTED.labels(progress.source).inc(len(step.events))
        PROJECTION_AGE_S.labels(progress.source).set(max(0.0, time.time() - step.events[-1].time.timestamp()))
        return True

    def _publish_reached(self, progress: Progress) -> None:
        for shard, pos in progress.lowest().items():
            self.reached[progress.source, shard] = pos


def halt_reason(stuck: Exception | None) -> str:
    """Why a partition cannot go on, as a code."""
    match stuck:
        case Hole():
            return "hole"
        case Fork():
            return "fork"
        case WrongEpoch():
            return "wrong-epoch"
        case UnknownVersion():
            return "unknown-version"
        case _:
            return "cannot-apply"


def _halves(batch: Batch) -> list[Batch]:
    """The batch cut in two, the later half first; one of a single event as it is."""
    middle = len(batch.events) // 2
    later = replace(batch, events=batch.events[middle:])
    return [later, replace(batch, events=batch.events[:middle], next_offset=None)] if middle else [batch]


def _service_of(event: type[Event]) -> str:
    """The service that an event type belongs to: `gatehouse.<service>.<fact>.v<n>`."""
    return event.TYPE.split(".")[1]
