"""Log → Kafka: the same bytes in the same order, at least once, whatever fails on the way."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby
from uuid import UUID

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, RequestTimedOutError
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not in its stubs
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from chassis import relay as relay_module
from chassis.broker import Broker
from chassis.event_store import EventStore
from chassis.kafka import ProducerHolder, make_producer
from chassis.leases import Lease, LeaseLost
from chassis.probes import NotReady
from chassis.relay import Publisher, Relay, Sent, TopicPublisher, unpublished
from chassis.republish import republish
from chassis.service import Application, Service
from chassis.settings import ServiceSettings
from chassis.shard_heads import ShardHeads
from chassis.testing.wait import eventually
from chassis.tracing import recorded
from contracts.event import SHARDS, Recorded, record_headers
from tests.chassis.log_database import LogDatabase
from tests.chassis.tallies import append_of, in_shard
from tests.chassis.tally_topics import PARTITIONS, delete_topic, make_again, make_topic, read_events, read_topic, started
from tests.collector import Collector

TOKEN = 7
"""The token under which the test holds every partition."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch, kafka_bootstrap: str) -> None:
    monkeypatch.setenv("GATEHOUSE_KAFKA_BOOTSTRAP", kafka_bootstrap)
    monkeypatch.setattr(relay_module, "LOOK_S", 0.05)
    monkeypatch.setattr(relay_module, "PAUSE_S_MIN", 0.01)
    monkeypatch.setattr(relay_module, "PAUSE_S_MAX", 0.05)


@pytest.fixture
async def topic(kafka_bootstrap: str, topic_prefix: str) -> str:
    return await make_topic(kafka_bootstrap, topic_prefix)


@pytest.fixture
async def producers(kafka_bootstrap: str) -> AsyncIterator[ProducerHolder]:
    holder = ProducerHolder(lambda: make_producer(kafka_bootstrap))
    yield holder
    await holder.close()


@pytest.fixture
def publisher(producers: ProducerHolder, topic: str) -> TopicPublisher:
    return TopicPublisher(producers, topic)


@asynccontextmanager
async def relaying(
    log: LogDatabase, publisher: Publisher, *, token: int = TOKEN, polls: bool = True, broker: Broker | None = None
) -> AsyncIterator[Relaying]:
    """A relay that holds all partitions, as a worker would run it."""
    heads = ShardHeads(log.pool)
    broker = broker or Broker(os.environ["GATEHOUSE_KAFKA_BOOTSTRAP"], kept_s=0.05)
    relay = Relay(log.pool, heads, publisher, broker, partitions=PARTITIONS)
    works = relay.works()
    await log.owner.executemany(
        "INSERT INTO lease (name, token) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET token = excluded.token",
        [(name, token) for name in works],
    )
    tasks = {name: asyncio.ensure_future(work(Lease(name, token))) for name, work in works.items()}
    polling = [asyncio.create_task(heads.run())] if polls else []
    try:
        yield Relaying(relay, heads, tasks)
    finally:
        for task in [*tasks.values(), *polling]:
            task.cancel()
        await asyncio.wait([*tasks.values(), *polling])


@dataclass
class Relaying:
    relay: Relay
    heads: ShardHeads
    tasks: Mapping[str, asyncio.Future[None]]


async def append(store: EventStore, *streams: UUID, events: int = 1) -> None:
    await asyncio.gather(*(store.append(append_of(stream, events=events)) for stream in streams))


async def is_published(log: LogDatabase) -> bool:
    async with log.pool.acquire() as connection:
        return not await unpublished(connection)


async def relayed(log: LogDatabase, publisher: Publisher) -> None:
    """Run a relay until the log is marked as published."""
    async with relaying(log, publisher):
        await eventually(lambda: is_published(log), within_s=30)


def by_shard(events: Sequence[Recorded]) -> dict[int, list[int]]:
    """Shard → the positions of its events, in the order of the topic."""
    ordered = sorted(events, key=lambda event: event.shard)
    return {shard: [event.pos for event in found] for shard, found in groupby(ordered, key=lambda event: event.shard)}


