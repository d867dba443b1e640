"""A whole installation of its own: api and worker of every service as processes apart, on PostgreSQL and Kafka that only
these tests know, so that each of them can be killed, frozen and stopped."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, Signals
from typing import Any, Self, cast

import asyncpg
import httpx2

from chassis.testing.wait import eventually
from devstack import parts
from devstack.children import strangers_in
from devstack.databases import with_database
from devstack.installation import install
from devstack.kafka import EmbeddedKafka, scram_at
from devstack.parts import Parts
from devstack.ports import HOST, free_port
from devstack.postgres import KEYS, LOGS, EmbeddedPostgres
from devstack.processes import Process
from devstack.services import PROGRAMS, SERVICES, SIMULATOR, Service, Stack, service
from devstack.settings import Settings
from devstack.state import State
from devstack.suite import throwaway_state

FRESHNESS_BOUND_S = 3.0
"""Of the gate: shorter than in service, so that the tests need not wait for ten seconds."""
POLL_INTERVAL_S = 0.5
"""Of the Health Cloud bridge's poller."""
WITHOUT_WORKER = ("portal", SIMULATOR.package)
LASTING_PORTS = range(12_000, 32_000)
"""Below those that the system gives to outgoing connections: a port must still be free when its process is started again."""
START_S_MAX = 90.0
STOP_S_MAX = 15.0
DATABASE_TIMEOUT_S = 10.0
SUPERVISED_S = 0.5
"""Between two looks of the supervisor."""


def lasting_port() -> int:
    """Any that is free now and will hardly be taken by somebody else."""
    return free_port(random.choice(LASTING_PORTS))


class TwoDoorKafka(EmbeddedKafka):
    """With a second listener, which it tells its clients to look for at `outer_port`: a proxy's, where a test has one there."""

    def __init__(self, state: State, *, cache: Path, port: int = 0) -> None:
        super().__init__(state, cache=cache, port=port)
        self.clients_port, self.inner_port, self.outer_port = lasting_port(), lasting_port(), lasting_port()

    def _properties(self) -> Mapping[str, object]:
        told = super()._properties()
        return {
            **told,
            "listeners": f"{told['listeners']},PROXIED://{HOST}:{self.inner_port}",
            "advertised.listeners": f"{told['advertised.listeners']},PROXIED://{HOST}:{self.outer_port}",
            "listener.security.protocol.map": f"{told['listener.security.protocol.map']},PROXIED:SASL_PLAINTEXT",
            **scram_at("proxied"),
        }


class QuickStack(Stack):
    """The same with short times."""

    def environment(self, program: Service, *, worker_port: int | None = None) -> dict[str, str]:
        return {
            **super().environment(program, worker_port=worker_port),
            "GATEHOUSE_FRESHNESS_BOUND_S": str(FRESHNESS_BOUND_S),
            "GATEHOUSE_POLL_INTERVAL_S": str(POLL_INTERVAL_S),
            "GATEHOUSE_LOOKUPS_PER_HOUR_MAX": "100000",  # One operator registers the whole town.
        }


