"""Who was or is on the site of this contract: whoever entered, or stood on its roster of before? And who of them is banned?

All of it is told by the gate's own log, so that a person's facts come in the order in which the gate decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from chassis.subscribers import Fact
from chassis.tables import Key, ReadModel, Rows, Table
from contracts.gatekeeper import (
    ClearanceChanged,
    ClearanceRosterMember,
    EntryAttempted,
    EntryKind,
    ExitRegistered,
    Outcome,
    PaperEntryRecorded,
)
from contracts.health import Disposition

BANNED_PEOPLE = """(
    SELECT DISTINCT ON (record.person_id) record.person_id, b.disposition, b.since
    FROM banned_v1 AS b LEFT JOIN same_person_v1 AS s USING (person_id)
    LEFT JOIN same_person_v1 AS o ON o.first_id = s.first_id
    CROSS JOIN LATERAL (SELECT coalesce(o.person_id, b.person_id) AS person_id) AS record
    ORDER BY record.person_id, b.person_id <> record.person_id, b.since
)"""
"""Every record of whoever is banned under any document, by the record's own ban where it has one. Few are banned."""

PAGE = f"""
SELECT r.person_id, r.employer_credit_code, r.person_kind, r.trade, r.on_site, r.entered_at, r.left_at, b.disposition, b.since
FROM roster_v1 AS r LEFT JOIN {BANNED_PEOPLE} AS b USING (person_id)
WHERE r.contract_no = $1
  AND ($2::boolean IS NULL OR r.on_site = $2)
  AND ($3::boolean IS NULL OR (b.person_id IS NOT NULL) = $3)
  AND ($4::uuid IS NULL OR r.person_id > $4)
ORDER BY r.person_id
LIMIT $5
"""

COUNTS = f"""
SELECT count(*) AS registered, count(*) FILTER (WHERE on_site) AS on_site,
       count(*) FILTER (WHERE on_site AND b.person_id IS NOT NULL) AS banned_on_site
FROM roster_v1 LEFT JOIN {BANNED_PEOPLE} AS b USING (person_id) WHERE contract_no = $1
"""


@dataclass(slots=True)
class Member:
    """One person on one contract."""

    contract_no: str
    person_id: UUID
    employer_credit_code: str | None = None
    person_kind: str | None = None
    trade: str | None = None
    rostered: bool = False
    """Stands on the roster of before, and has not left since."""
    on_site: bool = False
    entered_at: datetime | None = None
    """Last entry. None: imported."""
    left_at: datetime | None = None
    """Last exit."""


@dataclass(slots=True)
class Banned:
    """Somebody whom a disposition keeps out of every site."""

    person_id: UUID
    disposition: str
    since: datetime


@dataclass(frozen=True, slots=True)
class RosterRow:
    """As shown."""

    person_id: UUID
    employer_credit_code: str | None
    person_kind: str | None
    trade: str | None
    on_site: bool
    entered_at: datetime | None
    left_at: datetime | None
    disposition: str | None
    """The ban in force; None: none."""
    banned_since: datetime | None


MEMBERS = Table("roster_v1", Member, key=("contract_no", "person_id"))
BANNED = Table("banned_v1", Banned, key=("person_id",))


def _cleared(rows: Rows, fact: Fact[ClearanceChanged], _: int) -> None:
    event = fact.event
    for each in event.clearance.rostered:
        member = _member(rows, each.contract_no, event.person_id)
        if not member.rostered:
            rows.put(MEMBERS, _imported(member, each))
    disposition, banned = event.clearance.disposition, rows.get(BANNED, event.person_id)
    if disposition is Disposition.ADMISSIBLE:
        if banned is not None:
            rows.remove(BANNED, event.person_id)
    elif banned is None or banned.disposition != disposition:
        rows.put(BANNED, Banned(event.person_id, disposition, event.changed_at))


def _imported(member: Member, told: ClearanceRosterMember) -> Member:
    member.rostered = True
    member.on_site = member.on_site or told.on_site
    _footing(member, told)
    return member


def _attempted(rows: Rows, fact: Fact[EntryAttempted], _: int) -> None:
    event = fact.event
    if _is_entry(event):
        member = _member(rows, event.contract_no, event.person_id)
        _footing(member, event)
        member.on_site, member.entered_at = True, event.attempted_at
        rows.put(MEMBERS, member)


def _on_paper(rows: Rows, fact: Fact[PaperEntryRecorded], _: int) -> None:
    event = fact.event
    member = _member(rows, event.contract_no, event.person_id)
    _footing(member, event)
    if not member.on_site and (member.left_at is None or member.left_at <= event.entered_at):
        member.on_site, member.entered_at = True, event.entered_at
    rows.put(MEMBERS, member)


def _left(rows: Rows, fact: Fact[ExitRegistered], _: int) -> None:
    member = _member(rows, fact.event.contract_no, fact.event.person_id)
    member.rostered = member.on_site = False
    member.left_at = fact.event.exited_at
    rows.put(MEMBERS, member)


def _footing(member: Member, told: ClearanceRosterMember | EntryAttempted | PaperEntryRecorded) -> None:
    """What is known stays, where nothing is told."""
    member.employer_credit_code = told.employer_credit_code or member.employer_credit_code
    member.person_kind = told.person_kind or member.person_kind
    member.trade = told.trade or member.trade


def _is_entry(attempt: EntryAttempted) -> bool:
    return attempt.kind is EntryKind.ENTRY and attempt.outcome is Outcome.ADMITTED


def _member(rows: Rows, contract_no: str, person_id: UUID) -> Member:
    return rows.get(MEMBERS, (contract_no, person_id)) or Member(contract_no, person_id)


def _read(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    match fact.event:
        case ClearanceChanged(person_id=person_id, clearance=clearance):
            yield BANNED, person_id
            for each in clearance.rostered:
                yield MEMBERS, (each.contract_no, person_id)
        case EntryAttempted() as attempt if not _is_entry(attempt):
            return
        case event:
            yield MEMBERS, (event.contract_no, event.person_id)


ROSTER = ReadModel(
    name="roster_v1",
    tables=(MEMBERS, BANNED),
    folds={ClearanceChanged: _cleared, EntryAttempted: _attempted, PaperEntryRecorded: _on_paper, ExitRegistered: _left},
    reads=_read,
)
"""Answers the roster, and who of it is banned while on site."""


@dataclass(frozen=True, slots=True)
class Counts:
    """People of a contract."""

    registered: int
    on_site: int
    banned_on_site: int


async def page_of_roster(
    pool: asyncpg.Pool, contract_no: str, *, on_site: bool | None, banned: bool | None, after: UUID | None, limit: int
) -> Sequence[RosterRow]:
    """By `person_id`, which is stable and says nothing."""
    return [RosterRow(*row) for row in await pool.fetch(PAGE, contract_no, on_site, banned, after, limit)]


async def roster_counts(pool: asyncpg.Pool, contract_no: str) -> Counts:
    """Of all of it, whatever the page."""
    [row] = await pool.fetch(COUNTS, contract_no)
    return Counts(**row)
