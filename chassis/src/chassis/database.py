"""Connections to PostgreSQL, with every limit stated."""

from __future__ import annotations

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Connection = asyncpg.Connection | PoolConnectionProxy
"""Whatever runs a statement inside the caller's transaction."""

DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Whatever is raised when the database could not do as asked. The last is what asyncpg makes of a session that the server
ended while nothing was asked of it (`idle_in_transaction_session_timeout`)."""

POOL_SIZE_MAX = 8
CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 30.0
"""Client-side bound of one statement. The server's own bounds are set by migration, see `work_0001_leases.sql`."""
ACQUIRE_TIMEOUT_S = 5.0


async def create_pool(dsn: str, *, application_name: str, size_max: int = POOL_SIZE_MAX) -> asyncpg.Pool:
    """A pool of at most `size_max` connections. Opens one at once, so that a wrong DSN fails here."""
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size_max,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        max_inactive_connection_lifetime=300.0,
        reset=_keep_session,
        server_settings={"application_name": application_name, "jit": "off"},
    )


async def _keep_session(connection: asyncpg.Connection) -> None:
    """Nothing to undo: no code of ours changes a session's settings or takes session locks. Saves a round trip per use."""
