"""A key server's database for one test module: migrated by an owner without further rights, used under the services' roles."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from chassis.migrations import KEYS, migrate

SERVICES = ("registration", "healthcloud_bridge", "health", "gatekeeper", "police_bridge", "reporting", "portal")
INDEX_KEY = bytes(range(32))
KEY_ENCRYPTION_KEY = bytes(range(100, 132))

WAIT_S = 5.0
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@dataclass
class KeysDatabase:
    """Connections end with the module."""

    superuser: asyncpg.Connection
    address: dict[str, Any]
    opened: AsyncExitStack
    pools: dict[str, asyncpg.Pool] = field(default_factory=dict)

    async def pool(self, service: str) -> asyncpg.Pool:
        """Sessions of the service's role, up to eight at once."""
        if service not in self.pools:

            async def become(connection: asyncpg.Connection) -> None:
                # session_user and all rights are the role's from here on, as after a login, whatever its password is.
                await connection.execute(f"SET SESSION AUTHORIZATION {service}")

            self.pools[service] = await self.opened.enter_async_context(
                asyncpg.create_pool(**self.address, min_size=0, max_size=8, init=become)
            )
        return self.pools[service]

    async def owner(self) -> asyncpg.Connection:
        """A session of whoever may do everything, beside others."""
        connection: asyncpg.Connection = await asyncpg.connect(**self.address)
        self.opened.push_async_callback(connection.close)
        return connection

    async def rows(self, query: str, *arguments: object) -> Sequence[tuple[Any, ...]]:
        """What stands in the tables, which only a superuser may see."""
        return [tuple(row) for row in await self.superuser.fetch(query, *arguments)]

    async def until_somebody_waits_for_a_lock(self) -> None:
        """Returns once a session of this database is blocked by another: the race that a test is about has begun."""
        async with asyncio.timeout(WAIT_S):
            while not await self.superuser.fetchval(WAITING):
                pass


@asynccontextmanager
async def keys_database(dsn: str) -> AsyncIterator[KeysDatabase]:
    """A fresh database on the server of `dsn` (a superuser's). Dropped afterwards."""
    database = owner = f"keys_{secrets.token_hex(6)}"
    password = secrets.token_hex(16)
    admin = await asyncpg.connect(dsn)
    try:
        for service in SERVICES:
            await _create_role_if_absent(admin, service)
        await admin.execute(f"CREATE ROLE {owner} LOGIN NOCREATEROLE PASSWORD '{password}'")
        await admin.execute(f"CREATE DATABASE {database} OWNER {owner}")
        try:
            await migrate(_dsn_as(dsn, user=owner, password=password, database=database), [KEYS])
            async with AsyncExitStack() as opened:
                superuser = await asyncpg.connect(dsn, database=database)
                opened.push_async_callback(superuser.close)
                yield KeysDatabase(superuser, {"dsn": dsn, "database": database}, opened)
        finally:
            await admin.execute(f"DROP DATABASE {database} WITH (FORCE)")
            await admin.execute(f"DROP ROLE {owner}")
    finally:
        await admin.close()


async def _create_role_if_absent(admin: asyncpg.Connection, role: str) -> None:
    # Roles belong to the whole server: another module, or another process, may be first.
    with suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        await admin.execute(f"CREATE ROLE {role} NOLOGIN")


def _dsn_as(dsn: str, *, user: str, password: str, database: str) -> str:
    address = urlsplit(dsn)
    host = address.netloc.rpartition("@")[2]
    return address._replace(netloc=f"{user}:{password}@{host}", path=f"/{database}").geturl()
