"""An empty log for every test of the core that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from chassis.event_store import EventStore
from chassis.migrations import LOG, WORK
from devstack.databases import Database, with_database
from devstack.fresh_databases import FreshDatabases
from tests.chassis.log_database import LogDatabase, opened_log
from tests.collector import Collector, collecting

EMPTY = """
DO $$
DECLARE
    name text;
BEGIN
    -- Whoever an earlier test left behind.
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
    SET LOCAL session_replication_role = replica;  -- Past the trigger that refuses it.
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE E'\\_pogo%' LOOP
        IF name = 'store' THEN
            UPDATE store SET epoch = 1, examined_at_place = place_of_log(), compared_at_start = pg_postmaster_start_time();
        ELSIF name = 'shard_head' THEN
            UPDATE shard_head SET last_pos = 0;
        ELSE
            EXECUTE format('DELETE FROM %I', name);
        END IF;
    END LOOP;
END
$$
"""


@pytest.fixture(scope="session")
async def tally_database(fresh_databases: FreshDatabases) -> Database:
    """Made once: a database takes a third of a second to make and drop, and there are more tests than that is worth."""
    return await fresh_databases.make("tally", [LOG, WORK])


@pytest.fixture
async def log(tally_database: Database, postgres_dsn: str) -> AsyncIterator[LogDatabase]:
    """An empty service database with log, leases and positions."""
    superuser = await asyncpg.connect(with_database(postgres_dsn, name=tally_database.name))
    try:
        await superuser.execute(EMPTY)
    finally:
        await superuser.close()
    async with opened_log(tally_database) as opened:
        yield opened


@pytest.fixture
async def store(log: LogDatabase) -> EventStore:
    """The empty log, as one process sees it."""
    return await log.store()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Takes the spans of whoever is told `recorded` while the test runs."""
    with collecting() as collector:
        for name, value in collector.variables.items():
            monkeypatch.setenv(name, value)
        yield collector