@dataclass
class FaultStack:
    """What is running, and how to hurt it."""

    parts: Parts
    stack: Stack
    processes: dict[str, Process] = field(default_factory=dict)
    """By name: `registration-api`, `registration-worker`, …"""
    topics_were_lost: bool = False
    """And filled again: since then their beginning may be out of order."""
    lost_at: datetime | None = None
    """When the services' PostgreSQL was lost with its disk, to be restored in a later epoch."""
    probes: dict[str, str] = field(default_factory=dict)
    """Name → base URL of probes and metrics."""

    @property
    def postgres(self) -> EmbeddedPostgres:
        return cast(EmbeddedPostgres, self.parts.postgres)

    @property
    def keys_postgres(self) -> EmbeddedPostgres:
        return cast(EmbeddedPostgres, self.parts.keys_postgres)

    @cached_property
    def sessions(self) -> PostgresSessions:
        """Of the services' PostgreSQL."""
        return PostgresSessions.of(self.postgres)

    @property
    def kafka(self) -> TwoDoorKafka:
        return cast(TwoDoorKafka, self.parts.kafka)

    def add(self, package: str, role: str, *, name: str | None = None) -> Process:
        """Make a process, not yet started, known under a name."""
        name = name or f"{package}-{role}"
        worker_port = lasting_port()
        process = self.stack.process(package, "worker" if role == "worker" else "api", name=name, worker_port=worker_port)
        self.processes[name] = process
        self.probes[name] = f"http://{HOST}:{worker_port}" if role == "worker" else self.stack.url(package)
        return process

    def environment(self, package: str) -> Mapping[str, str]:
        """What a process of a service is told, for one that is started beside the others."""
        return self.stack.environment(service(package))

    @asynccontextmanager
    async def second_api(self, package: str) -> AsyncIterator[str]:
        """Another api of a service beside its own, until the block ends; then it must end by itself. Its base URL."""
        beside = replace(self.stack, ports={**self.stack.ports, package: lasting_port()})
        process = beside.process(package, "api", name=f"{package}-api-2")
        await process.started()
        try:
            yield beside.url(package)
        finally:
            await process.stop()
        assert 0 == process.child.exit_code, f"{process.name} did not end by itself: see {process.log}"

    async def change_tables(self, python: str) -> None:
        """To those of another release, while this one works on."""
        await install(self.parts, self.stack.state, SERVICES, ports=self.stack.ports, python=python)

    async def remove(self, name: str) -> None:
        """Stop a process and forget it."""
        await self.processes.pop(name).stop()

    def __getitem__(self, name: str) -> Process:
        return self.processes[name]

    @property
    def urls(self) -> Mapping[str, str]:
        """Where the apis are, by the name of the service or program."""
        return {program.package.replace("_", "-"): self.stack.url(program.package) for program in PROGRAMS}

    def apis(self) -> list[str]:
        return [name for name in self.processes if name.endswith("-api") and not name.startswith(SIMULATOR.package)]

    def workers(self) -> list[str]:
        return [name for name in self.processes if name.endswith("-worker")]

    async def start(self) -> None:
        """Start whatever does not run, thaw whatever is frozen, and wait until all is ready."""
        self.sessions.thaw()
        self.kafka.child.send(SIGCONT)
        for server in (self.postgres, self.keys_postgres, self.kafka):
            if server.child.exit_code is not None:
                await server.start()
        for process in self.processes.values():
            if process.runs:
                process.send(SIGCONT)
            else:
                process.start()
        for process in self.processes.values():
            await process.ready(START_S_MAX)
            process.child.insist()

    @asynccontextmanager
    async def supervised(self) -> AsyncIterator[None]:
        """As everywhere in service: a process that ended by itself, for want of its database say, is started again. What a
        signal ended stays so."""
        watching = asyncio.create_task(self._supervise())
        try:
            yield
        finally:
            watching.cancel()

    async def _supervise(self) -> None:
        while True:
            for process in self.processes.values():
                if (process.child.exit_code or 0) > 0:
                    process.start()
            await asyncio.sleep(SUPERVISED_S)

    async def kill(self) -> None:
        """Everything at once: what is thrown away need not be closed with care."""
        children = [process.child for process in self.processes.values()] + [self.kafka.child]
        for child in children:
            child.send(SIGKILL)
        for server in (self.postgres, self.keys_postgres):
            if server.child.exit_code is None:
                await PostgresSessions.of(server).crash()
        for child in children:
            await child.ended(STOP_S_MAX)

    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self.processes.items()}

    @asynccontextmanager
    async def database(self, package: str) -> AsyncIterator[asyncpg.Connection]:
        """A superuser's connection to a service's database: tests look on and hold locks, and nobody's grants are in the way."""
        connection = await asyncpg.connect(
            with_database(self.postgres.dsn, name=self.stack.databases[package].name), timeout=DATABASE_TIMEOUT_S
        )
        try:
            yield connection
        finally:
            await connection.close()

    async def metric(self, name: str, metric: str) -> float:
        """Sum of a metric of a process over all its labels; 0 where it was never counted."""
        async with httpx2.AsyncClient(trust_env=False, timeout=DATABASE_TIMEOUT_S) as client:
            text = (await client.get(f"{self.probes[name]}/metrics")).text
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith((f"{metric} ", f"{metric}{{"))]
        return sum(float(value) for _, value in lines)

    def log_of(self, name: str) -> Path:
        return self.processes[name].log

    def logs(self) -> Iterator[LogTail]:
        """Of every process that there ever was, from its beginning."""
        return (LogTail(file, since_byte=0) for file in self.stack.state.folder("logs").glob("*.log"))

    @property
    def histories(self) -> Path:
        """A folder with a file for each test: what became of every request."""
        return self.stack.state.folder("traffic")


