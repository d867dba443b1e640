"""Database migrations: plain SQL folders, applied in order, under one advisory lock.

Two processes that migrate at once do it one after the other; the second finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import asyncpg
from pogo_core.util import migrate as pogo

FOLDERS = Path(__file__).parent / "migrations"
LOG = FOLDERS / "log"
"""An event log of the service's own."""
WORK = FOLDERS / "work"
"""Leases, positions and the relay's marks: for every service with a worker."""
KEYS = FOLDERS / "keys"
"""The key server: identities, wrapped keys, the record of who read them."""

LOCK_ID = 0x47415445
"""Advisory lock that whoever migrates a database holds."""


async def migrate(dsn: str, folders: Sequence[Path]) -> None:
    """Bring the database up to date with every migration in `folders`. Repeating it does nothing.

    The role of `dsn` becomes the owner of what is made. Grants go to the role of the same name without `_owner`.

    Raises: pogo_core.error.BadMigrationError; nothing of a failed migration stays.
    """
    connection = await asyncpg.connect(dsn, server_settings={"lock_timeout": "60s", "statement_timeout": "0"})
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_ID)
        for folder in folders:
            await pogo.apply(connection, folder, schema_name="public")
    finally:
        await connection.close()
