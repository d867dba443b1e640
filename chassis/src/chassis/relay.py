"""The relay: log → Kafka, same bytes, same order, at least once.

A partition of the topic is leased (`relay/NN`), its shards are read in order from the stored mark, and one batch is in
flight at a time. The mark moves after the broker acknowledged, and only while the lease is held; readers drop what
comes twice by its position. After any failure the producer is thrown away and the shards are read anew from the mark.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import asyncpg
import structlog
from aiokafka.errors import KafkaError

from chassis.database import Connection
from chassis.kafka import BATCH_BYTES_MAX, ProducerHolder
from chassis.leases import Lease, LeaseLost, Work
from chassis.metrics import RELAYED
from chassis.shard_heads import ShardHeads
from contracts.event import HEADERS, SHARDS, record_headers

READ_EVENTS_MAX = 500
"""Events of one shard that one round publishes at most."""
PUBLISH_S_MAX = 10.0
"""How long the broker may take to acknowledge a round. aiokafka itself would try for ever."""
PAUSE_S_MIN, PAUSE_S_MAX = 0.1, 2.0
"""Pause after a failed round, doubled each time."""

KEY_AT = HEADERS.index("ce_partitionkey")

READ = """
SELECT e.shard, e.pos, e.data, e.meta
FROM unnest($1::smallint[], $2::bigint[]) AS m (shard, mark)
CROSS JOIN LATERAL (SELECT * FROM event WHERE shard = m.shard AND pos > m.mark ORDER BY pos LIMIT $3) AS e
"""

# What a crash of the database takes back is published again, and dropped by its position: no need to wait for the disk.
MARK = """
WITH unsynced AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), fence AS MATERIALIZED (
    SELECT FROM unsynced CROSS JOIN lease WHERE name = $1 AND token = $2 FOR UPDATE OF lease
), marked AS (
    INSERT INTO published (shard, last_pos)
    SELECT shard, pos FROM fence CROSS JOIN unnest($3::smallint[], $4::bigint[]) AS m (shard, pos)
    ON CONFLICT (shard) DO UPDATE SET last_pos = excluded.last_pos
    RETURNING shard
)
SELECT count(*) > 0 FROM marked
"""

log = structlog.get_logger()


class Publisher(Protocol):
    """Where the relay sends what it read."""

    async def publish(self, partition: int, rows: Sequence[asyncpg.Record]) -> None:
        """Return when the broker has acknowledged all rows (shard, pos, data, meta), in order. Raises: KafkaError, OSError."""


class TopicPublisher:
    """The service's own topic: record = stored bytes, key = stream id, partition = shard mod partitions."""

    def __init__(self, producers: ProducerHolder, topic: str) -> None:
        self._producers = producers
        self._topic = topic

    async def publish(self, partition: int, rows: Sequence[asyncpg.Record]) -> None:
        producer = await self._producers.get()
        try:
            async with asyncio.timeout(PUBLISH_S_MAX):
                batch = producer.create_batch()
                for row in rows:
                    record = _record(row)
                    if batch.append(**record) is None:
                        await (await producer.send_batch(batch, self._topic, partition=partition))
                        batch = producer.create_batch()
                        if batch.append(**record) is None:
                            raise AssertionError(f"an event exceeds {BATCH_BYTES_MAX} bytes")
                await (await producer.send_batch(batch, self._topic, partition=partition))
        except BaseException:
            self._producers.drop(producer)
            raise


def _record(row: asyncpg.Record) -> dict[str, Any]:
    values = row["meta"].split(b"\n")
    return {"key": values[KEY_AT], "value": row["data"], "headers": record_headers(values, row["pos"]), "timestamp": None}


class Relay:
    """Publishes the service's log, as far as its partitions are leased here."""

    def __init__(self, pool: asyncpg.Pool, heads: ShardHeads, publisher: Publisher, *, partitions: int) -> None:
        self._pool = pool
        self._heads = heads
        self._publisher = publisher
        self._partitions = partitions

    def works(self) -> dict[str, Work]:
        return {f"relay/{partition:02}": partial(self._relay, partition) for partition in range(self._partitions)}

    async def _relay(self, partition: int, lease: Lease) -> None:
        pause = PAUSE_S_MIN
        marks = await self._read_marks(partition)
        while True:
            await self._heads.beyond(marks)
            rows = await self._read(marks)
            try:
                await self._publisher.publish(partition, rows)
            except (KafkaError, OSError) as error:
                log.warning("relay.publish_failed", partition=partition, error_type=type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, PAUSE_S_MAX)
                continue
            pause = PAUSE_S_MIN
            reached = {row["shard"]: row["pos"] for row in rows}
            await self._mark(lease, reached)
            marks |= reached
            RELAYED.inc(len(rows))

    async def _read_marks(self, partition: int) -> dict[int, int]:
        shards = range(partition, SHARDS, self._partitions)
        rows = await self._pool.fetch("SELECT shard, last_pos FROM published WHERE shard = ANY($1)", list(shards))
        return dict.fromkeys(shards, 0) | {row["shard"]: row["last_pos"] for row in rows}

    async def _read(self, marks: Mapping[int, int]) -> Sequence[asyncpg.Record]:
        rows: Sequence[asyncpg.Record] = await self._pool.fetch(READ, list(marks), list(marks.values()), READ_EVENTS_MAX)
        return rows

    async def _mark(self, lease: Lease, reached: Mapping[int, int]) -> None:
        """Raises: LeaseLost: somebody else publishes this partition by now, perhaps these events a second time."""
        if not await self._pool.fetchval(
            MARK, lease.name, lease.token, sorted(reached), [reached[shard] for shard in sorted(reached)]
        ):
            raise LeaseLost(lease.name)


async def unpublished(connection: Connection) -> Mapping[int, int]:
    """Events per shard that the broker has not acknowledged yet, as far as marked; shards without any are left out."""
    rows = await connection.fetch(
        "SELECT h.shard, h.last_pos - coalesce(p.last_pos, 0) AS behind FROM shard_head h LEFT JOIN published p USING (shard)"
        " WHERE h.last_pos > coalesce(p.last_pos, 0)"
    )
    return {row["shard"]: row["behind"] for row in rows}
