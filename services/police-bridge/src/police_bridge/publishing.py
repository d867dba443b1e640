"""Messages → the topics of the districts. In place of the chassis' own publisher, because nothing leaves here as stored."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer

from chassis.faults import Unavailable
from chassis.kafka import BATCH_BYTES_MAX, ProducerHolder
from chassis.relay import PUBLISH_S_MAX
from contracts.event import recorded_from_meta
from contracts.topics import POLICE_TOPICS
from police_bridge.rendering import FACTS_MAX, Message, Renderer

ACTOR = "police-bridge"
"""Who reads the keys for the topics, in the key server's record."""

Place = tuple[str, int]
"""Topic and partition."""
Record = dict[str, Any]
"""What a batch of aiokafka takes."""


class PolicePublisher:
    """A `chassis.relay.Publisher`: record = rendered message, key = person, partition = shard mod partitions of the topic."""

    def __init__(self, producers: ProducerHolder, renderer: Renderer, *, topic_prefix: str) -> None:
        self._producers = producers
        self._renderer = renderer
        self._topic_prefix = topic_prefix

    async def publish(self, partition: int, rows: Sequence[asyncpg.Record]) -> None:
        """Return when the broker has acknowledged all rows (shard, pos, data, meta), each topic's in order.

        `partition` is the relay's and cuts the log otherwise than the topics are cut. Raises: KafkaError, OSError;
        SealBroken, which halts the partition.
        """
        for start in range(0, len(rows), FACTS_MAX):
            facts = [recorded_from_meta(row["meta"], row["pos"], row["data"]) for row in rows[start : start + FACTS_MAX]]
            try:
                messages = await self._renderer.render(facts, actor=ACTOR)
            except Unavailable as error:
                raise ConnectionError("the key server is away") from error  # The relay waits for it as for a broker.
            await self._send(messages)

    async def _send(self, messages: Sequence[Message]) -> None:
        producer = await self._producers.get()
        try:
            async with asyncio.timeout(PUBLISH_S_MAX):
                for place, records in self._by_place(messages).items():
                    await _send_in_order(producer, place, records)
        except BaseException:
            self._producers.drop(producer)
            raise

    def _by_place(self, messages: Sequence[Message]) -> dict[Place, list[Record]]:
        records: defaultdict[Place, list[Record]] = defaultdict(list)
        for message in messages:
            topic = POLICE_TOPICS[message.district]
            place = topic.full_name(self._topic_prefix), topic.partition_of(message.recorded.shard)
            value = message.event.encode()
            records[place].append({"key": message.key, "value": value, "headers": message.headers, "timestamp": None})
        return records


async def _send_in_order(producer: AIOKafkaProducer, place: Place, records: Sequence[Record]) -> None:
    """A batch is sent when the one before it was acknowledged: none can overtake."""
    topic, partition = place
    batch = producer.create_batch()
    for record in records:
        if batch.append(**record) is None:
            await (await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            if batch.append(**record) is None:
                raise AssertionError(f"a message exceeds {BATCH_BYTES_MAX} bytes")
    await (await producer.send_batch(batch, topic, partition=partition))
