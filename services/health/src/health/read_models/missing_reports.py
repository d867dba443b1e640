"""Who of a contract has no health report of a day yet?

Asked about are those who are expected or on site: pre-registered, or entered, and not gone since. Registration and the
gatekeeper tell that at different times; their facts are put in order by when they happened. What a person only declared
is no report, and neither is what was corrected: the correction counts, on the day on which it says that it was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
from prometheus_client import Gauge

from chassis.clock import Clock
from chassis.contract_places import by_station
from chassis.measuring import LabelledGauge
from chassis.subscribers import Fact
from chassis.tables import Fold, Key, ReadModel, Rows, Table
from contracts.gatekeeper import EntryAttempted, EntryKind, ExitRegistered, Outcome, PaperEntryRecorded
from contracts.health import HealthReported, ReadingSource
from contracts.registration import (
    FamilyMemberPreRegistered,
    FamilyMemberWithdrawn,
    PersonPreRegistered,
    PreRegistrationWithdrawn,
    RosterMemberImported,
)
from contracts.times import shanghai_date
from health.read_models.isolation_ends import Whose


@dataclass(slots=True)
class FollowedRow:
    """Somebody who is or was expected or on site on a contract."""

    contract_no: str
    person_id: UUID
    expected_since: datetime | None = None
    """None: nobody expects the person, or the pre-registration was withdrawn."""
    entered_at: datetime | None = None
    """The last entry; an import as 在场 counts as one."""
    left_at: datetime | None = None
    """The last exit, which closes what was before it."""


@dataclass(slots=True)
class ReportedRow:
    """A report. Absent once another one replaced it."""

    person_id: UUID
    report_id: UUID
    day: date
    """Of the reading, in Shanghai."""


FOLLOWED = Table("followed_person_v2", FollowedRow, key=("contract_no", "person_id"))
REPORTED = Table("reported_v2", ReportedRow, key=("person_id", "report_id"))


def _changed(change: Callable[[FollowedRow, Any], None]) -> Fold:
    def fold(rows: Rows, fact: Fact[Any], _: int) -> None:
        row = rows.get(FOLLOWED, _key(fact)) or FollowedRow(*_key(fact))
        change(row, fact.event)
        rows.put(FOLLOWED, row)

    return fold


def _expected(row: FollowedRow, event: PersonPreRegistered | FamilyMemberPreRegistered) -> None:
    row.expected_since = event.pre_registered_at


def _withdrawn(row: FollowedRow, event: PreRegistrationWithdrawn | FamilyMemberWithdrawn) -> None:
    row.expected_since = None


def _imported(row: FollowedRow, event: RosterMemberImported) -> None:
    if event.on_site:
        row.entered_at = _latest(row.entered_at, event.imported_at)


def _attempted(row: FollowedRow, event: EntryAttempted) -> None:
    if event.kind is EntryKind.ENTRY and event.outcome is Outcome.ADMITTED:
        row.entered_at = _latest(row.entered_at, event.attempted_at)


def _entered_on_paper(row: FollowedRow, event: PaperEntryRecorded) -> None:
    row.entered_at = _latest(row.entered_at, event.entered_at)


def _left(row: FollowedRow, event: ExitRegistered) -> None:
    row.left_at = _latest(row.left_at, event.exited_at)


def _reported(rows: Rows, fact: Fact[HealthReported], _: int) -> None:
    event = fact.event
    if event.corrects is not None:
        rows.remove(REPORTED, (event.person_id, event.corrects))
    if event.source is not ReadingSource.DECLARATION:
        rows.put(REPORTED, ReportedRow(event.person_id, event.report_id, shanghai_date(event.read_at)))


def _latest(known: datetime | None, new: datetime) -> datetime:
    return new if known is None else max(known, new)


def _key(fact: Fact[Any]) -> tuple[str, UUID]:
    return fact.event.contract_no, fact.event.person_id


def _read(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    if not isinstance(fact.event, HealthReported):
        yield FOLLOWED, _key(fact)
    elif fact.event.corrects is not None:
        yield REPORTED, (fact.event.person_id, fact.event.corrects)


MISSING_REPORTS = ReadModel(
    name="missing_reports_v2",
    tables=(FOLLOWED, REPORTED),
    folds={
        PersonPreRegistered: _changed(_expected),
        FamilyMemberPreRegistered: _changed(_expected),
        FamilyMemberWithdrawn: _changed(_withdrawn),
        PreRegistrationWithdrawn: _changed(_withdrawn),
        RosterMemberImported: _changed(_imported),
        EntryAttempted: _changed(_attempted),
        PaperEntryRecorded: _changed(_entered_on_paper),
        ExitRegistered: _changed(_left),
        HealthReported: _reported,
    },
    reads=_read,
)


MISSING_EVERY_S, COUNT_S_MAX = 300.0, 25.0
"""All who are followed are counted: a second's work in a city of a million."""
FOLLOWED_PEOPLE = Gauge(
    "gatehouse_followed_people", "People expected or on site. As of the last minutes, the same of every worker: take the greatest."
)
MISSING = Gauge("gatehouse_missing_reports", "How many of them have no health report of today. As of the last minutes, likewise.")
MISSING_AT_STATIONS = LabelledGauge(
    Gauge(
        "gatehouse_station_missing_reports",
        "The same by where their contracts hang: somebody on several counts on each. As of the last minutes, likewise.",
        ["district", "station"],
    )
)

