"""A worker process for tests of leases: while it holds a name it writes, again and again, that it does.

Run as `python -m tests.chassis.lease_holder DSN TTL_S HEARTBEAT_S NAME…`. Prints `held NAME TOKEN` when its first row of
a lease is written, `refused NAME TOKEN` when the database refused one, `cut off NAME TOKEN` when it ended the session,
`stopped NAME TOKEN` when it learned by itself that the name was somebody else's.
"""

from __future__ import annotations

import asyncio
import sys

import asyncpg
import structlog

from chassis import leases
from chassis.database import DATABASE_ERRORS, create_pool
from chassis.leases import Lease, LeaseLost, Leases, fence

WRITE = (
    "INSERT INTO position (subscriber, source, shard, epoch, last_pos) VALUES ($1, $2, 0, $3, 1)"
    " ON CONFLICT (subscriber, source, shard) DO UPDATE SET last_pos = position.last_pos + 1, epoch = $3"
)
"""A row a token: how often it wrote."""

PAUSE_S = 0.01
"""Between two rows, so that whoever stops the process rarely stops it within a transaction."""


async def hold(pool: asyncpg.Pool, lease: Lease) -> None:
    """Write under the lease until it is lost."""
    is_first = True
    while True:
        try:
            async with pool.acquire() as connection, connection.transaction():
                await fence(connection, lease)
                await connection.execute(WRITE, f"{lease.name}/{lease.token}", "holder", lease.token)
            if is_first:
                tell("held", lease)
            is_first = False
            await asyncio.sleep(PAUSE_S)
        except LeaseLost:
            tell("refused", lease)
            raise
        except DATABASE_ERRORS:
            tell("cut off", lease)
            raise
        except asyncio.CancelledError:
            tell("stopped", lease)
            raise


def tell(what: str, lease: Lease) -> None:
    sys.stdout.write(f"{what} {lease.name} {lease.token}\n")
    sys.stdout.flush()


async def main(dsn: str, ttl_s: float, heartbeat_s: float, names: list[str]) -> None:
    leases.TTL_S, leases.HEARTBEAT_S = ttl_s, heartbeat_s
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    pool = await create_pool(dsn, application_name="holder")
    await Leases(pool, {name: lambda lease: hold(pool, lease) for name in names}).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
