"""A log that was brought back from a backup lacks its last events. Its topic still has them.

PostgreSQL tells a restored database from one that went on: it lives in another cluster, on another timeline or under another
number. The append refuses everything (`LOG_CLOSED`) until the log was examined where it lives now. A copy of the files that
nothing tells apart is found by its topic, which reaches further than the log; every process looks when it starts, and whenever
the server was started: its relay waits for that.

What the topic has beyond the log is taken back: the same bytes, ids, positions and versions. Then the epoch rises, and only
then is anything accepted. Where the topic cannot be asked, a restored log stays closed until it can, or until the operator
accepts the loss (`accept-loss`).

A copy that took commands before its topic could be asked may have other events than this in the same places. Nothing can be both:
it is closed, and nothing of it is published, until somebody decides.
"""

from __future__ import annotations

import asyncio
import math
from argparse import ArgumentParser, Namespace
from array import array
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from chassis.broker import Broker, TopicSeen
from chassis.crash_points import CrashPoint, passing
from chassis.database import DATABASE_ERRORS, Connection, create_pool
from chassis.event_store import EventStore
from chassis.kafka import Address, consuming
from chassis.metrics import LOG_CLOSED
from chassis.probes import NotReady
from chassis.service import Service
from chassis.shard_heads import shard_heads
from contracts.event import SHARDS, NotAnEvent, Recorded, recorded_from_headers

EXAMINE_S = 2.0
"""Between two looks at whether the log is closed."""
BEGIN_S_MAX = 30.0
"""How long a process waits with serving until its log is examined."""
UNDECIDED_S = 60.0
"""Between two comparisons while nobody has decided."""
FETCH_S_MAX = 30.0
"""How long the broker may take to give the next records of a topic that has some."""
CHUNK_EVENTS_MAX = 1_000
"""Events that are taken back in one transaction."""
UNDECIDED = frozenset({"hole-in-topic", "fork-in-topic"})
"""Closed because of what only somebody's decision ends."""
LOCK_ID = 0x52455354
"""Advisory lock of whoever completes the log."""

Ranges = Mapping[TopicPartition, tuple[int, int]]
"""Partition → the offsets from the first to before the second."""
Stored = tuple[bytes, bytes]
"""Of an event, `data` and `meta`. Its id alone says too little: a command that is repeated, and decided anew, gives the same."""

log = structlog.get_logger()


class HoleInTopic(Exception):
    """The topic has events beyond one that it lacks: nobody can complete the log from it."""


class ForkInTopic(Exception):
    """The topic has another event than the log in one place: nobody can complete the log from it."""

    def __init__(self, shard: int, pos: int) -> None:
        super().__init__(shard, pos)
        self.shard = shard
        self.pos = pos


class BeingCompleted(OSError):
    """Another process of the service is at it."""


