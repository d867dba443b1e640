"""Who may do what with which topic: asked of a real broker, as each user."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
from aiokafka import TopicPartition as Place
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from chassis.broker import Broker
from chassis.kafka import Brokers, admit, make_consumer, make_producer, provision
from contracts.topics import (
    CITY_POLICE_USER,
    EVENT_TOPICS,
    POLICE_TOPICS,
    Grant,
    Right,
    Topic,
    grants_on,
    police_user,
    users,
)
from devstack.services import kafka_password
from devstack.state import State

HONGKOU, PUDONG = POLICE_TOPICS["310109"], POLICE_TOPICS["310115"]
SOME = (*EVENT_TOPICS.values(), HONGKOU, PUDONG)
WHO = (police_user("310109"), CITY_POLICE_USER, "police-bridge", "health", "reporting")
ANSWER_S_MAX = 20.0
REFUSED = KafkaError.TOPIC_AUTHORIZATION_FAILED


@pytest.fixture
def prefix(kafka_bootstrap: str, topic_prefix: str) -> str:
    """Of topics that are there, each with a record in it."""
    provision(kafka_bootstrap, SOME, prefix=topic_prefix)
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    for topic in SOME:
        producer.produce(topic.full_name(topic_prefix), b"something", partition=0)
    assert 0 == producer.flush(ANSWER_S_MAX)
    return topic_prefix


@pytest.fixture
def passwords(state: State, kafka_bootstrap: str, prefix: str) -> dict[str, SecretStr]:
    """By user. They are the broker's, which all tests share, and so are the same for all."""
    given = {user: SecretStr(kafka_password(state, user)) for user in users()}
    for _ in range(2):  # Repeating it does nothing new.
        admit(kafka_bootstrap, SOME, prefix=prefix, passwords=given)
    return given


def may_read(brokers: Brokers, topic: str) -> bool:
    consumer = Consumer({**brokers.for_librdkafka(), "group.id": brokers.user, "enable.auto.commit": False, "log_level": 0})
    try:
        unseen = consumer.list_topics(topic, ANSWER_S_MAX).topics[topic].error
        if unseen is not None:  # Of such a topic nothing at all is said, also where partitions were assigned.
            assert unseen.code() == REFUSED, unseen
            return False
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(ANSWER_S_MAX)
        assert message is not None, "neither a record nor a refusal"
        error = message.error()
        assert error is None or error.code() == REFUSED, error
        return error is None
    finally:
        consumer.close()


def may_write(brokers: Brokers, topic: str) -> bool:
    refusals: list[KafkaError | None] = []
    producer = Producer({**brokers.for_librdkafka(), "log_level": 0})
    producer.produce(topic, b"something", partition=0, on_delivery=lambda error, _: refusals.append(error))
    assert 0 == producer.flush(ANSWER_S_MAX)
    (error,) = refusals
    assert error is None or error.code() == REFUSED, error
    return error is None


class TestEverybody:
    def test_may_do_what_the_topics_say_and_nothing_else(
        self, kafka_clients: str, prefix: str, passwords: dict[str, SecretStr]
    ) -> None:
        def tried(user: str, topic: Topic) -> set[Grant]:
            brokers, name = Brokers(kafka_clients, user, passwords[user]), topic.full_name(prefix)
            asked = {Right.READ: may_read, Right.WRITE: may_write}
            return {Grant(user, right, topic.name) for right, ask in asked.items() if ask(brokers, name)}

        with ThreadPoolExecutor(8) as pool:
            found = set().union(*pool.map(lambda cell: tried(*cell), product(WHO, SOME)))
        granted = {grant for topic in SOME for grant in grants_on(topic)}
        assert {grant for grant in granted if grant.user in WHO and grant.right is not Right.DELETE} == found

    async def test_that_is_a_service_writes_reads_and_asks_by_its_name(
        self, kafka_clients: str, prefix: str, passwords: dict[str, SecretStr]
    ) -> None:
        brokers = Brokers(kafka_clients, "health", passwords["health"])
        topic = EVENT_TOPICS["health"].full_name(prefix)
        producer, consumer = make_producer(brokers), make_consumer(brokers)
        await producer.start()
        await consumer.start()
        try:
            sent = await producer.send_and_wait(topic, b"another", partition=1)
            consumer.assign([Place(topic, 1)])
            record = await asyncio.wait_for(consumer.getone(), ANSWER_S_MAX)
            assert (b"another", sent.offset) == (record.value, record.offset)
        finally:
            await producer.stop()
            await consumer.stop()
        seen = await Broker(brokers, kept_s=0.0).topics([topic])
        assert 1 == seen[topic].ends[1]

    async def test_that_told_the_police_may_delete_what_was_told(
        self, kafka_clients: str, prefix: str, passwords: dict[str, SecretStr]
    ) -> None:
        topic = HONGKOU.full_name(prefix)
        ours = Brokers(kafka_clients, "police-bridge", passwords["police-bridge"])
        await Broker(ours, kept_s=0.0).delete_before({(topic, 0): 1})
        theirs = Brokers(kafka_clients, WHO[0], passwords[WHO[0]])
        with pytest.raises(OSError, match="TOPIC_AUTHORIZATION_FAILED"):
            await Broker(theirs, kept_s=0.0).delete_before({(topic, 0): 1})


class TestNobody:
    @pytest.mark.parametrize("password", [None, SecretStr("another")])
    def test_comes_in_without_the_password(
        self, kafka_clients: str, passwords: dict[str, SecretStr], password: SecretStr | None
    ) -> None:
        user = WHO[0] if password else None
        brokers = Brokers(kafka_clients, user, password)
        client = AdminClient({**brokers.for_librdkafka(), "log_level": 0})
        with pytest.raises(KafkaException):
            client.list_topics(timeout=2)

    def test_has_rights_without_being_a_user(self) -> None:
        assert {grant.user for topic in SOME for grant in grants_on(topic)} <= set(users())
