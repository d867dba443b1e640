"""Rows that a fold changes: live over what a batch needs, or in memory over all of them, to the same end."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import pytest

from chassis.subscribers import Fact
from chassis.tables import NotRead, ReadModel, Rows, Table
from tests.chassis.log_database import LogDatabase
from tests.chassis.tallies import Closed, Counted, in_shard
from tests.chassis.tally_rows import MADE, MODEL, TABLES, LatestRow, counted_up
from tests.told import recorded

PARTITION = 3


@pytest.fixture(autouse=True)
async def _tables(log: LogDatabase) -> None:
    await log.owner.execute(MADE)


def counted(tally_id: UUID, amount: int) -> Fact[Counted]:
    event = Counted(tally_id=tally_id, amount=amount)
    return Fact(event, recorded(event, tally_id, pos=1))


def closed(tally_id: UUID) -> Fact[Closed]:
    event = Closed(tally_id=tally_id)
    return Fact(event, recorded(event, tally_id, pos=1))


async def project(log: LogDatabase, *facts: Fact[Any], model: ReadModel = MODEL) -> None:
    async with log.pool.acquire() as connection, connection.transaction():
        await model.project(connection, facts, partition=PARTITION)


async def stored(log: LogDatabase) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table.name: sorted(map(tuple, await log.rows(f"SELECT {', '.join(table.columns)} FROM {table.name}"))) for table in TABLES
    }


def in_memory(facts: Sequence[Fact[Any]]) -> dict[str, list[tuple[Any, ...]]]:
    rows = Rows(TABLES)
    MODEL.fold(rows, facts, PARTITION)
    return {table.name: sorted(map(table.values_of, rows.of(table))) for table in TABLES}


class TestFold:
    async def test_comes_to_the_same_live_and_in_memory_however_the_facts_are_cut(self, log: LogDatabase) -> None:
        choose = random.Random(20)
        tallies = [in_shard(n) for n in range(4)]
        facts: list[Fact[Any]] = [
            closed(tally) if choose.random() < 0.1 else counted(tally, choose.choice([-3, -2, -1, 1, 2, 3, 11]))
            for tally in choose.choices(tallies, k=400)
        ]
        left = list(facts)
        while left:
            size = choose.choice([1, 2, 7, 40])
            await project(log, *left[:size])
            left = left[size:]

        expected = in_memory(facts)
        assert all(expected.values()), "every table has rows to compare"
        assert expected == await stored(log)

    async def test_that_needs_a_row_which_was_not_read_is_refused(self, log: LogDatabase) -> None:
        forgetful = ReadModel("counted_v1", TABLES, {Counted: counted_up})
        with pytest.raises(NotRead, match="open_v1"):
            await project(log, counted(in_shard(1), 1), model=forgetful)

    async def test_leaves_columns_that_are_not_its_own(self, log: LogDatabase) -> None:
        tally = in_shard(1)
        await project(log, counted(tally, 1))
        await log.owner.execute("UPDATE latest_v1 SET mark = 'another'")
        await project(log, counted(tally, 2))
        assert [(tally, 2, "another")] == await log.rows("SELECT * FROM latest_v1")

    async def test_keeps_a_sum_that_came_to_nothing(self, log: LogDatabase) -> None:
        """Whether there is a row must not hang on how the facts were cut."""
        tally = in_shard(1)
        await project(log, counted(tally, 10), counted(tally, -10))
        assert [(0, PARTITION, 0)] == (await stored(log))["summed_v1"]


class TestBatch:
    async def test_reads_only_tables_that_are_asked_for(self, log: LogDatabase) -> None:
        statements: list[str] = []
        async with log.pool.acquire() as connection, connection.transaction():
            connection.add_query_logger(lambda query: statements.append(query.query))
            await MODEL.project(connection, [counted(in_shard(1), n) for n in (1, 2, -1)], partition=PARTITION)

        kinds = sorted((statement.split()[0], statement.split()[2]) for statement in statements if "unnest" in statement)
        upserts = [("INSERT", table) for table in ("latest_v1", "listed_v1", "open_v1", "summed_v1")]
        assert [("DELETE", "listed_v1"), *upserts] == [kind for kind in kinds if kind[0] != "SELECT"]
        assert 1 == sum(kind == "SELECT" for kind, _ in kinds)


@dataclass(slots=True)
class EveryType:
    text: str
    yes: bool
    number: int
    raw: bytes
    who: UUID
    day: date | None
    at: datetime | None
    one_of: Literal["a", "b"]


class TestTable:
    def test_derives_its_column_types(self) -> None:
        types = Table("every_v1", EveryType, key=("text",)).types
        assert ("text", "boolean", "bigint", "bytea", "uuid", "date", "timestamptz", "text") == types

    def test_has_its_key_first(self) -> None:
        with pytest.raises(ValueError, match="first columns"):
            Table("latest_v1", LatestRow, key=("amount",))
