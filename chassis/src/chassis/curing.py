"""Curing what is parked: apply it after all, in order, or give a single event up for a reason that is kept.

Each stream of a subscriber is one transaction, which first holds off the worker that has the lease (`step_in`); the worker
goes on when it is done, and notices. So it can be done beside live traffic, and nothing is applied twice or overtaken.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import NamedTuple, TypeVar
from uuid import UUID

import asyncpg
import structlog

from chassis.crash_points import CrashPoint, passing
from chassis.database import DATABASE_ERRORS, Connection
from chassis.intake import RACES_MAX, RacedForEver, is_transient
from chassis.leases import step_in
from chassis.parking import what_went_wrong
from chassis.projector import lease_name
from chassis.reacting import Asked, EpochChanged, Raced, Reactions, Stored, asked_by, asked_when_cured
from chassis.subscribers import Facts, Policy, Subscriber
from chassis.telemetry import type_name
from chassis.tracing import at_once, projecting
from contracts.event import Recorded, recorded_from_meta, shard_of

RETRY_EVENTS_MAX = 200
"""Events of one stream that one transaction applies: the worker waits for it, and its `lock_timeout` is 2 s."""

log = structlog.get_logger()

T = TypeVar("T")
# Whatever was tried least often first: who stops before the end comes to the others when he begins again.
STREAMS = """
SELECT * FROM (
    SELECT DISTINCT ON (subscriber, source, stream_id)
           subscriber, source, shard, pos, stream_id, version, type, error, attempts, parked_at,
           count(*) OVER (PARTITION BY subscriber, source, stream_id) - 1 AS behind
    FROM parked WHERE $1::uuid IS NULL OR stream_id = $1
    ORDER BY subscriber, source, stream_id, pos
) AS first ORDER BY attempts, subscriber, source, stream_id LIMIT $2
"""
FIRST = "SELECT pos, data, meta FROM parked WHERE subscriber = $1 AND source = $2 AND stream_id = $3 ORDER BY pos LIMIT $4"
TAKE = "DELETE FROM parked WHERE subscriber = $1 AND source = $2 AND stream_id = $3 AND pos <= $4"
IS_LEFT = "SELECT EXISTS (SELECT FROM parked WHERE subscriber = $1 AND stream_id = $2)"
NOTE = """
UPDATE parked SET attempts = attempts + 1, error = coalesce($5, error)
WHERE subscriber = $1 AND source = $2 AND stream_id = $3 AND pos = $4
"""
DISCARD = """
INSERT INTO discarded (subscriber, source, shard, pos, stream_id, version, event_id, type, error, reason, discarded_by)
SELECT subscriber, source, shard, pos, stream_id, version, $5, type, error, $6, $7 FROM parked
WHERE subscriber = $1 AND source = $2 AND stream_id = $3 AND pos = $4
"""


class NotTheFirst(Exception):
    """Something of the same stream waits before it: that comes first."""


class Unknown(Exception):
    """Nothing of that name is parked, or nobody here subscribes under that name any more."""


class Place(NamedTuple):
    """Where a parked event stands. Written `subscriber/source/shard:pos`."""

    subscriber: str
    source: str
    shard: int
    pos: int

    def __str__(self) -> str:
        return f"{self.subscriber}/{self.source}/{self.shard}:{self.pos}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """Raises: ValueError."""
        subscriber, source, where = text.split("/")
        shard, pos = where.split(":")
        return cls(subscriber, source, int(shard), int(pos))


class Stream(NamedTuple):
    """A stream of a source, parked for a subscriber."""

    subscriber: str
    source: str
    stream_id: UUID


class Retried(NamedTuple):
    """What became of a stream."""

    applied: int
    stopped_at: Place | None
    """The first event that waits still. None: nothing is left."""
    error: str | None
    """Why it cannot be applied, or could not now. None: time was up."""


@dataclass(frozen=True)
class Cure:
    """Of one service."""

    pool: asyncpg.Pool
    subscribers: Mapping[str, Subscriber]
    partitions: int
    reactions: Reactions | None
    """None for a service without a log."""
    ready: Sequence[Callable[[], Awaitable[None]]] = ()
    """See `Application.ready`."""

    async def streams(self, stream_id: UUID | None = None, *, streams_max: int | None = None) -> Sequence[asyncpg.Record]:
        """The first parked event of every stream, or of those of this id, with how many come `behind` it; without its content."""
        found: Sequence[asyncpg.Record] = await self.pool.fetch(STREAMS, stream_id, streams_max)
        return found

    async def event(self, place: Place) -> asyncpg.Record:
        """As parked. Raises: Unknown."""
        row = await self.pool.fetchrow("SELECT * FROM parked WHERE (subscriber, source, shard, pos) = ($1, $2, $3, $4)", *place)
        if row is None:
            raise Unknown(str(place))
        return row

    async def retry(self, stream: Stream, *, until_s: float = inf) -> Retried:
        """Apply its events in order, up to one that cannot be applied, or not now. After `until_s` (monotonic) no batch is begun.

        Raises: what is transient, where it cannot even be read what waits.
        """
        for ready in self.ready:
            await ready()
        applied, count = 0, RETRY_EVENTS_MAX
        while waiting := await self.pool.fetch(FIRST, *stream, count):
            pos = waiting[0]["pos"]
            first = Place(stream.subscriber, stream.source, shard_of(stream.stream_id), pos)
            if time.monotonic() > until_s:
                if count < RETRY_EVENTS_MAX:  # Something failed and was not found yet: others come first the next time.
                    await self._note(stream, pos, None)
                return Retried(applied, first, None)
            count = len(waiting)
            try:
                applied += await self._raced(partial(self._apply, stream, count))
                count = RETRY_EVENTS_MAX
            except Unknown:
                await self._note(stream, pos, None)
                return Retried(applied, first, "nobody subscribes under that name any more")
            except Exception as error:
                if is_transient(error):
                    await self._note(stream, pos, None)
                    return Retried(applied, first, type_name(error))
                if count > 1:
                    count //= 2  # Whatever comes before the one that fails is applied.
                    continue
                wrong = what_went_wrong(error)
                await self._note(stream, pos, wrong)
                return Retried(applied, first, wrong)
        return Retried(applied, None, None)

    async def discard(self, place: Place, *, reason: str, by: str) -> None:
        """Never take the event in. What comes behind it stays parked, to be retried.

        Raises: Unknown; NotTheFirst; what is transient.
        """
        row = await self.event(place)
        stream = Stream(place.subscriber, place.source, row["stream_id"])
        await self._raced(partial(self._discard, stream, place, reason, by))

    async def _apply(self, stream: Stream, count: int) -> int:
        """The first of its events, all or none; how many there were."""
        async with self._held(stream) as connection:
            events = await self._first(connection, stream, count)
            if not events:
                return 0
            act = projecting(len(events), source=stream.source, partition=self._partition(stream), subscribers=[stream.subscriber])
            with at_once(act, (event.traceparent for event in events)):
                appended = await self._take_in(connection, stream, events)
        self._tell(appended)
        return len(events)

    async def _take_in(self, connection: Connection, stream: Stream, events: Sequence[Recorded]) -> list[Stored]:
        subscriber = self._subscriber(stream)
        facts = Facts([subscriber])
        decoded = facts.decoded(facts.wanted(subscriber, events))
        await connection.execute(TAKE, *stream, events[-1].pos)
        asked: list[Asked] = []
        if isinstance(subscriber, Policy):
            asked = asked_by(subscriber, decoded)
        else:
            await subscriber.project(connection, decoded, partition=self._partition(stream))
        return await self._append(connection, asked + await self._when_cured(connection, stream, events[-1]))

    async def _discard(self, stream: Stream, place: Place, reason: str, by: str) -> None:
        async with self._held(stream) as connection:
            events = await self._first(connection, stream, 1)
            if not events:
                raise Unknown(str(place))
            if events[0].pos != place.pos:
                raise NotTheFirst(str(place._replace(pos=events[0].pos)))
            await connection.execute(DISCARD, *stream, place.pos, events[0].event_id, reason, by)
            await connection.execute(TAKE, *stream, place.pos)
            appended = await self._append(connection, await self._when_cured(connection, stream, events[0]))
        self._tell(appended)

    async def _note(self, stream: Stream, pos: int, wrong: str | None) -> None:
        """One more attempt; None keeps what went wrong before. What was applied is told, though this could not be noted."""
        try:
            await self.pool.execute(NOTE, *stream, pos, wrong)
        except DATABASE_ERRORS as error:
            log.warning("cure.not_noted", error_type=type_name(error))

    @asynccontextmanager
    async def _held(self, stream: Stream) -> AsyncIterator[Connection]:
        """A transaction during which no worker takes anything in for the stream's partition."""
        async with self.pool.acquire() as connection, connection.transaction():
            await step_in(connection, lease_name(self._partition(stream)))
            yield connection
            passing(CrashPoint.CURE_APPLIED)
        passing(CrashPoint.CURE_COMMITTED)

    async def _first(self, connection: Connection, stream: Stream, count: int) -> list[Recorded]:
        rows = await connection.fetch(FIRST, *stream, count)
        return [recorded_from_meta(row["meta"], row["pos"], row["data"]) for row in rows]

    async def _when_cured(self, connection: Connection, stream: Stream, last: Recorded) -> list[Asked]:
        """Of whatever source: a person's streams have one id in all services, one shard, and so one lease."""
        policy = self.subscribers.get(stream.subscriber)
        if not isinstance(policy, Policy) or await connection.fetchval(IS_LEFT, stream.subscriber, stream.stream_id):
            return []
        return asked_when_cured(policy, last)

    async def _append(self, connection: Connection, asked: Sequence[Asked]) -> list[Stored]:
        if self.reactions is None:
            return []
        return await self.reactions.append(connection, await self.reactions.decide(asked, is_careful=True))

    def _tell(self, stored: Sequence[Stored]) -> None:
        if self.reactions is not None:
            self.reactions.tell(stored)

    async def _raced(self, act: Callable[[], Awaitable[T]]) -> T:
        """Again, while commands of others come between."""
        for _ in range(RACES_MAX):
            try:
                return await act()
            except Raced as error:
                if isinstance(error, EpochChanged) and self.reactions is not None:
                    await self.reactions.store.learn_epoch()
        raise RacedForEver

    def _subscriber(self, stream: Stream) -> Subscriber:
        if stream.subscriber not in self.subscribers:
            raise Unknown(stream.subscriber)
        return self.subscribers[stream.subscriber]

    def _partition(self, stream: Stream) -> int:
        return shard_of(stream.stream_id) % self.partitions
