"""The relay, beside the bare client sending the same records, already encoded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg

from bench.place import Place
from bench.store import append
from bench.table import Row
from chassis.broker import Broker
from chassis.event_store import append_group
from chassis.kafka import ProducerHolder, make_producer, provision
from chassis.leases import Leases
from chassis.relay import LOOK_S, Relay, TopicPublisher, unpublished
from chassis.shard_heads import ShardHeads
from contracts.event import record_headers
from contracts.topics import Topic

EVENTS = 400_000
PARTITIONS = 16
WHOLE_LOG_S = 60  # one answer with every event; commands have far less
TOPIC = Topic("bench.events.v1", owner="bench", carries="bench", readers=(), partitions=PARTITIONS, retention_ms=None)
REFERENCE = Topic("bench.reference.v1", owner="bench", carries="bench", readers=(), partitions=PARTITIONS, retention_ms=None)


async def measure(place: Place) -> Sequence[Row]:
    bootstrap = place.parts.kafka.bootstrap
    await asyncio.to_thread(provision, bootstrap, [TOPIC, REFERENCE], prefix="")
    async with place.log("bench_relay") as pool:
        await fill(pool, EVENTS)
        reference = await _bare_client(pool, bootstrap)
        relayed = await _relay(pool, bootstrap)
    return [Row("relay, log → Kafka", relayed, "/s", reference, "≥ 0.6×", "send_batch, records already encoded")]


async def fill(pool: asyncpg.Pool, events: int) -> None:
    """A log with so many events, a stream each."""
    async with pool.acquire() as connection:
        for _ in range(events // 500):
            await append_group(connection, [append(uuid4()) for _ in range(500)], epoch=1)


async def _bare_client(pool: asyncpg.Pool, bootstrap: str) -> float:
    rows = await pool.fetch("SELECT shard, pos, stream_id, data, meta FROM event ORDER BY shard, pos", timeout=WHOLE_LOG_S)
    by_partition: list[list[tuple[bytes, bytes, list[tuple[str, bytes]]]]] = [[] for _ in range(PARTITIONS)]
    for row in rows:
        stream_id: UUID = row["stream_id"]
        record = (str(stream_id).encode(), row["data"], record_headers(row["meta"].split(b"\n"), row["pos"]))
        by_partition[row["shard"] % PARTITIONS].append(record)
    producer = make_producer(bootstrap)
    await producer.start()
    began = time.perf_counter()
    await asyncio.gather(*(_send(producer, partition, records) for partition, records in enumerate(by_partition)))
    rate = len(rows) / (time.perf_counter() - began)
    await producer.stop()
    return rate


async def _send(producer: object, partition: int, records: Sequence[tuple[bytes, bytes, list[tuple[str, bytes]]]]) -> None:
    batch = producer.create_batch()  # type: ignore[attr-defined]
    for key, value, headers in records:
        if batch.append(key=key, value=value, headers=headers, timestamp=None) is None:
            await (await producer.send_batch(batch, REFERENCE.name, partition=partition))  # type: ignore[attr-defined]
            batch = producer.create_batch()  # type: ignore[attr-defined]
            batch.append(key=key, value=value, headers=headers, timestamp=None)
    await (await producer.send_batch(batch, REFERENCE.name, partition=partition))  # type: ignore[attr-defined]


async def _relay(pool: asyncpg.Pool, bootstrap: str) -> float:
    async with relaying(pool, bootstrap, TOPIC) as began:
        await all_published(pool)
        return EVENTS / (time.perf_counter() - began)


@asynccontextmanager
async def relaying(pool: asyncpg.Pool, bootstrap: str, topic: Topic) -> AsyncIterator[float]:
    """The log is relayed, by one worker, for the time of the block. When it began."""
    producers = ProducerHolder(lambda: make_producer(bootstrap))
    await producers.get()
    heads = ShardHeads(pool)
    relay = Relay(pool, heads, TopicPublisher(producers, topic.name), Broker(bootstrap, kept_s=LOOK_S), partitions=PARTITIONS)
    leases = Leases(pool, relay.works())
    began = time.perf_counter()
    tasks = [asyncio.create_task(leases.run()), asyncio.create_task(heads.run())]
    try:
        yield began
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await producers.close()


async def all_published(pool: asyncpg.Pool) -> None:
    """Return when nothing waits for the relay."""
    async with pool.acquire() as connection:
        while await unpublished(connection):  # noqa: ASYNC110 - another task makes it true
            await asyncio.sleep(0.01)
