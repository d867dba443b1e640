"""The projector: events → rows and commands, each exactly once in effect.

A partition is leased (`project/NN`) and all its sources are followed: the own log from the database, the others from
Kafka. Each batch is one transaction: lease first (`fence`), then positions, read models, and what the policies append.
A position that was taken in already is a duplicate and dropped; one too far is a hole: the topic is scanned anew, and
if the hole is still there the partition halts, because an event that is missing might be a ban.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import asyncpg
import structlog

from chassis.command_handling import CommandHandler, Decision, cause_of
from chassis.consumer import Batch, TopicFeed
from chassis.database import Connection
from chassis.event_store import Append, Appended, EventStore, append_group, read_shard
from chassis.leases import Lease, Work, fence
from chassis.metrics import DUPLICATES, HALTED, PROJECTED, PROJECTION_AGE_S
from chassis.shard_heads import ShardHeads
from contracts.event import SHARDS, Event, Recorded
from contracts.rejection import Rejection

E = TypeVar("E", bound=Event)
C = TypeVar("C")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Fact(Generic[E]):
    """An event with where it stands."""

    event: E
    recorded: Recorded


class ReadModel(Protocol):
    """Answers one question: events → rows, see the services' `read_models/`."""

    name: str
    """Name of its positions, with a version: a new shape is a new name, filled from the beginning."""
    subscribes: tuple[type[Event], ...]

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


class Hole(Exception):
    """A position is missing: after `last` comes something later than the next."""

    def __init__(self, shard: int, last: int) -> None:
        super().__init__(shard, last)


class _Raced(Exception):
    """A command of another process came between: decide again."""


class Source(Protocol):
    """A log that is followed."""

    @property
    def name(self) -> str: ...

    def follow(self, partition: int, positions: Mapping[int, int], offset: int) -> AsyncIterator[Batch]:
        """Batches of a partition in order, without end, from `positions` on or earlier."""


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
                yield await inbox.get()
        finally:
            self.feed.close(self.name, partition)


@dataclass
class Progress:
    """How far each subscriber has come in one source, on one partition."""

    positions: dict[str, dict[int, int]]
    """Subscriber → shard → last position taken in."""
    epochs: dict[int, int]
    """Shard → epoch of its last event."""
    next_offset: int = 0

    @cached_property
    def subscribers(self) -> list[str]:
        return sorted(self.positions)

    def lowest(self) -> dict[int, int]:
        """Shard → the position that every subscriber has reached."""
        each = list(self.positions.values())
        return {shard: min(positions[shard] for positions in each) for shard in each[0]}


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

    def works(self) -> dict[str, Work]:
        return {f"project/{partition:02}": partial(self._project, partition) for partition in range(self.partitions)}

    @property
    def _subscribers(self) -> Sequence[Subscriber]:
        return [*self.read_models, *self.policies]

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
        subscribers = [s for s in self._subscribers if any(_service_of(event) == source.name for event in s.subscribes)]
        if not subscribers:
            return
        progress = await self._load_progress(source.name, partition, subscribers)
        self._publish_reached(source.name, progress)
        offset, known_hole = progress.next_offset, None
        while True:
            try:
                async with aclosing(source.follow(partition, progress.lowest(), offset)) as batches:  # type: ignore[type-var]
                    async for batch in batches:
                        async with one_at_a_time:
                            await self._take(source.name, partition, lease, progress, subscribers, batch)
                        HALTED.labels(source.name, partition).set(0)
            except Hole as hole:
                if hole.args == known_hole:
                    HALTED.labels(source.name, partition).set(1)
                    log.error("projector.hole", source=source.name, partition=partition)
                    raise
                log.warning("projector.scans_anew", source=source.name, partition=partition)
                offset, known_hole = 0, hole.args

    async def _take(
        self, source: str, partition: int, lease: Lease, progress: Progress, subscribers: Sequence[Subscriber], batch: Batch
    ) -> None:
        """Take a batch in; where a policy's command was raced, in halves, so that others are not kept waiting."""
        try:
            await self._commit(source, partition, lease, progress, subscribers, batch)
        except _Raced:
            middle = len(batch.events) // 2
            if middle:
                first = replace(batch, events=batch.events[:middle], next_offset=None)
                await self._take(source, partition, lease, progress, subscribers, first)
            await self._take(source, partition, lease, progress, subscribers, replace(batch, events=batch.events[middle:]))

    async def _commit(
        self, source: str, partition: int, lease: Lease, progress: Progress, subscribers: Sequence[Subscriber], batch: Batch
    ) -> None:
        fresh = {subscriber.name: _next(batch.events, progress.positions[subscriber.name]) for subscriber in subscribers}
        reached = {name: {event.shard: event.pos for event in events} for name, events in fresh.items() if events}
        if not reached:
            DUPLICATES.labels(source).inc()
            return
        facts = _Facts(subscribers)
        commands = await self._decide(
            [(policy, facts.of(policy, fresh[policy.name])) for policy in subscribers if isinstance(policy, Policy)]
        )
        epochs = {event.shard: event.epoch for event in batch.events}
        async with self.pool.acquire() as connection, connection.transaction():
            await fence(connection, lease)
            if not self.durable:
                await connection.execute("SET LOCAL synchronous_commit = off")
            await _store_positions(connection, source, partition, reached, epochs, batch.next_offset)
            for subscriber in subscribers:
                if not isinstance(subscriber, Policy) and (wanted := facts.of(subscriber, fresh[subscriber.name])):
                    await subscriber.project(connection, wanted, partition=partition)
            appended = await self._append(connection, commands)
        for name, positions in reached.items():
            progress.positions[name].update(positions)
        self._publish_reached(source, progress)
        self._tell(appended)
        PROJECTED.labels(source).inc(len(batch.events))
        PROJECTION_AGE_S.labels(source).set(max(0.0, time.time() - batch.events[-1].time.timestamp()))

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
        results = await append_group(connection, appends, epoch=self.store.epoch)
        appended = [result for result in results if isinstance(result, Appended)]
        if len(appended) < len(results):
            raise _Raced
        return appended

    def _tell(self, appended: Sequence[Appended]) -> None:
        for result in appended:
            if self.store is not None and result.last_pos is not None:
                self.store.on_appended(result.shard, result.last_pos)

    def _publish_reached(self, source: str, progress: Progress) -> None:
        for shard, pos in progress.lowest().items():
            self.reached[source, shard] = pos

    async def _load_progress(self, source: str, partition: int, subscribers: Sequence[Subscriber]) -> Progress:
        shards = range(partition, SHARDS, self.partitions)
        rows = await self.pool.fetch(
            "SELECT subscriber, shard, epoch, last_pos FROM position WHERE source = $1 AND shard = ANY($2)", source, list(shards)
        )
        positions = {subscriber.name: dict.fromkeys(shards, 0) for subscriber in subscribers}
        epochs: dict[int, int] = {}
        for row in rows:
            if row["subscriber"] in positions:
                positions[row["subscriber"]][row["shard"]] = row["last_pos"]
                epochs[row["shard"]] = row["epoch"]
        offset = await self.pool.fetchval(
            "SELECT kafka_offset FROM next_offset WHERE source = $1 AND partition = $2", source, partition
        )
        # A subscriber that is new here begins at the beginning; the others drop what they have.
        is_level = all(each == next(iter(positions.values())) for each in positions.values())
        return Progress(positions, epochs, next_offset=offset if offset and is_level else 0)


