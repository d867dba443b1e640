"""Kafka → here: one consumer a process, a bounded inbox for every partition that is leased here.

No consumer group and no auto-commit. A stored offset only says where to begin; what has been taken in is decided by the
positions in the reader's own transaction (`chassis.projector`). When an inbox is full its partition is not polled.

An offset belongs to one topic. Where the topic was deleted and made anew, which the client does not tell, it is another one
with other offsets: everything is read from the beginning, and what was taken in before is dropped by its position.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from chassis.broker import Broker, BrokerSilent, TopicMissing
from chassis.kafka import Address, consuming
from chassis.metrics import QUARANTINED
from contracts.event import HEADERS, SHARDS, NotAnEvent, Recorded, recorded_from_headers

INBOX_BATCHES_MAX = 2
BATCH_RECORDS_MAX = 500
"""Together what is decoded ahead for one partition. More takes memory, and is not faster."""
POLL_MS = 200
POLL_BESIDE_FULL_MS = 10
"""Longest wait for news; the shorter one while an inbox is full."""
POLL_S_MAX = 30.0
"""Deadline around every await of the client. On a miss the consumer is thrown away and made anew."""
PAUSE_S = 0.5
CHECK_S = 5.0
"""How often the topics are looked at."""

SUBJECT_AT, ID_AT = HEADERS.index("ce_subject"), HEADERS.index("ce_id")

log = structlog.get_logger()


class TopicOffset(int):
    """An offset, with the topic in which it means something."""

    def __new__(cls, offset: int, topic_id: str = "") -> TopicOffset:
        made = super().__new__(cls, offset)
        made.topic_id = topic_id
        return made

    topic_id: str
    """Empty where it is not known: then the offset is worth nothing."""

    def in_topic(self, topic_id: str | None) -> int:
        """Where to begin in the topic that there is."""
        return int(self) if topic_id and topic_id == self.topic_id else 0


BEGINNING = TopicOffset(0)


class _TopicChanged(Exception):
    """A topic that is read is another one than before."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition of one source, in order."""

    events: Sequence[Recorded]
    next_offset: TopicOffset | None
    """Where reading goes on; None where the source is the own log."""
    is_last: bool = True
    """Whether the source had nothing behind it when it was read."""


@dataclass
class Inbox:
    """What has come for one partition and was not taken yet."""

    partition: TopicPartition
    begin_at: TopicOffset
    batches: asyncio.Queue[Batch] = field(default_factory=lambda: asyncio.Queue(INBOX_BATCHES_MAX))
    fetch_at: int | None = None
    """The next offset to fetch; None until fetching has begun."""

    async def take(self) -> Batch:
        """The next batch, with whatever has come behind it: whoever is behind takes more at once, which costs less for each."""
        taken = [await self.batches.get()]
        while not self.batches.empty():
            taken.append(self.batches.get_nowait())
        if len(taken) == 1:
            return taken[0]
        return Batch([event for batch in taken for event in batch.events], taken[-1].next_offset, taken[-1].is_last)

    def begin_anew(self) -> None:
        """What has come is another topic's."""
        self.fetch_at = 0
        while not self.batches.empty():
            self.batches.get_nowait()


