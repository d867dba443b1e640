"""The event log of one service: append, load, read. See `migrations/log` for its tables and the append function.

An event becomes true when the transaction that appends it commits, and nowhere else. Positions are gapless per shard
and their order is commit order, because a shard's counter row stays locked from the draw to the commit.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from chassis.consistency import Place
from chassis.crash_points import CrashPoint, passing
from chassis.database import DATABASE_ERRORS, Connection
from chassis.faults import Unavailable
from chassis.gathering import Gatherer
from chassis.metrics import APPEND_GROUP_COMMANDS, APPEND_SECONDS, APPENDED, APPENDS
from chassis.shard_heads import Reach, reach_of
from chassis.tracing import appending, at_once
from contracts.event import Recorded, epoch_of, recorded_from_meta, traceparent_in

GROUP_COMMANDS_MAX = 200
"""Commands that one transaction of the appender carries at most."""
GROUPS_IN_FLIGHT_MAX = 2
"""Groups at the database at once. The second begins when a whole group waits: it is checked and stored while the first is
being committed, and its answers wait for the first only at the shard heads."""
QUEUE_COMMANDS_MAX = 2_000
"""Commands that may wait for the appender. Beyond it the store is overloaded and says so."""

EPOCH_CHANGED = "GH001"
"""SQLSTATE that `append_group` raises for a process that knows another epoch."""
LOG_CLOSED = "GH002"
"""SQLSTATE that it raises while the log was restored and is not whole, see `chassis.restore`."""
CLOSED_RETRY_AFTER_S = 5

TRY_NO_OTHER = (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.LockNotAvailableError)
"""Failures of a group that would meet each of its commands alone, too, and take as long again."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    event_id: UUID
    type: str
    data: bytes
    meta: bytes


