"""From the sealed log to the districts' topics on a real broker, and from registration's topic to them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from confluent_kafka.admin import AdminClient

from chassis.kafka import ProducerHolder
from chassis.probes import NotReady
from chassis.relay import unpublished
from chassis.service import Worker, worker
from chassis.testing.wait import eventually
from contracts.event import SHARDS, record_headers, shard_of
from contracts.police import PoliceArrivalShared, PoliceArrivalWithdrawn
from contracts.topics import EVENT_TOPICS, POLICE_PARTITIONS, POLICE_TOPICS
from devstack.databases import Database
from police_bridge import publishing
from police_bridge.publishing import PolicePublisher
from police_bridge.rendering import Renderer
from police_bridge.wiring import SERVICE
from tests.at_work import at_work
from tests.conftest import MakeDatabase
from tests.police_bridge.facts import (
    ELSEWHERE,
    HERE,
    HONGKOU,
    PLAIN,
    PUDONG,
    later,
    no_longer_expected,
    pre_registered,
    share,
    withdraw,
)
from tests.police_bridge.service import PARTITIONS, Running, police_bridge
from tests.police_bridge.topics import as_sent, make_topics, read_topic
from tests.told import recorded

CITY = (POLICE_TOPICS[HONGKOU], POLICE_TOPICS[PUDONG])


@pytest.fixture
async def running(
    database: MakeDatabase, keys_databases: dict[str, Database], kafka_bootstrap: str, topic_prefix: str
) -> AsyncIterator[Running]:
    made = await database("police_bridge", SERVICE.migrations)
    async with police_bridge(made, keys_databases, kafka_bootstrap=kafka_bootstrap, topic_prefix=topic_prefix) as running:
        yield running


@pytest.fixture
def publisher(running: Running) -> PolicePublisher:
    assert isinstance(running.application.publisher, PolicePublisher)
    return running.application.publisher


async def rows_of_partition(running: Running, partition: int) -> Sequence[asyncpg.Record]:
    """As the relay reads them."""
    shards = list(range(partition, SHARDS, PARTITIONS))
    return await running.parts.pool.fetch(
        "SELECT shard, pos, data, meta FROM event WHERE shard = ANY ($1) ORDER BY shard, pos", shards
    )


async def publish_all(running: Running, publisher: PolicePublisher) -> None:
    for partition in range(PARTITIONS):
        if rows := await rows_of_partition(running, partition):
            await publisher.publish(partition, rows)


def in_shard(shard: int) -> UUID:
    return UUID(int=uuid4().int & ~(SHARDS - 1) | shard)


def _producer_of_small_batches(bootstrap: str) -> AIOKafkaProducer:
    """Two or three messages fill one."""
    return AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", max_batch_size=3_000)


async def arrive_and_leave(running: Running, person_id: UUID, *, times: int = 1) -> None:
    """Shared and withdrawn here, so many times, and shared once elsewhere."""
    seal = await running.sealer(person_id)
    for n in range(times):
        await running.tell(
            share(person_id, at=later(2 * n), seal=seal),
            withdraw(person_id, at=later(2 * n + 1)),
        )
    await running.tell(share(person_id, contract_no=ELSEWHERE, district=PUDONG, seal=seal))


def topics_of(bootstrap: str, prefix: str) -> set[str]:
    """All that this test's installation has on the broker."""
    known = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=20).topics
    return {name.removeprefix(prefix) for name in known if name.startswith(prefix)}


