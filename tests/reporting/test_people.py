"""How many are expected, registered and on site: facts in order, then counts; the same facts again, then the same counts."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from itertools import combinations

import asyncpg
import pytest

from chassis.database import create_pool
from contracts.event import Event
from contracts.gatekeeper import EntryKind, Outcome
from devstack.databases import Database
from devstack.fresh_databases import FreshDatabases
from reporting.read_models.people import PEOPLE_ON_CONTRACTS
from reporting.wiring import SERVICE
from tests.reporting.facts import HONGKOU, LATER, NOW, PUDONG, attempted, imported, left, on_paper, pre_registered, withdrawn
from tests.told import fact

Counts = tuple[int, int, int]
"""Pre-registered, registered, on site."""
PARTITION = 3


@pytest.fixture(scope="module")
async def database(fresh_databases: FreshDatabases) -> Database:
    return await fresh_databases.make("reporting", SERVICE.migrations)


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool]:
    """Nothing is known."""
    await forget(database)
    pool = await create_pool(database.app_dsn, application_name="test")
    yield pool
    await pool.close()


async def forget(database: Database) -> None:
    """As its owner: the service's role may not."""
    connection = await asyncpg.connect(database.owner_dsn)
    await connection.execute("TRUNCATE membership_v1, people_count_v1")
    await connection.close()


async def project(pool: asyncpg.Pool, events: Sequence[Event], *, partition: int = PARTITION) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await PEOPLE_ON_CONTRACTS.project(connection, [fact(event) for event in events], partition=partition)


async def counted(pool: asyncpg.Pool, contract_no: str = HONGKOU) -> Counts:
    row = await pool.fetchrow(
        "SELECT coalesce(sum(pre_registered), 0)::int, coalesce(sum(registered), 0)::int, coalesce(sum(on_site), 0)::int"
        " FROM people_count_v1 WHERE contract_no = $1",
        contract_no,
    )
    assert row is not None
    return row[0], row[1], row[2]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([imported()], (0, 1, 0)),
        ([imported(on_site=True)], (0, 1, 1)),
        ([pre_registered()], (1, 0, 0)),
        ([pre_registered(), withdrawn()], (0, 0, 0)),
        ([pre_registered(), withdrawn(), pre_registered()], (1, 0, 0)),
        ([pre_registered(), attempted()], (1, 1, 1)),
        ([pre_registered(), attempted(), left()], (1, 1, 0)),
        ([pre_registered(), attempted(), left(), attempted()], (1, 1, 1)),
        ([imported(), pre_registered(), attempted()], (1, 1, 1)),
        ([imported(on_site=True), left()], (0, 1, 0)),
        ([imported(1), imported(2), imported(2, PUDONG)], (0, 2, 0)),
        ([attempted(), left(at=NOW), imported(on_site=True, at=LATER)], (0, 1, 1)),
        ([attempted(outcome=Outcome.REFUSED)], (0, 0, 0)),
        ([on_paper()], (0, 1, 1)),
        ([imported(), on_paper(at=LATER), left(at=LATER)], (0, 1, 0)),
        ([attempted(), left(at=LATER), on_paper(at=NOW)], (0, 1, 0)),
        ([pre_registered(), attempted(), attempted(kind=EntryKind.GATE_PASS)], (1, 1, 1)),
    ],
)
async def test_counts(pool: asyncpg.Pool, events: Sequence[Event], expected: Counts) -> None:
    await project(pool, events)
    assert expected == await counted(pool)
    await project(pool, events)
    assert expected == await counted(pool), "the same facts again"
    for event in events:
        await project(pool, [event])
    assert expected == await counted(pool), "one at a time"


@pytest.mark.parametrize("on_site", [True, False])
async def test_counts_the_same_in_whatever_order_the_two_logs_come(database: Database, pool: asyncpg.Pool, on_site: bool) -> None:
    registration = [imported(on_site=True), pre_registered(), withdrawn(), pre_registered()]
    gate = [left(at=NOW + timedelta(hours=1)), attempted(), left(at=NOW + timedelta(hours=2)), attempted()]
    for merged in interleavings(registration, gate if on_site else gate[:-1]):
        await forget(database)
        for event in merged:
            await project(pool, [event])
        assert (1, 1, int(on_site)) == await counted(pool)


async def test_knows_that_an_exit_ends_an_import_that_comes_later(pool: asyncpg.Pool) -> None:
    """The gate's topic may be ahead of registration's: the exit is read first, and is still the younger fact."""
    await project(pool, [left(at=LATER)])
    await project(pool, [imported(on_site=True, at=NOW)])
    assert (0, 1, 0) == await counted(pool)


async def test_keeps_contracts_and_partitions_apart(pool: asyncpg.Pool) -> None:
    await project(pool, [imported(1), pre_registered(2), imported(1, PUDONG)], partition=1)
    await project(pool, [imported(3), attempted(3)], partition=2)
    assert ((1, 2, 1), (0, 1, 0)) == (await counted(pool), await counted(pool, PUDONG))


async def test_agrees_with_its_members_however_the_facts_are_cut_into_batches(pool: asyncpg.Pool) -> None:
    chance = random.Random(7)
    story: list[Event] = [
        *(imported(n, on_site=n % 5 == 0) for n in range(40)),
        *(pre_registered(n) for n in range(20, 60)),
        *(attempted(n) for n in range(20, 60, 2)),
        *(withdrawn(n) for n in range(21, 60, 4)),
        *(left(n) for n in range(0, 60, 4)),
    ]
    while story:
        size = chance.randint(1, 17)
        await project(pool, story[:size])
        story = story[size:]
    rows = await pool.fetch("SELECT * FROM membership_v1 WHERE contract_no = $1", HONGKOU)
    on_site = [row["inside"] or (row["imported_on_site_at"] is not None and row["left_at"] is None) for row in rows]
    independent = sum(row["pre_registered"] for row in rows), sum(row["registered"] for row in rows), sum(on_site)
    assert (30, 50, 15) == independent == await counted(pool)


def interleavings(one: Sequence[Event], other: Sequence[Event]) -> Iterator[list[Event]]:
    """Every order in which two logs can come, each in its own order."""
    total = len(one) + len(other)
    for places in combinations(range(total), len(one)):
        first, second = iter(one), iter(other)
        yield [next(first) if place in places else next(second) for place in range(total)]
