"""Batches → rows and appended events: what one source brings for one partition, each event exactly once in effect.

Each batch is one transaction: lease first (`fence`), then positions, read models, and what the policies append. What cannot
be applied is cut in halves, by events and then by subscribers, down to the one event that one subscriber cannot take in: it
is parked (`chassis.parking`), where it can be the event's fault, and everything else goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import asyncpg
import structlog

from chassis.consumer import Batch
from chassis.crash_points import CrashPoint, passing
from chassis.database import Connection
from chassis.event_store import Append
from chassis.faults import Unavailable
from chassis.leases import Lease, LeaseLost, fence
from chassis.metrics import DUPLICATES, PROJECTED, PROJECTION_AGE_S
from chassis.parking import Intervened, Parked, Parking, TooManyParked
from chassis.progress import AnotherHistory, Hole, PositionsMoved, Progress, Step
from chassis.reacting import Asked, DoneBefore, EpochChanged, Raced, Reactions, Stored, asked_by, asked_when_parked
from chassis.subscribers import Fact, Facts, Policy, ReadModel, Subscriber, UnknownVersion
from chassis.tracing import at_once, projecting, trace_id_of

RACES_MAX = 20
"""How often an event is decided anew because other facts came first, before the lease is given back."""


class RacedForEver(Exception):
    """Somebody else's facts came first again and again."""


HINDERS_ONE = (
    TimeoutError,
    asyncpg.QueryCanceledError,
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    Unavailable,
    RacedForEver,
)
"""Of what is transient: the transaction is undone, and nobody else need have had the same."""

