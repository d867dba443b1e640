"""Where PostgreSQL and Kafka come from, in this order: what the environment names, Docker, our own children."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from devstack import doctor, kafka, postgres
from devstack.docker import DockerKafka, DockerPostgres
from devstack.kafka import EmbeddedKafka
from devstack.missing import MissingPart
from devstack.postgres import EmbeddedPostgres
from devstack.settings import Settings
from devstack.state import State

Say = Callable[[str], None]
"""Tells whoever waits what happens: one line."""


class PostgresServer(Protocol):
    """A PostgreSQL server, whoever runs it. `start` waits until it answers, `stop` may be called twice."""

    @property
    def version(self) -> str: ...
    @property
    def dsn(self) -> str: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class KafkaServer(Protocol):
    """A Kafka, whoever runs it. `start` waits until it answers, `stop` may be called twice."""

    @property
    def version(self) -> str: ...
    @property
    def bootstrap(self) -> str: ...
    @property
    def clients(self) -> str | None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


@dataclass(frozen=True)
class NamedPostgres:
    """A server that the environment names. It is somebody else's to start and stop."""

    dsn: str
    version: str = "PostgreSQL"

    async def start(self) -> None:
        await postgres.answers(self.dsn, insist=lambda: None)

    async def stop(self) -> None:
        pass


@dataclass(frozen=True)
class NamedKafka:
    """A Kafka that the environment names. It is somebody else's to start and stop."""

    bootstrap: str
    clients: str | None = None
    """Where clients come with a name. None: they come where the operator comes."""
    version: str = "Kafka"

    async def start(self) -> None:
        await kafka.answers(self.bootstrap, insist=lambda: None)

    async def stop(self) -> None:
        pass


@dataclass(frozen=True)
class Parts:
    """Running servers. The objects are there for tests that stop, freeze or kill them."""

    postgres: PostgresServer
    keys_postgres: PostgresServer
    kafka: KafkaServer

    def environment(self) -> dict[str, str]:
        """How a program finds them: see `Settings`."""
        return {
            "GATEHOUSE_POSTGRES_DSN": self.postgres.dsn,
            "GATEHOUSE_KEYS_POSTGRES_DSN": self.keys_postgres.dsn,
            "GATEHOUSE_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            **({"GATEHOUSE_KAFKA_CLIENTS": self.kafka.clients} if self.kafka.clients else {}),
        }

    async def stop(self) -> None:
        """Stop all at once, also those that never started."""
        await together([self.kafka.stop(), self.postgres.stop(), self.keys_postgres.stop()])


async def choose(state: State, settings: Settings, say: Say) -> Parts:
    """The parts that `running` would start, not yet started. Installs what is missing. Raises: MissingPart."""
    await doctor.provide(doctor.survey(settings), say)
    return Parts(*_postgres_servers(state, settings, say), _kafka_server(state, settings, say))


@asynccontextmanager
async def running(state: State, settings: Settings, say: Say) -> AsyncIterator[Parts]:
    """All parts, started together; stopped at the end, whatever ends it. Raises: MissingPart, children.ChildEnded, TimeoutError."""
    parts = await choose(state, settings, say)
    try:
        await together([parts.postgres.start(), parts.keys_postgres.start(), parts.kafka.start()])
        say("PostgreSQL and Kafka answer")
        yield parts
    finally:
        await parts.stop()


def _postgres_servers(state: State, settings: Settings, say: Say) -> tuple[PostgresServer, PostgresServer]:
    if settings.postgres_dsn is not None:
        if settings.keys_postgres_dsn is None:
            raise MissingPart(
                "GATEHOUSE_POSTGRES_DSN needs GATEHOUSE_KEYS_POSTGRES_DSN beside it: keys are kept on a server of their own."
            )
        say("PostgreSQL: from the environment (GATEHOUSE_POSTGRES_DSN, GATEHOUSE_KEYS_POSTGRES_DSN)")
        return NamedPostgres(settings.postgres_dsn), NamedPostgres(settings.keys_postgres_dsn)
    if doctor.postgres_in_docker(settings):
        say(f"PostgreSQL: Docker, {settings.postgres_image}, two servers")
        image = settings.postgres_image
        return DockerPostgres(state, "main", image=image, size=postgres.LOGS), DockerPostgres(
            state, "keys", image=image, size=postgres.KEYS
        )
    main = EmbeddedPostgres(state, "main", size=postgres.LOGS, port=settings.postgres_port)
    keys = EmbeddedPostgres(state, "keys", size=postgres.KEYS, port=settings.keys_postgres_port)
    say(f"PostgreSQL: embedded, {main.version}, two servers")
    return main, keys


def _kafka_server(state: State, settings: Settings, say: Say) -> KafkaServer:
    if settings.kafka_bootstrap is not None:
        say("Kafka: from the environment (GATEHOUSE_KAFKA_BOOTSTRAP)")
        return NamedKafka(settings.kafka_bootstrap, settings.kafka_clients)
    if doctor.kafka_in_docker(settings):
        say(f"Kafka: Docker, {settings.kafka_image}")
        return DockerKafka(state, image=settings.kafka_image)
    server = EmbeddedKafka(state, cache=settings.cache, port=settings.kafka_port)
    say(f"Kafka: embedded, {server.version}")
    return server


async def together(steps: Sequence[Coroutine[None, None, None]]) -> None:
    """Do all at once. The first failure cancels the others and is raised as it is, not wrapped in a group."""
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
