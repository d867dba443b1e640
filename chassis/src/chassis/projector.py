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
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

import asyncpg
import structlog

from chassis.command_handling import CommandHandler, Decision, cause_of
from chassis.consumer import Batch, TopicFeed
from chassis.database import Connection
from chassis.event_store import EPOCH_CHANGED, Append, Appended, EventStore, append_group, read_shard
from chassis.leases import Lease, LeaseLost, Work, fence
from chassis.metrics import DUPLICATES, HALTED, PROJECTED, PROJECTION_AGE_S
from chassis.progress import Hole, Progress
from chassis.shard_heads import ShardHeads
from contracts.event import SHARDS, Event, Recorded
from contracts.rejection import Rejection

E = TypeVar("E", bound=Event)
C = TypeVar("C")

HALTED_PAUSE_S = 10.0
"""How long a halted partition waits before it tries again."""

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
)
"""Says nothing about the events: the lease is given back, and whoever takes it tries again."""

log = structlog.get_logger()


class Fact(NamedTuple, Generic[E]):
    """An event with where it stands."""

    event: E
    recorded: Recorded


class ReadModel(Protocol):
    """Events → rows. The services' are all `chassis.tables.ReadModel`s."""

    @property
    def name(self) -> str:
        """Name of its positions."""

    @property
    def subscribes(self) -> tuple[type[Event], ...]: ...

    async def project(self, connection: Connection, facts: Sequence[Fact[Any]], *, partition: int) -> None:
        """Write the rows that follow from the facts (in order, each exactly once), in the caller's transaction.

        Nobody else writes this partition's rows meanwhile. Batches of rows are sorted by key.
        """


@dataclass(frozen=True)
class Policy(Generic[C]):
    """Their event → our command."""

    name: str
    subscribes: tuple[type[Event], ...]
    handler: CommandHandler[C, Any, Any]
    react: Callable[[Fact[Any]], Sequence[tuple[UUID, C]]]
    """The commands that a fact asks for, each with its stream. Pure. A command that is rejected leaves no trace."""


Subscriber = ReadModel | Policy[Any]


class UnknownVersion(Exception):
    """An event is subscribed to, but not in this version: its writer was released before its reader."""


class _Raced(Exception):
    """A command of another process came between: decide again."""


class _EpochChanged(_Raced):
    """The log was restored meanwhile."""


class Source(Protocol):
    """A log that is followed."""

    @property
    def name(self) -> str: ...

    def follow(self, partition: int, positions: Mapping[int, int], offset: int) -> AsyncIterator[Batch]:
        """Batches of a partition in order, without end, from `positions` on or earlier. Where there are offsets, from `offset`."""


