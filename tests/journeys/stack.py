"""An installation of its own on the parts that all tests share: every service as a process, beside whatever else runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg

from devstack.installation import install
from devstack.parts import Parts
from devstack.processes import Process, Supervisor
from devstack.services import PROGRAMS, SERVICES, SIMULATOR, Service, Stack, free_ports
from devstack.state import State

DATABASE_S_MAX = 30.0


@dataclass(frozen=True)
class JourneyStack(Stack):
    """Says everything that a log can hold, and asks Health Cloud more often than in service."""

    also_told: Mapping[str, str] = field(default_factory=dict)
    """Variables of every process."""

    def environment(self, program: Service, *, worker_port: int | None = None) -> dict[str, str]:
        told = {"GATEHOUSE_LOG_LEVEL": "DEBUG", "GATEHOUSE_POLL_INTERVAL_S": "0.5", "GATEHOUSE_EPIDEMIC_ENDED_ON": "2020-06-17"}
        if program is SIMULATOR:
            told["HEALTHCLOUD_SIMULATOR_STORE"] = str(self.declarations)
        return {**super().environment(program, worker_port=worker_port), **told, **self.also_told}

    @property
    def declarations(self) -> Path:
        """What the stand-in for Health Cloud keeps: outside of Gatehouse."""
        return self.state.folder("healthcloud-simulator") / f"{self.topic_prefix}json"

    @property
    def processes(self) -> list[Process]:
        return [self.process(program.package, name=f"{self.topic_prefix}{program.package}") for program in PROGRAMS]


@asynccontextmanager
async def journey_stack(parts: Parts, state: State, **also_told: str) -> AsyncIterator[tuple[JourneyStack, list[Process]]]:
    """Installed, started and ready; stopped and dropped at the end."""
    apart = f"journey_{uuid4().hex[:8]}"
    installed = await install(parts, state, SERVICES, apart=apart, ports=free_ports())
    stack = JourneyStack(
        **{name: getattr(installed, name) for name in ("parts", "state", "databases", "keys", "ports", "topic_prefix")},
        also_told=also_told,
    )
    supervisor = Supervisor(stack.processes, print)
    try:
        await supervisor.started()
        yield stack, list(supervisor.processes)
    finally:
        await supervisor.stop()
        await _drop(stack)


async def _drop(stack: Stack) -> None:
    one_of_keys = next(iter(stack.keys.values()))
    for admin_dsn, databases in (
        (stack.parts.postgres.dsn, list(stack.databases.values())),
        (stack.parts.keys_postgres.dsn, [one_of_keys]),
    ):
        connection = await asyncpg.connect(admin_dsn, timeout=DATABASE_S_MAX)
        try:
            for database in databases:
                await connection.execute(f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)")
        finally:
            await connection.close()
