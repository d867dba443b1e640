"""Migrations: repeatable, one at a time, whole or not at all; and what the database holds everybody to afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from pogo_core.error import BadMigrationError

from chassis import migrations
from chassis.database import DATABASE_ERRORS
from chassis.migrations import LOCK_ID, LOG, WORK, migrate
from chassis.testing.wait import eventually
from contracts.event import shard_of
from devstack.databases import Database
from tests.chassis.log_database import LogDatabase, opened_log
from tests.conftest import MakeDatabase

APPLIED = "SELECT migration_id FROM _pogo_migration ORDER BY 1"
MIGRATION = "-- Something more.\n-- depends:\n\n-- migrate: apply\n{}\n\n-- migrate: rollback\n"


def migrations_of(*folders: Path) -> Sequence[str]:
    """As they are listed once all are applied."""
    return sorted(file.stem for folder in folders for file in folder.glob("*.sql"))


@pytest.fixture
async def empty(database: MakeDatabase) -> Database:
    """A database with its two roles and nothing in it."""
    return await database("tally", [])


async def rows(database: Database, query: str) -> Sequence[object]:
    connection = await asyncpg.connect(database.owner_dsn)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()


class TestMigrate:
    async def test_repeated_does_nothing(self, empty: Database) -> None:
        for _ in range(2):
            await migrate(empty.owner_dsn, [LOG, WORK])

        assert migrations_of(LOG, WORK) == await rows(empty, APPLIED)
        assert [64] == await rows(empty, "SELECT count(*) FROM shard_head")

    async def test_by_two_at_once_is_done_once(self, empty: Database) -> None:
        await asyncio.gather(*(migrate(empty.owner_dsn, [LOG, WORK]) for _ in range(3)))

        assert migrations_of(LOG, WORK) == await rows(empty, APPLIED)

    async def test_waits_for_whoever_migrates_already(self, empty: Database) -> None:
        connection = await asyncpg.connect(empty.owner_dsn)
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_ID)
        waiting = asyncio.create_task(migrate(empty.owner_dsn, [LOG]))
        async with asyncio.timeout(5):
            while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
                pass
        assert not await connection.fetchval("SELECT to_regclass('event') IS NOT NULL")
        await connection.close()
        await waiting

        assert migrations_of(LOG) == await rows(empty, APPLIED)

    async def test_that_does_not_get_a_table_lets_go_and_tries_again(self, empty: Database, tmp_path: Path) -> None:
        """Whoever reads it meanwhile waits behind the migration for a moment, and not until it has got the table."""
        await migrate(empty.owner_dsn, [LOG])
        (tmp_path / "tally_0001_more.sql").write_text(
            MIGRATION.format("CREATE TABLE mine (n integer); ALTER TABLE stream ADD COLUMN note text;")
        )
        long, reader = [await asyncpg.connect(empty.owner_dsn) for _ in range(2)]
        await long.execute("BEGIN; SELECT FROM stream LIMIT 1")
        migrating = asyncio.create_task(migrate(empty.owner_dsn, [LOG, tmp_path]))
        await eventually(lambda: reader.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"), within_s=10)

        async with asyncio.timeout(5):
            assert 0 == await reader.fetchval("SELECT count(*) FROM stream")
        assert not migrating.done()
        assert not await reader.fetchval("SELECT to_regclass('mine') IS NOT NULL"), "it let go of everything"

        await long.execute("COMMIT")
        await migrating
        assert migrations_of(LOG, tmp_path) == await rows(empty, APPLIED)
        for connection in (long, reader):
            await connection.close()

    async def test_that_never_gets_a_table_says_so_and_leaves_nothing(
        self, empty: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(migrations, "TRIES_MAX", 2)
        monkeypatch.setattr(migrations, "PAUSE_S", 0.01)
        await migrate(empty.owner_dsn, [LOG])
        (tmp_path / "tally_0001_more.sql").write_text(MIGRATION.format("ALTER TABLE stream ADD COLUMN note text;"))
        long = await asyncpg.connect(empty.owner_dsn)
        await long.execute("BEGIN; SELECT FROM stream LIMIT 1")
        with pytest.raises(BadMigrationError, match="tally_0001_more"):
            await migrate(empty.owner_dsn, [LOG, tmp_path])
        await long.close()
        assert migrations_of(LOG) == await rows(empty, APPLIED)

    async def test_that_fails_half_way_leaves_nothing_of_it(self, empty: Database, tmp_path: Path) -> None:
        (tmp_path / "tally_0001_tables.sql").write_text(
            MIGRATION.format("CREATE TABLE first (n integer); CREATE TABLE second (n unheard_of);")
        )
        with pytest.raises(BadMigrationError):
            await migrate(empty.owner_dsn, [WORK, tmp_path])

        assert migrations_of(WORK) == await rows(empty, APPLIED)
        assert [None] == await rows(empty, "SELECT to_regclass('first')")

    async def test_adds_what_is_new_and_keeps_what_is_there(self, empty: Database, tmp_path: Path) -> None:
        await migrate(empty.owner_dsn, [LOG])
        await rows(empty, "UPDATE shard_head SET last_pos = 7 RETURNING shard")
        (tmp_path / "tally_0001_tables.sql").write_text(MIGRATION.format("CREATE TABLE mine (n integer);"))

        await migrate(empty.owner_dsn, [LOG, WORK, tmp_path])

        assert migrations_of(LOG, tmp_path, WORK) == await rows(empty, APPLIED)
        assert [7] == await rows(empty, "SELECT DISTINCT last_pos FROM shard_head")


class TestSessions:
    """Nobody holds a lock while a client thinks, whoever that is and whatever it forgets to set."""

    async def test_are_bounded(self, log: LogDatabase) -> None:
        bounds = {"idle_in_transaction_session_timeout": "2s", "lock_timeout": "2s", "statement_timeout": "30s"}

        for session in (await log.session(), log.owner):
            assert bounds == {setting: await session.fetchval(f"SHOW {setting}") for setting in bounds}

    async def test_lose_their_locks_when_they_idle_in_a_transaction(self, log: LogDatabase) -> None:
        session = await log.session()
        await session.execute("SET idle_in_transaction_session_timeout = '100ms'")
        await session.execute("BEGIN; INSERT INTO published (shard, last_pos) VALUES (1, 1)")

        await log.pool.execute("INSERT INTO published (shard, last_pos) VALUES (1, 2)")

        with pytest.raises(DATABASE_ERRORS):
            await session.execute("COMMIT")
        assert [(1, 2)] == await log.rows("SELECT shard, last_pos FROM published")


class TestGrants:
    async def test_let_the_service_work_with_leases_positions_and_marks(self, database: MakeDatabase) -> None:
        async with opened_log(await database("tally", [WORK])) as log:
            for table in ("worker", "lease", "position", "next_offset", "published"):
                may = await log.rows(
                    "SELECT privilege_type FROM information_schema.role_table_grants WHERE grantee = 'tally' AND table_name = $1",
                    table,
                )
                assert {"SELECT", "INSERT", "UPDATE", "DELETE"} == {privilege for (privilege,) in may}

    async def test_give_nothing_to_everybody(self, log: LogDatabase) -> None:
        assert [] == await log.rows(
            "SELECT table_name FROM information_schema.table_privileges WHERE grantee = 'PUBLIC' AND table_schema = 'public'"
        )


class TestAppendGroup:
    async def test_has_its_plans_pinned(self, log: LogDatabase) -> None:
        [(settings,)] = await log.rows("SELECT proconfig FROM pg_proc WHERE proname = 'append_group'")

        assert {"plan_cache_mode=force_generic_plan", "enable_seqscan=off", "search_path=public, pg_temp"} <= set(settings)

    async def test_finds_the_shard_that_everybody_else_finds(self, log: LogDatabase) -> None:
        streams = [uuid4() for _ in range(200)]

        assert [(shard_of(stream),) for stream in streams] == await log.rows(
            "SELECT shard_of(stream) FROM unnest($1::uuid[]) WITH ORDINALITY AS s (stream, n) ORDER BY n", streams
        )
