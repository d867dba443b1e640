"""Kafka clients, with every setting that matters stated in one place. The library's defaults can lose data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not in its stubs
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)
from pydantic import SecretStr

from contracts.topics import DAY_MS, Grant, Right, Topic, grants_on

START_S = 10.0
STOP_S = 5.0
GRACE_S = 2.0
"""In which a broker that is there has answered."""
BATCH_BYTES_MAX = 512 * 1024
FETCH_BYTES_MAX = 1024 * 1024
PROVISION_S = 30.0
SCRAM_ITERATIONS = 4096

SCRAM = "SCRAM-SHA-512"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Brokers:
    """Where the brokers are, and who it is that comes."""

    bootstrap: str
    """host:port[,host:port…]."""
    user: str | None = None
    """None: nobody in particular, to brokers that do not ask."""
    password: SecretStr | None = None

    def for_aiokafka(self) -> dict[str, Any]:
        where = {"bootstrap_servers": self.bootstrap}
        if self.user is None:
            return where
        login = {"sasl_plain_username": self.user, "sasl_plain_password": self._secret()}
        return {**where, "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": SCRAM, **login}

    def for_librdkafka(self) -> dict[str, Any]:
        where = {"bootstrap.servers": self.bootstrap}
        if self.user is None:
            return where
        login = {"sasl.username": self.user, "sasl.password": self._secret()}
        return {**where, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": SCRAM, **login}

    def _secret(self) -> str:
        return self.password.get_secret_value() if self.password is not None else ""


Address = Brokers | str
"""A text is where brokers are that do not ask who comes."""


def brokers_at(address: Address) -> Brokers:
    return address if isinstance(address, Brokers) else Brokers(address)


def make_producer(address: Address) -> AIOKafkaProducer:
    """Idempotent, acknowledged by all replicas. Throw it away after any failure, see `ProducerHolder`."""
    return AIOKafkaProducer(
        **brokers_at(address).for_aiokafka(),
        enable_idempotence=True,
        acks="all",
        compression_type="zstd",
        max_batch_size=BATCH_BYTES_MAX,
        max_request_size=4 * BATCH_BYTES_MAX,
        linger_ms=2,
        request_timeout_ms=5_000,
        retry_backoff_ms=50,
        metadata_max_age_ms=30_000,
    )


def make_consumer(address: Address) -> AIOKafkaConsumer:
    """Without a group: partitions are leased, positions live in PostgreSQL. An offset that is out of range starts anew."""
    return AIOKafkaConsumer(
        **brokers_at(address).for_aiokafka(),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=200,
        max_partition_fetch_bytes=FETCH_BYTES_MAX,
        request_timeout_ms=5_000,
        retry_backoff_ms=50,
        metadata_max_age_ms=30_000,
        check_crcs=True,
    )


@asynccontextmanager
async def consuming(address: Address, *, start_s: float) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer, connected within this time; stopped afterwards. Raises: KafkaError, OSError, TimeoutError."""
    consumer = make_consumer(address)
    try:
        await _start(consumer, start_s)
        yield consumer
    finally:
        await _stop(consumer)


class ProducerHolder:
    """The process's one producer. After any failed batch it is dropped and a new one is made.

    An idempotent aiokafka producer is poisoned by one failure that it cannot retry: every later batch of that partition
    is out of sequence until the producer is rebuilt.
    """

    def __init__(self, make: Callable[[], AIOKafkaProducer]) -> None:
        self._make = make
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()

    async def get(self) -> AIOKafkaProducer:
        """The producer, started. Raises: KafkaError or TimeoutError while the broker cannot be reached."""
        async with self._lock:
            if self._producer is None:
                producer = self._make()
                try:
                    await _start(producer, START_S)
                except BaseException:
                    self._abandon(producer)
                    raise
                self._producer = producer
            return self._producer

    def drop(self, producer: AIOKafkaProducer) -> None:
        """Never use this producer again. Batches of others that it still carries fail and are sent anew by them."""
        if self._producer is producer:
            self._producer = None
        self._abandon(producer)

    async def close(self) -> None:
        if self._producer is not None:
            self.drop(self._producer)
        if self._stopping:
            await asyncio.wait(self._stopping, timeout=STOP_S)

    def _abandon(self, producer: AIOKafkaProducer) -> None:
        task = asyncio.create_task(_stop(producer))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)


