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
from devstack.settings import REPOSITORY
from devstack.state import State

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

SOCKET = Path("/var/run/docker.sock")
FOLDER = REPOSITORY / "deploy" / "kafka"
CLUSTER_ID = "Z2F0ZWhvdXNlLWRvY2tlcg"
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
        container = PostgresContainer(self._image, username=SUPERUSER, password=self._password, dbname="postgres", driver=None)
        _publish(container.with_name(self._name), 5432, at=self._port)
        container.with_env("PGDATA", "/var/lib/postgresql/gatehouse/data").with_env(
            "POSTGRES_INITDB_ARGS", "--locale=C.UTF-8 -E UTF8"
        )
        container.with_volume_mapping(self._name, "/var/lib/postgresql/gatehouse", mode="rw")
        connections, buffers_mb = self._size.connections_max, self._size.shared_buffers_mb
        container.with_command(f"-c max_connections={connections} -c shared_buffers={buffers_mb}MB -c timezone=UTC")
        self._container = container.start()


class DockerKafka:
    """A broker in a container, started as docker-compose.yml starts it: of an image only Kafka's own programs are used.

    testcontainers' class knows Confluent's images only.
    """

    def __init__(self, state: State, *, image: str) -> None:
        self._name = _name(state, "kafka")
        self._image = image
        self._container: DockerContainer | None = None
        # The same inside and outside: under these addresses the broker finds itself, and its clients find it.
        self._port = free_port()
        self._clients_port = free_port()
        self.version = image

    @property
    def bootstrap(self) -> str:
        """The operator's door: whoever comes here may do everything, and needs no name."""
        return f"{HOST}:{self._port}"

    @property
    def clients(self) -> str:
        """The door for everybody else: by name and password, and each to what is theirs."""
        return f"{HOST}:{self._clients_port}"

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
        container = DockerContainer(self._image).with_name(self._name).with_env("KAFKA_CLUSTER_ID", CLUSTER_ID)
        for port in (self._port, self._clients_port):
            _publish(container, port, at=port)
        container.with_volume_mapping(self._name, "/var/lib/kafka/data", mode="rw")
        container.with_volume_mapping(FOLDER, "/etc/gatehouse/kafka", mode="ro")
        doors = f"CLIENTS://{{}}:{self._clients_port},OPERATOR://{{}}:{self._port}"
        container.with_kwargs(entrypoint=["/bin/sh", "/etc/gatehouse/kafka/start.sh"])
        container.with_command(
            [
                *("--override", f"listeners={doors.format('', '')},CONTROLLER://{HOST}:9093"),
                *("--override", f"advertised.listeners={doors.format(HOST, HOST)}"),
            ]
        )
        self._container = container.start()


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


def _publish(container: DockerContainer, port: int, *, at: int) -> None:
    """On the loopback address only: `with_bind_ports` takes a port alone, and publishes it to the whole network."""
    here: Any = (HOST, at)  # As docker-py takes it; the annotation knows numbers only.
    container.ports[str(port)] = here


def _stop(container: DockerContainer | None) -> None:
    if container is None:
        return
    # Asked first: removing it at once would be a SIGKILL.
    container.get_wrapped_container().stop(timeout=STOP_TIMEOUT_S)
    container.stop(delete_volume=False)
