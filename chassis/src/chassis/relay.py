"""The relay: log → Kafka, same bytes, same order, at least once.

A partition of the topic is leased (`relay/NN`), its shards are read in order from the stored mark, and one batch is in
flight at a time. The mark moves after the broker acknowledged, and only while the lease is held; readers drop what
comes twice by its position. After any failure the producer is thrown away and the shards are read anew from the mark.

Kafka may lose everything. With the marks is stored which incarnation of the topics they speak of and how far these reached;
where the broker says otherwise, the topic was lost, and all of the partition is published again.

A log that was restored is not published before it was completed: its topic reaches further than its marks say, and whoever
completes it reads there what they say nothing of (`chassis.restore`). Whether it was, only its topic may know: none is published
before that was asked since the database server was started.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from chassis.broker import Broker, TopicMissing, TopicSeen
from chassis.crash_points import CrashPoint, passing
from chassis.database import Connection
from chassis.kafka import BATCH_BYTES_MAX, ProducerHolder
from chassis.leases import Lease, LeaseLost, Work, fence
from chassis.measuring import Measure
from chassis.metrics import RELAYED, TOPICS_LOST, UNPUBLISHED_AGE_S
from chassis.probes import NotReady
from chassis.shard_heads import ShardHeads
from chassis.tracing import at_once, publishing
from contracts.event import HEADERS, SHARDS, record_headers, traceparent_in

READ_EVENTS_MAX = 500
"""Events of one shard that one round publishes at most."""
PUBLISH_S_MAX = 10.0
"""How long the broker may take to acknowledge a round. aiokafka itself would try for ever."""
PAUSE_S_MIN, PAUSE_S_MAX = 0.1, 2.0
"""Pause after a failed round, doubled each time."""
LOOK_S = 5.0
"""Between two looks at whether the topics are still those that were published to."""
AGE_S = 5.0
"""Between two looks at how old the oldest unpublished event is."""

KEY_AT = HEADERS.index("ce_partitionkey")

READ = """
SELECT e.shard, e.pos, e.data, e.meta
FROM unnest($1::smallint[], $2::bigint[]) AS m (shard, mark)
CROSS JOIN LATERAL (SELECT * FROM event WHERE shard = m.shard AND pos > m.mark ORDER BY pos LIMIT $3) AS e
WHERE (SELECT may_be_published())
"""

# What a crash of the database takes back is published again, and dropped by its position: no need to wait for the disk.
MARK = """
WITH unsynced AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), fence AS MATERIALIZED (
    SELECT FROM unsynced CROSS JOIN lease
    WHERE name = $1 AND token = $2 AND (SELECT may_be_published()) FOR UPDATE OF lease
), marked AS (
    INSERT INTO published (shard, last_pos)
    SELECT shard, pos FROM fence CROSS JOIN unnest($3::smallint[], $4::bigint[]) AS m (shard, pos)
    ON CONFLICT (shard) DO UPDATE SET last_pos = excluded.last_pos
    RETURNING shard
), reached AS (
    UPDATE relayed_topic AS t SET end_offset = r.end_offset
    FROM fence CROSS JOIN unnest($6::text[], $7::bigint[]) AS r (topic, end_offset)
    WHERE t.relay_partition = $5 AND t.topic = r.topic
)
SELECT count(*) > 0 FROM marked
"""

BEGIN_ANEW = """
WITH unmarked AS (
    DELETE FROM published WHERE shard = ANY ($1)
)
INSERT INTO relayed_topic (relay_partition, topic, topic_id, end_offset)
SELECT $2, topic, topic_id, 0 FROM unnest($3::text[], $4::text[]) AS t (topic, topic_id)
ON CONFLICT (relay_partition, topic) DO UPDATE SET topic_id = excluded.topic_id, end_offset = 0
"""

OLDEST = """
SELECT extract(epoch FROM clock_timestamp() - min(e.recorded_at))::float8
FROM shard_head AS h LEFT JOIN published AS p USING (shard)
CROSS JOIN LATERAL (
    SELECT recorded_at FROM event WHERE shard = h.shard AND pos > coalesce(p.last_pos, 0) ORDER BY pos LIMIT 1
) AS e
"""

DATABASE_FAULTS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Not the broker's: the lease is given back."""

log = structlog.get_logger()


class LogClosed(Exception):
    """It was restored, and is not completed yet; or nobody can know before its topic was asked."""


def obstacle(error: Exception) -> str:
    """Why a partition does not get on, as a code."""
    match error:
        case TopicMissing():
            return "topic-missing"
        case LogClosed():
            return "log-closed"
        case KafkaError() | OSError():
            return "not-acknowledged"
        case _:
            return "event-unpublishable"


@dataclass(frozen=True, slots=True)
class Sent:
    """Records that the broker took: the offsets from `first` to before `end`."""

    first: int
    end: int


