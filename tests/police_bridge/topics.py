"""Topics of a real broker, made and read to their end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiokafka import TopicPartition

from chassis.kafka import make_consumer, provision
from contracts.topics import POLICE_PARTITIONS, POLICE_TOPICS, Topic

READ_S_MAX = 15.0


async def make_topics(bootstrap: str, prefix: str, *topics: Topic) -> None:
    await asyncio.to_thread(provision, bootstrap, topics, prefix=prefix)


async def read_topic(bootstrap: str, prefix: str, district: str) -> list[Any]:
    """Every record of a district's topic, partition by partition, each in order. Another program than ours could read so."""
    partitions = [TopicPartition(POLICE_TOPICS[district].full_name(prefix), n) for n in range(POLICE_PARTITIONS)]
    consumer = make_consumer(bootstrap)
    await consumer.start()
    try:
        async with asyncio.timeout(READ_S_MAX):
            consumer.assign(partitions)
            begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
            records: dict[TopicPartition, list[Any]] = {partition: [] for partition in partitions}
            while any(len(records[partition]) < ends[partition] - begins[partition] for partition in partitions):
                for partition, found in (await consumer.getmany(timeout_ms=200)).items():
                    records[partition] += found
            return [record for partition in partitions for record in records[partition]]
    finally:
        await consumer.stop()


def as_sent(records: Sequence[Any]) -> list[tuple[int, bytes, bytes, tuple[tuple[str, bytes], ...]]]:
    """Everything about the records that the publisher chose: partition, key, value, headers."""
    return [(record.partition, record.key, record.value, tuple(record.headers)) for record in records]