class Examination:
    """Sees to it that this service's log is whole before anything is appended to it."""

    def __init__(
        self, pool: asyncpg.Pool, store: EventStore, *, service: str, address: Address, topic: str | None, kinds: Mapping[str, str]
    ) -> None:
        """`topic` carries the log as stored; None: nothing does. `kinds`: type of event → kind of stream."""
        self._pool = pool
        self._store = store
        self._address = address
        self._broker = Broker(address, kept_s=0.0)
        self._topic = topic
        self._kinds = kinds
        self._service = service
        self._epoch_min = 0
        self._doubts = True
        """This process has not compared the log with its topic yet."""
        self._closed_because: str | None = None
        self._compared_at_s = -math.inf
        """When what it is closed because of was last found, by the clock of the loop."""
        self._beginning: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Ready while the log is open. Raises: NotReady."""
        if self._closed_because is not None:
            raise NotReady(self._closed_because)

    async def begin(self) -> None:
        """Before the process serves: examine the log, also where nothing seems to be wrong.

        What takes longer than `BEGIN_S_MAX`, as with a broker that hangs, goes on beside, and `run` waits for it. Until then a
        restored log stays closed, and none is published."""
        self._beginning = asyncio.create_task(self._begin())
        try:
            done, _ = await asyncio.wait([self._beginning], timeout=BEGIN_S_MAX)
        except asyncio.CancelledError:
            self._beginning.cancel()
            raise
        if done:
            self._beginning.result()
        else:
            log.warning("restore.examination_takes_long")

    async def _begin(self) -> None:
        while not await self._try():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(EXAMINE_S)

    async def run(self) -> None:
        """Until cancelled: a log that is closed is opened, and one whose topic was silent compared, as soon as that can be done."""
        if self._beginning is not None:
            await self._beginning
        while True:
            await asyncio.sleep(EXAMINE_S)
            await self._try()

    async def _try(self) -> bool:
        """Whether it is known how the log is: not while another process looks through one that seems to be open."""
        try:
            at_start, is_open, is_compared = await self._look()
        except DATABASE_ERRORS as error:  # A server that is away says nothing of its log.
            log.warning("restore.not_examined", error_type=type(error).__name__)
            return True
        try:
            if not is_open:
                self._tell(self._closed_because or "not-examined")
                if self._is_undecided and asyncio.get_running_loop().time() < self._compared_at_s + UNDECIDED_S:
                    return True
            if self._doubts or not (is_open and is_compared):
                await self._compare(is_open=is_open)
                await self._pool.execute("SELECT note_compared($1)", at_start)
                self._doubts = False
            self._tell(None)
        except DATABASE_FAULTS as error:
            log.warning("restore.not_examined", error_type=type(error).__name__)
        except HoleInTopic:
            self._stay_closed("hole-in-topic")
        except ForkInTopic as fork:
            self._stay_closed("fork-in-topic", shard=fork.shard, pos=fork.pos)
        except (KafkaError, OSError) as error:
            is_at_it = isinstance(error, BeingCompleted)
            if is_open and is_at_it:
                return False
            if is_open:  # It lives where it lived: what cannot be asked is not refused. It is not published either.
                self._tell(None)
            elif not self._is_undecided:  # What is known already is not unknown again because it cannot be looked at now.
                self._stay_closed("being-completed" if is_at_it else "restored-without-topic")
        return True

    @property
    def _is_undecided(self) -> bool:
        return self._closed_because in UNDECIDED

    def _stay_closed(self, reason: str, **where: int) -> None:
        self._compared_at_s = asyncio.get_running_loop().time()
        if self._closed_because != reason:
            log.error("restore.log_closed", reason=reason, **where)
        self._tell(reason)

    def _tell(self, closed_because: str | None) -> None:
        self._closed_because = closed_because
        LOG_CLOSED.set(closed_because is not None)

    async def _look(self) -> tuple[datetime, bool, bool]:
        """When the server was started; whether the log is open; whether it was compared with its topic since that start."""
        await self._pool.execute("SELECT close_if_elsewhere()")
        [(at_start, is_open, is_compared)] = await self._pool.fetch(LOOK)
        return at_start, is_open, is_compared

    async def _compare(self, *, is_open: bool) -> None:
        """Complete the log if it is closed, or if its topic has what it has not.

        Raises: what the broker raises; HoleInTopic; ForkInTopic; BeingCompleted.
        """
        # Read once: what a relay marks from here on must not hide what was beyond.
        unseen = await self._unseen()
        if not is_open or await self._lacks(unseen):
            await self._complete(unseen)

    async def _lacks(self, unseen: Ranges) -> bool:
        """Whether the topic has events that the log has not: beyond its end, or where it has others."""
        async for events in self._read(unseen):
            # Asked after they were read: what was appended meanwhile and relayed at once is there.
            stored = await _stored(self._pool, events)
            if any(stored.get((event.shard, event.pos)) != _as_stored(event) for event in events):
                return True
        return False

    async def _complete(self, unseen: Ranges) -> None:
        """Take back what the topic has beyond the log, and go on in a later epoch. One process does; the others find it done."""
        async with self._pool.acquire() as connection, _alone(connection):
            _, is_open, _ = await self._look()
            if not is_open or await self._lacks(unseen):
                await connection.execute("SELECT begin_restoration()")
                passing(CrashPoint.RESTORE_BEGUN)
                await self._require_no_fork(unseen, await shard_heads(connection))
                await self._take_back(connection, unseen)
                epoch = await connection.fetchval(REOPEN)
                passing(CrashPoint.RESTORE_ENDED)
                log.warning("restore.log_completed", count=await connection.fetchval(TAKEN_BACK, epoch), epoch=epoch)
        await self._store.learn_epoch()

    async def _require_no_fork(self, unseen: Ranges, heads: Mapping[int, int]) -> None:
        """Before anything is taken back: where one of two is to be given up, nothing is mixed. Raises: ForkInTopic."""
        beyond = _Beyond(heads, events_max=sum(end - first for first, end in unseen.values()))
        async for events in self._read(unseen):
            stored = await _stored(self._pool, events)
            for event in events:
                if stored.get((event.shard, event.pos), _as_stored(event)) != _as_stored(event):
                    raise ForkInTopic(event.shard, event.pos)
                beyond.require_one(event)

    async def _take_back(self, connection: Connection, unseen: Ranges) -> None:
        heads = await shard_heads(connection)
        beyond = dict(heads)
        async for events in self._read(unseen):
            following = []
            for event in events:
                beyond[event.shard] = max(beyond[event.shard], event.pos)
                if event.pos == heads[event.shard] + 1:
                    heads[event.shard] = event.pos
                    following.append(event)
            for first in range(0, len(following), CHUNK_EVENTS_MAX):
                await connection.execute(TAKE_BACK, *self._columns(following[first : first + CHUNK_EVENTS_MAX]))
                passing(CrashPoint.RESTORE_TAKEN_BACK)
        if beyond != heads:
            raise HoleInTopic

    def _columns(self, events: Sequence[Recorded]) -> Iterable[list[Any]]:
        ordered = sorted(events, key=lambda event: (event.shard, event.pos))
        rows = [
            (
                event.shard,
                event.pos,
                event.stream_id,
                self._kinds.get(event.type, "unknown"),
                event.version,
                event.event_id,
                event.type,
                *_as_stored(event),
            )
            for event in ordered
        ]
        return map(list, zip(*rows, strict=True))

    async def _unseen(self) -> Ranges:
        """Partition → from where to where it holds what the relay's marks say nothing of. Raises: TopicMissing, BrokerSilent."""
        if self._topic is None:
            return {}
        seen: TopicSeen = (await self._broker.topics([self._topic]))[self._topic]
        rows = await self._pool.fetch(RELAYED, self._topic)
        known = {row["relay_partition"]: row["end_offset"] for row in rows if row["topic_id"] == seen.topic_id}
        ranges = {partition: (known.get(partition, 0), end) for partition, end in seen.ends.items()}
        return {TopicPartition(self._topic, partition): each for partition, each in ranges.items() if each[0] < each[1]}

    async def _read(self, ranges: Ranges) -> AsyncIterator[list[Recorded]]:
        """Events of these ranges, each partition's in order. Raises: KafkaError, TimeoutError."""
        if not ranges:
            return
        # What was given up once is not taken back by somebody who comes later.
        self._epoch_min = await self._pool.fetchval(EPOCH_MIN)
        async with consuming(self._address, start_s=FETCH_S_MAX) as consumer:
            consumer.assign(list(ranges))
            for partition, (first, _) in ranges.items():
                consumer.seek(partition, first)
            left = dict(ranges)
            while left:
                async with asyncio.timeout(FETCH_S_MAX):
                    polled = await consumer.getmany(*left, timeout_ms=int(FETCH_S_MAX * 500), max_records=CHUNK_EVENTS_MAX)
                if not polled:
                    raise TimeoutError
                for partition, records in polled.items():
                    yield [event for record in records if (event := self._own(record)) is not None]
                    if records[-1].offset + 1 >= left[partition][1]:
                        del left[partition]

    def _own(self, record: Any) -> Recorded | None:
        """An event of this log; None for anything else that lies in its topic."""
        try:
            event = recorded_from_headers(record.headers, record.value)
        except NotAnEvent:
            return None
        is_own = event.service == self._service and 0 <= event.shard < SHARDS
        return event if is_own and event.epoch >= self._epoch_min else None


