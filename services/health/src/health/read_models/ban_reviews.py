"""Which bans have to be looked at again by a day, on one contract or on all that an authority supervises?

Due is a ban whose day of review has come, and one that the banned person objects to, whatever its day. It is on the list of every
contract that knows the person, which the one that banned does until the ban is lifted; where none does, on the city's alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from chassis.subscribers import Fact
from chassis.tables import Key, ReadModel, Rows, Table
from contracts.health import BanObjected, BanReviewed, Disposition, DispositionChanged
from contracts.times import shanghai_date
from health.domain.ban_reviews import REVIEWED_WITHIN_DAYS
from health.read_models.isolation_ends import WITHIN, Whose
from health.read_models.known_people import KNOWN_OR_BANNED


@dataclass(slots=True)
class BanRow:
    """Absent once the person is 可进场."""

    person_id: UUID
    disposition: str
    banned_at: datetime
    review_on: date
    contract_no: str | None
    """Which banned. None: it was not told."""
    objected_at: datetime | None = None
    """None: nobody has objected since it was last looked at. To be banned otherwise is not to be looked at."""


BANS = Table("ban_v3", BanRow, key=("person_id",))


def _decided(rows: Rows, fact: Fact[DispositionChanged], _: int) -> None:
    event = fact.event
    if event.disposition is Disposition.ADMISSIBLE:
        rows.remove(BANS, event.person_id)
        return
    # Of before bans had a day of review: it is due when it would be now.
    review_on = event.review_on or shanghai_date(event.changed_at) + timedelta(days=REVIEWED_WITHIN_DAYS)
    before = rows.get(BANS, event.person_id)
    objected_at = before.objected_at if before else None
    rows.put(BANS, BanRow(event.person_id, event.disposition, event.changed_at, review_on, event.contract_no, objected_at))


def _reviewed(rows: Rows, fact: Fact[BanReviewed], _: int) -> None:
    row = rows.get(BANS, fact.event.person_id)
    if row is not None:
        row.review_on, row.objected_at = fact.event.review_on, None
        rows.put(BANS, row)


def _objected(rows: Rows, fact: Fact[BanObjected], _: int) -> None:
    row = rows.get(BANS, fact.event.person_id)
    if row is not None:
        row.objected_at = fact.event.objected_at
        rows.put(BANS, row)


def _read(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    yield BANS, fact.event.person_id


BAN_REVIEWS = ReadModel(
    name="ban_reviews_v3",
    tables=(BANS,),
    folds={DispositionChanged: _decided, BanReviewed: _reviewed, BanObjected: _objected},
    reads=_read,
)


@dataclass(frozen=True, slots=True)
class DueReview:
    """A ban that somebody has to look at."""

    person_id: UUID
    contracts: Sequence[str]
    """Those asked for that know the person, ascending."""
    disposition: str
    banned_at: datetime
    review_on: date
    objected_at: datetime | None


# isolation_ends.py fills contract_place_v1. Few are banned: they lead the way, by OFFSET 0. Without it everybody whom a station
# knows is read, where the plan takes its contracts for a narrow bound.
PAGE = f"""
SELECT b.person_id, array_remove(array_agg(DISTINCT k.contract_no ORDER BY k.contract_no), NULL) AS contracts,
       b.disposition, b.banned_at, b.review_on, b.objected_at
FROM ban_v3 AS b
LEFT JOIN LATERAL (SELECT * FROM ({KNOWN_OR_BANNED}) AS known WHERE known.person_id = b.person_id OFFSET 0) AS k ON true
LEFT JOIN contract_place_v1 AS p ON p.contract_no = k.contract_no
WHERE (b.review_on <= $1 OR b.objected_at IS NOT NULL) AND b.person_id > $2
  AND {WITHIN}
GROUP BY b.person_id
ORDER BY b.person_id
LIMIT $7
"""  # noqa: S608 - constants


async def page_of_due_reviews(pool: asyncpg.Pool, day: date, whose: Whose, *, after: UUID, limit: int) -> Sequence[DueReview]:
    """At most `limit` people whose ban has to be looked at by that day in Shanghai, by `person_id`."""
    rows = await pool.fetch(PAGE, day, after, *whose.bounds, limit)
    return [DueReview(**row) for row in rows]
