"""A service of the invented domain at work (own log, another's topic, a projector), and rebuilds of its read model.

`python -m tests.chassis.rebuilding OWNER_DSN BOOTSTRAP TOPIC STAGE` rebuilds and kills itself where the stage begins.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from chassis.consumer import TopicFeed
from chassis.event_store import Appended, EventStore
from chassis.kafka import make_producer
from chassis.leases import Leases
from chassis.projector import ForeignLog, OwnLog, Projector, Source
from chassis.rebuild import Rebuild
from chassis.rebuild_bar import Bar
from chassis.replay import Decoder
from chassis.shard_heads import ShardHeads
from chassis.tables import ReadModel, Rows
from chassis.twin_tables import TwinTables, owner_pool
from contracts.event import SHARDS, Recorded, record_headers
from devstack.databases import Database
from tests.at_work import at_work
from tests.chassis.log_database import LogDatabase, opened_log
from tests.chassis.tallies import SERVICE, append_of, in_shard
from tests.chassis.tally_rows import MADE, MODEL, TABLES, OtherCounted
from tests.chassis.tally_topics import started
from tests.told import recorded

PARTITIONS = 4
OTHER = "other"


def quiet(_: str) -> None:
    """Nobody is told."""


@dataclass
class Service:
    """What is appended and published is remembered, for a fold of the test's own."""

    database: Database
    log: LogDatabase
    store: EventStore
    bootstrap: str
    topic: str
    others: list[Recorded] = field(default_factory=list)
    _shards: Iterator[int] = field(default_factory=lambda: cycle(range(SHARDS)))

    async def append(self, count: int) -> None:
        """New tallies, each counted up some times."""
        appends = [append_of(in_shard(next(self._shards)), events=3) for _ in range(count)]
        results = await asyncio.gather(*map(self.store.append, appends))
        assert all(isinstance(result, Appended) for result in results)

    async def publish(self, count: int) -> None:
        """New tallies of the other service, each counted once."""
        made = []
        for _ in range(count):
            stream_id = in_shard(next(self._shards))
            shard = stream_id.int % SHARDS
            pos = 1 + sum(each.shard == shard for each in self.others)
            self.others.append(recorded(OtherCounted(tally_id=stream_id, amount=pos), stream_id, pos=pos))
            made.append(self.others[-1])
        async with started(make_producer(self.bootstrap)) as producer:
            for each in made:
                headers = record_headers(each.headers, each.pos)
                await producer.send(
                    self.topic, each.data, key=str(each.stream_id).encode(), partition=each.shard % PARTITIONS, headers=headers
                )
            await producer.flush()

    @asynccontextmanager
    async def projecting(self, model: ReadModel = MODEL) -> AsyncIterator[Projector]:
        """A worker."""
        heads = ShardHeads(self.log.pool)
        feed = TopicFeed(self.bootstrap, {OTHER: self.topic})
        sources: list[Source] = [OwnLog(SERVICE, self.log.pool, heads), ForeignLog(OTHER, feed)]
        projector = Projector(
            pool=self.log.pool, sources=sources, read_models=[model], policies=[], partitions=PARTITIONS, store=self.store
        )
        async with at_work(Leases(self.log.pool, projector.works()).run(), heads.run(), feed.run()):
            yield projector

    async def is_level(self) -> bool:
        """The read model has taken in everything."""
        rows = await self.log.rows(
            "SELECT source, sum(last_pos)::bigint FROM position WHERE subscriber = $1 GROUP BY source", MODEL.name
        )
        appended = sum((await self.log.heads()).values())
        return {key: count for key, count in {SERVICE: appended, OTHER: len(self.others)}.items() if count} == dict(rows)

    async def stored(self, schema: str = "public") -> dict[str, list[tuple[Any, ...]]]:
        """The rows of each table."""
        return {
            table.name: sorted(map(tuple, await self.log.rows(f"SELECT {', '.join(table.columns)} FROM {schema}.{table.name}")))
            for table in TABLES
        }

    async def folded(self) -> dict[str, list[tuple[Any, ...]]]:
        """The rows as they must be, from the logs alone, a partition at a time."""
        found: dict[str, list[tuple[Any, ...]]] = {table.name: [] for table in TABLES}
        async with self.log.pool.acquire() as connection:
            rows = await connection.fetch("SELECT stream_id FROM event GROUP BY stream_id")
        own = {row[0]: await self.store.read_stream(row[0]) for row in rows}
        for partition in range(PARTITIONS):
            memory = Rows(TABLES)
            events = [each for events in own.values() for each in events] + self.others
            mine = [each for each in events if each.shard % PARTITIONS == partition]
            MODEL.fold(memory, Decoder(MODEL).facts(mine), partition)
            for table in TABLES:
                found[table.name] += map(table.values_of, memory.of(table))
        return {name: sorted(rows) for name, rows in found.items()}

    @asynccontextmanager
    async def rebuild(self, tell: Callable[[str], None] = quiet, **changes: Any) -> AsyncIterator[Rebuild]:
        async with rebuild(self.database.owner_dsn, self.bootstrap, self.topic, tell, **changes) as work:
            yield work


@asynccontextmanager
async def rebuild(
    owner_dsn: str, bootstrap: str, topic: str, tell: Callable[[str], None], bar: Bar | None = None
) -> AsyncIterator[Rebuild]:
    feed = TopicFeed(bootstrap, {OTHER: topic})
    async with at_work(feed.run()), owner_pool(owner_dsn, TwinTables(MODEL).new) as owner:
        yield Rebuild(MODEL, owner, SERVICE, {OTHER: feed}, PARTITIONS, tell, bar or Bar())


@asynccontextmanager
async def running_service(database: Database, bootstrap: str, topic: str) -> AsyncIterator[Service]:
    async with opened_log(database) as log:
        await log.owner.execute(MADE)
        yield Service(database, log, await log.store(), bootstrap, topic)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class DeadlyBar(Bar):
    """Kills in the middle of folding, when some partitions are done."""

    def add(self, events: int) -> None:
        super().add(events)
        if self.done > self.total * 0.7:
            _kill()


async def _rebuild_until(owner_dsn: str, bootstrap: str, topic: str, stage: str) -> None:
    def tell(said: str) -> None:
        if said == stage:
            _kill()

    bar = DeadlyBar() if stage == "half folded" else Bar()
    async with rebuild(owner_dsn, bootstrap, topic, tell, bar) as work:
        await work.run()


if __name__ == "__main__":
    asyncio.run(_rebuild_until(*sys.argv[1:]))