class _Beyond:
    """What a topic has beyond the log: of each event eight bytes of its digest, since there may be millions of them."""

    def __init__(self, heads: Mapping[int, int], *, events_max: int) -> None:
        self._heads = heads
        self._events_max = events_max
        self._marks = {shard: array("Q") for shard in heads}

    def require_one(self, event: Recorded) -> None:
        """Return where the topic has told no other event for this place. Raises: ForkInTopic."""
        n = event.pos - self._heads[event.shard] - 1
        if not 0 <= n < self._events_max:
            return  # The log has it; or it stands beyond more than there is, and nothing leads there.
        marks, mark = self._marks[event.shard], int.from_bytes(event.digest[:8], "big") | 1
        marks.extend([0] * (n + 1 - len(marks)))
        if marks[n] not in (0, mark):
            raise ForkInTopic(event.shard, event.pos)
        marks[n] = mark


@asynccontextmanager
async def _alone(connection: Connection) -> AsyncIterator[None]:
    """Hold the lock in this session. Raises: BeingCompleted."""
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_ID):
        raise BeingCompleted
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", LOCK_ID)


async def _stored(connection: Connection | asyncpg.Pool, events: Sequence[Recorded]) -> dict[tuple[int, int], Stored]:
    """What the log has in their places, by shard and position."""
    rows = await connection.fetch(STORED, [event.shard for event in events], [event.pos for event in events])
    return {(row["shard"], row["pos"]): (row["data"], row["meta"]) for row in rows}


