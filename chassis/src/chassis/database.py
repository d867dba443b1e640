"""Connections to PostgreSQL, with every limit stated."""

from __future__ import annotations

import asyncpg
from asyncpg.pool import PoolAcquireContext, PoolConnectionProxy

Connection = asyncpg.Connection | PoolConnectionProxy
"""Whatever runs a statement inside the caller's transaction."""

DATABASE_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Whatever is raised when the database could not do as asked. The last is what asyncpg makes of a session that the server
ended while nothing was asked of it (`idle_in_transaction_session_timeout`)."""

POOL_SIZE_MAX = 8
CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 5.0
"""Client-side bound of one statement: a server that does not answer at all holds nobody for longer than twice this, because
to cancel the statement is tried as long again. The server's own bounds are set by migration, see `work_0001_leases.sql`."""
ACQUIRE_TIMEOUT_S = 5.0
"""Somebody waits for an answer."""
WORKER_ACQUIRE_TIMEOUT_S = 30.0
"""Nobody does. A worker that catches up has more to do than connections, and each partition its turn."""
AT_LENGTH_S_MAX = 3_600


class BoundedPool(asyncpg.Pool):
    """A pool in which nobody waits for a connection longer than so long. The library's own waits for ever."""

    acquire_timeout_s = ACQUIRE_TIMEOUT_S

    def acquire(self, *, timeout: float | None = None) -> PoolAcquireContext:
        """Raises: TimeoutError."""
        return super().acquire(timeout=self.acquire_timeout_s if timeout is None else timeout)


async def create_pool(
    dsn: str, *, application_name: str, size_max: int = POOL_SIZE_MAX, acquire_timeout_s: float = ACQUIRE_TIMEOUT_S
) -> asyncpg.Pool:
    """A pool of at most `size_max` connections. Opens one at once, so that a wrong DSN fails here."""
    pool = BoundedPool(
        dsn,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        min_size=1,
        max_size=size_max,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        connect=None,
        setup=None,
        init=None,
        loop=None,
        reset=_keep_session,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
        server_settings={"application_name": application_name, "jit": "off"},
    )
    pool.acquire_timeout_s = acquire_timeout_s
    return await pool


async def read_at_length(pool: asyncpg.Pool, query: str, *arguments: object) -> list[asyncpg.Record]:
    """The rows of a query that reads a whole log, for an operator's command: `AT_LENGTH_S_MAX` is its only bound."""
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute(f"SET LOCAL statement_timeout = '{AT_LENGTH_S_MAX}s'")
        rows: list[asyncpg.Record] = await connection.fetch(query, *arguments, timeout=AT_LENGTH_S_MAX)
    return rows


async def _keep_session(connection: asyncpg.Connection) -> None:
    """Nothing to undo: no code of ours changes a session's settings or takes session locks. Saves a round trip per use."""
