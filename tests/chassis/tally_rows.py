"""A read model of the invented domain with every kind of table: overwritten, read first, summed, and emptied in groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from uuid import UUID

from chassis.subscribers import Fact
from chassis.tables import Key, ReadModel, Rows, Table
from tests.chassis.tallies import Closed, Counted

MADE = """
CREATE TABLE IF NOT EXISTS latest_v1 (
    tally_id uuid PRIMARY KEY,
    amount integer NOT NULL CHECK (amount < 1000000),
    mark text NOT NULL DEFAULT 'kept'
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS latest_v1_amount ON latest_v1 (amount) WHERE amount > 0;
CREATE TABLE IF NOT EXISTS summed_v1 (digit smallint, partition integer, amount bigint NOT NULL, PRIMARY KEY (digit, partition));
CREATE TABLE IF NOT EXISTS listed_v1 (tally_id uuid, amount bigint, PRIMARY KEY (tally_id, amount));
CREATE TABLE IF NOT EXISTS open_v1 (tally_id uuid PRIMARY KEY, times bigint NOT NULL);
GRANT SELECT, INSERT, UPDATE, DELETE ON latest_v1, summed_v1, listed_v1, open_v1 TO tally;
"""


@dataclass(slots=True)
class LatestRow:
    tally_id: UUID
    amount: int


@dataclass(slots=True)
class SumRow:
    digit: int
    partition: int
    amount: int = 0


@dataclass(slots=True)
class ListedRow:
    tally_id: UUID
    amount: int


@dataclass(slots=True)
class OpenRow:
    tally_id: UUID
    times: int = 0


LATEST = Table("latest_v1", LatestRow, key=("tally_id",))
SUMMED = Table("summed_v1", SumRow, key=("digit", "partition"), sums=True)
LISTED = Table("listed_v1", ListedRow, key=("tally_id", "amount"), grouped=True)
OPEN = Table("open_v1", OpenRow, key=("tally_id",))
TABLES: tuple[Table[Any], ...] = (LATEST, SUMMED, LISTED, OPEN)


class OtherCounted(Counted):
    """What another service's tallies say."""

    TYPE: ClassVar[Literal["gatehouse.other.counted.v1"]] = "gatehouse.other.counted.v1"  # type: ignore[assignment]


def counted_up(rows: Rows, fact: Fact[Counted], partition: int) -> None:
    event = fact.event
    rows.put(LATEST, LatestRow(event.tally_id, event.amount))
    rows.total(SUMMED, event.amount % 10, partition).amount += event.amount
    if event.amount < 0:
        rows.remove(LISTED, (event.tally_id, -event.amount))
    else:
        rows.put(LISTED, ListedRow(event.tally_id, event.amount))
    opened = rows.get(OPEN, event.tally_id) or OpenRow(event.tally_id)
    opened.times += 1
    rows.put(OPEN, opened)


def _closed(rows: Rows, fact: Fact[Closed], _: int) -> None:
    rows.remove_all(LISTED, fact.event.tally_id)
    rows.remove(OPEN, fact.event.tally_id)


def _read(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    if type(fact.event) is Counted:
        yield OPEN, fact.event.tally_id


def _elsewhere(rows: Rows, fact: Fact[OtherCounted], partition: int) -> None:
    rows.total(SUMMED, fact.event.amount % 10, partition).amount += fact.event.amount
    rows.put(LISTED, ListedRow(fact.event.tally_id, 1_000 + fact.event.amount))


MODEL = ReadModel("counted_v1", TABLES, {Counted: counted_up, Closed: _closed, OtherCounted: _elsewhere}, _read)
