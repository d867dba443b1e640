"""PostgreSQL and Kafka in containers, where a Docker engine answers and already holds the images. Nothing is pulled.

Data lives in named volumes, so a second run finds it; `forget` removes them.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devstack.kafka import answers as kafka_answers
from devstack.ports import HOST, free_port
from devstack.postgres import SUPERUSER, Size
from devstack.postgres import answers as postgres_answers
from devstack.state import State

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

SOCKET = Path("/var/run/docker.sock")
REAPER_IMAGE = "testcontainers/ryuk:0.8.1"
STOP_TIMEOUT_S = 15


def holds(*images: str) -> bool:
    """Whether an engine answers that has all the images."""
    # Importing the client takes a third of a second: not where there is surely no engine.
    if "DOCKER_HOST" not in os.environ and not SOCKET.exists():
        return False
    import docker
    from docker.errors import DockerException

    try:
        with closing(docker.from_env()) as client:
            client.ping()
            for image in images:
                client.images.get(image)
    except DockerException:
        return False
    return True


def forget(state: State) -> None:
    """Remove the volumes of this state folder, if an engine answers."""
    if not holds():
        return
    import docker

    for volume in docker.from_env().volumes.list(filters={"name": _name(state, "")}):
        volume.remove(force=True)


class DockerPostgres:
    """A PostgreSQL server in a container."""

    def __init__(self, state: State, name: str, *, image: str, size: Size) -> None:
        self._name = _name(state, f"postgres-{name}")
        self._image = image
        self._password = state.password(f"postgres-{name}")
        self._size = size
        self._container: DockerContainer | None = None
        self._port = free_port()
        self.version = image

    @property
    def dsn(self) -> str:
        """Of the superuser, in the database `postgres`."""
        return f"postgresql://{SUPERUSER}:{self._password}@{HOST}:{self._port}/postgres"

    async def start(self) -> None:
        """Start it and wait until it accepts a connection. Raises: TimeoutError."""
        await asyncio.to_thread(self._start)
        await postgres_answers(self.dsn, insist=lambda: None)

    async def stop(self) -> None:
        await asyncio.to_thread(_stop, self._container)

    def _start(self) -> None:
        _decide_on_reaper()
        from testcontainers.community.postgres import PostgresContainer

        _remove_left_over(self._name)
        here: Any = (HOST, self._port)  # Not to the whole network. The signature omits what docker-py takes.
        container = PostgresContainer(self._image, username=SUPERUSER, password=self._password, dbname="postgres", driver=None)
        container.with_bind_ports(5432, here).with_name(self._name)
        container.with_env("PGDATA", "/var/lib/postgresql/gatehouse/data").with_env(
            "POSTGRES_INITDB_ARGS", "--locale=C.UTF-8 -E UTF8"
        )
        container.with_volume_mapping(self._name, "/var/lib/postgresql/gatehouse", mode="rw")
        connections, buffers_mb = self._size.connections_max, self._size.shared_buffers_mb
        container.with_command(f"-c max_connections={connections} -c shared_buffers={buffers_mb}MB -c timezone=UTC")
        self._container = container.start()


class DockerKafka:
    """Apache's own image, configured by its environment. testcontainers' class knows Confluent's images only."""

    def __init__(self, state: State, *, image: str) -> None:
        self._name = _name(state, "kafka")
        self._image = image
        self._container: DockerContainer | None = None
        # Drawn before the start: the broker must be told under which address its clients find it.
        self._port = free_port()
        self.version = image

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self._port}"

    @property
    def clients(self) -> None:
        """There is one door, and no rules."""

    async def start(self) -> None:
        """Start it and wait until it answers. Raises: TimeoutError."""
        await asyncio.to_thread(self._start)
        await kafka_answers(self.bootstrap, insist=lambda: None)

    async def stop(self) -> None:
        await asyncio.to_thread(_stop, self._container)

    def _start(self) -> None:
        _decide_on_reaper()
        from testcontainers.core.container import DockerContainer

        _remove_left_over(self._name)
        here: Any = (HOST, self._port)  # Not to the whole network. The signature omits what docker-py takes.
        container = DockerContainer(self._image).with_name(self._name).with_bind_ports(9092, here)
        container.with_volume_mapping(self._name, "/var/lib/kafka/data", mode="rw")
        for setting, value in self._properties().items():
            container.with_env("KAFKA_" + setting.upper().replace(".", "_"), value)
        self._container = container.start()

    def _properties(self) -> dict[str, str]:
        ones = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": "1@localhost:9093",
            "controller.listener.names": "CONTROLLER",
            "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": "/var/lib/kafka/data",
            "log.retention.ms": "-1",
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.min.isr": "1",
            **{f"{topic}.replication.factor": "1" for topic in ones},
        }


def _name(state: State, part: str) -> str:
    """Of a container and its volume: one per state folder."""
    return f"gatehouse-{hashlib.sha256(bytes(state.root)).hexdigest()[:8]}-{part}"


def _decide_on_reaper() -> None:
    # The reaper removes containers after we are killed, but is an image of its own. Without it, the next start removes them.
    if not holds(REAPER_IMAGE):
        os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"


def _remove_left_over(name: str) -> None:
    import docker
    from docker.errors import NotFound

    with suppress(NotFound):
        docker.from_env().containers.get(name).remove(force=True)


def _stop(container: DockerContainer | None) -> None:
    if container is None:
        return
    # Asked first: removing it at once would be a SIGKILL.
    container.get_wrapped_container().stop(timeout=STOP_TIMEOUT_S)
    container.stop(delete_volume=False)
