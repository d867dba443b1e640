"""Who asked at the gate of this contract, and what was answered? One row an attempt: where it stands in the log.

An attempt is told from the log itself, with all its reasons, so that nothing here can differ from what was answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.event import recorded_from_meta
from contracts.gatekeeper import EntryAttempted, EntryKind, Outcome, PaperEntryRecorded

# paper_entries.py fills `paper_entry_v1`: few are entries on paper against the rules.
TOLD = "e.type, e.data, e.meta, w.finding, w.measure, w.settled_by, w.settled_at"
"""What `listed` reads besides `at, shard, pos`: of the event `e`, and of the entry against the rules `w`."""
PAGE = f"""
SELECT a.at, a.shard, a.pos, {TOLD}
FROM attempt_v1 AS a JOIN event AS e USING (shard, pos) LEFT JOIN paper_entry_v1 AS w USING (shard, pos)
WHERE a.contract_no = $1
  AND ($2::text IS NULL OR a.kind = $2)
  AND ($3::text IS NULL OR a.outcome = $3)
  AND ($4::boolean IS NULL OR (a.needs_review AND w.settled_at IS NULL) = $4)
  AND ($4 IS NOT TRUE OR a.needs_review) -- as its index says
  AND ($5::timestamptz IS NULL OR (a.at, a.shard, a.pos) < ($5, $6::integer, $7::bigint))
ORDER BY a.at DESC, a.shard DESC, a.pos DESC
LIMIT $8
"""

# A person's attempts are few, and found by the stream: the other statement would pass over all others of the contract.
PAGE_OF_PERSON = PAGE.replace("ORDER BY", "  AND e.stream_id = $9\nORDER BY")


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
class Settlement:
    """What an authority said of an entry on paper against the rules."""

    finding: str
    measure: str
    settled_by: str
    settled_at: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """An attempt as it was answered, and what came of it."""

    place: Place
    event: EntryAttempted | PaperEntryRecorded
    recorded_by: str | None
    """The account. None: told before facts named one."""
    settlement: Settlement | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which attempts. None: all."""

    kind: EntryKind | None = None
    outcome: Outcome | None = None
    needs_review: bool | None = None
    """Whether it was against the rules, and nobody has settled it."""
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
) -> Sequence[Listed]:
    """The latest first, by when it was asked or, on paper, entered."""
    place = (after.at, after.shard, after.pos) if after else (None, None, None)
    asked = (contract_no, wanted.kind, wanted.outcome, wanted.needs_review, *place, limit)
    if wanted.person_id is None:
        rows = await pool.fetch(PAGE, *asked)
    else:
        rows = await pool.fetch(PAGE_OF_PERSON, *asked, wanted.person_id)
    return [listed(row) for row in rows]


def listed(row: asyncpg.Record) -> Listed:
    """One that `TOLD` was asked of."""
    said = (row["finding"], row["measure"], row["settled_by"], row["settled_at"])
    actor = recorded_from_meta(row["meta"], row["pos"], row["data"]).actor
    return Listed(
        place=Place(row["at"], row["shard"], row["pos"]),
        event=_decoded(row["type"], row["data"]),
        recorded_by=actor.account if actor else None,
        settlement=None if row["settled_at"] is None else Settlement(*said),
    )


def _decoded(type_name: str, data: bytes) -> EntryAttempted | PaperEntryRecorded:
    return PaperEntryRecorded.decode(data) if type_name == PaperEntryRecorded.TYPE else EntryAttempted.decode(data)