def _as_stored(event: Recorded) -> Stored:
    return event.data, b"\n".join(event.headers)


DATABASE_FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)

LOOK = """
SELECT pg_postmaster_start_time(), examined_at_place IS NOT NULL, compared_at_start IS NOT DISTINCT FROM pg_postmaster_start_time()
FROM store
"""
STORED = """
SELECT e.shard, e.pos, e.data, e.meta FROM unnest($1::smallint[], $2::bigint[]) AS r (shard, pos) JOIN event AS e USING (shard, pos)
"""
RELAYED = "SELECT relay_partition, topic_id, end_offset FROM relayed_topic WHERE topic = $1"
EPOCH_MIN = "SELECT coalesce(max(epoch), 0) FROM restoration WHERE loss_accepted_because IS NOT NULL"
REOPEN = "SELECT end_restoration(0, NULL)"
TAKEN_BACK = "SELECT events_taken_back FROM restoration WHERE epoch = $1"
TAKE_BACK = "SELECT take_back($1, $2, $3, $4, $5, $6, $7, $8, $9)"


def loss_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--reason", required=True, help="why, and who decided: it is recorded")


async def is_log_complete(pool: asyncpg.Pool) -> bool:
    """Whether the log lives where it was examined: not so while one that was brought back lacks what its topic has."""
    complete: bool = await pool.fetchval("SELECT coalesce(examined_at_place = place_of_log(), false) FROM store")
    return complete


async def accept_loss(service: Service[Any], settings: Any, given: Namespace) -> int:
    """Open a restored log as it is: what its topic had, and is gone with it, is lost."""
    pool = await create_pool(settings.database_dsn.get_secret_value(), application_name=f"{service.name} accept-loss", size_max=1)
    async with pool:
        if await is_log_complete(pool):
            log.error("restore.log_is_open")
            return 2
        epoch = await pool.fetchval("SELECT end_restoration(0, $1)", given.reason)
    log.warning("restore.loss_accepted", epoch=epoch)
    return 0
