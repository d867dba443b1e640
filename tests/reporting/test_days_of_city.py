"""The days of the city are those of all contracts from the first moment: they need not be read from the logs again."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from chassis.migrations import migrate
from devstack.databases import Database
from reporting.read_models.days import DAYS_OF_CITY, DAYS_OF_CONTRACTS
from reporting.wiring import SERVICE
from tests.conftest import MakeDatabase

FILLED = "reporting_0010_days_of_city_filled.sql"
DAY, NEXT_DAY = date(2020, 2, 18), date(2020, 2, 19)
TAKEN_IN = """
INSERT INTO day_v1 (contract_no, day, partition, pre_registered, entered, refused, exited) VALUES
    ('W1', '2020-02-18', 0, 1, 2, 3, 4), ('W2', '2020-02-18', 0, 10, 20, 30, 40), ('W2', '2020-02-18', 3, 5, 6, 7, 8),
    ('W1', '2020-02-19', 3, 0, 1, 0, 0);
INSERT INTO position (subscriber, source, shard, epoch, last_pos, last_event_id, digest_pos, last_digest) VALUES
    ('days_of_contract_v1', 'registration', 0, 1, 700, NULL, NULL, NULL),
    ('days_of_contract_v1', 'gatekeeper', 3, 2, 9, gen_random_uuid(), 9, 'digest'),
    ('people_on_contract_v1', 'gatekeeper', 3, 2, 10, gen_random_uuid(), 10, 'another');
INSERT INTO parked (subscriber, source, shard, pos, stream_id, version, type, data, meta, error, attempts, parked_at) VALUES
    ('days_of_contract_v1', 'gatekeeper', 3, 8, gen_random_uuid(), 4, 'type', 'data', 'meta', 'KeyError', 2, '2020-02-18'),
    ('people_on_contract_v1', 'gatekeeper', 3, 8, gen_random_uuid(), 4, 'type', 'data', 'meta', NULL, 0, '2020-02-18');
"""
"""As a worker leaves them that knows the days of contracts alone."""
BEGUN = "INSERT INTO position (subscriber, source, shard, epoch, last_pos) VALUES ('days_of_city_v1', 'registration', 5, 1, 1)"


@pytest.fixture
async def before(database: MakeDatabase, tmp_path: Path) -> Database:
    """With the city's table as it was before anything filled it."""
    *others, own = SERVICE.migrations
    for file in own.glob("*.sql"):
        if file.name < FILLED:
            shutil.copy(file, tmp_path)
    return await database("reporting", [*others, tmp_path])


@pytest.fixture
async def connection(before: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(before.owner_dsn)
    yield connection
    await connection.close()


async def days(connection: asyncpg.Connection) -> Sequence[tuple[Any, ...]]:
    return [tuple(row) for row in await connection.fetch("SELECT * FROM day_of_city_v1 ORDER BY day, partition")]


async def kept(connection: asyncpg.Connection, table: str, subscriber: str) -> Sequence[str]:
    """Its rows, with all columns but its name."""
    rows = await connection.fetch(
        f"SELECT to_jsonb(t) - 'subscriber' FROM {table} AS t WHERE subscriber = $1 ORDER BY 1",
        subscriber,
    )
    return [row[0] for row in rows]


class TestDaysOfCity:
    async def test_begin_with_those_of_all_contracts(self, before: Database, connection: asyncpg.Connection) -> None:
        await connection.execute(TAKEN_IN)
        await migrate(before.owner_dsn, SERVICE.migrations)
        assert [(DAY, 0, 11, 22, 33, 44), (DAY, 3, 5, 6, 7, 8), (NEXT_DAY, 3, 0, 1, 0, 0)] == await days(connection)

    @pytest.mark.parametrize(("table", "rows"), [("position", 2), ("parked", 1)])
    async def test_go_on_where_those_are(self, before: Database, connection: asyncpg.Connection, table: str, rows: int) -> None:
        await connection.execute(TAKEN_IN)
        of_contracts = await kept(connection, table, DAYS_OF_CONTRACTS.name)
        await migrate(before.owner_dsn, SERVICE.migrations)
        assert of_contracts == await kept(connection, table, DAYS_OF_CITY.name)
        assert rows == len(of_contracts)

    async def test_that_have_begun_are_left_alone(self, before: Database, connection: asyncpg.Connection) -> None:
        await connection.execute(TAKEN_IN)
        await connection.execute(BEGUN)
        had = await kept(connection, "position", DAYS_OF_CITY.name)
        await migrate(before.owner_dsn, SERVICE.migrations)
        told = [await kept(connection, table, DAYS_OF_CITY.name) for table in ("position", "parked")]
        assert ([], [had, []]) == (await days(connection), told)

    async def test_of_an_installation_that_is_new_are_none(self, before: Database, connection: asyncpg.Connection) -> None:
        await migrate(before.owner_dsn, SERVICE.migrations)
        told = [await kept(connection, table, DAYS_OF_CITY.name) for table in ("position", "parked")]
        assert ([], [[], []]) == (await days(connection), told)
