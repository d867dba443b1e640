"""Forms that wait (remembered refusals): on a contract, of people and of the family that comes along, and how many on which one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from registration.domain.form import Left
from registration.supervised import SUPERVISED, by_contract

FORMS = """(
    SELECT contract_no, person_id, NULL::uuid AS accompanies, employer_credit_code, document_type, document, name,
           name_fingerprint, mobile, left_at, left_with_version, changed_at
    FROM pre_registration_v2 WHERE state = 'awaiting'
    UNION ALL
    SELECT f.contract_no, f.person_id, f.accompanies, p.employer_credit_code, f.document_type, f.document, f.name,
           f.name_fingerprint, f.mobile, NULL, NULL, f.changed_at
    FROM family_member_v2 AS f
    LEFT JOIN pre_registration_v2 AS p ON p.contract_no = f.contract_no AND p.person_id = f.accompanies
    WHERE f.state = 'awaiting'
)"""
"""Family belong to the firm of whom they accompany."""

PAGE = f"""
SELECT w.contract_no, w.person_id, w.accompanies, w.document_type, w.document, w.name, w.name_fingerprint, w.mobile, w.left_at,
       w.left_with_version, w.changed_at
FROM {FORMS} AS w
WHERE w.contract_no = $1
  AND ($2::text IS NULL OR w.employer_credit_code = $2)
  AND ($3::timestamptz IS NULL OR (w.changed_at, w.person_id, w.accompanies IS NOT NULL) > ($3, $4::uuid, $5::boolean))
ORDER BY w.changed_at, w.person_id, w.accompanies IS NOT NULL
LIMIT $6
"""  # noqa: S608 - constants

BY_CONTRACT = by_contract(
    f"""
    SELECT contract_no, count(*) FILTER (WHERE accompanies IS NULL) AS people, count(accompanies) AS family_members
    FROM {FORMS} AS w WHERE contract_no IN {SUPERVISED} GROUP BY contract_no
    """,  # noqa: S608 - constants
    total="people + family_members",
)


@dataclass(frozen=True, slots=True)
class AwaitingForm:
    """A form that waits. Document, name and mobile are sealed under the person's own key."""

    contract_no: str
    person_id: UUID
    accompanies: UUID | None
    """Of a family member: with whom he comes."""
    document_type: str
    document: str
    name: str
    name_fingerprint: str
    mobile: str | None
    left_at: datetime | None
    left_with_version: int | None
    changed_at: datetime
    """Since when it waits."""

    @property
    def is_family(self) -> bool:
        return self.accompanies is not None

    @property
    def left(self) -> Left | None:
        return Left(self.left_at, self.left_with_version) if self.left_at and self.left_with_version else None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended."""

    changed_at: datetime
    person_id: UUID
    is_family: bool


async def page_of_awaiting_forms(
    pool: asyncpg.Pool, contract_no: str, *, employer: str | None, after: Cursor | None, limit: int
) -> Sequence[AwaitingForm]:
    """Whichever waits longest first. `employer` is a credit code: only its people, and their family."""
    place = (after.changed_at, after.person_id, after.is_family) if after else (None, None, None)
    return [AwaitingForm(*row) for row in await pool.fetch(PAGE, contract_no, employer, *place, limit)]