TRANSIENT = (
    *HINDERS_ONE,
    LeaseLost,
    PositionsMoved,
    OSError,
    MemoryError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""Says nothing about the events: the lease is given back, and whoever takes it tries again."""

EVENTS_FAULT = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.CardinalityViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.PLPGSQLError,
)
"""What the database says of a value. Anything else that it says is of tables, rights or itself, and would be said of any event."""

HALTS = (Hole, AnotherHistory, UnknownVersion, TooManyParked)
"""Nothing that comes behind may be taken in: it would be parked by the thousand, or be wrong."""

log = structlog.get_logger()


def is_transient(error: Exception) -> bool:
    """Whether the same batch may succeed later."""
    # What asyncpg cannot encode for a column is an InterfaceError and a ValueError, and lies in the event.
    return isinstance(error, TRANSIENT) and not (isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError))


def can_be_parked(error: Exception) -> bool:
    """Whether it can be the event's fault, or that of the code for such events."""
    return not isinstance(error, HALTS) and (isinstance(error, EVENTS_FAULT) or not isinstance(error, asyncpg.PostgresError))


class _Part(NamedTuple):
    """Some events, for some subscribers."""

    batch: Batch
    subscribers: Sequence[Subscriber]
    blame: Exception | None = None
    """Of a single event and subscriber: why it is parked."""

    @property
    def is_single(self) -> bool:
        return len(self.batch.events) == len(self.subscribers) == 1

    def halves(self) -> list[_Part]:
        """The later half first. The offset is reached with the last of all."""
        events, subscribers, next_offset = self.batch.events, self.subscribers, self.batch.next_offset
        if middle := len(events) // 2:
            return [_Part(Batch(events[middle:], next_offset), subscribers), _Part(Batch(events[:middle], None), subscribers)]
        middle = len(subscribers) // 2
        return [_Part(Batch(events, next_offset), subscribers[middle:]), _Part(Batch(events, None), subscribers[:middle])]


class _Plan(NamedTuple):
    """What a part comes to, decided outside the transaction."""

    facts: Sequence[tuple[ReadModel, Sequence[Fact[Any]]]]
    parked: Sequence[Parked]
    appends: Sequence[Append]


@dataclass
class Intake:
    """One source of one partition, under a lease."""

    pool: asyncpg.Pool
    lease: Lease
    subscribers: Sequence[Subscriber]
    progress: Progress
    parking: Parking
    reactions: Reactions | None
    durable: bool
    on_commit: Callable[[Progress], None]
    """Told after each commit."""

    async def take(self, batch: Batch, *, is_scanning: bool) -> bool:
        """Take a batch in; False where it held nothing new.

        `is_scanning`: for something that is missing, so that what lies behind it may be passed over until the source's end,
        and no offset is stored: whoever takes over must miss it, too. Raises: what halts the partition; all that comes
        before is taken in then. Whatever is transient.
        """
        is_fresh, is_careful, races = False, False, 0
        if is_scanning:
            batch, is_scanning = replace(batch, next_offset=None), not batch.is_last
        left = [_Part(batch, self.subscribers)]
        while left:
            part = left.pop()
            try:
                is_fresh |= await self._commit(part, is_careful=is_careful, is_scanning=is_scanning)
                races = 0
            except Exception as error:
                if is_transient(error):
                    raise
                is_careful |= isinstance(error, DoneBefore)
                await self._look_anew(error)
                if not part.is_single:
                    left += part.halves()
                elif isinstance(error, Raced):
                    races += 1
                    if races > RACES_MAX:
                        raise RacedForEver from error
                    left.append(part)
                elif part.blame is None and can_be_parked(error):
                    left.append(part._replace(blame=error))
                else:
                    raise
        return is_fresh

    def admit(self, other: Intake) -> None:
        """The other's subscribers come to these, see `Progress.admit`."""
        self.subscribers = [*self.subscribers, *other.subscribers]
        self.progress.admit(other.progress)

    async def _look_anew(self, error: Exception) -> None:
        if isinstance(error, EpochChanged) and self.reactions is not None:
            await self.reactions.store.learn_epoch()
        if isinstance(error, Intervened):
            await self.parking.load()

    async def _commit(self, part: _Part, *, is_careful: bool, is_scanning: bool) -> bool:
        """Take a part in, whole or not at all; False where it held nothing new."""
        batch, names = part.batch, [subscriber.name for subscriber in part.subscribers]
        step = self.progress.step(batch.events, batch.next_offset, is_scanning=is_scanning, subscribers=names)
        if not step.reached:
            DUPLICATES.labels(self.progress.source).inc()
            self.progress.take(step)
            return False
        source, partition = self.progress.source, self.progress.partition
        wanted = {event.TYPE for subscriber in part.subscribers for event in subscriber.subscribes}
        traces = (event.traceparent for event in step.events if event.type in wanted)
        with at_once(projecting(len(step.events), source=source, partition=partition, subscribers=names), traces):
            await self._take_in(part, step, is_careful=is_careful)
        return True

    async def _take_in(self, part: _Part, step: Step, *, is_careful: bool) -> None:
        plan = await self._plan(part, step, is_careful=is_careful)
        passing(CrashPoint.INTAKE_DECIDED)
        async with self.pool.acquire() as connection, connection.transaction():
            interventions = await fence(connection, self.lease)
            passing(CrashPoint.INTAKE_FENCED)
            if not self.durable:
                await connection.execute("SET LOCAL synchronous_commit = off")
            await self.progress.store(connection, step)
            passing(CrashPoint.INTAKE_MOVED)
            await self.parking.store(connection, plan.parked, interventions=interventions)
            stored = await self._apply(connection, plan)
            passing(CrashPoint.INTAKE_APPLIED)
        passing(CrashPoint.INTAKE_COMMITTED)
        self.progress.take(step)
        self.parking.take(plan.parked)
        self.on_commit(self.progress)
        if self.reactions is not None:
            self.reactions.tell(stored)
        self._log(part)
        PROJECTED.labels(self.progress.source).inc(len(step.events))
        for name, reached in step.reached.items():
            recorded_at = max(each.time for each in reached.values())
            PROJECTION_AGE_S.labels(name, self.progress.source).set(max(0.0, time.time() - recorded_at.timestamp()))

    async def _plan(self, part: _Part, step: Step, *, is_careful: bool) -> _Plan:
        facts = Facts(part.subscribers)
        rows: list[tuple[ReadModel, Sequence[Fact[Any]]]] = []
        parked: list[Parked] = []
        asked: list[Asked] = []
        for subscriber in part.subscribers:
            wanted = facts.wanted(subscriber, step.fresh[subscriber.name])
            if part.blame is not None:
                parked += [self.parking.blame(subscriber.name, each, part.blame) for each in wanted]
                asked += [ask for each in wanted if isinstance(subscriber, Policy) for ask in asked_when_parked(subscriber, each)]
                continue
            free, behind = self.parking.part(subscriber.name, wanted)
            parked += behind
            if isinstance(subscriber, Policy):
                asked += asked_by(subscriber, facts.decoded(free))
            elif free:
                rows.append((subscriber, facts.decoded(free)))
        appends = await self.reactions.decide(asked, is_careful=is_careful) if self.reactions is not None else []
        return _Plan(rows, parked, appends)

    async def _apply(self, connection: Connection, plan: _Plan) -> Sequence[Stored]:
        for read_model, facts in plan.facts:
            await read_model.project(connection, facts, partition=self.progress.partition)
        return await self.reactions.append(connection, plan.appends) if self.reactions is not None else []

    def _log(self, part: _Part) -> None:
        if part.blame is None:
            return
        [event], [subscriber] = part.batch.events, part.subscribers
        log.error(
            "projector.parked",
            projection=subscriber.name,
            source=event.service,
            shard=event.shard,
            pos=event.pos,
            stream_id=event.stream_id,
            event_type=event.type,
            trace_id=trace_id_of(event.traceparent),
            exc_info=part.blame,
        )
