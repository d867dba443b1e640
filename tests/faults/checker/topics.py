"""The topics: each is its log, byte for byte, whatever came twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.faults.checker.logs import ACTOR, ATTRIBUTES, PARTITIONS, Log
from tests.faults.stack import FaultStack

READ_TOPIC_S_MAX = 20.0


@dataclass(frozen=True, slots=True)
class Record:
    """As it lies in Kafka."""

    partition: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]

    @property
    def place(self) -> tuple[int, int]:
        """Shard and position in the log that it says it comes from."""
        said = dict(self.headers)
        return int(said["ce_source"].rpartition(b"/")[2]), int(said["ce_sequence"])


async def read_topic(stack: FaultStack, topic: str) -> list[Record]:
    """All of it, each partition in order."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=stack.kafka.bootstrap, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(READ_TOPIC_S_MAX):
            partitions = [TopicPartition(topic, n) for n in sorted(await _partitions(consumer, topic))]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            records: list[Record] = []
            while any([await consumer.position(partition) < end for partition, end in ends.items()]):
                for partition, batch in (await consumer.getmany(timeout_ms=200)).items():
                    records += [Record(partition.partition, each.key, each.value, tuple(each.headers)) for each in batch]
            return records
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    # A consumer that is assigned nothing yet knows no topic: asking makes it learn of this one.
    await consumer._client.add_topic(topic)
    found: set[int] = consumer.partitions_for_topic(topic) or set()
    return found


def distinct(records: Sequence[Record], *, burnt: bool = False) -> tuple[dict[tuple[int, int], Record], list[str]]:
    """The records without those that came twice, by place in the log; and what is wrong with their order or copies.

    In a topic that was lost and filled again, what was on its way then may stand before the beginning of its shard. There it does
    not count, and has to come again where it belongs.
    """
    found: dict[tuple[int, int], Record] = {}
    last: Counter[int] = Counter()
    wrong = []
    begin = _begins(records) if burnt else {}
    early = [record for n, record in enumerate(records) if n < begin.get(record.place[0], 0)]
    for record in [record for n, record in enumerate(records) if n >= begin.get(record.place[0], 0)]:
        shard, pos = record.place
        if record.place not in found:
            found[record.place] = record
            if pos <= last[shard]:
                wrong.append(f"{record.place} came after {last[shard]}")
        elif found[record.place] != record:
            wrong.append(f"{record.place} was published twice, not the same bytes")
        last[shard] = max(last[shard], pos)
    wrong += [f"{each.place} came before the beginning, and not the same again" for each in early if found.get(each.place) != each]
    return found, wrong


def _begins(records: Sequence[Record]) -> dict[int, int]:
    """Shard → where its lowest position comes first."""
    lowest: dict[int, tuple[int, int]] = {}
    for n, record in enumerate(records):
        shard, pos = record.place
        lowest[shard] = min(lowest.get(shard, (pos, n)), (pos, n))
    return {shard: n for shard, (_, n) in lowest.items()}


async def check_topic(stack: FaultStack, log: Log) -> tuple[list[str], int]:
    """Is the topic the log, byte for byte and header for header? And how many records lie there more than once?"""
    records = await read_topic(stack, f"{stack.stack.topic_prefix}{log.service}.events.v1")
    found, wrong = distinct(records, burnt=stack.topics_were_lost)
    stored = {(event.shard, event.pos): event for event in log.events}
    if found.keys() != stored.keys():
        wrong.append(f"missing {sorted(stored.keys() - found.keys())}, unknown {sorted(found.keys() - stored.keys())}")
    for place in found.keys() & stored.keys():
        event = stored[place]
        headers = (*zip((*ATTRIBUTES, ACTOR), event.meta, strict=False), ("ce_sequence", b"%020d" % event.pos))
        expected = Record(event.shard % PARTITIONS, str(event.stream_id).encode(), event.raw, headers)
        if found[place] != expected:
            wrong.append(f"{place} was published as {found[place].headers}, stored as {headers}")
    last: Counter[int] = Counter()
    for shard, pos in found:
        if pos != last[shard] + 1:
            wrong.append(f"{shard}:{pos} follows {last[shard]}")
        last[shard] = pos
    return [f"topic of {log.service}: {sentence}" for sentence in wrong], len(records) - len(found)