async def _start(client: AIOKafkaConsumer | AIOKafkaProducer, within_s: float) -> None:
    """Raises: KafkaError, OSError, TimeoutError.

    Whoever is cut off meanwhile, or late, waits until the client has ended it, `GRACE_S` at most: cancelled while it asks which
    brokers there are, it leaves that connection open, which nobody else can close (aiokafka 0.14, `AIOKafkaClient.bootstrap`).
    """
    starting = asyncio.ensure_future(client.start())
    try:
        async with asyncio.timeout(within_s):
            await asyncio.shield(starting)
    finally:
        if not starting.done():
            try:
                await asyncio.wait({starting}, timeout=GRACE_S)
            finally:
                starting.cancel()


async def _stop(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(STOP_S):
            await client.stop()
    except (TimeoutError, KafkaError, OSError) as error:
        log.warning("kafka.client_not_stopped", client=type(client).__name__, error_type=type(error).__name__)


def provision(address: Address, topics: Sequence[Topic], *, prefix: str, replication: int = 1) -> None:
    """Make the topics that do not exist yet. Repeating it does nothing. Raises: KafkaException."""
    admin = _admin(address)
    known = admin.list_topics(timeout=PROVISION_S).topics
    wanted = [_new_topic(topic, prefix, replication) for topic in topics if prefix + topic.name not in known]
    for future in admin.create_topics(wanted, operation_timeout=PROVISION_S).values() if wanted else ():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise


def _admin(address: Address) -> AdminClient:
    return AdminClient({**brokers_at(address).for_librdkafka(), "socket.timeout.ms": int(PROVISION_S * 1000)})


def admit(address: Address, topics: Sequence[Topic], *, prefix: str, passwords: Mapping[str, SecretStr]) -> None:
    """Make these users, each with a consumer group of its name, and let everybody whom the topics name do there what is theirs.

    Repeating it does nothing new. Whatever is not allowed is refused: brokers are set up so (ADR 26). Raises: KafkaException.
    """
    admin = _admin(address)
    credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, SCRAM_ITERATIONS)
    users: list[UserScramCredentialAlteration] = [
        UserScramCredentialUpsertion(user, credential, password.get_secret_value().encode()) for user, password in passwords.items()
    ]
    rules = [_rule(grant, prefix) for topic in topics for grant in grants_on(topic)] + [_own_group(user) for user in passwords]
    for user in (admin.alter_user_scram_credentials(users) if users else {}).values():
        user.result(PROVISION_S)
    for rule in (admin.create_acls(rules) if rules else {}).values():
        rule.result(PROVISION_S)


_OPERATIONS = {Right.READ: AclOperation.READ, Right.WRITE: AclOperation.WRITE, Right.DELETE: AclOperation.DELETE}


def _rule(grant: Grant, prefix: str) -> AclBinding:
    topic = (ResourceType.TOPIC, prefix + grant.topic, ResourcePatternType.LITERAL)
    return AclBinding(*topic, f"User:{grant.user}", "*", _OPERATIONS[grant.right], AclPermissionType.ALLOW)


def _own_group(user: str) -> AclBinding:
    """librdkafka asks for the coordinator of its group, also where partitions are assigned by hand."""
    group = (ResourceType.GROUP, user, ResourcePatternType.LITERAL)
    return AclBinding(*group, f"User:{user}", "*", AclOperation.READ, AclPermissionType.ALLOW)


def _new_topic(topic: Topic, prefix: str, replication: int) -> NewTopic:
    retention = -1 if topic.retention_ms is None else topic.retention_ms
    # What was deleted leaves the disk with its whole segment: where that matters, none is written to for longer than a day.
    rolled = {} if topic.retention_ms is None else {"segment.ms": str(min(DAY_MS, topic.retention_ms))}
    return NewTopic(
        prefix + topic.name,
        num_partitions=topic.partitions,
        replication_factor=replication,
        config={
            "retention.ms": str(retention),
            "retention.bytes": "-1",
            "cleanup.policy": "delete",
            "max.message.bytes": str(2 * BATCH_BYTES_MAX),
            **rolled,
        },
    )