class TopicFeed:
    """Fills the inboxes. `topics` maps a source (service name) to its topic."""

    def __init__(self, address: Address, topics: Mapping[str, str]) -> None:
        self._address = address
        self._topics = topics
        self._broker = Broker(address, kept_s=0)
        self._topic_ids: dict[str, str] = {}
        self._check_at = 0.0
        self._inboxes: dict[TopicPartition, Inbox] = {}
        self._assignment_changed = asyncio.Event()
        self._beside: tuple[TopicFeed, asyncio.Task[None]] | None = None
        self._readers_beside = 0

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[TopicFeed]:
        """A feed of the same topics at other places, running: one for all who want it at the same time. A client has but one
        place in a partition."""
        if self._beside is None:
            feed = TopicFeed(self._address, self._topics)
            self._beside = feed, asyncio.create_task(feed.run(), name="feed beside")
        self._readers_beside += 1
        try:
            yield self._beside[0]
        finally:
            self._readers_beside -= 1
            if self._readers_beside == 0:
                (_, running), self._beside = self._beside, None
                running.cancel()
                await asyncio.wait([running])

    def open(self, source: str, partition: int, *, at: TopicOffset) -> Inbox:
        """Fetch the partition from an offset on; 0, or one that is gone or another topic's, means its beginning.

        Replaces an open inbox.
        """
        inbox = Inbox(TopicPartition(self._topics[source], partition), begin_at=at)
        self._inboxes[inbox.partition] = inbox
        self._assignment_changed.set()
        return inbox

    def close(self, inbox: Inbox) -> None:
        """Stop fetching, unless another inbox has replaced this one."""
        if self._inboxes.get(inbox.partition) is inbox:
            del self._inboxes[inbox.partition]
            self._assignment_changed.set()

    async def run(self) -> None:
        """Fetch until cancelled. A broker that cannot be reached is tried again."""
        while True:
            try:
                async with consuming(self._address, start_s=POLL_S_MAX) as consumer:
                    self._assignment_changed.set()
                    while True:
                        if time.monotonic() >= self._check_at:
                            await self._check()
                        await self._poll(consumer)
                        # What is fetched already comes without any waiting: others must have their turn, and a transaction of
                        # theirs its next statement, before `idle_in_transaction_session_timeout`.
                        await asyncio.sleep(0)
            except _TopicChanged:
                # The client may hold records and metadata of the topic that is gone.
                log.error("consumer.topic_changed", what_follows="everything is read again")
            except (KafkaError, OSError) as error:
                log.warning("consumer.restarted", error_type=type(error).__name__)
                await asyncio.sleep(PAUSE_S)

    async def _check(self) -> None:
        """Is each topic the one that it was, and does the feed beside run? Raises: _TopicChanged; BrokerSilent where nobody has
        told us before; whatever ended the feed beside, which nobody else would see."""
        if self._beside is not None and self._beside[1].done():
            self._beside[1].result()
        changed = set()
        for topic in self._topics.values():
            topic_id = await self._topic_id(topic)
            if topic_id != self._topic_ids.setdefault(topic, topic_id):
                self._topic_ids[topic] = topic_id
                changed.add(topic)
        self._check_at = time.monotonic() + CHECK_S
        for partition, inbox in self._inboxes.items():
            if partition.topic in changed:
                inbox.begin_anew()
        if changed:
            raise _TopicChanged

    async def _topic_id(self, topic: str) -> str:
        """As the broker says; the last one known while there is none. Empty where there never was one."""
        known = self._topic_ids.get(topic)
        try:
            return await self._broker.topic_id(topic)
        except TopicMissing:
            return known or ""
        except BrokerSilent:
            if known is None:
                raise
            return known

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        if self._assignment_changed.is_set():
            self._assignment_changed.clear()
            self._assign(consumer)
        ready = [partition for partition, inbox in self._inboxes.items() if not inbox.batches.full()]
        if not ready:
            # Without partitions named, getmany would fetch all of them.
            await asyncio.sleep(POLL_BESIDE_FULL_MS / 1000)
            return
        # An inbox that was full may have room again long before the others have news.
        timeout_ms = POLL_MS if len(ready) == len(self._inboxes) else POLL_BESIDE_FULL_MS
        async with asyncio.timeout(POLL_S_MAX):
            polled = await consumer.getmany(*ready, timeout_ms=timeout_ms, max_records=BATCH_RECORDS_MAX)
        for partition, records in polled.items():
            inbox = self._inboxes.get(partition)
            if inbox is None or inbox.fetch_at is None:
                continue  # Closed, or opened anew at another offset, while these were on their way.
            inbox.fetch_at = records[-1].offset + 1
            next_offset = TopicOffset(inbox.fetch_at, self._topic_ids.get(partition.topic, ""))
            end = consumer.highwater(partition)
            inbox.batches.put_nowait(Batch(_events(records), next_offset, is_last=end is None or inbox.fetch_at >= end))

    def _assign(self, consumer: AIOKafkaConsumer) -> None:
        if not self._inboxes:
            consumer.unsubscribe()
            return
        consumer.assign(list(self._inboxes))
        for partition, inbox in self._inboxes.items():
            if inbox.fetch_at is None:
                inbox.fetch_at = inbox.begin_at.in_topic(self._topic_ids.get(partition.topic))
            consumer.seek(partition, inbox.fetch_at)


def _events(records: Sequence[Any]) -> list[Recorded]:
    events = []
    for record in records:
        try:
            event = recorded_from_headers(record.headers, record.value)
            _check_key(event, record.key)
            events.append(event)
        except NotAnEvent:
            # Not ours. Were it one of ours, its position would be missing, and that is noticed.
            QUARANTINED.inc()
            log.error("consumer.not_an_event", topic=record.topic, partition=record.partition, offset=record.offset)
    return events


def _check_key(event: Recorded, key: bytes | None) -> None:
    """By the key it was put into its partition: it is the stream's id, which says the shard, too. Raises: NotAnEvent."""
    stream_id, event_id = event.headers[SUBJECT_AT], event.headers[ID_AT]
    try:
        # Read as numbers, which takes a third of the time of making UUIDs of them.
        shard = int(stream_id.replace(b"-", b""), 16) % SHARDS
        int(event_id.replace(b"-", b""), 16)
    except (ValueError, AttributeError) as error:
        raise NotAnEvent(str(error)) from None
    if key != stream_id or shard != event.shard:
        raise NotAnEvent("another stream's")