@dataclass(frozen=True)
class OwnLog:
    """The service's own events, read from its database."""

    name: str
    pool: asyncpg.Pool
    heads: ShardHeads

    async def follow(self, partition: int, positions: Mapping[int, int], offset: int) -> AsyncIterator[Batch]:
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

    async def follow(self, partition: int, positions: Mapping[int, int], offset: int) -> AsyncIterator[Batch]:
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

    def __post_init__(self) -> None:
        if self.policies and (self.store is None or not self.durable):
            raise ValueError("what policies append is stored for good: they need a store, and a projector that is durable")
        names = [subscriber.name for subscriber in self._subscribers]
        if len(set(names)) < len(names):
            raise ValueError(f"two subscribers would share their positions: {names}")

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
                                is_fresh = await self._take(lease, progress, subscribers, batch)
                            if is_fresh and progress.is_past(stuck):
                                stuck = None
                                halted.set(0)
                except Hole as hole:
                    is_known = isinstance(stuck, Hole) and stuck.args == hole.args
                    offset, stuck = 0, hole
                    if not is_known:
                        log.warning("projector.scans_anew", source=source.name, partition=partition)
                        continue
                    log.error("projector.hole", source=source.name, partition=partition, shard=hole.shard, last_pos=hole.last)
                except TRANSIENT:
                    raise
                except Exception as error:
                    offset, stuck = progress.next_offset, error
                    log.error("projector.cannot_apply", source=source.name, partition=partition, exc_info=error)
                halted.set(1)
                await asyncio.sleep(HALTED_PAUSE_S)
        finally:
            # Whoever holds the lease next says how it is.
            halted.set(0)

    async def _take(self, lease: Lease, progress: Progress, subscribers: Sequence[Subscriber], batch: Batch) -> bool:
        """Take a batch in; False where it held nothing new.

        Where a policy's command was raced, or an event cannot be applied, in halves: others are not kept waiting, and
        all that comes before the event is taken in.
        """
        is_fresh = False
        left = [batch]
        while left:
            part = left.pop()
            try:
                is_fresh |= await self._commit(lease, progress, subscribers, part)
            except TRANSIENT:
                raise
            except Exception as error:
                if isinstance(error, _EpochChanged) and self.store is not None:
                    await self.store.learn_epoch()
                if len(part.events) == 1 and not isinstance(error, _Raced):
                    raise
                left += _halves(part)
        return is_fresh

    async def _commit(self, lease: Lease, progress: Progress, subscribers: Sequence[Subscriber], batch: Batch) -> bool:
        """Take a batch in, whole or not at all; False where it held nothing new."""
        step = progress.step(batch.events, batch.next_offset)
        if not step.reached:
            DUPLICATES.labels(progress.source).inc()
            return False
        facts = _Facts(subscribers)
        commands = await self._decide(
            [(policy, facts.of(policy, step.fresh[policy.name])) for policy in subscribers if isinstance(policy, Policy)]
        )
        async with self.pool.acquire() as connection, connection.transaction():
            await fence(connection, lease)
            if not self.durable:
                await connection.execute("SET LOCAL synchronous_commit = off")
            await progress.store(connection, step)
            for subscriber in subscribers:
                if not isinstance(subscriber, Policy) and (wanted := facts.of(subscriber, step.fresh[subscriber.name])):
                    await subscriber.project(connection, wanted, partition=progress.partition)
            appended = await self._append(connection, commands)
        progress.take(step)
        self._publish_reached(progress)
        self._tell(appended)
        PROJECTED.labels(progress.source).inc(len(step.events))
        PROJECTION_AGE_S.labels(progress.source).set(max(0.0, time.time() - step.events[-1].time.timestamp()))
        return True

    async def _decide(self, policies: Sequence[tuple[Policy[Any], Sequence[Fact[Any]]]]) -> list[Append]:
        """What the policies' commands append: one append a stream, decided outside the transaction."""
        asked = [
            (policy, fact, index, stream_id, command)
            for policy, facts in policies
            for fact in facts
            for index, (stream_id, command) in enumerate(policy.react(fact))
        ]
        if not asked or self.store is None:
            return []
        stream_ids = sorted({stream_id for _, _, _, stream_id, _ in asked})
        stored = dict(zip(stream_ids, await self.store.load_many(stream_ids), strict=True))
        first = dict(stored)
        states: dict[UUID, Any] = {}
        decisions: dict[UUID, list[Decision[Any, Any]]] = {}
        for policy, fact, index, stream_id, command in asked:
            handler = policy.handler
            if stream_id not in states:
                states[stream_id] = await handler.state_of(stream_id, stored[stream_id])
            try:
                events = handler.decider.decide(command, states[stream_id])
            except Rejection:
                continue
            if not events:
                continue
            cause = cause_of(fact.recorded, policy=policy.name, index=index)
            decision = handler.decision(stream_id, stored[stream_id], states[stream_id], events, cause)
            states[stream_id] = decision.state
            stored[stream_id] = replace(stored[stream_id], version=stored[stream_id].version + len(events))
            decisions.setdefault(stream_id, []).append(decision)
        return [_one_append(of_stream, first[stream_id].version) for stream_id, of_stream in sorted(decisions.items())]

    async def _append(self, connection: Connection, appends: Sequence[Append]) -> list[Appended]:
        if not appends or self.store is None:
            return []
        try:
            results = await append_group(connection, appends, epoch=self.store.epoch)
        except asyncpg.PostgresError as error:
            if error.sqlstate == EPOCH_CHANGED:
                raise _EpochChanged from error
            raise
        appended = [result for result in results if isinstance(result, Appended)]
        if len(appended) < len(results):
            raise _Raced
        return appended

    def _tell(self, appended: Sequence[Appended]) -> None:
        for result in appended:
            if self.store is not None and result.last_pos is not None:
                self.store.on_appended(result.shard, result.last_pos)

    def _publish_reached(self, progress: Progress) -> None:
        for shard, pos in progress.lowest().items():
            self.reached[progress.source, shard] = pos


class _Facts:
    """Decodes each event at most once, and only if somebody here subscribes to it."""

    def __init__(self, subscribers: Sequence[Subscriber]) -> None:
        self._classes = {event.TYPE: event for subscriber in subscribers for event in subscriber.subscribes}
        self._facts = {_unversioned(name) for name in self._classes}
        self._decoded: dict[int, Fact[Any]] = {}
        """By the identity of what was recorded, which takes no time to hash. A fact holds on to it."""

    def of(self, subscriber: Subscriber, events: Sequence[Recorded]) -> list[Fact[Any]]:
        """Raises: UnknownVersion; ValidationError where an event is not what its type says."""
        wanted = {event.TYPE for event in subscriber.subscribes}
        unknown = {name for name in {event.type for event in events} - set(self._classes) if _unversioned(name) in self._facts}
        if unknown:
            raise UnknownVersion(*sorted(unknown))
        return [self._fact(event) for event in events if event.type in wanted]

    def _fact(self, recorded: Recorded) -> Fact[Any]:
        fact = self._decoded.get(id(recorded))
        if fact is None:
            fact = self._decoded[id(recorded)] = Fact(self._classes[recorded.type].decode(recorded.data), recorded)
        return fact


def _halves(batch: Batch) -> list[Batch]:
    """The batch cut in two, the later half first; one of a single event as it is."""
    middle = len(batch.events) // 2
    later = replace(batch, events=batch.events[middle:])
    return [later, replace(batch, events=batch.events[:middle], next_offset=None)] if middle else [batch]


def _one_append(decisions: Sequence[Decision[Any, Any]], expected_version: int) -> Append:
    """The decisions of one stream, in order, as one append."""
    last = decisions[-1].append
    return replace(
        last, expected_version=expected_version, events=[event for decision in decisions for event in decision.append.events]
    )


def _service_of(event: type[Event]) -> str:
    """The service that an event type belongs to: `gatehouse.<service>.<fact>.v<n>`."""
    return event.TYPE.split(".")[1]


def _unversioned(type_name: str) -> str:
    """The fact that an event type is a version of: `gatehouse.<service>.<fact>`."""
    return type_name.rpartition(".")[0]
