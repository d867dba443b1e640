"""Messages → the topics of the districts. In place of the chassis' own publisher, because nothing leaves here as stored."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg

from chassis.faults import Unavailable
from chassis.kafka import ProducerHolder
from chassis.relay import PUBLISH_S_MAX, Sent, send_in_order
from contracts.event import recorded_from_meta
from contracts.topics import POLICE_PARTITIONS, POLICE_TOPICS
from police_bridge.rendering import FACTS_MAX, Message, Renderer

ACTOR = "police-bridge"
"""Who reads the keys for the topics, in the key server's record."""

Record = dict[str, Any]
"""What a batch of aiokafka takes."""


class PolicePublisher:
    """A `chassis.relay.Publisher`: record = rendered message, key = person, partition = shard mod partitions of the topic.

    Where one district's topic was lost, all that comes from the relay's partition is published again, to every district: the
    others get what they have a second time, with the same ids.
    """

    def __init__(self, producers: ProducerHolder, renderer: Renderer, *, topic_prefix: str, partitions: int) -> None:
        """`partitions` of the relay. Raises: ValueError where one of them would go to several of a topic's."""
        if partitions % POLICE_PARTITIONS:
            raise ValueError(f"{partitions} partitions are not a multiple of the {POLICE_PARTITIONS} of a topic")
        self._producers = producers
        self._renderer = renderer
        self._topic_prefix = topic_prefix

    def places(self, partition: int) -> Mapping[str, int]:
        """The relay cuts the log finer than the topics are cut: a partition of its goes to one of each topic's."""
        return {topic.full_name(self._topic_prefix): topic.partition_of(partition) for topic in POLICE_TOPICS.values()}

    async def publish(self, partition: int, rows: Sequence[asyncpg.Record]) -> Mapping[str, Sent]:
        """Return when the broker has acknowledged all rows (shard, pos, data, meta), each topic's in order.

        Raises: KafkaError, OSError; SealBroken, which nothing gets past.
        """
        sent: dict[str, Sent] = {}
        for start in range(0, len(rows), FACTS_MAX):
            facts = [recorded_from_meta(row["meta"], row["pos"], row["data"]) for row in rows[start : start + FACTS_MAX]]
            try:
                messages = await self._renderer.render(facts, actor=ACTOR)
            except Unavailable as error:
                raise ConnectionError("the key server is away") from error  # The relay waits for it as for a broker.
            for topic, each in (await self._send(partition, messages)).items():
                sent[topic] = Sent(sent[topic].first if topic in sent else each.first, each.end)
        return sent

    async def _send(self, partition: int, messages: Sequence[Message]) -> Mapping[str, Sent]:
        producer = await self._producers.get()
        try:
            async with asyncio.timeout(PUBLISH_S_MAX):
                places = self.places(partition)
                return {
                    topic: await send_in_order(producer, topic, places[topic], records)
                    for topic, records in self._by_topic(messages).items()
                }
        except BaseException:
            self._producers.drop(producer)
            raise

    def _by_topic(self, messages: Sequence[Message]) -> Mapping[str, list[Record]]:
        records: defaultdict[str, list[Record]] = defaultdict(list)
        for message in messages:
            topic = POLICE_TOPICS[message.district].full_name(self._topic_prefix)
            value = message.event.encode()
            records[topic].append({"key": message.key, "value": value, "headers": message.headers, "timestamp": None})
        return records
