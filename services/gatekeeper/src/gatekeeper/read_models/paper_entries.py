"""Which entries on paper were against the rules, on all sites that an authority supervises, and what came of them? One row each.

The entry itself is told from the log, as every attempt is (`attempts.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from chassis.contract_places import WITHIN
from chassis.subscribers import Fact
from chassis.tables import Key, ReadModel, Rows, Table
from contracts.access import Reach
from contracts.gatekeeper import PaperEntryRecorded, PaperEntrySettled
from gatekeeper.read_models.attempts import TOLD, Listed, Place, listed

SUPERVISED = f"""
FROM paper_entry_v1 AS w LEFT JOIN contract_place_v1 AS p USING (contract_no)
WHERE {WITHIN} AND ($3::boolean IS NULL OR (w.settled_at IS NOT NULL) = $3) AND ($4::uuid IS NULL OR w.person_id = $4)
"""
COUNT = f"SELECT count(*) {SUPERVISED}"
PAGE = f"""
SELECT w.at, w.shard, w.pos, {TOLD}
FROM (
    SELECT w.* {SUPERVISED}
      AND ($5::timestamptz IS NULL OR (w.at, w.shard, w.pos) < ($5, $6::integer, $7::bigint))
    ORDER BY w.at DESC, w.shard DESC, w.pos DESC
    LIMIT $8
) AS w JOIN event AS e USING (shard, pos)
ORDER BY w.at DESC, w.shard DESC, w.pos DESC
"""
CONTRACT = f"SELECT contract_no {SUPERVISED} AND w.attempt_id = $5"


@dataclass(slots=True)
class PaperEntryRow:
    """One against the rules."""

    attempt_id: UUID
    person_id: UUID
    contract_no: str
    shard: int
    """Where it stands in the log."""
    pos: int
    at: datetime
    """When the person went in."""
    finding: str | None = None
    """None, as what follows: nobody has looked yet."""
    measure: str | None = None
    settled_by: str | None = None
    settled_at: datetime | None = None


AGAINST_THE_RULES = Table("paper_entry_v1", PaperEntryRow, key=("attempt_id",))


def _recorded(rows: Rows, fact: Fact[PaperEntryRecorded], _: int) -> None:
    event, recorded = fact.event, fact.recorded
    if event.needs_review:
        row = PaperEntryRow(event.attempt_id, event.person_id, event.contract_no, recorded.shard, recorded.pos, event.entered_at)
        rows.put(AGAINST_THE_RULES, row)


def _settled(rows: Rows, fact: Fact[PaperEntrySettled], _: int) -> None:
    event = fact.event
    row = rows.get(AGAINST_THE_RULES, event.attempt_id)
    if row is not None:
        row.finding, row.measure = event.finding, event.measure
        row.settled_by, row.settled_at = event.settled_by, event.settled_at
        rows.put(AGAINST_THE_RULES, row)


def _read(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    if isinstance(fact.event, PaperEntrySettled):
        yield AGAINST_THE_RULES, fact.event.attempt_id


PAPER_ENTRIES = ReadModel(
    name="paper_entry_v1",
    tables=(AGAINST_THE_RULES,),
    folds={PaperEntryRecorded: _recorded, PaperEntrySettled: _settled},
    reads=_read,
)


@dataclass(frozen=True, slots=True)
class WantedOnPaper:
    """Which entries. None: all."""

    is_settled: bool | None = None
    """Whether somebody has looked."""
    person_id: UUID | None = None


async def page_of_paper_entries(
    pool: asyncpg.Pool, reach: Reach, wanted: WantedOnPaper, *, after: Place | None, limit: int
) -> Sequence[Listed]:
    """Those against the rules, the latest entry first."""
    place = (after.at, after.shard, after.pos) if after else (None, None, None)
    rows = await pool.fetch(PAGE, *reach.bounds, wanted.is_settled, wanted.person_id, *place, limit)
    return [listed(row) for row in rows]


async def count_paper_entries(pool: asyncpg.Pool, reach: Reach, wanted: WantedOnPaper) -> int:
    """All of those."""
    count: int = await pool.fetchval(COUNT, *reach.bounds, wanted.is_settled, wanted.person_id)
    return count


async def contract_of_paper_entry(pool: asyncpg.Pool, reach: Reach, person_id: UUID, attempt_id: UUID) -> str | None:
    """Where that was. None: it is not there, not against the rules, or not within reach."""
    contract_no: str | None = await pool.fetchval(CONTRACT, *reach.bounds, None, person_id, attempt_id)
    return contract_no
