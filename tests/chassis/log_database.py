"""A service's database with a log, as tests of the core use it: through the service's own role, watched by its owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from chassis.database import create_pool
from chassis.event_store import EventStore
from chassis.shard_heads import shard_heads
from devstack.databases import Database

WAIT_S = 10.0
WAITING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@dataclass
class LogDatabase:
    """Connections and stores end with it."""

    pool: asyncpg.Pool
    """Of the service's role."""
    owner: asyncpg.Connection
    """Of the role that owns the tables."""
    app_dsn: str
    owner_dsn: str
    opened: AsyncExitStack = field(repr=False)
    watching: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def store(self) -> EventStore:
        """The log as one process sees it: another call is another process, as far as the database can tell."""
        store = await EventStore.open(self.pool)
        self.opened.push_async_callback(store.close)
        return store

    async def another_pool(self, *, size_max: int = 8) -> asyncpg.Pool:
        pool = await create_pool(self.app_dsn, application_name="another process", size_max=size_max)
        self.opened.push_async_callback(pool.close)
        return pool

    async def session(self) -> asyncpg.Connection:
        """One more session of the service's role."""
        connection = await asyncpg.connect(self.app_dsn)
        self.opened.push_async_callback(connection.close)
        return connection

    async def heads(self) -> Mapping[int, int]:
        async with self.pool.acquire() as connection:
            return await shard_heads(connection)

    async def rows(self, query: str, *arguments: object) -> Sequence[tuple[Any, ...]]:
        """Of any table, in the order of the query."""
        async with self.watching:
            return [tuple(row) for row in await self.owner.fetch(query, *arguments)]

    async def events_of(self, stream_id: UUID) -> Sequence[tuple[Any, ...]]:
        """(pos, version, event_id, type, data) of a stream, in order."""
        return await self.rows(
            "SELECT pos, version, event_id, type, data FROM event WHERE stream_id = $1 ORDER BY version", stream_id
        )

    async def blocked_session(self) -> int:
        """Its process id, once a session of this database waits for another's lock: the race of the test has begun."""
        async with asyncio.timeout(WAIT_S):
            while True:
                # The service's own role may look: it sees the sessions of its own, and only these can wait here.
                if pids := await self.pool.fetch(WAITING):
                    return int(pids[0]["pid"])


@asynccontextmanager
async def opened_log(database: Database) -> AsyncIterator[LogDatabase]:
    """Sessions of a migrated database."""
    async with AsyncExitStack() as opened:
        pool = await create_pool(database.app_dsn, application_name="tests")
        opened.push_async_callback(pool.close)
        owner = await asyncpg.connect(database.owner_dsn)
        opened.push_async_callback(owner.close)
        yield LogDatabase(pool, owner, database.app_dsn, database.owner_dsn, opened)
