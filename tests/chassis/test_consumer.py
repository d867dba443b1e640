"""Kafka → inboxes: everything from where it was asked to begin, in order, bounded, whatever the broker does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from chassis import consumer as consumer_module
from chassis import kafka
from chassis.broker import Broker, TopicMissing
from chassis.consumer import BEGINNING, INBOX_BATCHES_MAX, Batch, Inbox, TopicFeed, TopicOffset
from chassis.kafka import make_consumer, make_producer
from chassis.testing.wait import eventually
from contracts.event import record_headers
from tests.chassis.tallies import SERVICE, in_shard, new_event
from tests.chassis.tally_topics import PARTITIONS, delete_topic, make_again, make_topic, started

RECEIVE_S_MAX = 10.0
Headers = list[tuple[str, bytes]]
Record = tuple[bytes | None, Headers]


@pytest.fixture
async def topic(kafka_bootstrap: str, topic_prefix: str) -> str:
    return await make_topic(kafka_bootstrap, topic_prefix)


@asynccontextmanager
async def feeding(bootstrap: str, topic: str) -> AsyncIterator[TopicFeed]:
    feed = TopicFeed(bootstrap, {SERVICE: topic})
    with capture_logs():
        running = asyncio.create_task(feed.run())
        try:
            yield feed
        finally:
            running.cancel()
            await asyncio.wait([running])


@pytest.fixture
async def feed(kafka_bootstrap: str, topic: str) -> AsyncIterator[TopicFeed]:
    async with feeding(kafka_bootstrap, topic) as feed:
        yield feed


@pytest.fixture
async def topic_id(kafka_bootstrap: str, topic: str) -> str:
    broker = Broker(kafka_bootstrap, kept_s=0)

    async def known() -> str:
        with suppress(TopicMissing):  # Made already, and not told to everybody yet.
            return await broker.topic_id(topic)
        return ""

    return await eventually(known)


def record(stream_id: UUID, pos: int) -> Record:
    """An event as the relay would publish it."""
    event = new_event(stream_id, pos, amount=pos)
    return event.data, record_headers(event.meta.split(b"\n"), pos)


def records_of(stream_id: UUID, *positions: int) -> list[Record]:
    return [record(stream_id, pos) for pos in positions]


class Publish:
    """Puts records into the test's topic."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic

    async def __call__(self, records: Sequence[Record], *, partition: int = 0, key: bytes | None = None) -> None:
        """Each under its stream's id, if no other key is given."""
        async with started(make_producer(self._bootstrap)) as producer:
            sent = [
                await producer.send(
                    self._topic,
                    key=dict(headers).get("ce_subject") if key is None else key,
                    value=data,
                    headers=headers,
                    partition=partition,
                )
                for data, headers in records
            ]
            await asyncio.gather(*sent)


@pytest.fixture
def publish(kafka_bootstrap: str, topic: str) -> Publish:
    return Publish(kafka_bootstrap, topic)


async def received(inbox: Inbox, count: int) -> list[int]:
    """The positions of so many events."""
    positions: list[int] = []
    async with asyncio.timeout(RECEIVE_S_MAX):
        while len(positions) < count:
            positions += [event.pos for event in (await inbox.batches.get()).events]
    return positions


async def next_batch(inbox: Inbox) -> Batch:
    async with asyncio.timeout(RECEIVE_S_MAX):
        return await inbox.batches.get()


