"""What did this site hold ready, each time it was told? One row a submission or count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import asyncpg
from pydantic import TypeAdapter

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.site_information import CountedSupply, EpidemicControlSubmitted, SuppliesCounted, Supply

Told = Literal["submitted", "counted"]

PAGE = """
SELECT contract_no, version, told, supplies, counted_at
FROM supply_count_v1
WHERE contract_no = $1 AND ($2::bigint IS NULL OR version < $2)
ORDER BY version DESC
LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class SupplyCountRow:
    """A row. `supplies` is JSON: `CountedSupply`, in the order of the list."""

    contract_no: str
    version: int
    """Of the site's stream."""
    told: Told
    supplies: str
    counted_at: datetime


COUNTED = Table("supply_count_v1", SupplyCountRow, key=("contract_no", "version"))

_SUPPLIES = TypeAdapter(tuple[CountedSupply, ...])


def _submitted(rows: Rows, fact: Fact[EpidemicControlSubmitted], _: int) -> None:
    event = fact.event
    if event.supplies:
        rows.put(COUNTED, _row(event.contract_no, fact.recorded.version, "submitted", event.supplies, event.submitted_at))


def _counted(rows: Rows, fact: Fact[SuppliesCounted], _: int) -> None:
    event = fact.event
    rows.put(COUNTED, _row(event.contract_no, fact.recorded.version, "counted", event.supplies, event.counted_at))


def _row(contract_no: str, version: int, told: Told, supplies: Sequence[Supply | CountedSupply], at: datetime) -> SupplyCountRow:
    counted = tuple(CountedSupply(item=each.item, unit=each.unit, quantity=each.quantity) for each in supplies)
    return SupplyCountRow(contract_no, version, told, _SUPPLIES.dump_json(counted).decode(), at)


SUPPLY_COUNTS = ReadModel(
    name="supply_count_v1", tables=(COUNTED,), folds={EpidemicControlSubmitted: _submitted, SuppliesCounted: _counted}
)
"""Answers the history of 防疫物资."""


def supplies_of(row: SupplyCountRow) -> tuple[CountedSupply, ...]:
    return _SUPPLIES.validate_json(row.supplies)


async def page_of_supply_counts(pool: asyncpg.Pool, contract_no: str, *, before: int | None, limit: int) -> list[SupplyCountRow]:
    """The latest first. `before` is a row's version."""
    return [SupplyCountRow(*row) for row in await pool.fetch(PAGE, contract_no, before, limit)]