def without_repeats(positions: Sequence[int]) -> list[int]:
    """What a reader takes in that drops what it had: it asserts that nothing is missing on the way."""
    last = 0
    for pos in positions:
        assert pos <= last + 1, f"{pos} came after {last}: a hole"
        last = max(last, pos)
    return list(range(1, last + 1))


class TestRelay:
    async def test_tells_the_trace_of_each_event_that_it_publishes_it(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, collector: Collector, kafka_bootstrap: str, topic: str
    ) -> None:
        await append(store, in_shard(1), events=2)
        with recorded(service="tally", role="worker"):
            await relayed(log, publisher)
        [span] = collector.spans
        assert ("publish", "producer", "1" * 32, "2" * 16) == (span.name, span.kind, span.trace_id, span.parent_id)
        assert 2 == span.attributes["messaging.batch.message_count"]
        read = await read_events(kafka_bootstrap, topic)
        assert {f"00-{span.trace_id}-{span.parent_id}-01"} == {event.traceparent for event in read}, "as it was stored"

    async def test_publishes_what_is_stored_and_nothing_else(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        await append(store, *(in_shard(n % SHARDS) for n in range(100)), events=3)

        await relayed(log, publisher)

        partitions = await read_topic(kafka_bootstrap, topic)
        published = sorted(
            (record.headers[-1][1], partition, record.key, record.value, record.headers)
            for partition, records in partitions.items()
            for record in records
        )
        stored = sorted(
            (b"%020d" % pos, shard % PARTITIONS, str(stream).encode(), data, tuple(record_headers(meta.split(b"\n"), pos)))
            for shard, pos, stream, data, meta in await log.rows("SELECT shard, pos, stream_id, data, meta FROM event")
        )
        assert len(stored) == 300
        assert stored == published

    async def test_keeps_the_order_of_every_shard(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        await append(store, *(in_shard(n % 10) for n in range(60)), events=20)

        await relayed(log, publisher)

        assert {shard: list(range(1, 121)) for shard in range(10)} == by_shard(await read_events(kafka_bootstrap, topic))

    async def test_goes_on_in_several_rounds_where_more_waits_than_one_may_carry(
        self,
        log: LogDatabase,
        store: EventStore,
        publisher: TopicPublisher,
        kafka_bootstrap: str,
        topic: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(relay_module, "READ_EVENTS_MAX", 7)
        await append(store, *(in_shard(n) for n in (0, 4, 8)), events=30)

        await relayed(log, publisher)

        assert {shard: list(range(1, 31)) for shard in (0, 4, 8)} == by_shard(await read_events(kafka_bootstrap, topic))

    async def test_goes_on_where_the_last_one_stopped(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        for _ in range(3):
            await append(store, in_shard(5), in_shard(6), events=2)
            await relayed(log, publisher)

        assert {shard: list(range(1, 7)) for shard in (5, 6)} == by_shard(await read_events(kafka_bootstrap, topic))

    async def test_is_woken_by_an_appender_of_its_own_process(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher
    ) -> None:
        async with relaying(log, publisher, polls=False) as running:
            store.on_appended = running.heads.tell
            await append(store, in_shard(5))
            await eventually(lambda: is_published(log))

    async def test_finds_by_itself_what_another_process_appended(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher
    ) -> None:
        async with relaying(log, publisher):
            await append(store, in_shard(5))
            await eventually(lambda: is_published(log))

    async def test_carries_records_larger_than_a_batch_may_hold_together(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        stream = in_shard(3)
        large = append_of(stream, events=20)
        noise = asyncpg_noise()
        for event in large.events:
            object.__setattr__(event, "data", noise)
        await store.append(large)

        await relayed(log, publisher)

        assert {3: list(range(1, 21))} == by_shard(await read_events(kafka_bootstrap, topic))


def asyncpg_noise() -> bytes:
    """As large as an event may be, and not to be compressed."""
    return b"".join(UUID(int=n * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128).bytes for n in range(4096))


@dataclass
class Faulty:
    """A publisher that does what a broken broker or network does, when it is told to."""

    real: TopicPublisher
    before: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Happens, one a call, before anything is sent."""
    after: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Happens, one a call, after the broker has everything."""
    sent: int = 0

    def places(self, partition: int) -> Mapping[str, int]:
        return self.real.places(partition)

    async def publish(self, partition: int, rows: Sequence[asyncpg.Record]) -> Mapping[str, Sent]:
        if self.before:
            await self.before.pop(0)()
        sent = await self.real.publish(partition, rows)
        self.sent += len(rows)
        if self.after:
            await self.after.pop(0)()
        return sent


def fails(error: Exception) -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise error

    return fail


async def never_returns() -> None:
    await asyncio.Event().wait()


class TestFailure:
    async def test_before_the_broker_has_anything_delays_and_repeats_nothing(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        faulty = Faulty(publisher, before=[fails(KafkaError()), fails(TimeoutError()), fails(ConnectionError())])
        await append(store, in_shard(5), events=10)

        await relayed(log, faulty)

        assert faulty.before == []
        assert {5: list(range(1, 11))} == by_shard(await read_events(kafka_bootstrap, topic))

    async def test_after_the_broker_has_everything_repeats_it_in_order(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        faulty = Faulty(publisher, after=[fails(RequestTimedOutError()), fails(TimeoutError())])
        await append(store, in_shard(5), events=10)

        await relayed(log, faulty)

        assert {5: [*range(1, 11)] * 3} == by_shard(await read_events(kafka_bootstrap, topic))

    async def test_in_one_partition_does_not_hold_up_another(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        class OnePartitionDown(Faulty):
            async def publish(self, partition: int, rows: Sequence[asyncpg.Record]) -> Mapping[str, Sent]:
                if partition == 1:
                    raise KafkaError
                return await super().publish(partition, rows)

        await append(store, in_shard(5), in_shard(6), events=3)
        async with relaying(log, OnePartitionDown(publisher)):
            await eventually(lambda: is_marked(log, shard=6, at=3))

        assert {6: [1, 2, 3]} == by_shard(await read_events(kafka_bootstrap, topic))
        assert [] == await log.rows("SELECT last_pos FROM published WHERE shard = 5")


async def is_marked(log: LogDatabase, *, shard: int, at: int) -> bool:
    return [(at,)] == await log.rows("SELECT last_pos FROM published WHERE shard = $1", shard)


class TestProducer:
    async def test_that_failed_is_never_used_again(
        self, log: LogDatabase, store: EventStore, kafka_bootstrap: str, topic: str
    ) -> None:
        made: list[AIOKafkaProducer] = []

        def make() -> AIOKafkaProducer:
            producer = make_producer(kafka_bootstrap)
            if not made:
                producer.send_batch = lost_answer(producer)
            made.append(producer)
            return producer

        holder = ProducerHolder(make)
        await append(store, in_shard(5), events=10)

        await relayed(log, TopicPublisher(holder, topic))
        current = await holder.get()
        await holder.close()

        assert [False, True] == [current is producer for producer in made]
        assert all(producer._closed for producer in made)
        assert {5: [*range(1, 11)] * 2} == by_shard(await read_events(kafka_bootstrap, topic))

    async def test_that_the_broker_has_refused_for_good_is_replaced_and_everything_arrives(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        """An idempotent producer goes on with the wrong sequence after a refused batch: whatever it sends is refused, too."""
        await set_message_bytes_max(kafka_bootstrap, topic, 100)
        refused = Faulty(publisher)
        await append(store, in_shard(5), events=10)
        async with relaying(log, refused):
            with pytest.raises(TimeoutError):
                await eventually(lambda: is_published(log), within_s=0.3)
            assert refused.sent == 0
            await set_message_bytes_max(kafka_bootstrap, topic, 1024 * 1024)
            await eventually(lambda: is_published(log), within_s=30)

        assert {5: list(range(1, 11))} == by_shard(await read_events(kafka_bootstrap, topic))


def lost_answer(producer: AIOKafkaProducer) -> Callable[..., Awaitable[asyncio.Future[None]]]:
    """The broker takes the batch, and its answer gets lost."""
    send = producer.send_batch

    async def sent(*arguments: object, **named: object) -> asyncio.Future[None]:
        await (await send(*arguments, **named))
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lost.set_exception(RequestTimedOutError())
        return lost

    return sent


class TestTopicLost:
    """Kafka may burn: what was acknowledged once may be gone."""

    async def test_that_was_made_again_gets_everything_by_itself(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        await append(store, *(in_shard(n) for n in range(8)), events=5)
        async with relaying(log, publisher):
            await eventually(lambda: is_published(log), within_s=30)
            await make_again(kafka_bootstrap, topic)
            await append(store, in_shard(5), events=2)
            whole = dict.fromkeys(range(8), 5) | {5: 7}
            await eventually(lambda: has_all(kafka_bootstrap, topic, whole), within_s=30)

    async def test_while_no_relay_ran_is_noticed_though_the_new_one_is_as_long(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        await append(store, in_shard(5), events=3)
        await relayed(log, publisher)
        await make_again(kafka_bootstrap, topic)
        async with started(make_producer(kafka_bootstrap)) as stranger:
            for _ in range(3):
                await stranger.send_and_wait(topic, b"{}", partition=1)

        async with relaying(log, publisher):
            await eventually(lambda: has_length(kafka_bootstrap, topic, partition=1, length=6), within_s=30)

    async def test_at_its_end_only_is_noticed_too(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        """The broker came back without its last records: the same topic, shorter than it was."""
        await append(store, in_shard(5), events=3)
        await relayed(log, publisher)
        await log.owner.execute("UPDATE relayed_topic SET end_offset = 10 WHERE relay_partition = 1")

        async with relaying(log, publisher):
            await eventually(lambda: has_length(kafka_bootstrap, topic, partition=1, length=6), within_s=30)
        assert {5: [1, 2, 3, 1, 2, 3]} == by_shard(await read_events(kafka_bootstrap, topic))

    async def test_is_none_that_another_relay_has_filled_since_we_asked(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        """A partition changes hands under load: what this process knows of the broker is some seconds old."""
        warm = Broker(kafka_bootstrap, kept_s=60)
        await append(store, in_shard(5))
        await relayed(log, publisher)
        await warm.topics([topic])
        await append(store, in_shard(5), events=3)
        await relayed(log, publisher)

        await append(store, in_shard(5))
        async with relaying(log, publisher, broker=warm):
            await eventually(lambda: is_published(log))

        assert {5: [1, 2, 3, 4, 5]} == by_shard(await read_events(kafka_bootstrap, topic))

    async def test_is_told_while_it_is_missing_and_loses_nothing(
        self,
        log: LogDatabase,
        store: EventStore,
        publisher: TopicPublisher,
        kafka_bootstrap: str,
        topic_prefix: str,
        topic: str,
    ) -> None:
        await append(store, in_shard(5), events=3)
        async with relaying(log, publisher) as running:
            await eventually(lambda: is_published(log), within_s=30)
            await running.relay.check()
            await delete_topic(kafka_bootstrap, topic)
            await append(store, in_shard(5), events=2)

            await eventually(lambda: is_told(running.relay, "topic-missing"), within_s=30)
            await make_topic(kafka_bootstrap, topic_prefix)
            await eventually(lambda: has_all(kafka_bootstrap, topic, {5: 5}), within_s=30)
            await eventually(lambda: is_told(running.relay, None), within_s=30)


class TestRepublish:
    async def test_publishes_again_under_a_relay_that_runs(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        await append(store, in_shard(5), in_shard(6), events=3)
        settings = ServiceSettings.model_validate({"database_dsn": log.app_dsn, "partitions": PARTITIONS})
        async with relaying(log, publisher) as running:
            await eventually(lambda: is_published(log))
            assert 0 == await republish(TALLY, settings, Namespace(partition=[1]))
            # It holds the lease no more: whatever it publishes now, it marks nothing.
            await append(store, in_shard(5))
            with pytest.raises(LeaseLost):
                await asyncio.wait_for(asyncio.shield(running.tasks["relay/01"]), timeout=10)
        await relayed(log, publisher)

        found = by_shard(await read_events(kafka_bootstrap, topic))
        assert [1, 2, 3] == found[6]
        assert [1, 2, 3, 4] == without_repeats(found[5])
        assert found[5].count(1) == 2

    async def test_refuses_a_partition_that_there_is_not(self, log: LogDatabase) -> None:
        settings = ServiceSettings.model_validate({"database_dsn": log.app_dsn, "partitions": PARTITIONS})
        assert 2 == await republish(TALLY, settings, Namespace(partition=[PARTITIONS]))


TALLY: Service[ServiceSettings] = Service(
    name="tally", title="Tallies", settings=ServiceSettings, migrations=[], wire=lambda parts: Application()
)


async def is_told(relay: Relay, reason: str | None) -> bool:
    """Whether readiness gives this reason; None: it is ready."""
    try:
        await relay.check()
    except NotReady as error:
        return error.reason == reason
    return reason is None


async def has_length(bootstrap: str, topic: str, *, partition: int, length: int) -> bool:
    return len((await read_topic(bootstrap, topic))[partition]) == length


async def has_all(bootstrap: str, topic: str, heads: Mapping[int, int]) -> bool:
    """Whether a reader gets to each shard's head: what was on its way when the topic was lost may stand before its turn."""
    reached = dict.fromkeys(heads, 0)
    for event in await read_events(bootstrap, topic):
        reached[event.shard] += event.pos == reached[event.shard] + 1
    return reached == heads


async def set_message_bytes_max(bootstrap: str, topic: str, size: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource]).values():
        await asyncio.to_thread(future.result)


class TestZombie:
    """A relay that was frozen or cut off while it published, and replaced meanwhile."""

    async def test_is_refused_its_mark_and_ends(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        async def be_replaced() -> None:
            await log.rows("UPDATE lease SET token = token + 1 RETURNING name")

        zombie = Faulty(publisher, after=[be_replaced])
        await append(store, in_shard(5), events=10)
        async with relaying(log, zombie) as running:
            with pytest.raises(LeaseLost):
                await asyncio.wait_for(asyncio.shield(running.tasks["relay/01"]), timeout=10)

        assert zombie.after == []
        assert [] == await log.rows("SELECT * FROM published")

        await relayed(log, publisher)
        assert {5: [*range(1, 11)] * 2} == by_shard(await read_events(kafka_bootstrap, topic))

    async def test_does_not_move_the_successors_mark_back(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        wakes, has_published = asyncio.Event(), asyncio.Event()

        async def freeze() -> None:
            has_published.set()
            await wakes.wait()

        await append(store, in_shard(5), events=4)
        async with relaying(log, Faulty(publisher, after=[freeze])) as frozen:
            await asyncio.wait_for(has_published.wait(), timeout=10)
            await append(store, in_shard(5), events=6)
            async with relaying(log, publisher, token=TOKEN + 1):
                await eventually(lambda: is_marked(log, shard=5, at=10))
                wakes.set()
                with pytest.raises(LeaseLost):
                    await asyncio.wait_for(asyncio.shield(frozen.tasks["relay/01"]), timeout=10)

        assert await is_marked(log, shard=5, at=10)
        [positions] = by_shard(await read_events(kafka_bootstrap, topic)).values()
        assert list(range(1, 11)) == without_repeats(positions)
        assert len(positions) > 10, "nothing was published twice: the test shows nothing"


class TestCrash:
    async def test_between_publishing_and_marking_repeats_in_order(
        self, log: LogDatabase, store: EventStore, publisher: TopicPublisher, kafka_bootstrap: str, topic: str
    ) -> None:
        dying = Faulty(publisher, after=[never_returns])
        await append(store, in_shard(5), events=10)
        async with relaying(log, dying):
            await eventually(lambda: dying.sent == 10)
        assert [] == await log.rows("SELECT * FROM published")

        await append(store, in_shard(5), events=5)
        await relayed(log, publisher)

        assert {5: [*range(1, 11), *range(1, 16)]} == by_shard(await read_events(kafka_bootstrap, topic))


class TestUnpublished:
    async def test_says_how_far_the_marks_are_behind(self, log: LogDatabase, store: EventStore) -> None:
        await append(store, in_shard(5), in_shard(6), in_shard(7), events=3)
        await log.owner.execute("INSERT INTO published (shard, last_pos) VALUES (5, 3), (6, 1)")

        async with log.pool.acquire() as connection:
            assert {6: 2, 7: 3} == await unpublished(connection)