class TestPublish:
    async def test_sends_plain_words_to_the_topic_of_the_district(
        self, running: Running, publisher: PolicePublisher, kafka_bootstrap: str, topic_prefix: str
    ) -> None:
        await make_topics(kafka_bootstrap, topic_prefix, *CITY)
        person_id = uuid4()
        await arrive_and_leave(running, person_id)

        await publish_all(running, publisher)

        shared, withdrawn = await read_topic(kafka_bootstrap, topic_prefix, HONGKOU)
        (elsewhere,) = await read_topic(kafka_bootstrap, topic_prefix, PUDONG)
        told = json.loads(shared.value)
        assert PLAIN == {field: told[field] for field in PLAIN}
        assert (HERE, ELSEWHERE) == (told["contract_no"], json.loads(elsewhere.value)["contract_no"])
        for record, fact in zip((shared, withdrawn, elsewhere), await running.log(), strict=True):
            headers = dict(record.headers)
            assert str(person_id).encode() == record.key
            assert shard_of(person_id) % POLICE_PARTITIONS == record.partition
            assert (str(fact.event_id).encode(), b"%020d" % fact.pos) == (headers["ce_id"], headers["ce_sequence"])
        assert PoliceArrivalWithdrawn.TYPE.encode() == dict(withdrawn.headers)["ce_type"]
        event = from_binary(KafkaMessage(headers=dict(shared.headers), key=shared.key, value=shared.value), JSONFormat())
        assert (PoliceArrivalShared.TYPE, told) == (event.get_type(), event.get_data())

    async def test_keeps_the_order_of_each_person_over_many_batches(
        self, running: Running, kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await make_topics(kafka_bootstrap, topic_prefix, *CITY)
        monkeypatch.setattr(publishing, "FACTS_MAX", 7)
        producers = ProducerHolder(lambda: _producer_of_small_batches(kafka_bootstrap))
        people = [in_shard(n % 3) for n in range(12)]
        for person_id in people:
            await arrive_and_leave(running, person_id, times=5)

        await publish_all(
            running, PolicePublisher(producers, Renderer(running.parts.sealing), topic_prefix=topic_prefix, partitions=PARTITIONS)
        )
        await producers.close()

        records = await read_topic(kafka_bootstrap, topic_prefix, HONGKOU)
        for person_id in people:
            versions = [int(dict(each.headers)["ce_streamversion"]) for each in records if each.key == str(person_id).encode()]
            assert list(range(1, 11)) == versions

    async def test_sends_the_same_bytes_again_until_somebody_is_erased(
        self, running: Running, publisher: PolicePublisher, kafka_bootstrap: str, topic_prefix: str
    ) -> None:
        await make_topics(kafka_bootstrap, topic_prefix, *CITY)
        person_id = uuid4()
        await running.tell(share(person_id, seal=await running.sealer(person_id)))
        await publish_all(running, publisher)
        await publish_all(running, publisher)
        first, again = as_sent(await read_topic(kafka_bootstrap, topic_prefix, HONGKOU))
        assert first == again

        await running.erase(person_id)
        await publish_all(running, publisher)

        *_, erased = await read_topic(kafka_bootstrap, topic_prefix, HONGKOU)
        headers = dict(erased.headers)
        assert PoliceArrivalWithdrawn.TYPE.encode() == headers["ce_type"]
        assert dict(first[3])["ce_id"] == headers["ce_id"]
        assert {"person_id", "contract_no", "district", "withdrawn_at"} == set(json.loads(erased.value))

    async def test_drops_the_producer_when_the_broker_does_not_take_a_batch(
        self,
        running: Running,
        publisher: PolicePublisher,
        kafka_bootstrap: str,
        topic_prefix: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        await arrive_and_leave(running, person_id := uuid4())
        rows = await rows_of_partition(running, shard_of(person_id) % PARTITIONS)
        failed = await running.parts.producers.get()
        monkeypatch.setattr(publishing, "PUBLISH_S_MAX", 0.3)
        with pytest.raises(TimeoutError):
            await publisher.publish(0, rows)  # there is no such topic
        monkeypatch.undo()
        assert failed is not await running.parts.producers.get()

        await make_topics(kafka_bootstrap, topic_prefix, *CITY)
        await publisher.publish(0, rows)

        assert 2 == len(await read_topic(kafka_bootstrap, topic_prefix, HONGKOU))

    async def test_sends_nothing_while_the_key_server_is_away(self, running: Running, publisher: PolicePublisher) -> None:
        await arrive_and_leave(running, person_id := uuid4())
        assert running.parts.key_server is not None
        await running.parts.key_server.close()
        with pytest.raises(ConnectionError):
            await publisher.publish(0, await rows_of_partition(running, shard_of(person_id) % PARTITIONS))


class TestUnsealable:
    """Nobody may leave it out: the police would not know that somebody is missing."""

    async def test_holds_up_its_partition_alone_until_the_key_is_there_again(
        self, running: Running, kafka_bootstrap: str, topic_prefix: str
    ) -> None:
        await make_topics(kafka_bootstrap, topic_prefix, *POLICE_TOPICS.values())
        keyless, _, elsewhere = people = in_shard(0), in_shard(0), in_shard(1)
        shared = [share(person_id, seal=await running.sealer(person_id)) for person_id in people]
        async with worker(SERVICE, running.parts, running.application) as at:
            assert at.heads is not None
            async with at_work(at.leases.run(), at.heads.run()):
                async with _key_lost(running, keyless):
                    await running.tell(*shared)
                    await eventually(lambda: self._is_held_up(at), within_s=20)
                    await eventually(lambda: self._waiting(running, {0: 2}), within_s=20)
                    assert [elsewhere] == await self._told(kafka_bootstrap, topic_prefix)
                await eventually(lambda: self._waiting(running, {}), within_s=20)
        assert list(people) == await self._told(kafka_bootstrap, topic_prefix)

    async def _is_held_up(self, at: Worker) -> bool:
        assert at.relay is not None
        try:
            await at.relay.check()
        except NotReady as obstacle:
            return obstacle.reason == "event-unpublishable"
        return False

    async def _waiting(self, running: Running, expected: dict[int, int]) -> bool:
        async with running.parts.pool.acquire() as connection:
            return expected == await unpublished(connection)

    async def _told(self, bootstrap: str, prefix: str) -> list[UUID]:
        return [UUID(record.key.decode()) for record in await read_topic(bootstrap, prefix, HONGKOU)]


@asynccontextmanager
async def _key_lost(running: Running, person_id: UUID) -> AsyncIterator[None]:
    """For the time of the block, as after a restore of an older copy of the keys."""
    connection = await asyncpg.connect(running.keys["police_bridge"].owner_dsn)
    nowhere = uuid4()
    try:
        await connection.execute("UPDATE key SET stream_id = $2 WHERE stream_id = $1", person_id, nowhere)
        yield
        await connection.execute("UPDATE key SET stream_id = $2 WHERE stream_id = $1", nowhere, person_id)
    finally:
        await connection.close()


def registered(events: Sequence[Any]) -> list[tuple[int, dict[str, Any]]]:
    """Registration's records: partition, and what a producer sends."""
    made = []
    for pos, event in enumerate(events, 1):
        fact = recorded(event, event.person_id, pos=pos, version=pos)
        key = str(event.person_id).encode()
        made.append((fact.shard % PARTITIONS, {"key": key, "value": fact.data, "headers": record_headers(fact.headers, pos)}))
    return made


class TestService:
    async def test_tells_the_districts_what_registration_told(
        self, running: Running, kafka_bootstrap: str, topic_prefix: str
    ) -> None:
        registration = EVENT_TOPICS["registration"].with_partitions(PARTITIONS)
        await make_topics(kafka_bootstrap, topic_prefix, registration, *POLICE_TOPICS.values())
        person_id = uuid4()
        seal = await running.sealer(person_id)
        producer = await running.parts.producers.get()
        for partition, record in registered(
            [
                pre_registered(person_id, seal=seal),
                pre_registered(person_id, seal=seal, contract_no=ELSEWHERE, district=PUDONG),
                no_longer_expected(person_id),
            ]
        ):
            await producer.send_and_wait(registration.full_name(topic_prefix), partition=partition, **record)

        async with worker(SERVICE, running.parts, running.application) as at:
            assert at.heads is not None
            async with at_work(at.leases.run(), at.feed.run(), at.heads.run()):
                await eventually(lambda: self._is_published(running), within_s=20)

        here = await read_topic(kafka_bootstrap, topic_prefix, HONGKOU)
        elsewhere = await read_topic(kafka_bootstrap, topic_prefix, PUDONG)
        types = [dict(record.headers)["ce_type"].decode() for record in here]
        assert [PoliceArrivalShared.TYPE, PoliceArrivalWithdrawn.TYPE] == types
        assert [PLAIN["name"]] == [json.loads(record.value)["name"] for record in elsewhere]
        assert {registration.name, *(topic.name for topic in POLICE_TOPICS.values())} == topics_of(kafka_bootstrap, topic_prefix)

    async def _is_published(self, running: Running) -> bool:
        async with running.parts.pool.acquire() as connection:
            return 3 == await connection.fetchval("SELECT count(*) FROM event") and not await unpublished(connection)
