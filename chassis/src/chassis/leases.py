"""Who works on what: one lease table for relay partitions, consumed partitions and pollers.

A worker announces itself about once a second and takes its fair share of the names. A name whose owner has been silent
for `TTL_S` is anybody's. The lease's token rises with every acquisition and is the fence: a transaction on behalf of a
name first locks the lease row with its token (`fence`), so that an owner that was frozen and replaced writes nothing.
All times are the database's.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from uuid import UUID, uuid4

import asyncpg
import structlog

from chassis.crash_points import CrashPoint, passing
from chassis.database import DATABASE_ERRORS, Connection

TTL_S = 3.0
"""How long a worker may be silent before its names are anybody's."""
HEARTBEAT_S = 1.0
STOP_S = 5.0
"""How long the work of a lost or released name may take to end."""

AHEAD_S_MAX = 2 * TTL_S
"""A worker whose `expires_at` lies further ahead wrote it before the database's clock was set back. It counts as dead: if it
lives it will say so again within the second, and if not its names must not wait until that time comes."""
PROCESS = f"{socket.gethostname()}:{os.getpid()}"
"""What operators know this process by."""

ANNOUNCE = """
INSERT INTO worker (owner, expires_at, process, obstacles) VALUES ($1, clock_timestamp() + make_interval(secs => $2), $3, $4)
ON CONFLICT (owner) DO UPDATE SET expires_at = excluded.expires_at, obstacles = excluded.obstacles
RETURNING xmax = 0
"""
"""Whether the row is a new one."""
LIVING = """
SELECT count(*) FROM worker
WHERE expires_at > clock_timestamp() AND expires_at < clock_timestamp() + make_interval(secs => $1)
"""
TAKE = """
WITH free AS (
    SELECT name, owner FROM lease AS l
    WHERE name = ANY ($2)
      AND NOT EXISTS (
          SELECT FROM worker AS w
          WHERE w.owner = l.owner
            AND w.expires_at > clock_timestamp() AND w.expires_at < clock_timestamp() + make_interval(secs => $4))
    ORDER BY reverse(name) LIMIT $3 FOR UPDATE SKIP LOCKED)
UPDATE lease SET owner = $1, token = token + 1, taken_at = clock_timestamp() FROM free WHERE lease.name = free.name
RETURNING lease.name, lease.token, free.owner IS NOT NULL AS is_taken_over
"""
"""Taken over is what its owner has not given back: he is dead, frozen or cut off."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lease:
    name: str
    token: int


class LeaseLost(Exception):
    """Somebody else holds the name by now. What was about to be written was not."""


async def fence(connection: Connection, lease: Lease) -> int:
    """Hold the lease row to the end of the caller's transaction. Its first statement, always.

    Answers how often somebody has stepped in (`step_in`): another number than before means that what the work rests on has
    changed. It stands in the row that is locked, because whatever else a statement that waited for a lock reads is older.

    Raises: LeaseLost.
    """
    interventions: int | None = await connection.fetchval(
        "SELECT interventions FROM lease WHERE name = $1 AND token = $2 FOR UPDATE", lease.name, lease.token
    )
    if interventions is None:
        raise LeaseLost(lease.name)
    return interventions


async def step_in(connection: Connection, name: str) -> None:
    """Hold off whoever holds the name to the end of the caller's transaction, and tell him to look anew afterwards.

    Its first statement, always. The lease stays whose it is. Raises: LookupError where nobody ever held it.
    """
    if await connection.execute("UPDATE lease SET interventions = interventions + 1 WHERE name = $1", name) != "UPDATE 1":
        raise LookupError(name)


Work = Callable[[Lease], Awaitable[None]]
"""What is done while a name is held. Ends only by being cancelled, or by failing: then the name is given back."""


@dataclass
class Leases:
    """This process's part in the work of its service."""

    pool: asyncpg.Pool
    names: Mapping[str, Work]
    owner: UUID = field(default_factory=uuid4)
    obstacles: Callable[[], Sequence[str]] = tuple
    """Why the work does not get on, as codes: told to operators with each heartbeat."""
    _tasks: dict[Lease, asyncio.Task[None]] = field(default_factory=dict)
    """Work that runs, or was told to end and has not yet."""
    _ending: set[Lease] = field(default_factory=set)
    _announced_at: float | None = None

    @property
    def held(self) -> set[Lease]:
        """Those whose work is being done."""
        return self._tasks.keys() - self._ending

    @property
    def heartbeat_age_s(self) -> float:
        """Seconds since this worker last reached the lease table. Without end before the first time."""
        return inf if self._announced_at is None else time.monotonic() - self._announced_at

    async def run(self) -> None:
        """Hold a fair share of the names and do their work, until cancelled. Gives everything back on the way out."""
        await self.pool.execute(
            "INSERT INTO lease (name) SELECT unnest($1::text[]) ON CONFLICT (name) DO NOTHING", sorted(self.names)
        )
        try:
            while True:
                try:
                    async with asyncio.timeout(TTL_S):
                        await self._tick()
                except DATABASE_ERRORS as error:
                    log.warning("leases.heartbeat_failed", error_type=type(error).__name__)
                    if self.heartbeat_age_s > TTL_S:
                        self._end(self.held)
                await asyncio.sleep(HEARTBEAT_S)
        finally:
            await self._leave()

    async def _tick(self) -> None:
        async with self.pool.acquire() as connection:
            live = await self._announce(connection)
            rows = await connection.fetch("SELECT name, token FROM lease WHERE owner = $1", self.owner)
            mine = {Lease(row["name"], row["token"]) for row in rows}
            share = -(-len(self.names) // live)
            # By the end of the name first: a share then holds of every kind of work, `relay/07` beside `project/07`.
            surplus = sorted(self.held & mine, key=lambda lease: lease.name[::-1])[share:]
            self._end((self.held - mine) | set(surplus))
            self._forget_ended()
            await self._give_back(connection, mine - self._tasks.keys())
            await self._take(connection, share - len(self._tasks))

    async def _announce(self, connection: Connection) -> int:
        """Say that we live; how many do."""
        is_new: bool = await connection.fetchval(ANNOUNCE, self.owner, TTL_S, PROCESS, list(self.obstacles()))
        if is_new and self._announced_at is not None:
            # The database crashed. What was not synced is gone, and what the work believes to be stored may be among it.
            log.warning("leases.begins_anew", what_follows="everything is read again as it is stored")
            self._end(self.held)
        self._announced_at = time.monotonic()
        await connection.execute("DELETE FROM worker WHERE expires_at < clock_timestamp() - interval '1 minute'")
        live: int = await connection.fetchval(LIVING, AHEAD_S_MAX)
        return max(live, 1)

    async def _take(self, connection: Connection, count: int) -> None:
        if count <= 0:
            return
        # A row that a dying owner's transaction still holds is left for the next tick.
        rows = await connection.fetch(
            TAKE,
            self.owner,
            # A name whose earlier work has not ended here is not begun beside it.
            sorted(self.names.keys() - {lease.name for lease in self._tasks}),
            count,
            AHEAD_S_MAX,
        )
        if rows:
            passing(CrashPoint.LEASE_TAKEN)
        if taken_over := sum(row["is_taken_over"] for row in rows):
            log.warning("leases.taken_over", count=taken_over)
        for row in rows:
            lease = Lease(row["name"], row["token"])
            self._tasks[lease] = asyncio.create_task(self._work(lease), name=lease.name)

    async def _work(self, lease: Lease) -> None:
        try:
            await self.names[lease.name](lease)
        except LeaseLost:
            log.warning("leases.lost", lease=lease.name)
        except Exception as error:
            log.error("leases.work_failed", lease=lease.name, exc_info=error)

    def _end(self, leases: set[Lease]) -> None:
        """Tell their work to end. Nobody waits for it: a heartbeat must not be late because some work is slow to end."""
        self._ending |= leases
        for lease in leases:
            self._tasks[lease].cancel()

    def _forget_ended(self) -> None:
        for lease in [lease for lease, task in self._tasks.items() if task.done()]:
            del self._tasks[lease]
            self._ending.discard(lease)

    async def _give_back(self, connection: Connection, leases: set[Lease]) -> None:
        if leases:
            await connection.execute(
                "UPDATE lease SET owner = NULL WHERE owner = $1 AND name = ANY ($2)",
                self.owner,
                sorted(lease.name for lease in leases),
            )

    async def _leave(self) -> None:
        self._end(set(self._tasks))
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=STOP_S)
        try:
            async with asyncio.timeout(STOP_S):
                await self.pool.execute("UPDATE lease SET owner = NULL WHERE owner = $1", self.owner)
                passing(CrashPoint.LEASE_RETURNED)
                await self.pool.execute("DELETE FROM worker WHERE owner = $1", self.owner)
        except DATABASE_ERRORS as error:
            log.warning("leases.not_released", error_type=type(error).__name__)
