"""The tables of a read model, made anew beside the live ones, compared with them, and put in their place.

The new ones stand in a schema of their own, `new_<name>`, with the old names: whoever has that schema first in its
`search_path` fills them by the same statements as the live ones. The switch moves tables between schemas; the replaced ones
are kept in `old_<name>`. Runs as the role that owns the tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from chassis.database import Connection
from chassis.tables import ReadModel, Table

LIVE = "public"

MAKE_POSITIONS = "CREATE TABLE {schema}.position (LIKE public.position INCLUDING ALL)"
MAKE_PARKED = "CREATE TABLE {schema}.parked (LIKE public.parked INCLUDING ALL)"
OPTIONS = "SELECT coalesce(array_to_string(reloptions, ', '), '') FROM pg_class WHERE oid = $1::regclass"
# Grants as statements. One on a column alone would be left out: there must be none.
GRANTS = """
SELECT format('GRANT %s ON {table} TO %s%s', acl.privilege_type,
              CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END,
              CASE WHEN acl.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_class AS c, aclexplode(c.relacl) AS acl
WHERE c.oid = $1::regclass AND acl.grantee <> c.relowner
"""
COLUMN_GRANTS = "SELECT count(*) FROM pg_attribute WHERE attrelid = $1::regclass AND attacl IS NOT NULL"
CONSTRAINTS = """
SELECT format('ALTER TABLE {table} ADD CONSTRAINT %I %s', conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE conrelid = $1::regclass AND contype IN ('p', 'u', 'x')
"""
INDEXES = """
SELECT pg_get_indexdef(i.indexrelid) FROM pg_index AS i
WHERE i.indrelid = $1::regclass AND NOT EXISTS (SELECT FROM pg_constraint AS c WHERE c.conindid = i.indexrelid)
"""
HAS_INDEXES = "SELECT EXISTS (SELECT FROM pg_index WHERE indrelid = $1::regclass)"

# Of all partitions: whoever projects waits, and nobody moves.
STOP_MOVING = "SELECT name FROM public.lease WHERE name LIKE 'project/%' ORDER BY name FOR UPDATE"
# What is parked has changed: see `chassis.parking`.
LOOK_ANEW = "UPDATE public.lease SET interventions = interventions + 1 WHERE name LIKE 'project/%'"
LOAD_ANEW = "UPDATE public.lease SET owner = NULL, token = token + 1 WHERE name LIKE 'project/%'"
# The others of a source go on at its offset, and whoever was set back reads beside them. Where he is alone, it is ahead of him;
# rows of whoever was retired stay, and stand for nobody.
FORGET_OFFSETS = """
DELETE FROM public.next_offset AS o
WHERE NOT EXISTS (SELECT FROM public.position AS p WHERE p.source = o.source AND p.subscriber = ANY ($1))
"""
LOCK_MS_MAX = 500
"""Longest wait for everybody to stop, and for one lock of a switch. Whoever comes behind it in the queue waits as long."""
STOPPED_S_MAX = 1.0
"""Longest stop."""
FROZEN_MS_MAX = 1_400
"""After which the database ends a session that stopped everybody and is silent: later than whoever lives gives up by himself. With
the wait before it less than the `lock_timeout` of those who wait."""

CONNECTIONS_MAX = 9
"""Four for what goes on at the same time, four that read the own log, and one that tells how far it is."""
STATEMENT_MIN_MAX = 60
"""Minutes that one COPY, index or comparison may take."""

Positions = Mapping[tuple[str, int], int]
"""(source, shard) → the last position taken in."""


@dataclass(frozen=True)
class Difference:
    """How a table and its twin differ, in rows."""

    table: str
    live: int
    """Rows of the live one."""
    new: int
    only_live: int = 0
    only_new: int = 0
    changed: int = 0

    @property
    def is_none(self) -> bool:
        return not (self.only_live or self.only_new or self.changed)

    def __str__(self) -> str:
        if self.is_none:
            return f"{self.table}: {self.new:,} rows, equal"
        return (
            f"{self.table}: {self.live:,} rows live, {self.new:,} rebuilt: {self.only_live:,} only live,"
            f" {self.only_new:,} only rebuilt, {self.changed:,} different"
        )


@dataclass(frozen=True)
class TwinTables:
    """Of one read model."""

    model: ReadModel
    others: Collection[str] = ()
    """All others that take in events in this service, by name."""

    @property
    def new(self) -> str:
        """The schema of those being made."""
        return f"new_{self.model.name}"

    @property
    def old(self) -> str:
        """The schema of those that were replaced."""
        return f"old_{self.model.name}"

    async def exists(self, connection: Connection, schema: str) -> bool:
        found: bool = await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", schema)
        return found

    async def drop(self, connection: Connection, schema: str) -> None:
        await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")

    async def make(self, connection: Connection) -> None:
        """The new tables, empty, without indexes, and the positions to go with them; all or nothing."""
        async with connection.transaction():
            await connection.execute(f"CREATE SCHEMA {self.new}")
            await connection.execute(MAKE_POSITIONS.format(schema=self.new))
            for table in self.model.tables:
                await self._make(connection, table)

    async def _make(self, connection: Connection, table: Table[object]) -> None:
        live, new = f"{LIVE}.{table.name}", f"{self.new}.{table.name}"
        if await connection.fetchval(COLUMN_GRANTS, live):
            raise NotImplementedError(f"{live} has grants on columns")
        options = await connection.fetchval(OPTIONS, live)
        await connection.execute(
            f"CREATE TABLE {new} (LIKE {live} INCLUDING ALL EXCLUDING INDEXES)" + (f" WITH ({options})" if options else "")
        )
        await _execute_each(connection, await connection.fetch(GRANTS.format(table=new), live))

    async def index(self, connection: Connection) -> None:
        """Keys, indexes and statistics as the live tables have them. Those that are there already are left."""
        for table in self.model.tables:
            live, new = f"{LIVE}.{table.name}", f"{self.new}.{table.name}"
            async with connection.transaction():
                if not await connection.fetchval(HAS_INDEXES, new):
                    await _execute_each(connection, await connection.fetch(CONSTRAINTS.format(table=new), live))
                    for [definition] in await connection.fetch(INDEXES, live):
                        head, rest = definition.split(f" ON {live} ", 1)
                        await connection.execute(f"{head} ON {new} {rest}")
            await connection.execute(f"ANALYZE {new}")

    async def positions(self, connection: Connection, schema: str) -> Positions:
        rows = await connection.fetch(
            f"SELECT source, shard, last_pos FROM {schema}.position WHERE subscriber = $1", self.model.name
        )
        return {(row["source"], row["shard"]): row["last_pos"] for row in rows}

    async def compare(self, connection: Connection) -> Sequence[Difference]:
        """The live tables and their twins, by checksum; row by row where it differs. In the caller's snapshot."""
        return [await self._compare(connection, table) for table in self.model.tables]

    async def _compare(self, connection: Connection, table: Table[object]) -> Difference:
        live, new = f"{LIVE}.{table.name}", f"{self.new}.{table.name}"
        [(live_rows, live_sum)] = await connection.fetch(_checksum(table, live))
        [(new_rows, new_sum)] = await connection.fetch(_checksum(table, new))
        if (live_rows, live_sum) == (new_rows, new_sum):
            return Difference(table.name, live_rows, new_rows)
        [counts] = await connection.fetch(_difference(table, live, new))
        return Difference(table.name, live_rows, new_rows, *counts)

    async def switch(self, connection: Connection) -> None:
        """The new tables and positions become the live ones, and the live ones the old, in the caller's transaction.

        With the old ones goes what waited: the new ones hold it.
        """
        await connection.execute(f"CREATE SCHEMA {self.old}")
        await connection.execute(MAKE_POSITIONS.format(schema=self.old))
        await connection.execute(MAKE_PARKED.format(schema=self.old))
        await self._move(connection, LIVE, self.old)
        await self._move(connection, self.new, LIVE)
        await self._exchange_positions(connection, self.new)
        await self._exchange_parked(connection)
        await connection.execute(
            f"INSERT INTO {self.old}.position SELECT * FROM {self.new}.position; DROP SCHEMA {self.new} CASCADE"
        )

    async def switch_back(self, connection: Connection) -> None:
        """The old tables and positions become the live ones, and the live ones the old, in the caller's transaction.

        What came after the switch is taken in anew: whoever projects loads its positions anew.
        """
        await connection.execute(f"CREATE SCHEMA {self.new}")
        await self._move(connection, LIVE, self.new)
        await self._move(connection, self.old, LIVE)
        await self._move(connection, self.new, self.old)
        await self._exchange_positions(connection, self.old)
        await self._exchange_parked(connection)
        await connection.execute(f"DROP SCHEMA {self.new}")
        await connection.execute(LOAD_ANEW)
        await connection.execute(FORGET_OFFSETS, list(self.others))

    async def _move(self, connection: Connection, here: str, there: str) -> None:
        for table in self.model.tables:
            await connection.execute(f"ALTER TABLE {here}.{table.name} SET SCHEMA {there}")

    async def _exchange_positions(self, connection: Connection, schema: str) -> None:
        rows = await connection.fetch("DELETE FROM public.position WHERE subscriber = $1 RETURNING *", self.model.name)
        await connection.execute(f"INSERT INTO public.position SELECT * FROM {schema}.position WHERE last_pos > 0")
        await connection.execute(f"TRUNCATE {schema}.position")
        await connection.copy_records_to_table("position", schema_name=schema, records=[tuple(row) for row in rows])

    async def _exchange_parked(self, connection: Connection) -> None:
        rows = await connection.fetch("DELETE FROM public.parked WHERE subscriber = $1 RETURNING *", self.model.name)
        await connection.execute(f"INSERT INTO public.parked SELECT * FROM {self.old}.parked; TRUNCATE {self.old}.parked")
        await connection.copy_records_to_table("parked", schema_name=self.old, records=[tuple(row) for row in rows])
        await connection.execute(LOOK_ANEW)


@asynccontextmanager
async def moving_stopped(connection: Connection) -> AsyncIterator[None]:
    """A transaction during which nobody projects anything in this service. Short: everybody waits for it.

    Raises: TimeoutError, asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError where it takes too long; then nothing has
    changed. The commit is not cut off: it must be known whether it happened.
    """
    stopped_ms = round(STOPPED_S_MAX * 1000)
    async with connection.transaction():
        await connection.execute(
            f"SET LOCAL lock_timeout = {LOCK_MS_MAX}; SET LOCAL statement_timeout = {LOCK_MS_MAX};"
            f"SET LOCAL idle_in_transaction_session_timeout = {FROZEN_MS_MAX}"
        )
        await connection.fetch(STOP_MOVING)
        await connection.execute(f"SET LOCAL statement_timeout = {stopped_ms}")
        async with asyncio.timeout(STOPPED_S_MAX):
            yield


async def _execute_each(connection: Connection, statements: Sequence[asyncpg.Record]) -> None:
    for row in statements:
        await connection.execute(row[0])


def _checksum(table: Table[object], name: str) -> str:
    """Rows, and a sum over them that does not hang on their order."""
    row = f"ROW({', '.join(table.columns)})::text"
    return f"SELECT count(*), coalesce(sum(hashtextextended({row}, 0)::numeric), 0) FROM {name}"


def _difference(table: Table[object], live: str, new: str) -> str:
    """Rows only live, only new, and in both but different."""
    key = table.key[0]
    is_same = " AND ".join(f"l.{column} = n.{column}" for column in table.key)
    rows = [f"ROW({', '.join(f'{side}.{column}' for column in table.columns)})" for side in "ln"]
    return f"""
        SELECT count(*) FILTER (WHERE n.{key} IS NULL), count(*) FILTER (WHERE l.{key} IS NULL),
               count(*) FILTER (WHERE l.{key} = n.{key})
        FROM {live} AS l FULL JOIN {new} AS n ON {is_same} WHERE {rows[0]} IS DISTINCT FROM {rows[1]}"""


@asynccontextmanager
async def owner_pool(dsn: str, schema: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections that find the tables of the schema first, and whose statements may take long."""
    pool = await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=CONNECTIONS_MAX,
        server_settings={
            "application_name": "rebuild",
            "search_path": f"{schema}, {LIVE}",
            "statement_timeout": f"{STATEMENT_MIN_MAX}min",
            "lock_timeout": "30s",
            "idle_in_transaction_session_timeout": "60s",
            "maintenance_work_mem": "256MB",
            "jit": "off",
        },
    )
    async with pool:
        yield pool
