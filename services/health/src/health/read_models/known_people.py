"""Is this person known on this contract, and by which employers?

Health takes and shows facts about a person only where somebody pre-registered, imported or banned them; everybody else's answer
is 404. A withdrawn pre-registration ends that, an exit does not; that somebody was banned from there, only the end of the ban.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from chassis.subscribers import Fact
from chassis.tables import Key, ReadModel, Rows, Table
from contracts.registration import (
    FamilyMemberPreRegistered,
    FamilyMemberWithdrawn,
    PersonDetailsCorrected,
    PersonPreRegistered,
    PreRegistrationWithdrawn,
    RosterMemberImported,
)


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """How a contract knows a person: by whom employed, by credit code."""

    pre_registered_for: str | None = None
    rostered_for: str | None = None
    banned: bool = False
    """Whether the person was banned from there, and still is: the contract answers for that, whoever expects the person."""

    @property
    def employers(self) -> list[str]:
        """Empty: nobody employs the person here."""
        return [employer for employer in (self.pre_registered_for, self.rostered_for) if employer is not None]


@dataclass(slots=True)
class KnownPersonRow:
    """Absent where nobody employs the person there."""

    contract_no: str
    person_id: UUID
    pre_registered_for: str | None = None
    rostered_for: str | None = None


KNOWN = Table("known_person_v1", KnownPersonRow, key=("contract_no", "person_id"))


def _pre_registered(
    rows: Rows, fact: Fact[PersonPreRegistered | PersonDetailsCorrected | FamilyMemberPreRegistered], _: int
) -> None:
    row = _row(rows, fact)
    row.pre_registered_for = fact.event.employer_credit_code
    rows.put(KNOWN, row)


def _imported(rows: Rows, fact: Fact[RosterMemberImported], _: int) -> None:
    row = _row(rows, fact)
    row.rostered_for = fact.event.employer_credit_code
    rows.put(KNOWN, row)


def _withdrawn(rows: Rows, fact: Fact[PreRegistrationWithdrawn | FamilyMemberWithdrawn], _: int) -> None:
    row = _row(rows, fact)
    row.pre_registered_for = None
    if row.rostered_for is None:
        rows.remove(KNOWN, _key(fact))
    else:
        rows.put(KNOWN, row)


def _row(rows: Rows, fact: Fact[Any]) -> KnownPersonRow:
    return rows.get(KNOWN, _key(fact)) or KnownPersonRow(*_key(fact))


def _key(fact: Fact[Any]) -> tuple[str, UUID]:
    return fact.event.contract_no, fact.event.person_id


def _read(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    return ((KNOWN, _key(fact)),)


KNOWN_PEOPLE = ReadModel(
    name="known_person_v1",
    tables=(KNOWN,),
    folds={
        PersonPreRegistered: _pre_registered,
        PersonDetailsCorrected: _pre_registered,
        FamilyMemberPreRegistered: _pre_registered,
        PreRegistrationWithdrawn: _withdrawn,
        FamilyMemberWithdrawn: _withdrawn,
        RosterMemberImported: _imported,
    },
    reads=_read,
)


# ban_reviews.py fills ban_v3.
KNOWN_OR_BANNED = """
SELECT contract_no, person_id, pre_registered_for, rostered_for, false AS banned FROM known_person_v1
UNION ALL
SELECT contract_no, person_id, NULL, NULL, true FROM ban_v3 WHERE contract_no IS NOT NULL
"""

KNOWN_BY = f"""
WITH record AS (
    SELECT p.person_id, coalesce(o.person_id, p.person_id) AS record_id
    FROM unnest($1::uuid[]) AS p (person_id)
    LEFT JOIN same_person_v1 AS s USING (person_id) LEFT JOIN same_person_v1 AS o ON o.first_id = s.first_id
)
SELECT r.person_id, contract_no, pre_registered_for, rostered_for,
       bool_or(k.banned) OVER (PARTITION BY r.person_id, contract_no) AS banned
FROM record AS r JOIN ({KNOWN_OR_BANNED}) AS k ON k.person_id = r.record_id
WHERE $2::text IS NULL OR contract_no = $2
ORDER BY NOT k.banned, r.record_id = r.person_id
"""  # noqa: S608 - constants
"""Whoever is known under one document is known under all. What is known of the very record comes last, and counts."""


TOLD_ON = """
SELECT DISTINCT coalesce(convert_from(data, 'UTF8')::jsonb ->> 'contract_no', '') AS contract_no
FROM event
WHERE stream_id = ANY (ARRAY(
    SELECT $1::uuid
    UNION SELECT o.person_id FROM same_person_v1 AS s JOIN same_person_v1 AS o USING (first_id) WHERE s.person_id = $1
))
"""
"""By an array, since `OR` with a subquery would read the whole log."""


async def on_contract(pool: asyncpg.Pool, contract_no: str, person_id: UUID) -> KnownPerson:
    """How the contract knows the person."""
    return (await of_contract(pool, contract_no, [person_id])).get(person_id, KnownPerson())


async def of_contract(pool: asyncpg.Pool, contract_no: str, person_ids: Collection[UUID]) -> dict[UUID, KnownPerson]:
    """Those of these people whom the contract knows, and how."""
    return {row["person_id"]: _person(row) for row in await pool.fetch(KNOWN_BY, list(person_ids), contract_no)}


async def everywhere(pool: asyncpg.Pool, person_id: UUID) -> dict[str, KnownPerson]:
    """Every contract that knows the person, by contract number."""
    return {row["contract_no"]: _person(row) for row in await pool.fetch(KNOWN_BY, [person_id], None)}


async def told_on(pool: asyncpg.Pool, person_id: UUID) -> Sequence[str]:
    """Every contract on which anything was ever told of the person, here, under whichever document. Empty, where a fact names
    none."""
    return [row["contract_no"] for row in await pool.fetch(TOLD_ON, person_id)]


def _person(row: asyncpg.Record) -> KnownPerson:
    return KnownPerson(row["pre_registered_for"], row["rostered_for"], row["banned"])