class _Facts:
    """Decodes each event at most once, and only if somebody here subscribes to it."""

    def __init__(self, subscribers: Sequence[Subscriber]) -> None:
        self._classes = {event.TYPE: event for subscriber in subscribers for event in subscriber.subscribes}
        self._decoded: dict[tuple[int, int], Fact[Any]] = {}

    def of(self, subscriber: Subscriber, events: Sequence[Recorded]) -> list[Fact[Any]]:
        wanted = {event.TYPE for event in subscriber.subscribes}
        return [self._fact(event) for event in events if event.type in wanted]

    def _fact(self, recorded: Recorded) -> Fact[Any]:
        at = (recorded.shard, recorded.pos)
        fact = self._decoded.get(at)
        if fact is None:
            fact = self._decoded[at] = Fact(self._classes[recorded.type].decode(recorded.data), recorded)
        return fact


def _next(events: Sequence[Recorded], positions: Mapping[int, int]) -> list[Recorded]:
    """The events that come next, in order, without what was taken in before. Raises: Hole."""
    reached = dict(positions)
    fresh = []
    for event in events:
        last = reached[event.shard]
        if event.pos <= last:
            continue
        if event.pos > last + 1:
            raise Hole(event.shard, last)
        reached[event.shard] = event.pos
        fresh.append(event)
    return fresh


def _one_append(decisions: Sequence[Decision[Any, Any]], expected_version: int) -> Append:
    """The decisions of one stream, in order, as one append."""
    last = decisions[-1].append
    return replace(
        last, expected_version=expected_version, events=[event for decision in decisions for event in decision.append.events]
    )


async def _store_positions(
    connection: Connection,
    source: str,
    partition: int,
    reached: Mapping[str, Mapping[int, int]],
    epochs: Mapping[int, int],
    next_offset: int | None,
) -> None:
    rows = sorted((name, shard, epochs[shard], pos) for name, positions in reached.items() for shard, pos in positions.items())
    await connection.execute(
        "INSERT INTO position (subscriber, source, shard, epoch, last_pos)"
        " SELECT s, $1, n, e, p FROM unnest($2::text[], $3::smallint[], $4::bigint[], $5::bigint[]) AS r (s, n, e, p)"
        " ON CONFLICT (subscriber, source, shard) DO UPDATE SET epoch = excluded.epoch, last_pos = excluded.last_pos",
        source,
        *map(list, zip(*rows, strict=True)),
    )
    if next_offset is not None:
        await connection.execute(
            "INSERT INTO next_offset (source, partition, kafka_offset) VALUES ($1, $2, $3)"
            " ON CONFLICT (source, partition) DO UPDATE SET kafka_offset = excluded.kafka_offset",
            source,
            partition,
            next_offset,
        )


def _service_of(event: type[Event]) -> str:
    """The service that an event type belongs to: `gatehouse.<service>.<fact>.v<n>`."""
    return event.TYPE.split(".")[1]
