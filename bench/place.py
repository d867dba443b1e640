"""Where measurements happen: PostgreSQL and Kafka of their own, with fsync on, and databases made for one measurement."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from chassis.database import create_pool
from chassis.migrations import LOG, WORK, migrate
from devstack import parts
from devstack.databases import provide_database
from devstack.parts import Parts
from devstack.postgres import find_binaries
from devstack.settings import Settings
from devstack.state import State
from devstack.suite import throwaway_state

SECONDS = 5.0
"""How long each measurement runs."""


@dataclass
class Place:
    """Running parts."""

    parts: Parts
    state: State

    @asynccontextmanager
    async def log(self, name: str, folders: Sequence[Path] = (LOG, WORK)) -> AsyncIterator[asyncpg.Pool]:
        """A fresh database with an empty log."""
        database = await provide_database(self.parts.postgres.dsn, self.state, name)
        await migrate(database.owner_dsn, folders)
        pool = await create_pool(database.app_dsn, application_name="bench")
        async with pool:
            yield pool

    async def pgbench(self, name: str, script: str, *, clients: int) -> float:
        """Transactions a second of a script, by PostgreSQL's own tool."""
        file = self.state.folder("bench") / f"{name}.sql"
        file.write_text(script)
        options = f"-n -c {clients} -j 2 -M prepared -T {int(SECONDS)} -f {file}".split()
        command = [str(_binary("pgbench")), *options]
        # Blocking on purpose: nothing of ours may run beside the reference.
        output = subprocess.run([*command, self.parts.postgres.dsn], check=True, capture_output=True, text=True).stdout  # noqa: ASYNC221
        return next(float(line.split("=")[1].split()[0]) for line in output.splitlines() if line.startswith("tps"))

    def fdatasyncs_per_second(self) -> float:
        """What the disk can promise, by PostgreSQL's own tool."""
        folder = self.state.folder("bench")
        command: list[str | Path] = [_binary("pg_test_fsync"), "-s", "2", "-f", str(folder / "fsync")]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        line = next(line for line in output.splitlines() if line.strip().startswith("fdatasync"))
        return float(line.split()[1])


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    """Parts of its own, thrown away afterwards."""
    with throwaway_state() as state:
        async with parts.running(state, Settings().elsewhere(), print) as found:
            yield Place(found, state)


def _binary(name: str) -> Path:
    binaries = find_binaries()
    if binaries is None:
        raise FileNotFoundError(f"{name} comes with PostgreSQL: apt-get install postgresql")
    return binaries.folder / name
