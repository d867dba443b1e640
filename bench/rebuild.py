"""A rebuild of reporting's people from two million events on Kafka, compared with the live tables and switched."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import defaultdict
from collections.abc import Sequence

from bench.place import Place
from bench.projector import MIGRATIONS, PARTITIONS, batched, positions, publish, recorded_of
from bench.table import Row
from chassis.consumer import TopicFeed
from chassis.kafka import provision
from chassis.migrations import migrate
from chassis.rebuild import Rebuild
from chassis.twin_tables import TwinTables, owner_pool
from contracts.topics import Topic
from devstack.databases import provide_database
from reporting.read_models.people import PEOPLE_ON_CONTRACTS

EVENTS = 2_000_000
EVENTS_AT_ONCE = 100_000
"""Prepared in memory for publishing."""
TOPIC = Topic("bench.rebuild.v1", owner="bench", carries="registration", readers=(), partitions=PARTITIONS, retention_ms=None)
TWINS = TwinTables(PEOPLE_ON_CONTRACTS)


async def measure(place: Place) -> Sequence[Row]:
    await asyncio.to_thread(provision, place.parts.kafka.bootstrap, [TOPIC], prefix="")
    heads = await _fill(place.parts.kafka.bootstrap)
    database = await provide_database(place.parts.postgres.dsn, place.state, "bench_rebuild")
    await migrate(database.owner_dsn, MIGRATIONS)
    feed = TopicFeed(place.parts.kafka.bootstrap, {"registration": TOPIC.name})
    fetching = asyncio.create_task(feed.run())
    async with owner_pool(database.owner_dsn, TWINS.new) as owner:
        await owner.executemany(
            "INSERT INTO public.position (subscriber, source, shard, epoch, last_pos) VALUES ($1, 'registration', $2, 1, $3)",
            [(PEOPLE_ON_CONTRACTS.name, shard, pos) for shard, pos in heads.items()],
        )
        rebuild = Rebuild(PEOPLE_ON_CONTRACTS, owner, None, {"registration": feed}, PARTITIONS, _Stages())
        gc.collect()
        gc.disable()  # As the command does.
        await rebuild.run(replace=True)  # So that there are live tables to compare with.
        async with owner.acquire() as connection:
            await TWINS.drop(connection, TWINS.old)
        began = time.perf_counter()
        differences = await rebuild.run()
        rate = EVENTS / (time.perf_counter() - began)
        gc.enable()
        assert all(each.is_none for each in differences)
        assert differences[0].new == EVENTS
    fetching.cancel()
    await asyncio.gather(fetching, return_exceptions=True)
    return [Row("rebuild, 2 M events, Kafka → compared and switched, one process", rate, "/s", None, "≥ 60,000/s")]


async def _fill(bootstrap: str) -> dict[int, int]:
    heads: dict[int, int] = defaultdict(int)
    for _ in range(0, EVENTS, EVENTS_AT_ONCE):
        recorded = [recorded_of(*each) for each in positions(EVENTS_AT_ONCE, heads)]
        await publish(bootstrap, TOPIC, batched(recorded))
    return heads


class _Stages:
    """Prints when each stage began."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def __call__(self, stage: str) -> None:
        print(f"{time.perf_counter() - self._began:7.1f} s  {stage}")