class TestOpen:
    async def test_gives_everything_from_the_beginning_in_order_and_then_the_news(self, feed: TopicFeed, publish: Publish) -> None:
        stream = in_shard(0)
        await publish(records_of(stream, *range(1, 51)))
        inbox = feed.open(SERVICE, 0, at=BEGINNING)

        assert list(range(1, 51)) == await received(inbox, 50)
        await publish(records_of(stream, 51, 52))
        assert [51, 52] == await received(inbox, 2)

    async def test_gives_the_events_as_they_were_published(self, feed: TopicFeed, publish: Publish) -> None:
        stream = in_shard(4)
        await publish(records_of(stream, 1))

        [event] = (await next_batch(feed.open(SERVICE, 0, at=BEGINNING))).events

        assert (SERVICE, 4, 1, 1, stream) == (event.service, event.shard, event.pos, event.version, event.stream_id)
        assert record(stream, 1)[0] == event.data

    async def test_goes_on_at_the_offset_that_came_with_the_last_batch(
        self, feed: TopicFeed, publish: Publish, topic_id: str
    ) -> None:
        await publish(records_of(in_shard(0), *range(1, 11)))
        first = await next_batch(feed.open(SERVICE, 0, at=BEGINNING))
        assert first.next_offset == len(first.events) == 10

        assert [8, 9, 10] == await received(feed.open(SERVICE, 0, at=TopicOffset(7, topic_id)), 3)

    async def test_keeps_partitions_apart(self, feed: TopicFeed, publish: Publish) -> None:
        for partition in range(PARTITIONS):
            await publish(records_of(in_shard(partition), partition + 1, partition + 2), partition=partition)

        inboxes = [feed.open(SERVICE, partition, at=BEGINNING) for partition in range(PARTITIONS)]

        assert [[n + 1, n + 2] for n in range(PARTITIONS)] == [await received(inbox, 2) for inbox in inboxes]

    async def test_begins_at_the_beginning_where_the_offset_is_behind_the_end(
        self, feed: TopicFeed, publish: Publish, topic_id: str
    ) -> None:
        """The topic was lost and made anew: whoever waited at the old offset would hear nothing, for ever."""
        await publish(records_of(in_shard(0), 1, 2, 3))
        inbox = feed.open(SERVICE, 0, at=TopicOffset(5_000, topic_id))

        assert [1, 2, 3] == await received(inbox, 3)
        await publish(records_of(in_shard(0), 4))
        assert [4] == await received(inbox, 1)

    async def test_begins_at_the_first_there_is_where_the_offset_is_gone(
        self, feed: TopicFeed, publish: Publish, kafka_bootstrap: str, topic: str, topic_id: str
    ) -> None:
        await publish(records_of(in_shard(0), *range(1, 11)))
        await delete_before(kafka_bootstrap, topic, 6)

        assert [7, 8, 9, 10] == await received(feed.open(SERVICE, 0, at=TopicOffset(2, topic_id)), 4)

    async def test_again_replaces_the_inbox_that_was_open(self, feed: TopicFeed, publish: Publish, topic_id: str) -> None:
        await publish(records_of(in_shard(0), 1, 2, 3))
        old = feed.open(SERVICE, 0, at=BEGINNING)
        assert [1, 2, 3] == await received(old, 3)

        new = feed.open(SERVICE, 0, at=TopicOffset(1, topic_id))
        assert [2, 3] == await received(new, 2)
        await publish(records_of(in_shard(0), 4))
        assert [4] == await received(new, 1)
        assert old.batches.empty()

    async def test_of_another_partition_disturbs_nobody(self, feed: TopicFeed, publish: Publish) -> None:
        await publish(records_of(in_shard(0), 1, 2))
        first = feed.open(SERVICE, 0, at=BEGINNING)
        assert [1, 2] == await received(first, 2)

        for partition in range(1, PARTITIONS):
            await publish(records_of(in_shard(partition), 1), partition=partition)
            assert [1] == await received(feed.open(SERVICE, partition, at=BEGINNING), 1)
            await publish(records_of(in_shard(0), partition + 2))
            assert [partition + 2] == await received(first, 1)


