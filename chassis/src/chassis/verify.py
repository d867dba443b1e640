"""`python -m <package> verify`: is the log whole, does the topic hold what it holds, is nobody ahead of what there is, and is what
was archived still what it was?

Differences are told in sentences of shards, positions and offsets; nothing of anybody. It runs beside the live service: what
must be there is asked before what is there, and the topic is read as far as it reached then.
"""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from chassis.database import create_pool
from chassis.kafka import consuming
from chassis.service import Service
from chassis.settings import ServiceSettings
from chassis.shard_heads import shard_heads
from contracts.event import HEADERS, SHARDS, NotAnEvent, Recorded, record_headers, recorded_from_headers
from contracts.topics import EVENT_TOPICS

READ_S_MAX = 30.0
"""How long the broker may take for the next records."""
RECORDS_MAX = 1_000
"""Records that are compared at once."""
SENTENCES_MAX = 100
"""Differences that are told. Beyond it they are counted."""

KEY_AT = HEADERS.index("ce_partitionkey")

STORED = """
SELECT e.shard, e.pos, e.data, e.meta FROM unnest($1::smallint[], $2::bigint[]) AS r (shard, pos) JOIN event AS e USING (shard, pos)
"""

IS_AS_ARCHIVED = "SELECT digest = digest_of_range(shard, last_pos) FROM archived_range WHERE shard = $1 AND last_pos = $2"

HELD = "SELECT count(*), count(DISTINCT pos) FROM event WHERE shard = $1 AND pos BETWEEN $2 AND $3"
POSITIONS_MAX = 100_000
"""Counted at once."""
ENDS_ELSEWHERE = """
SELECT shard FROM shard_head AS h
WHERE (SELECT max(pos) FROM archived_event AS e WHERE e.shard = h.shard)
    IS DISTINCT FROM (SELECT max(last_pos) FROM archived_range AS r WHERE r.shard = h.shard)
ORDER BY shard
"""

Place = tuple[int, int]
"""Shard and position."""


@dataclass
class Differences:
    """What was found, in sentences."""

    sentences: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, sentence: str) -> None:
        self.count += 1
        if self.count <= SENTENCES_MAX:
            self.sentences.append(sentence)


async def verify(service: Service[Any], settings: ServiceSettings, given: Namespace) -> int:
    """Compare log, topic, marks and positions. Exit code 1, with a sentence for each difference."""
    found = Differences()
    dsn = settings.database_dsn.get_secret_value()
    async with await create_pool(dsn, application_name=f"{service.name} verify", size_max=1) as pool:
        try:
            if service.has_log:
                await _verify_log(service.name, settings, pool, found)
            for source in service.reads:
                await _verify_reader(source, settings, pool, found)
        except (KafkaError, OSError) as error:
            print(f"The topics cannot be read ({type(error).__name__}).")
            return 2
    for sentence in found.sentences:
        print(sentence)
    print(f"{service.name}: {found.count} differences." if found.count else f"{service.name}: no difference.")
    return 1 if found.count else 0


async def _verify_log(name: str, settings: ServiceSettings, pool: asyncpg.Pool, found: Differences) -> None:
    marks = {row["shard"]: row["last_pos"] for row in await pool.fetch("SELECT shard, last_pos FROM published")}
    positions = await _positions(pool, name)
    async with pool.acquire() as connection:
        heads = await shard_heads(connection)
    for shard, mark in sorted(marks.items()):
        if mark > heads[shard]:
            found.add(f"Shard {shard} is marked as published to position {mark}, and ends at {heads[shard]}.")
    _compare_positions(name, positions, heads, found)
    await _verify_tables(pool, heads, found)
    if (topic := EVENT_TOPICS.get(name)) is None:
        print(f"{name} publishes nothing as it is stored: no topic is compared with its log.")
        return
    reached = await _compare_topic(topic.full_name(settings.topic_prefix), settings, pool, found)
    for shard, mark in sorted(marks.items()):
        if reached[shard] < mark:
            found.add(f"Shard {shard} is marked as published to position {mark}, and the topic holds it to {reached[shard]}.")


async def _verify_tables(pool: asyncpg.Pool, heads: Mapping[int, int], found: Differences) -> None:
    """Every position once, in either table; and of the archived ones what was there when they were moved."""
    for shard, head in sorted(heads.items()):
        for first in range(1, head + 1, POSITIONS_MAX):
            last = min(first + POSITIONS_MAX - 1, head)
            [held] = await pool.fetch(HELD, shard, first, last)
            if {last - first + 1} != set(held):
                found.add(f"Shard {shard} does not hold each position from {first} to {last} once.")
    for (shard,) in await pool.fetch(ENDS_ELSEWHERE):
        found.add(f"Shard {shard} was archived to another position than its last range says.")
    for shard, last_pos in await pool.fetch("SELECT shard, last_pos FROM archived_range ORDER BY shard, last_pos"):
        if not await pool.fetchval(IS_AS_ARCHIVED, shard, last_pos):
            found.add(f"Shard {shard} is not what was archived up to position {last_pos}.")