class LogTail:
    """What a process logs from now on, or has logged and logs since an earlier place in its file."""

    def __init__(self, file: Path, *, since_byte: int | None = None) -> None:
        self._file = file
        self._from = file.stat().st_size if since_byte is None else since_byte

    def events(self, event: str) -> list[dict[str, Any]]:
        """Its lines with this event, in order."""
        return [line for line in self._lines() if line.get("event") == event]

    def _lines(self) -> Iterator[dict[str, Any]]:
        with self._file.open("rb") as file:
            file.seek(self._from)
            for line in file.read().splitlines():
                if line.startswith(b"{") and line.endswith(b"}"):
                    yield json.loads(line)


@dataclass(frozen=True)
class PostgresSessions:
    """The postmaster and all its sessions, as processes."""

    server: EmbeddedPostgres
    folder: Path
    """Their working directory: nothing else runs in it."""

    @classmethod
    def of(cls, server: EmbeddedPostgres) -> Self:
        """Of a server that runs."""
        return cls(server, Path(f"/proc/{server.child.pid}/cwd").readlink())

    def freeze(self) -> None:
        """SIGSTOP: whoever waits for an answer goes on waiting."""
        self._send(SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT. Harmless where nothing is frozen."""
        self._send(SIGCONT)

    async def crash(self) -> None:
        """SIGKILL: nothing is written down in an orderly way."""
        self._send(SIGKILL)
        await eventually(lambda: self.server.child.exit_code is not None and not strangers_in(self.folder), within_s=10)

    def _send(self, number: Signals) -> None:
        for pid in strangers_in(self.folder):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


@asynccontextmanager
async def running_stack(
    disk: Callable[[Path], AbstractContextManager[object]] = nullcontext, *, python: str = sys.executable
) -> AsyncIterator[FaultStack]:
    """Installed, started and ready; gone afterwards with its data. `disk` gives the services' PostgreSQL a home of its own,
    `python` is the interpreter whose packages run."""
    with ExitStack() as opened:
        state = opened.enter_context(throwaway_state())
        postgres = EmbeddedPostgres(state, "main", size=LOGS, port=lasting_port())
        opened.enter_context(disk(postgres.home))
        found = Parts(
            postgres,
            EmbeddedPostgres(state, "keys", size=KEYS, port=lasting_port()),
            TwoDoorKafka(state, cache=Settings().cache, port=lasting_port()),
        )
        stack = None
        try:
            stack = await _installed(found, state, python)
            await stack.start()
            yield stack
        finally:
            if stack is not None:
                await stack.kill()
            await found.stop()


async def _installed(found: Parts, state: State, python: str) -> FaultStack:
    # The installer waits for Kafka, which takes longest to start.
    starting = asyncio.create_task(found.kafka.start())
    await parts.together([found.postgres.start(), found.keys_postgres.start()])
    ports = {program.package: lasting_port() for program in PROGRAMS}
    installed = await install(found, state, SERVICES, ports=ports, python=python)
    await starting
    stack = FaultStack(found, QuickStack(**vars(installed)))
    for program in PROGRAMS:
        stack.add(program.package, "api")
        if program.package not in WITHOUT_WORKER:
            stack.add(program.package, "worker")
    return stack
