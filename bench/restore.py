"""A server is lost with its disk: how much is lost with it, and how long it takes until its log takes the next command."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

import asyncpg

from bench.load import percentile
from bench.lost_server import LostServer, took
from bench.place import SECONDS, Place
from bench.relay import PARTITIONS, all_published, fill, relaying
from bench.store import append
from bench.table import Row
from chassis.database import create_pool
from chassis.event_store import Appended, EventStore
from chassis.kafka import provision
from chassis.migrations import LOG, WORK, migrate
from chassis.probes import NotReady
from chassis.relay import OLDEST
from chassis.restore import Examination
from contracts.topics import Topic
from devstack.databases import Database, provide_database
from devstack.postgres import LOGS

BACKED_UP, ARCHIVED, PUBLISHED = 100_000, 50_000, 25_000
"""Events in the base backup, in the WAL up to the time that is restored to, and later, which only the topic gives back."""
WRITERS = 32
DISTRICT_PER_SECOND = 50
"""Commands in the worst second of a district (docs/operations.md)."""
LOOK_S = 0.005
"""Between two looks at the age of what is not published yet."""
TOPIC = Topic("bench.restore.v1", owner="bench", carries="bench", readers=(), partitions=PARTITIONS, retention_ms=None)


@dataclass
class Log:
    """One that is relayed, on a server that can be lost."""

    server: LostServer
    database: Database
    bootstrap: str

    async def opened(self) -> asyncpg.Pool:
        return await create_pool(self.database.app_dsn, application_name="bench")

    async def grow(self, events: int) -> None:
        """And have it published."""
        async with await self.opened() as pool:
            await fill(pool, events)
            async with relaying(pool, self.bootstrap, TOPIC):
                await all_published(pool)


async def measure(place: Place) -> Sequence[Row]:
    bootstrap = place.parts.kafka.bootstrap
    await asyncio.to_thread(provision, bootstrap, [TOPIC], prefix="")
    server = LostServer.at(place, "restored", size=LOGS)
    await server.postgres.start()
    try:
        database = await provide_database(server.postgres.dsn, place.state, "bench_restore")
        await migrate(database.owner_dsn, [LOG, WORK])
        log = Log(server, database, bootstrap)
        usual, at_most = await _lost_with_it(log, per_second=DISTRICT_PER_SECOND), await _lost_with_it(log)
        return [
            Row(
                f"lost with a disk: oldest unpublished event, {DISTRICT_PER_SECOND} commands a second, p99", usual, "ms", None, "–"
            ),
            Row(f"…, as many as {WRITERS} writers get in, p99", at_most, "ms", None, "–"),
            *await _restored(log),
        ]
    finally:
        await server.postgres.stop()


async def _lost_with_it(log: Log, *, per_second: float | None = None) -> float:
    """What is acknowledged and not published yet, whenever somebody looks: p99, in ms. Commands come so fast, or as fast as they
    are taken."""
    ages_ms: list[float] = []
    async with await log.opened() as pool, relaying(pool, log.bootstrap, TOPIC):
        store = await EventStore.open(pool)
        began = time.perf_counter()
        end = began + SECONDS
        due = itertools.count(began, 1 / per_second) if per_second else None

        async def write() -> None:
            while time.perf_counter() < end:
                if due is not None:
                    await asyncio.sleep(max(0.0, next(due) - time.perf_counter()))
                await store.append(append(uuid4()))

        async def look() -> None:
            while time.perf_counter() < end:
                ages_ms.append(1000 * (await pool.fetchval(OLDEST) or 0.0))
                await asyncio.sleep(LOOK_S)

        await asyncio.gather(look(), *(write() for _ in range(WRITERS)))
        await all_published(pool)
        await store.close()
    return percentile(ages_ms, 99)


async def _restored(log: Log) -> Sequence[Row]:
    server = log.server
    await log.grow(BACKED_UP)
    backup_s = await took(server.backups.make())
    await log.grow(ARCHIVED)
    until = await server.archive()
    await log.grow(PUBLISHED)
    await server.archive()
    size_mb = server.base_mb
    await server.lose()
    began = time.perf_counter()
    put_back_s, wal_s = await server.bring_back(until)
    async with await log.opened() as pool:
        store = await EventStore.open(pool)
        examination = Examination(pool, store, service="bench", address=log.bootstrap, topic=TOPIC.name, kinds={})
        complete_s = await took(_opened(examination))
        if not isinstance(await store.append(append(uuid4(), epoch=store.epoch)), Appended):
            raise AssertionError("a new stream cannot conflict")
        all_s = time.perf_counter() - began
        taken_back = await pool.fetchval("SELECT events_taken_back FROM restoration")
        assert taken_back == PUBLISHED
        count = await pool.fetchval("SELECT sum(last_pos)::bigint FROM shard_head")
        await store.close()
    return [
        Row("base backup, made and checked", size_mb / backup_s, "MB/s", None, "–"),
        Row("restore: the base backup put in its place", size_mb / put_back_s, "MB/s", None, "–"),
        Row("restore: events taken in from the archived WAL", ARCHIVED / wal_s, "/s", None, "–"),
        Row("restore: events taken back from the topic", taken_back / complete_s, "/s", None, "–"),
        Row(f"restore: all of that until the first command, {count:,} events, {size_mb:,.0f} MB backed up", all_s, "s", None, "–"),
    ]


async def _opened(examination: Examination) -> None:
    """Return once the log takes commands."""
    while True:
        await examination.begin()
        with suppress(NotReady):
            await examination.check()
            return