async def _verify_reader(source: str, settings: ServiceSettings, pool: asyncpg.Pool, found: Differences) -> None:
    positions = await _positions(pool, source)
    heads = dict.fromkeys(range(SHARDS), 0)
    async for records in _read(settings, EVENT_TOPICS[source].full_name(settings.topic_prefix)):
        for event in filter(None, map(_event, records)):
            heads[event.shard] = max(heads[event.shard], event.pos)
    _compare_positions(source, positions, heads, found)


async def _positions(pool: asyncpg.Pool, source: str) -> Sequence[tuple[str, int, int]]:
    """(subscriber, shard, position)."""
    rows = await pool.fetch("SELECT subscriber, shard, last_pos FROM position WHERE source = $1 ORDER BY subscriber, shard", source)
    return [tuple(row) for row in rows]


def _compare_positions(
    source: str, positions: Sequence[tuple[str, int, int]], heads: Mapping[int, int], found: Differences
) -> None:
    for subscriber, shard, pos in positions:
        if pos > heads[shard]:
            found.add(f"{subscriber} has taken in shard {shard} of {source} to position {pos}, and it ends at {heads[shard]}.")


async def _compare_topic(topic: str, settings: ServiceSettings, pool: asyncpg.Pool, found: Differences) -> Mapping[int, int]:
    """Shard → the position to which a reader of the topic gets. As a reader does, it passes over what comes before its turn."""
    reached = dict.fromkeys(range(SHARDS), 0)
    seen = dict(reached)
    async for records in _read(settings, topic):
        events = [(record, _event(record)) for record in records]
        stored = await _stored(pool, [(event.shard, event.pos) for _, event in events if event])
        for record, event in events:
            where = f"Partition {record.partition}, offset {record.offset}"
            if event is None:
                found.add(f"{where}: no event of ours.")
                continue
            for difference in _compare(record, event, stored.get((event.shard, event.pos)), settings.partitions):
                found.add(f"{where}, shard {event.shard}, position {event.pos}: {difference}.")
            seen[event.shard] = max(seen[event.shard], event.pos)
            reached[event.shard] += event.pos == reached[event.shard] + 1
    for shard, last in seen.items():
        if last > reached[shard]:
            found.add(f"Shard {shard} goes on at position {last} in the topic, without {reached[shard] + 1}.")
    return reached


def _compare(record: ConsumerRecord, event: Recorded, stored: asyncpg.Record | None, partitions: int) -> list[str]:
    """What is not as it must be."""
    if stored is None:
        return ["in the topic, not in the log"]
    values = stored["meta"].split(b"\n")
    same = {
        "another partition than its shard's": record.partition == event.shard % partitions,
        "another key than the stream's": record.key == values[KEY_AT],
        "other bytes than in the log": record.value == stored["data"],
        "other headers than in the log": list(record.headers) == record_headers(values, stored["pos"]),
    }
    return [difference for difference, is_same in same.items() if not is_same]


async def _stored(pool: asyncpg.Pool, places: Sequence[Place]) -> Mapping[Place, asyncpg.Record]:
    wanted = sorted(set(places))
    rows = await pool.fetch(STORED, [shard for shard, _ in wanted], [pos for _, pos in wanted])
    return {(row["shard"], row["pos"]): row for row in rows}


def _event(record: ConsumerRecord) -> Recorded | None:
    try:
        event = recorded_from_headers(record.headers, record.value)
    except NotAnEvent:
        return None
    return event if 0 <= event.shard < SHARDS else None


async def _read(settings: ServiceSettings, topic: str) -> AsyncIterator[Sequence[ConsumerRecord]]:
    """Every record of the topic, from the first to the last that there is now, those of a partition in order."""
    partitions = [TopicPartition(topic, n) for n in range(settings.partitions)]
    async with consuming(settings.brokers, start_s=READ_S_MAX) as consumer:
        consumer.assign(partitions)
        async with asyncio.timeout(READ_S_MAX):
            ends = await consumer.end_offsets(partitions)
        while unread := [partition for partition in partitions if await _position(consumer, partition) < ends[partition]]:
            async with asyncio.timeout(READ_S_MAX):
                while not (polled := await consumer.getmany(*unread, timeout_ms=500, max_records=RECORDS_MAX)):
                    pass  # The deadline ends it.
            for records in polled.values():
                yield records


async def _position(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int:
    async with asyncio.timeout(READ_S_MAX):
        return int(await consumer.position(partition))