class Publisher(Protocol):
    """Where the relay sends what it read."""

    def places(self, partition: int) -> Mapping[str, int]:
        """Topic → the partition of it that takes what comes from this partition of the relay."""

    async def publish(self, partition: int, rows: Sequence[asyncpg.Record]) -> Mapping[str, Sent]:
        """Return when the broker has acknowledged all rows (shard, pos, data, meta), in order: by topic, what went there.

        Raises: KafkaError, OSError where it may succeed later; anything else where it cannot.
        """


class TopicPublisher:
    """The service's own topic: record = stored bytes, key = stream id, partition = shard mod partitions."""

    def __init__(self, producers: ProducerHolder, topic: str) -> None:
        self._producers = producers
        self._topic = topic

    def places(self, partition: int) -> Mapping[str, int]:
        return {self._topic: partition}

    async def publish(self, partition: int, rows: Sequence[asyncpg.Record]) -> Mapping[str, Sent]:
        producer = await self._producers.get()
        try:
            async with asyncio.timeout(PUBLISH_S_MAX):
                return {self._topic: await send_in_order(producer, self._topic, partition, [_record(row) for row in rows])}
        except BaseException:
            self._producers.drop(producer)
            raise


async def send_in_order(producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Mapping[str, Any]]) -> Sent:
    """Send the records. A batch is sent when the one before it was acknowledged: none can overtake."""
    first: int | None = None
    batch = producer.create_batch()
    for record in records:
        if batch.append(**record) is None:
            acknowledged = await (await producer.send_batch(batch, topic, partition=partition))
            first = acknowledged.offset if first is None else first
            batch = producer.create_batch()
            if batch.append(**record) is None:
                raise AssertionError(f"a record exceeds {BATCH_BYTES_MAX} bytes")
    count = batch.record_count()
    sending = await producer.send_batch(batch, topic, partition=partition)
    passing(CrashPoint.RELAY_SENT)
    acknowledged = await sending
    return Sent(acknowledged.offset if first is None else first, acknowledged.offset + count)


def _record(row: asyncpg.Record) -> dict[str, Any]:
    values = row["meta"].split(b"\n")
    return {"key": values[KEY_AT], "value": row["data"], "headers": record_headers(values, row["pos"]), "timestamp": None}


@dataclass
class _Way:
    """How far a partition of the relay has come."""

    partition: int
    marks: dict[int, int]
    """Shard → the last position that the broker has."""
    topic_ids: dict[str, str]
    ends: dict[str, int]
    """Topic → the offset behind the last record that was acknowledged to us."""
    sent_at_s: float
    """When it was, or was read, by the monotonic clock."""

    def reach(self, marks: Mapping[int, int], sent: Mapping[str, Sent]) -> None:
        self.marks |= marks
        self.ends |= {topic: each.end for topic, each in sent.items()}
        self.sent_at_s = time.monotonic()