async def delete_before(bootstrap: str, topic: str, offset: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        await asyncio.to_thread(future.result)


class TestClose:
    async def test_stops_fetching_and_leaves_the_others_alone(self, feed: TopicFeed, publish: Publish) -> None:
        first, second = feed.open(SERVICE, 0, at=BEGINNING), feed.open(SERVICE, 1, at=BEGINNING)
        feed.close(first)
        for partition in (0, 1):
            await publish(records_of(in_shard(partition), 1), partition=partition)

        assert [1] == await received(second, 1)
        assert first.batches.empty()

    async def test_of_all_and_opening_one_again_works(self, feed: TopicFeed, publish: Publish) -> None:
        await publish(records_of(in_shard(0), 1, 2))
        for _ in range(3):
            inbox = feed.open(SERVICE, 0, at=BEGINNING)
            assert [1, 2] == await received(inbox, 2)
            feed.close(inbox)
            await eventually(lambda: not feed._assignment_changed.is_set())

    async def test_by_an_owner_that_was_replaced_does_not_close_its_successors_inbox(
        self, feed: TopicFeed, publish: Publish
    ) -> None:
        old = feed.open(SERVICE, 0, at=BEGINNING)
        new = feed.open(SERVICE, 0, at=BEGINNING)
        feed.close(old)
        await publish(records_of(in_shard(0), 1))

        assert [1] == await received(new, 1)


class TestFullInbox:
    async def test_is_not_fetched_for_and_holds_up_nobody_else(
        self, feed: TopicFeed, publish: Publish, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer_module, "BATCH_RECORDS_MAX", 2)
        await publish(records_of(in_shard(0), *range(1, 101)))
        full, free = feed.open(SERVICE, 0, at=BEGINNING), feed.open(SERVICE, 1, at=BEGINNING)
        await eventually(full.batches.full)
        for pos in range(1, 11):
            await publish(records_of(in_shard(1), pos), partition=1)
            assert [pos] == await received(free, 1)

        assert full.batches.qsize() == INBOX_BATCHES_MAX
        assert list(range(1, 101)) == await received(full, 100)

    async def test_alone_waits_until_there_is_room(
        self, feed: TopicFeed, publish: Publish, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer_module, "BATCH_RECORDS_MAX", 2)
        await publish(records_of(in_shard(0), *range(1, 31)))
        inbox = feed.open(SERVICE, 0, at=BEGINNING)
        await eventually(inbox.batches.full)

        assert list(range(1, 31)) == await received(inbox, 30)


SPOILT: Sequence[Callable[[Headers], list[Any]]] = (
    lambda headers: [],
    lambda headers: headers[1:],
    lambda headers: headers[:-1],
    lambda headers: replaced(headers, "ce_specversion", b"0.3"),
    lambda headers: replaced(headers, "ce_source", b"/tally"),
    lambda headers: replaced(headers, "ce_source", b"/tally/one"),
    lambda headers: replaced(headers, "ce_source", None),
    lambda headers: replaced(headers, "ce_type", b"\xff"),
    lambda headers: replaced(headers, "ce_epoch", b""),
    lambda headers: replaced(headers, "ce_sequence", None),
    lambda headers: replaced(headers, "ce_sequence", b"next"),
    lambda headers: replaced(headers, "ce_id", b"first"),
    lambda headers: replaced(headers, "ce_subject", b"somebody"),
    lambda headers: replaced(headers, "ce_source", b"/tally/1"),  # another shard than its stream's
)


class TestCatchingUp:
    async def test_leaves_everybody_else_their_turn(
        self, kafka_bootstrap: str, topic: str, publish: Publish, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Records that are fetched already come without any waiting. Meanwhile, open transactions want their next statement."""
        monkeypatch.setattr(consumer_module, "BATCH_RECORDS_MAX", 1)
        monkeypatch.setattr(consumer_module, "INBOX_BATCHES_MAX", 1_000)
        turns, gaps = 0, []

        def make(bootstrap: str) -> AIOKafkaConsumer:
            consumer = make_consumer(bootstrap)
            getmany, before = consumer.getmany, 0

            async def noted(*partitions: object, **options: object) -> object:
                nonlocal before
                gaps.append(turns - before)
                before = turns
                return await getmany(*partitions, **options)

            consumer.getmany = noted
            return consumer

        async def take_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        monkeypatch.setattr(kafka, "make_consumer", make)
        await publish(records_of(in_shard(0), *range(1, 201)))
        async with feeding(kafka_bootstrap, topic) as feed:
            taking_turns = asyncio.create_task(take_turns())
            assert list(range(1, 201)) == await received(feed.open(SERVICE, 0, at=BEGINNING), 200)
            taking_turns.cancel()

        assert len(gaps) >= 200
        assert min(gaps[1:]) >= 1


class TestTopicMadeAgain:
    """The client is told nothing of it, and an offset of the old topic may well be one of the new."""

    async def test_is_noticed_while_it_is_read(
        self, kafka_bootstrap: str, topic: str, publish: Publish, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer_module, "CHECK_S", 0.1)
        one, another = in_shard(0), in_shard(PARTITIONS)
        await publish(records_of(one, 1, 2, 3))
        async with feeding(kafka_bootstrap, topic) as feed:
            inbox = feed.open(SERVICE, 0, at=BEGINNING)
            assert [1, 2, 3] == await received(inbox, 3)
            await make_again(kafka_bootstrap, topic)
            # What the reader lacks stands before the offset that it had reached: it would never see a hole.
            await publish([*records_of(another, 1, 2, 3), *records_of(one, 1, 2, 3)])

            # Some of it twice, where the client went back to the beginning by itself before we noticed.
            await received_all(inbox, {(shard, pos) for shard in (0, PARTITIONS) for pos in (1, 2, 3)})

    async def test_is_noticed_by_whoever_comes_back_with_an_old_offset(
        self, kafka_bootstrap: str, topic: str, publish: Publish
    ) -> None:
        await publish(records_of(in_shard(0), 1, 2, 3))
        async with feeding(kafka_bootstrap, topic) as feed:
            stored = (await next_batch(feed.open(SERVICE, 0, at=BEGINNING))).next_offset
        assert stored == 3
        await make_again(kafka_bootstrap, topic)
        await publish(records_of(in_shard(PARTITIONS), *range(1, 6)))

        async with feeding(kafka_bootstrap, topic) as feed:
            assert list(range(1, 6)) == await received(feed.open(SERVICE, 0, at=stored), 5)

    async def test_is_waited_for_while_there_is_none(
        self, kafka_bootstrap: str, topic: str, publish: Publish, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer_module, "CHECK_S", 0.1)
        await delete_topic(kafka_bootstrap, topic)
        async with feeding(kafka_bootstrap, topic) as feed:
            inbox = feed.open(SERVICE, 0, at=BEGINNING)
            await eventually(lambda: topic in feed._topic_ids)
            prefix, _, name = topic.partition(".")
            await make_topic(kafka_bootstrap, f"{prefix}.", name)
            await publish(records_of(in_shard(0), 1, 2))
            assert [1, 2] == await received(inbox, 2)


async def received_all(inbox: Inbox, places: set[tuple[int, int]]) -> None:
    """Return when an event of each of these shards and positions has come."""
    left = set(places)
    async with asyncio.timeout(RECEIVE_S_MAX):
        while left:
            left -= {(event.shard, event.pos) for event in (await inbox.batches.get()).events}


class TestRecordWithoutAValidEnvelope:
    async def test_is_set_aside_and_counted(self, feed: TopicFeed, publish: Publish) -> None:
        stream = in_shard(0)
        data, headers = record(stream, 2)
        before = quarantined()

        spoilt: list[Record] = [(data, spoil(headers)) for spoil in SPOILT]
        await publish([record(stream, 1), *spoilt, (None, headers), (b"", headers), record(stream, 2)])
        inbox = feed.open(SERVICE, 0, at=BEGINNING)

        assert [1, 2] == await received(inbox, 2)
        assert quarantined() == before + len(SPOILT) + 2


class TestRecordUnderAnotherKey:
    async def test_is_set_aside_and_counted(self, feed: TopicFeed, publish: Publish) -> None:
        stream = in_shard(0)
        before = quarantined()
        await publish(records_of(stream, 1))
        await publish(records_of(stream, 2), key=str(in_shard(0)).encode())
        await publish(records_of(stream, 2), key=b"")
        await publish(records_of(stream, 3))
        inbox = feed.open(SERVICE, 0, at=BEGINNING)

        assert [1, 3] == await received(inbox, 2)
        assert quarantined() == before + 2


def replaced(headers: Headers, name: str, value: bytes | None) -> list[Any]:
    return [(header, value if header == name else content) for header, content in headers]


def quarantined() -> float:
    return REGISTRY.get_sample_value("gatehouse_consumer_quarantined_total") or 0.0


class TestFailure:
    async def test_of_the_client_makes_a_new_one_that_goes_on_where_the_old_one_was(
        self, kafka_bootstrap: str, topic: str, publish: Publish, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer_module, "PAUSE_S", 0.01)
        made: list[AIOKafkaConsumer] = []

        def make(bootstrap: str) -> AIOKafkaConsumer:
            consumer = make_consumer(bootstrap)
            failures: list[type[BaseException]] = [KafkaError, TimeoutError]
            if len(made) < len(failures):
                consumer.getmany = fails_at_second_call(consumer, failures[len(made)])
            made.append(consumer)
            return consumer

        monkeypatch.setattr(kafka, "make_consumer", make)
        monkeypatch.setattr(consumer_module, "BATCH_RECORDS_MAX", 5)
        await publish(records_of(in_shard(0), *range(1, 31)))
        async with feeding(kafka_bootstrap, topic) as feed:
            inbox = feed.open(SERVICE, 0, at=BEGINNING)
            assert list(range(1, 31)) == await received(inbox, 30)

        assert len(made) == 3
        assert all(consumer._closed for consumer in made)

    async def test_to_reach_the_broker_is_tried_again(
        self, kafka_bootstrap: str, topic: str, publish: Publish, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer_module, "PAUSE_S", 0.01)
        tried: list[str] = []

        def make(bootstrap: str) -> AIOKafkaConsumer:
            tried.append(bootstrap)
            return make_consumer("127.0.0.1:1" if len(tried) < 3 else bootstrap)

        monkeypatch.setattr(kafka, "make_consumer", make)
        await publish(records_of(in_shard(0), 1))
        async with feeding(kafka_bootstrap, topic) as feed:
            assert [1] == await received(feed.open(SERVICE, 0, at=BEGINNING), 1)

        assert len(tried) == 3

    async def test_of_the_feed_beside_that_nobody_expected_ends_both(
        self, kafka_bootstrap: str, topic: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer_module, "CHECK_S", 0.0)

        async def fail(_: object) -> None:
            raise ZeroDivisionError

        feed = TopicFeed(kafka_bootstrap, {SERVICE: topic})
        running = asyncio.create_task(feed.run())
        async with feed.beside() as beside:
            monkeypatch.setattr(beside, "_poll", fail)
            with pytest.raises(ZeroDivisionError):
                await asyncio.wait_for(running, 20)


def fails_at_second_call(consumer: AIOKafkaConsumer, failure: type[BaseException]) -> Callable[..., Any]:
    getmany, calls = consumer.getmany, 0

    async def failing(*partitions: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise failure
        return await getmany(*partitions, **options)

    return failing
