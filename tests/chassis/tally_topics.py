"""A topic of the invented domain on the real broker: made for one test, read whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord
from confluent_kafka.admin import AdminClient

from chassis.kafka import make_consumer, make_producer, provision
from chassis.testing.wait import eventually
from contracts.event import Recorded, recorded_from_headers
from contracts.topics import Topic

C = TypeVar("C", AIOKafkaConsumer, AIOKafkaProducer)

READ_S_MAX = 20.0
PARTITIONS = 4


async def make_topic(bootstrap: str, prefix: str, name: str = "tally.events.v1", *, partitions: int = PARTITIONS) -> str:
    """Its full name."""
    topic = Topic(name=name, owner="tally", carries="tally", readers=(), partitions=partitions, retention_ms=None)
    await asyncio.to_thread(provision, bootstrap, [topic], prefix=prefix)
    return topic.full_name(prefix)


async def delete_topic(bootstrap: str, topic: str) -> None:
    """Gone when it returns."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    (deleted,) = admin.delete_topics([topic]).values()
    await asyncio.to_thread(deleted.result)
    await eventually(lambda: topic not in admin.list_topics(timeout=20).topics)


async def make_again(bootstrap: str, topic: str) -> None:
    """Another topic of the same name, empty."""
    await delete_topic(bootstrap, topic)
    prefix, _, name = topic.partition(".")
    await make_topic(bootstrap, f"{prefix}.", name)


async def read_topic(bootstrap: str, topic: str) -> Mapping[int, Sequence[ConsumerRecord]]:
    """Partition → its records, from the first to the last one that was acknowledged before the call."""
    async with asyncio.timeout(READ_S_MAX), started(make_consumer(bootstrap)) as consumer:
        # Not the consumer's own list: it knows of no topic before one is assigned.
        partitions = [TopicPartition(topic, n) for n in sorted(await _partitions_of(bootstrap, topic))]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: dict[int, list[ConsumerRecord]] = {partition.partition: [] for partition in partitions}
        while any([await consumer.position(partition) < end for partition, end in ends.items()]):
            for partition, records in (await consumer.getmany(timeout_ms=100)).items():
                found[partition.partition] += records
        return found


async def read_events(bootstrap: str, topic: str) -> list[Recorded]:
    """All events, those of a partition in order."""
    partitions = await read_topic(bootstrap, topic)
    return [recorded_from_headers(record.headers, record.value) for records in partitions.values() for record in records]


async def _partitions_of(bootstrap: str, topic: str) -> set[int]:
    async with started(make_producer(bootstrap)) as producer:
        found: set[int] = await producer.partitions_for(topic)
        return found


@asynccontextmanager
async def started(client: C) -> AsyncIterator[C]:
    """The client, connected; stopped afterwards."""
    await client.start()
    try:
        yield client
    finally:
        await client.stop()
