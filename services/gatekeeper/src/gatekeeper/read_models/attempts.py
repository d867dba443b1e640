"""Who asked at the gate of this contract, and what was answered? One row an attempt: where it stands in the log.

An attempt is told from the log itself, with all its reasons, so that nothing here can differ from what was answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from chassis.contract_places import WITHIN
from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.access import Reach
from contracts.gatekeeper import EntryAttempted, EntryKind, Outcome, PaperEntryRecorded

PAGE = """
SELECT a.at, a.shard, a.pos, e.type, e.data
FROM attempt_v1 AS a JOIN event AS e USING (shard, pos)
WHERE a.contract_no = $1
  AND ($2::text IS NULL OR a.kind = $2)
  AND ($3::text IS NULL OR a.outcome = $3)
  AND ($4::boolean IS NULL OR a.needs_review = $4)
  AND ($5::timestamptz IS NULL OR (a.at, a.shard, a.pos) < ($5, $6::integer, $7::bigint))
ORDER BY a.at DESC, a.shard DESC, a.pos DESC
LIMIT $8
"""

# A person's attempts are few, and found by the stream: the other statement would pass over all others of the contract.
PAGE_OF_PERSON = PAGE.replace("ORDER BY", "  AND e.stream_id = $9\nORDER BY")

# Few are against the rules: their own index leads the way.
PAPER_ENTRIES = f"""
FROM attempt_v1 AS a LEFT JOIN contract_place_v1 AS p USING (contract_no) WHERE a.needs_review AND {WITHIN}
"""
COUNT_OF_PAPER_ENTRIES = f"SELECT count(*) {PAPER_ENTRIES}"
PAGE_OF_PAPER_ENTRIES = f"""
SELECT l.at, l.shard, l.pos, e.type, e.data
FROM (SELECT a.at, a.shard, a.pos {PAPER_ENTRIES}) AS l JOIN event AS e USING (shard, pos)
WHERE ($3::timestamptz IS NULL OR (l.at, l.shard, l.pos) < ($3, $4::integer, $5::bigint))
ORDER BY l.at DESC, l.shard DESC, l.pos DESC
LIMIT $6
"""


@dataclass(slots=True)
class AttemptRow:
    contract_no: str
    shard: int
    pos: int
    at: datetime
    kind: str
    outcome: str
    needs_review: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attempt stands in the list, and a page may end."""

    at: datetime
    shard: int
    pos: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which attempts. None: all."""

    kind: EntryKind | None = None
    outcome: Outcome | None = None
    needs_review: bool | None = None
    person_id: UUID | None = None


ATTEMPTED = Table("attempt_v1", AttemptRow, key=("contract_no", "shard", "pos"))


def _attempted(rows: Rows, fact: Fact[EntryAttempted], _: int) -> None:
    event, recorded = fact.event, fact.recorded
    row = AttemptRow(event.contract_no, recorded.shard, recorded.pos, event.attempted_at, event.kind, event.outcome, False)
    rows.put(ATTEMPTED, row)


def _on_paper(rows: Rows, fact: Fact[PaperEntryRecorded], _: int) -> None:
    event, recorded = fact.event, fact.recorded
    rows.put(
        ATTEMPTED,
        AttemptRow(
            contract_no=event.contract_no,
            shard=recorded.shard,
            pos=recorded.pos,
            at=event.entered_at,
            kind=EntryKind.ENTRY,
            outcome=Outcome.ADMITTED,
            needs_review=event.needs_review,
        ),
    )


ATTEMPTS = ReadModel(name="attempt_v1", tables=(ATTEMPTED,), folds={EntryAttempted: _attempted, PaperEntryRecorded: _on_paper})
"""Answers the list of attempts."""


async def page_of_attempts(
    pool: asyncpg.Pool, contract_no: str, wanted: Wanted, *, after: Place | None, limit: int
) -> Sequence[tuple[Place, EntryAttempted | PaperEntryRecorded]]:
    """The latest first, by when it was asked or, on paper, entered."""
    place = (after.at, after.shard, after.pos) if after else (None, None, None)
    asked = (contract_no, wanted.kind, wanted.outcome, wanted.needs_review, *place, limit)
    if wanted.person_id is None:
        rows = await pool.fetch(PAGE, *asked)
    else:
        rows = await pool.fetch(PAGE_OF_PERSON, *asked, wanted.person_id)
    return [(Place(row["at"], row["shard"], row["pos"]), _decoded(row["type"], row["data"])) for row in rows]


async def page_of_paper_entries(
    pool: asyncpg.Pool, reach: Reach, *, after: Place | None, limit: int
) -> Sequence[tuple[Place, PaperEntryRecorded]]:
    """Those against the rules, the latest entry first."""
    place = (after.at, after.shard, after.pos) if after else (None, None, None)
    rows = await pool.fetch(PAGE_OF_PAPER_ENTRIES, *reach.bounds, *place, limit)
    return [(Place(row["at"], row["shard"], row["pos"]), PaperEntryRecorded.decode(row["data"])) for row in rows]


async def count_paper_entries(pool: asyncpg.Pool, reach: Reach) -> int:
    """All of those."""
    count: int = await pool.fetchval(COUNT_OF_PAPER_ENTRIES, *reach.bounds)
    return count


def _decoded(type_name: str, data: bytes) -> EntryAttempted | PaperEntryRecorded:
    return PaperEntryRecorded.decode(data) if type_name == PaperEntryRecorded.TYPE else EntryAttempted.decode(data)
