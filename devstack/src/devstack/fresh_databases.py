"""Databases for tests, as many as wanted: each is a copy of a template that was migrated once per process."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import asyncpg

from devstack.databases import KEYS, Database, provide_database, provide_keys, with_database
from devstack.state import State

TIMEOUT_S = 30.0

Migrate = Callable[[str, Sequence[Path]], Awaitable[None]]
"""Brings the database of a DSN up to date with some folders."""

# A copy has the tables of its template, but neither the settings nor the grants that belong to the database itself.
SETTINGS = """
SELECT format('ALTER DATABASE %I SET %s = %L', $2::text, split_part(setting, '=', 1), substr(setting, strpos(setting, '=') + 1))
FROM pg_db_role_setting AS s, pg_database AS d, unnest(s.setconfig) AS setting
WHERE s.setdatabase = d.oid AND s.setrole = 0 AND d.datname = $1
"""
GRANTS = """
SELECT format('GRANT %s ON DATABASE %I TO %s', acl.privilege_type, $2::text, acl.grantee::regrole)
FROM pg_database AS d, aclexplode(d.datacl) AS acl
WHERE d.datname = $1 AND acl.grantee NOT IN (0, d.datdba)
"""


# A copy is no restored backup: its log may be appended to where it lives now.
EXAMINED = """
DO $$
BEGIN
    IF to_regprocedure('place_of_log()') IS NOT NULL THEN
        UPDATE store SET examined_at_place = place_of_log();
    END IF;
END
$$
"""


class FreshDatabases:
    """Makes databases on one server. What it made is gone after `drop_all`."""

    def __init__(self, admin_dsn: str, state: State, migrate: Migrate) -> None:
        self._admin_dsn = admin_dsn
        self._state = state
        self._migrate = migrate
        self._suffix = secrets.token_hex(4)
        self._templates: dict[str, Database] = {}
        self._one_at_a_time = asyncio.Lock()
        self._made: set[str] = set()

    async def make(self, role: str, folders: Sequence[Path]) -> Database:
        """An own database for a service, migrated with `folders`. `role` and `<role>_owner` are made if need be."""
        template = await self._template(role, folders)
        return await self._copy(template)

    async def make_keys(self, services: Iterable[str], folders: Sequence[Path]) -> dict[str, Database]:
        """A database as on the keys server, reachable under the role of each service."""
        async with self._one_at_a_time:
            # Before the template: its migration grants these roles their rights.
            await provide_keys(self._admin_dsn, self._state, services, name=f"{KEYS}_{self._suffix}")
            self._made.add(f"{KEYS}_{self._suffix}")
        copy = await self.make(KEYS, folders)
        return {
            role: replace(
                copy,
                app_dsn=with_database(self._admin_dsn, name=copy.name, role=role, password=self._state.password(f"role-{role}")),
            )
            for role in services
        }

    async def drop(self, database: Database) -> None:
        """Cut off whoever is connected and drop it."""
        await self._do([f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)"])
        self._made.discard(database.name)

    async def drop_all(self) -> None:
        """Everything that was made and not dropped yet, templates too."""
        await self._do([f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in sorted(self._made)])
        self._made.clear()
        self._templates.clear()

    async def _template(self, role: str, folders: Sequence[Path]) -> Database:
        digest = hashlib.sha256("\n".join([role, *map(str, folders)]).encode()).hexdigest()[:8]
        async with self._one_at_a_time:
            if digest not in self._templates:
                name = f"template_{role}_{digest}_{self._suffix}"
                self._made.add(name)
                template = await provide_database(self._admin_dsn, self._state, role, name=name)
                await self._migrate(template.owner_dsn, folders)
                self._templates[digest] = template
        return self._templates[digest]

    async def backup(self, database: Database) -> Database:
        """A copy as it is now. Its log was not examined where it lives. Whoever is connected to the database is cut off."""
        await self._do([f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.name}'"])  # noqa: S608
        return await self._clone(database)

    async def _copy(self, template: Database) -> Database:
        copy = await self._clone(template)
        connection = await asyncpg.connect(copy.owner_dsn, timeout=TIMEOUT_S)
        try:
            await connection.execute(EXAMINED)
        finally:
            await connection.close()
        return copy

    async def _clone(self, template: Database) -> Database:
        name = f"{template.name.removeprefix('template_')}_{secrets.token_hex(4)}"
        self._made.add(name)
        connection = await asyncpg.connect(self._admin_dsn, timeout=TIMEOUT_S)
        try:
            owner = await connection.fetchval("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1", template.name)
            await connection.execute(f"CREATE DATABASE {name} OWNER {owner} TEMPLATE {template.name}")
            await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
            for query in (SETTINGS, GRANTS):
                for row in await connection.fetch(query, template.name, name):
                    await connection.execute(row[0])
        finally:
            await connection.close()
        return Database(name, with_database(template.owner_dsn, name=name), with_database(template.app_dsn, name=name))

    async def _do(self, statements: Sequence[str]) -> None:
        connection = await asyncpg.connect(self._admin_dsn, timeout=TIMEOUT_S)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()
