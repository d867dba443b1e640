"""Database migrations: plain SQL folders, applied in order, under one advisory lock.

Two processes that migrate at once do it one after the other; the second finds nothing to do. Whoever works with the tables
meanwhile is held up for a moment at most: a migration that does not get a table soon lets go of all it has, and tries again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import structlog
from pogo_core.error import BadMigrationError
from pogo_core.util import migrate as pogo

FOLDERS = Path(__file__).parent / "migrations"
LOG = FOLDERS / "log"
"""An event log of the service's own."""
WORK = FOLDERS / "work"
"""Leases, positions and the relay's marks: for every service with a worker."""
PEOPLE = FOLDERS / "people"
"""Which records are of one person: for every service that lists or counts people (`chassis.same_people`)."""
KEYS = FOLDERS / "keys"
"""The key server: identities, wrapped keys, the record of who read them."""

LOCK_ID = 0x47415445
"""Advisory lock that whoever migrates a database holds."""
LOCK_TIMEOUT = "2s"
"""How long a migration waits for a table. Whoever asks for the table after it waits behind it, even to read.
Longer than PostgreSQL's `deadlock_timeout` (1 s): an autovacuum that is in the way is cancelled then, and not before."""
TRIES_MAX = 60
PAUSE_S = 1.0
"""Between two tries: in it everybody goes on who waited."""
BUSY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)

log = structlog.get_logger()


async def migrate(dsn: str, folders: Sequence[Path]) -> None:
    """Bring the database up to date with every migration in `folders`. Repeating it does nothing.

    The role of `dsn` becomes the owner of what is made. Grants go to the role of the same name without `_owner`.

    Raises: pogo_core.error.BadMigrationError, also where no try got its tables; nothing of a failed migration stays.
    """
    connection = await asyncpg.connect(dsn, server_settings={"lock_timeout": "120s", "statement_timeout": "0"})
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_ID)
        await connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        for folder in folders:
            await _apply(connection, folder)
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection, folder: Path) -> None:
    for tries_left in reversed(range(TRIES_MAX)):
        try:
            await pogo.apply(connection, folder, schema_name="public")
        except BadMigrationError as error:
            if not isinstance(error.__cause__, BUSY) or not tries_left:
                raise
            log.warning("migrations.table_is_busy", migration=str(error), tries_left=tries_left)
            await asyncio.sleep(PAUSE_S)
        else:
            return