@dataclass(frozen=True, slots=True)
class CommandKey:
    """An idempotency key, with what tells a repeat from a reuse."""

    principal: str
    key: str
    body_hash: bytes

    @property
    def stored(self) -> str:
        """What the database knows the key by. A client may have put something of a person into it, so it is not kept as sent. Who
        guesses it can still tell that it is the one: what is easily guessed, `chassis.web.IdempotencyKey` refuses."""
        return hashlib.sha256(f"{self.principal}\n{self.key}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Append:
    """What one command asks the log to take. It is taken whole or not at all."""

    stream_id: UUID
    kind: str
    expected_version: int
    events: Sequence[NewEvent]
    state: bytes | None
    """The fold of the stream after these events; None makes the next reader fold it anew."""
    state_version: int | None
    not_after: datetime | None = None
    """The latest time, by the database's clock, at which it may be taken."""
    key: CommandKey | None = None
    answer: bytes | None = None
    """Given back to whoever sends the same key again."""
    along: Sequence[Append] = ()
    """To other streams, without keys: all are taken, or nothing is. One without events only has to stand where it was read."""


@dataclass(frozen=True, slots=True)
class Appended:
    version: int
    shard: int
    last_pos: int | None
    """None where the command had no events."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """The stream is at `version`, which is not the expected one."""

    version: int


@dataclass(frozen=True, slots=True)
class Outrun:
    """The stream of one that goes along has moved."""


@dataclass(frozen=True, slots=True)
class Late:
    """`not_after` had passed."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The key is known with the same body."""

    answer: bytes


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The key is known with another body."""


@dataclass(frozen=True, slots=True)
class AlreadyStored:
    """Its events are stored, though no answer is remembered: it was done before, and its key was forgotten."""


AppendResult = Appended | Conflict | Outrun | Late | Remembered | KeyReused | AlreadyStored
OUTCOMES: Mapping[type, str] = {
    Appended: "appended",
    Conflict: "conflict",
    Outrun: "outrun",
    Late: "late",
    Remembered: "remembered",
    KeyReused: "key_reused",
    AlreadyStored: "already_stored",
}
"""How metrics call them."""


@dataclass(frozen=True, slots=True)
class StoredStream:
    """A stream as stored: its version and the cached fold at that version."""

    version: int
    state: bytes | None
    state_version: int | None


NO_STREAM = StoredStream(version=0, state=None, state_version=None)

APPEND_GROUP = """SELECT *, (SELECT refuse_archived($19))
FROM append_group($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)"""


async def append_group(connection: Connection, appends: Sequence[Append], *, epoch: int) -> list[AppendResult]:
    """Append in the caller's transaction; one result per command, in order. Each stream and each key at most once.

    Raises: asyncpg.PostgresError with SQLSTATE `EPOCH_CHANGED` when the log was restored meanwhile; Unavailable while closed.
    """
    events = [(n, ordinal, event) for n, append in enumerate(appends, 1) for ordinal, event in enumerate(append.events)]
    try:
        rows = await connection.fetch(
            APPEND_GROUP,
            epoch,
            [append.stream_id for append in appends],
            [append.kind for append in appends],
            [append.expected_version for append in appends],
            [len(append.events) for append in appends],
            [append.not_after for append in appends],
            [append.state for append in appends],
            [append.state_version for append in appends],
            [append.key and append.key.principal for append in appends],
            [append.key and append.key.stored for append in appends],
            [append.key and append.key.body_hash for append in appends],
            [append.answer for append in appends],
            [n for n, _, _ in events],
            [ordinal for _, ordinal, _ in events],
            [event.event_id for _, _, event in events],
            [event.type for _, _, event in events],
            [event.data for _, _, event in events],
            [event.meta for _, _, event in events],
            # Policies know by their positions what they did; whoever sends a key may do so after years.
            [append.events[0].event_id for append in appends if append.key and append.events],
        )
    except asyncpg.PostgresError as error:
        if error.sqlstate == LOG_CLOSED:
            raise Unavailable(retry_after_s=CLOSED_RETRY_AFTER_S) from error
        raise
    return [_result(row) for row in rows]


@dataclass(eq=False)
class NotWhole(Exception):
    """Of some of a group not everything can be taken. Nothing was; which ones (from 0) are answered what, `results` says."""

    results: Mapping[int, AppendResult]


async def append_whole_group(connection: Connection, appends: Sequence[Append], *, epoch: int) -> list[AppendResult]:
    """As `append_group`, in a transaction of its own, each with all that goes along, whose results follow in the same order.

    Raises: NotWhole, and what `append_group` raises."""
    if not (along := [each for append in appends for each in append.along]):
        return await append_group(connection, appends, epoch=epoch)
    async with connection.transaction():
        results = await append_group(connection, [*appends, *along], epoch=epoch)
        theirs = iter(results[len(appends) :])
        told = [_told(result, [next(theirs) for _ in append.along]) for append, result in zip(appends, results, strict=False)]
        if any(told):
            raise NotWhole({n: result for n, result in enumerate(told) if result})
    return results


def _told(result: AppendResult, along: Sequence[AppendResult]) -> AppendResult | None:
    """What is answered where not everything was taken. None: it is whole, or nothing of it was taken."""
    if isinstance(result, Appended):
        return Outrun() if any(isinstance(each, Conflict) for each in along) else None
    return result if any(isinstance(each, Appended) and each.last_pos for each in along) else None


def _result(row: asyncpg.Record) -> AppendResult:
    match row["outcome"]:
        case "appended":
            return Appended(version=row["version"], shard=row["shard"], last_pos=row["last_pos"])
        case "conflict":
            return Conflict(version=row["version"])
        case "late":
            return Late()
        case "remembered":
            return Remembered(answer=row["answer"])
        case "key_reused":
            return KeyReused()
        case outcome:
            raise AssertionError(f"append_group answered {outcome}")


class EventStore:
    """One service's log. `append` and `load` gather what is waiting into few round trips; one fsync serves many commands."""

    def __init__(self, pool: asyncpg.Pool, *, epoch: int) -> None:
        self._pool = pool
        self.epoch = epoch
        self.on_appended: Callable[[int, int], None] = lambda shard, last_pos: None
        """Told (shard, last_pos) of every append made here, so that readers in this process need not poll for it."""
        self._appender: Gatherer[Append, AppendResult] = Gatherer(
            self._append_waiting,
            name="append",
            batch_max=GROUP_COMMANDS_MAX,
            queue_max=QUEUE_COMMANDS_MAX,
            in_flight_max=GROUPS_IN_FLIGHT_MAX,
        )
        self._loader: Gatherer[UUID, StoredStream] = Gatherer(
            self.load_many, name="load", batch_max=GROUP_COMMANDS_MAX, queue_max=QUEUE_COMMANDS_MAX
        )

    @classmethod
    async def open(cls, pool: asyncpg.Pool) -> EventStore:
        return cls(pool, epoch=await pool.fetchval("SELECT epoch FROM store"))

    async def close(self) -> None:
        """Finish what is waiting, then stop."""
        await self._appender.close()
        await self._loader.close()

    async def learn_epoch(self) -> bool:
        """Go on in the log's epoch, which rises when it is restored. Whether the log is open: it was examined where it lives."""
        [(self.epoch, is_open)] = await self._pool.fetch("SELECT epoch, examined_at_place = place_of_log() FROM store")
        return bool(is_open)

    async def require_whole(self, *, since_epoch: int) -> None:
        """Return if what was read of the log, since it was known to be in this epoch, lacked nothing. Raises: Unavailable."""
        if not await self.learn_epoch() or self.epoch != since_epoch:
            raise Unavailable(retry_after_s=1)  # Restored: its end may be missing, or have been.

    async def append(self, append: Append) -> AppendResult:
        """Durable when it returns. If the connection breaks, the outcome is unknown: send the same key again.

        Raises: Unavailable when overloaded; what asyncpg raises when the database cannot be reached or cannot store it.
        """
        return await self._appender.submit(append)

    async def remembered(self, key: CommandKey) -> Remembered | KeyReused | None:
        """What became of an earlier command with this key; None where none was appended, or it is too long ago."""
        row = await self._pool.fetchrow(
            "SELECT body_hash, answer FROM remembered_answer WHERE principal = $1 AND key = $2", key.principal, key.stored
        )
        if row is None:
            return None
        return Remembered(row["answer"]) if row["body_hash"] == key.body_hash else KeyReused()

    async def load(self, stream_id: UUID) -> StoredStream:
        """The stream, or `NO_STREAM`."""
        return await self._loader.submit(stream_id)

    async def load_many(self, stream_ids: Sequence[UUID]) -> list[StoredStream]:
        rows = await self._pool.fetch(
            "SELECT stream_id, version, state, state_version FROM stream WHERE stream_id = ANY($1)", list(set(stream_ids))
        )
        found = {row["stream_id"]: StoredStream(row["version"], row["state"], row["state_version"]) for row in rows}
        return [found.get(stream_id, NO_STREAM) for stream_id in stream_ids]

    async def read_stream(self, stream_id: UUID, *, after_version: int = 0, to_version: int | None = None) -> list[Recorded]:
        """Events of one stream in order of version, up to and including `to_version`."""
        upto = to_version if to_version is not None else 2**62
        query = "SELECT pos, data, meta FROM event WHERE stream_id = $1 AND version > $2 AND version <= $3 ORDER BY version"
        rows = await self._pool.fetch(query, stream_id, after_version, upto)
        return [recorded_from_meta(row["meta"], row["pos"], row["data"]) for row in rows]

    async def stored_range(self, event_ids: Sequence[UUID]) -> tuple[UUID, int, int] | None:
        """(stream, first version, last version) of these events of one command; None where none is stored."""
        row = await self._pool.fetchrow(
            "SELECT stream_id, min(version), max(version) FROM event WHERE event_id = ANY ($1) GROUP BY stream_id", event_ids
        )
        return tuple(row) if row else None

    async def place_of(self, stream_id: UUID, *, version: int) -> Place | None:
        """Where one version of a stream stands."""
        row = await self._pool.fetchrow(
            "SELECT shard, pos, meta FROM event WHERE stream_id = $1 AND version = $2", stream_id, version
        )
        return Place(row["shard"], row["pos"], epoch_of(row["meta"])) if row else None

    async def reach(self) -> Reach:
        """How far the log reaches, at one moment."""
        return await reach_of(self._pool)

    async def _append_waiting(self, appends: Sequence[Append]) -> list[AppendResult | Exception]:
        results: dict[int, AppendResult | Exception] = {}
        waiting = sorted(range(len(appends)), key=lambda n: bool(appends[n].along))
        while waiting:
            now, waiting = _independent(appends, waiting)
            results.update(zip(now, await self._append_now([appends[n] for n in now]), strict=True))
        answers = [results[n] for n in range(len(appends))]
        count(list(zip(appends, answers, strict=True)))
        return answers

    async def _append_now(self, appends: Sequence[Append]) -> Sequence[AppendResult | Exception]:
        APPEND_GROUP_COMMANDS.observe(len(appends))
        traces = (traceparent_in(append.events[0].meta) for append in appends if append.events)
        try:
            with APPEND_SECONDS.time(), at_once(appending(len(appends)), traces):
                async with self._pool.acquire() as connection:
                    passing(CrashPoint.APPEND_BEGUN)
                    results = await append_whole_group(connection, appends, epoch=self.epoch)
                    passing(CrashPoint.APPEND_COMMITTED)
        except NotWhole as broken:
            others = [append for n, append in enumerate(appends) if n not in broken.results]
            left = iter(await self._append_now(others) if others else ())
            return [broken.results.get(n) or next(left) for n in range(len(appends))]
        except asyncpg.PostgresError as error:
            if error.sqlstate == EPOCH_CHANGED:
                await self.learn_epoch()
                return [Conflict(version=append.expected_version) for append in appends]
            if len(appends) == 1 and is_stored_already(error):
                return [AlreadyStored()]
            if len(appends) == 1 or isinstance(error, TRY_NO_OTHER):
                return [error] * len(appends)
            # One of them cannot be stored: the others must not suffer for it.
            return [(await self._append_now([append]))[0] for append in appends]
        except (Unavailable, *DATABASE_ERRORS) as error:
            # Answers for these alone: what an earlier group of the same batch stored stays told as stored.
            return [error] * len(appends)
        self._tell(results)
        return results[: len(appends)]

    def _tell(self, results: Sequence[AppendResult]) -> None:
        for result in results:
            if isinstance(result, Appended) and result.last_pos is not None:
                self.on_appended(result.shard, result.last_pos)


def count(told: Sequence[tuple[Append, AppendResult | Exception]]) -> None:
    """Add to the metrics what became of the commands. Of those of a transaction, once it is committed or has failed."""
    for outcome, commands in Counter(OUTCOMES.get(type(each), "failed") for _, each in told).items():
        APPENDS.labels(outcome).inc(commands)
    stored = (each for append, result in told if isinstance(result, Appended) for each in (append, *append.along))
    for event_type, events in Counter(event.type for each in stored for event in each.events).items():
        APPENDED.labels(event_type).inc(events)


def is_stored_already(error: asyncpg.PostgresError) -> bool:
    """Whether an append failed because its events stand in the log: the same command makes the same event ids."""
    return isinstance(error, asyncpg.UniqueViolationError) and error.constraint_name == "event_event_id_key"


def _independent(appends: Sequence[Append], waiting: Sequence[int]) -> tuple[list[int], list[int]]:
    """Those that one group can take (no stream and no key twice, nor whose transaction holds rows for longer), and the others."""
    is_joint = bool(appends[waiting[0]].along)
    seen, now, later = set[object](), list[int](), list[int]()
    for n, append in ((n, appends[n]) for n in waiting):
        streams = (each.stream_id for each in (append, *append.along))
        claims = {*streams, append.key and (append.key.principal, append.key.key)} - {None}
        (later if seen & claims or bool(append.along) is not is_joint else now).append(n)
        seen |= claims
    return now, later
