"""A PostgreSQL server that is lost with its disk, and brought back from its backup and archive."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from signal import SIGKILL

import asyncpg

from bench.place import Place
from bench.table import Row
from chassis.database import DATABASE_ERRORS
from chassis.faults import Unavailable
from chassis.testing.wait import eventually
from devstack.backups import Backups
from devstack.postgres import EmbeddedPostgres, Size

ARCHIVED_S_MAX = 60.0
"""Until a file of WAL that is finished is in the archive."""
WRITE_EVERY_S = 0.02
LOSSES = 3
BEFORE_ARCHIVED_S = 0.5
FIRST_NOTED = 1_000_000
"""The numbers below are of what is there before."""
WAL_NAME_CHARS = 24
MB = 1_000_000

Write = Callable[[int], Awaitable[None]]
"""Takes a number that no other write has; returns once it is committed."""
IsThere = Callable[[int], Awaitable[bool]]


@dataclass
class LostServer:
    """One with backups."""

    postgres: EmbeddedPostgres
    backups: Backups

    @classmethod
    def at(cls, place: Place, name: str, *, size: Size, archived_after_s: int = 60) -> LostServer:
        postgres = EmbeddedPostgres(place.state, name, size=size, archived_after_s=archived_after_s)
        return cls(postgres, Backups(postgres, kept_days=1, log=place.state.log("backups")))

    @property
    def base_mb(self) -> float:
        """Of the last base backup."""
        base: Path = max((self.postgres.backups / "base").iterdir())
        return sum(file.stat().st_size for file in base.rglob("*") if file.is_file()) / MB

    async def archive(self) -> datetime:
        """What was written so far. A time after it."""
        connection = await asyncpg.connect(self.postgres.dsn)
        now: datetime = await connection.fetchval("SELECT clock_timestamp()")
        name = await connection.fetchval("SELECT pg_walfile_name(pg_switch_wal())")
        await connection.close()
        await eventually((self.postgres.backups / "wal" / f"{name}.gz").exists, within_s=ARCHIVED_S_MAX)
        return now

    def archived(self) -> int:
        """Files of WAL."""
        return len([*(self.postgres.backups / "wal").glob(f"{'?' * WAL_NAME_CHARS}.gz")])

    async def lose(self) -> None:
        self.postgres.child.send(SIGKILL)
        await self.postgres.stop()
        shutil.rmtree(self.postgres.data)

    async def bring_back(self, until: datetime | None = None) -> tuple[float, float]:
        """Seconds until the base backup was in its place, and from then on until what is archived was taken in."""
        return await took(self.backups.put_back(until)), await took(self.postgres.start())


@dataclass
class Diary:
    """Writes one after the other, and notes when each was committed."""

    write: Write
    committed_at_s: dict[int, float] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(FIRST_NOTED))

    async def go_on(self, over: asyncio.Event) -> None:
        """Whether the server is there or not. Not to be cancelled: what a lost connection raises would take the place of that."""
        while not over.is_set():
            number = next(self.numbers)
            with suppress(*DATABASE_ERRORS, Unavailable):
                await self.write(number)
                self.committed_at_s[number] = time.perf_counter()
            await asyncio.sleep(WRITE_EVERY_S)

    async def last_kept_at_s(self, is_there: IsThere) -> float:
        """Raises: LookupError: nothing that was noted is there."""
        for number, at_s in reversed(self.committed_at_s.items()):
            if await is_there(number):
                return at_s
        raise LookupError


async def lost_again_and_again(
    server: LostServer, what: str, *, archived_after_s: int, write: Write, is_there: IsThere
) -> Sequence[Row]:
    """What is lost for good where there is nothing but the archive, and how long it takes until somebody is written down again.

    The server is lost when most is: shortly before the next file of WAL is archived.
    """
    diary = Diary(write)
    lost_s: list[float] = []
    away_s: list[float] = []
    base_mb = 0.0
    for _ in range(LOSSES):
        over = asyncio.Event()
        writing = asyncio.create_task(diary.go_on(over))
        for _ in range(2):  # The first may have been due before anything was noted.
            await _another_is_archived(server, within_s=archived_after_s + ARCHIVED_S_MAX)
        await asyncio.sleep(archived_after_s - BEFORE_ARCHIVED_S)
        lost_at_s = time.perf_counter()
        await server.lose()
        over.set()
        await writing
        base_mb = server.base_mb
        began_at_s = time.perf_counter()
        await server.bring_back()
        await write(next(diary.numbers))
        away_s.append(time.perf_counter() - began_at_s)
        lost_s.append(lost_at_s - await diary.last_kept_at_s(is_there))
        # As the runbook says; until the checkpoint that it makes, `archive_timeout` is not heeded.
        await server.backups.make()
    return [
        Row(f"{what}: lost with a disk, the worst of {LOSSES} times", max(lost_s), "s", None, "–"),
        Row(
            f"{what}: restored until it takes the next, {base_mb:,.0f} MB backed up, the worst of these",
            max(away_s),
            "s",
            None,
            "–",
        ),
    ]


async def took(work: Awaitable[object]) -> float:
    """Seconds."""
    began_at_s = time.perf_counter()
    await work
    return time.perf_counter() - began_at_s


async def _another_is_archived(server: LostServer, *, within_s: float) -> None:
    before = server.archived()
    await eventually(lambda: server.archived() > before, within_s=within_s)