class Relay:
    """Publishes the service's log, as far as its partitions are leased here."""

    def __init__(self, pool: asyncpg.Pool, heads: ShardHeads, publisher: Publisher, broker: Broker, *, partitions: int) -> None:
        self._pool = pool
        self._heads = heads
        self._publisher = publisher
        self._broker = broker
        self._partitions = partitions
        self._obstacles: dict[int, str] = {}
        """Partition → what it cannot get past, as a code."""

    def works(self) -> dict[str, Work]:
        return {f"relay/{partition:02}": partial(self._relay, partition) for partition in range(self._partitions)}

    @property
    def obstacles(self) -> set[str]:
        """What partitions held here cannot get past, as codes."""
        return set(self._obstacles.values())

    async def check(self) -> None:
        """Ready while every partition held here gets on. Raises: NotReady."""
        if self._obstacles:
            raise NotReady(min(self._obstacles.values()))

    async def watch(self) -> None:
        """Keep the age of the oldest unpublished event in its metric, until cancelled."""
        await Measure("relay", self._look_at_age, AGE_S).keep()

    async def _look_at_age(self) -> None:
        UNPUBLISHED_AGE_S.set(await self._pool.fetchval(OLDEST) or 0.0)

    async def _relay(self, partition: int, lease: Lease) -> None:
        way = await self._read_way(partition)
        pause = PAUSE_S_MIN
        try:
            while True:
                try:
                    await self._round(lease, way)
                except (LeaseLost, *DATABASE_FAULTS):
                    raise
                except Exception as error:
                    self._note(partition, error)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, PAUSE_S_MAX)
                else:
                    pause = PAUSE_S_MIN
                    self._obstacles.pop(partition, None)
        finally:
            self._obstacles.pop(partition, None)

    async def _round(self, lease: Lease, way: _Way) -> None:
        """Publish what there is, or wait for it a while. Raises: LeaseLost, LogClosed, what the publisher and the broker raise."""
        seen = await self._broker.topics(list(self._publisher.places(way.partition)))
        if self._is_lost(way, seen):
            await self._begin_anew(lease, way, seen)
        elif await self._has_news(way.marks):
            rows = await self._read(way.marks)
            if not rows:
                raise LogClosed
            passing(CrashPoint.RELAY_READ)
            with at_once(publishing(len(rows), partition=way.partition), (traceparent_in(row["meta"]) for row in rows)):
                sent = await self._publisher.publish(way.partition, rows)
            passing(CrashPoint.RELAY_ACKNOWLEDGED)
            if any(each.first < way.ends[topic] for topic, each in sent.items()):
                await self._begin_anew(lease, way, seen)
            else:
                await self._mark(lease, way, rows, sent)

    def _note(self, partition: int, error: Exception) -> None:
        reason = obstacle(error)
        if self._obstacles.get(partition) != reason:
            self._obstacles[partition] = reason
            log.warning("relay.obstacle", partition=partition, reason=reason, error_type=type(error).__name__)

    async def _has_news(self, marks: Mapping[int, int]) -> bool:
        """True as soon as there is something to publish; False when it is time to look at the topics again."""
        try:
            async with asyncio.timeout(LOOK_S):
                return bool(await self._heads.beyond(marks))
        except TimeoutError:
            return False

    async def _read_way(self, partition: int) -> _Way:
        shards = range(partition, SHARDS, self._partitions)
        marked = await self._pool.fetch("SELECT shard, last_pos FROM published WHERE shard = ANY($1)", list(shards))
        topics = await self._pool.fetch(
            "SELECT topic, topic_id, end_offset FROM relayed_topic WHERE relay_partition = $1", partition
        )
        return _Way(
            partition,
            dict.fromkeys(shards, 0) | {row["shard"]: row["last_pos"] for row in marked},
            {row["topic"]: row["topic_id"] for row in topics},
            {row["topic"]: row["end_offset"] for row in topics},
            # Another worker may have come this far a moment ago: only what the broker says from now on contradicts it.
            sent_at_s=time.monotonic(),
        )

    async def _read(self, marks: Mapping[int, int]) -> Sequence[asyncpg.Record]:
        rows: Sequence[asyncpg.Record] = await self._pool.fetch(READ, list(marks), list(marks.values()), READ_EVENTS_MAX)
        return rows

    def _is_lost(self, way: _Way, seen: Mapping[str, TopicSeen]) -> bool:
        """Whether what was published is not, or not all, in the topics any more. A topic that is new to us counts as lost."""
        places = self._publisher.places(way.partition)
        return any(
            way.topic_ids.get(topic) != seen[topic].topic_id
            or (seen[topic].asked_at_s > way.sent_at_s and seen[topic].ends[place] < way.ends[topic])
            for topic, place in places.items()
        )

    async def _begin_anew(self, lease: Lease, way: _Way, seen: Mapping[str, TopicSeen]) -> None:
        """Publish all of the partition again, to the topics as they are now. Raises: LeaseLost."""
        async with self._pool.acquire() as connection, connection.transaction():
            await fence(connection, lease)
            topics = {topic: each.topic_id for topic, each in seen.items()}
            await connection.execute(BEGIN_ANEW, list(way.marks), way.partition, list(topics), list(topics.values()))
        passing(CrashPoint.RELAY_BEGUN_ANEW)
        if way.topic_ids:
            TOPICS_LOST.inc()
            log.error("relay.topic_lost", partition=way.partition)
        way.marks = dict.fromkeys(way.marks, 0)
        way.topic_ids = topics
        way.ends = dict.fromkeys(topics, 0)

    async def _mark(self, lease: Lease, way: _Way, rows: Sequence[asyncpg.Record], sent: Mapping[str, Sent]) -> None:
        """Raises: LeaseLost: somebody else publishes this partition by now, perhaps these events a second time. Or the log may
        not be published any more, and whoever takes the lease next waits."""
        reached = {row["shard"]: row["pos"] for row in rows}
        shards = sorted(reached)
        positions = [reached[shard] for shard in shards]
        ends = [each.end for each in sent.values()]
        if not await self._pool.fetchval(MARK, lease.name, lease.token, shards, positions, way.partition, list(sent), ends):
            raise LeaseLost(lease.name)
        passing(CrashPoint.RELAY_MARKED)
        way.reach(reached, sent)
        RELAYED.inc(len(rows))


async def unpublished(connection: Connection) -> Mapping[int, int]:
    """Events per shard that the broker has not acknowledged yet, as far as marked; shards without any are left out."""
    rows = await connection.fetch(
        "SELECT h.shard, h.last_pos - coalesce(p.last_pos, 0) AS behind FROM shard_head h LEFT JOIN published p USING (shard)"
        " WHERE h.last_pos > coalesce(p.last_pos, 0)"
    )
    return {row["shard"]: row["behind"] for row in rows}