NUMBERS = """
SELECT count(*) AS followed, count(*) FILTER (WHERE r.person_id IS NULL) AS missing
FROM (
    SELECT DISTINCT person_id FROM followed_person_v2
    WHERE greatest(expected_since, entered_at) > coalesce(left_at, '-infinity')
) AS f LEFT JOIN (SELECT DISTINCT person_id FROM reported_v2 WHERE day = $1) AS r USING (person_id)
"""
# Every station is told, also where nobody is missing.
AT_STATIONS = """
WITH missing AS (
    SELECT contract_no, count(*) AS people FROM followed_person_v2 AS f
    WHERE greatest(expected_since, entered_at) > coalesce(left_at, '-infinity')
      AND NOT EXISTS (SELECT FROM reported_v2 AS r WHERE r.person_id = f.person_id AND r.day = $1)
    GROUP BY contract_no
)
SELECT p.district, p.station_name, coalesce(sum(m.people), 0)::bigint
FROM contract_place_v1 AS p LEFT JOIN missing AS m USING (contract_no) GROUP BY 1, 2
"""


async def count_missing(pool: asyncpg.Pool, clock: Clock) -> None:
    """Tell the numbers of today in Shanghai as metrics."""
    today = shanghai_date(clock.now())
    (row,) = await pool.fetch(NUMBERS, today, timeout=COUNT_S_MAX)
    FOLLOWED_PEOPLE.set(row["followed"])
    MISSING.set(row["missing"])
    MISSING_AT_STATIONS.tell(by_station(map(tuple, await pool.fetch(AT_STATIONS, today, timeout=COUNT_S_MAX))))


@dataclass(frozen=True, slots=True)
class MissingPerson:
    """Somebody whom nobody has measured."""

    person_id: UUID


@dataclass(frozen=True, slots=True)
class FollowedPerson:
    """Somebody who is expected or on site."""

    person_id: UUID
    reported: bool
    """Whether somebody has measured him."""


@dataclass(frozen=True, slots=True)
class MissingOnContract:
    """How far a contract's reports of a day have come."""

    contract_no: str
    followed: int
    """People who are expected or on site."""
    missing: int
    """Those of them whom nobody has measured."""


IS_FOLLOWED = "greatest(f.expected_since, f.entered_at) > coalesce(f.left_at, '-infinity')"
IS_REPORTED = "EXISTS (SELECT FROM reported_v2 AS r WHERE r.person_id = f.person_id AND r.day = $4)"
# Whom `followed` counts in `BY_CONTRACT`. The employer's people where an employer asks; known_person_v1 says whose they are.
FOLLOWED_THERE = f"""
FROM followed_person_v2 AS f JOIN known_person_v1 AS k USING (contract_no, person_id)
WHERE f.contract_no = $1 AND f.person_id > $2 AND {IS_FOLLOWED}
  AND ($3::text IS NULL OR $3 IN (k.pre_registered_for, k.rostered_for))
"""
PAGE = f"SELECT f.person_id {FOLLOWED_THERE} AND NOT {IS_REPORTED} ORDER BY f.person_id LIMIT $5"
PAGE_OF_FOLLOWED = f"SELECT f.person_id, {IS_REPORTED} AS reported {FOLLOWED_THERE} ORDER BY f.person_id LIMIT $5"
CONTRACTS_LOOKED_AT_MAX = 50
"""For one page, where nearly all reports are there: with 500 people each, 25,000 are asked about."""
CONTRACTS = """
SELECT contract_no FROM contract_place_v1
WHERE contract_no > $1
  AND ($2::text[] IS NULL OR station_name = ANY ($2))
  AND ($3::text[] IS NULL OR district = ANY ($3))
ORDER BY contract_no
LIMIT $4
"""
# One contract after the other, and none behind the last that is told.
BY_CONTRACT = f"""
SELECT p.contract_no, counted.followed, counted.missing
FROM unnest($1::text[]) WITH ORDINALITY AS p (contract_no, number)
CROSS JOIN LATERAL (
    SELECT count(DISTINCT f.person_id) AS followed, count(DISTINCT f.person_id) FILTER (WHERE r.day IS NULL) AS missing
    FROM followed_person_v2 AS f
    JOIN known_person_v1 AS k USING (contract_no, person_id)
    LEFT JOIN reported_v2 AS r ON r.person_id = f.person_id AND r.day = $2
    WHERE f.contract_no = p.contract_no AND {IS_FOLLOWED}
) AS counted
WHERE counted.missing >= $4
ORDER BY p.number
LIMIT $3
"""  # noqa: S608 - constants


async def page_of_missing(pool: asyncpg.Pool, day: date, whose: Whose, *, after: UUID, limit: int) -> Sequence[MissingPerson]:
    """At most `limit` people of the contract without a report of that day, by `person_id`. With an employer: its own only."""
    rows = await pool.fetch(PAGE, whose.contract_no, after, whose.employer, day, limit)
    return [MissingPerson(**row) for row in rows]


async def page_of_followed(pool: asyncpg.Pool, day: date, whose: Whose, *, after: UUID, limit: int) -> Sequence[FollowedPerson]:
    """The same of all who are expected or on site, and who of them has a report of that day."""
    rows = await pool.fetch(PAGE_OF_FOLLOWED, whose.contract_no, after, whose.employer, day, limit)
    return [FollowedPerson(**row) for row in rows]


async def missing_by_contract(
    pool: asyncpg.Pool, day: date, whose: Whose, *, after: str, limit: int
) -> tuple[Sequence[MissingOnContract], str | None]:
    """An authority's next contracts by number on which somebody is missing, at most `limit`; and the last that was looked at,
    None where there are no others."""
    _, _, stations, districts = whose.bounds
    there = await pool.fetch(CONTRACTS, after, stations, districts, CONTRACTS_LOOKED_AT_MAX + 1)
    numbers = [each["contract_no"] for each in there]
    looked_at = numbers[:CONTRACTS_LOOKED_AT_MAX]
    found = [MissingOnContract(**row) for row in await pool.fetch(BY_CONTRACT, looked_at, day, limit, 1)]
    last = found[-1].contract_no if len(found) == limit else next(reversed(looked_at), None)
    return found, last if numbers[-1:] != [last] else None


async def counted_on(pool: asyncpg.Pool, day: date, whose: Whose) -> MissingOnContract:
    """How far the reports of that day have come on the contract, also where nobody is missing."""
    (row,) = await pool.fetch(BY_CONTRACT, [whose.contract_no], day, 1, 0)
    return MissingOnContract(**row)
