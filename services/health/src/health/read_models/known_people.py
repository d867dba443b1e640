"""Is this person known on this contract, and by which employers?

Health takes and shows facts about a person only where somebody pre-registered or imported them; everybody else's answer
is 404. A withdrawn pre-registration ends that, an exit does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import asyncpg

from chassis.database import Connection
from chassis.projector import Fact
from contracts.event import Event
from contracts.registration import PersonPreRegistered, PreRegistrationWithdrawn, RosterMemberImported

Key = tuple[str, UUID]
"""Contract and person."""


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """By whom the person is employed on the contract, by credit code."""

    pre_registered_for: str | None = None
    rostered_for: str | None = None

    @property
    def employers(self) -> list[str]:
        """Empty: the person is not known here."""
        return [employer for employer in (self.pre_registered_for, self.rostered_for) if employer is not None]


class KnownPeople:
    name = "known_person_v1"
    subscribes: tuple[type[Event], ...] = (PersonPreRegistered, PreRegistrationWithdrawn, RosterMemberImported)

    async def project(self, connection: Connection, facts: Sequence[Fact[Any]], *, partition: int) -> None:
        keys = sorted({(fact.event.contract_no, fact.event.person_id) for fact in facts})
        known = {key: KnownPerson() for key in keys} | await _stored(connection, keys)
        for fact in facts:
            key = (fact.event.contract_no, fact.event.person_id)
            known[key] = _after(known[key], fact.event)
        await _store(connection, [(key, known[key]) for key in keys])


def _after(person: KnownPerson, event: Event) -> KnownPerson:
    match event:
        case PersonPreRegistered():
            return replace(person, pre_registered_for=event.employer_credit_code)
        case PreRegistrationWithdrawn():
            return replace(person, pre_registered_for=None)
        case RosterMemberImported():
            return replace(person, rostered_for=event.employer_credit_code)
        case _:
            return person


async def _stored(connection: Connection, keys: Sequence[Key]) -> dict[Key, KnownPerson]:
    rows = await connection.fetch(
        """
        SELECT contract_no, person_id, pre_registered_for, rostered_for
        FROM known_person_v1 JOIN unnest($1::text[], $2::uuid[]) AS k (contract_no, person_id) USING (contract_no, person_id)
        """,
        *_columns(keys),
    )
    return {(row["contract_no"], row["person_id"]): _person(row) for row in rows}


async def _store(connection: Connection, rows: Sequence[tuple[Key, KnownPerson]]) -> None:
    """In the order of the keys, as given."""
    present = [(*key, person.pre_registered_for, person.rostered_for) for key, person in rows if person.employers]
    absent = [key for key, person in rows if not person.employers]
    if present:
        await connection.execute(
            """
            INSERT INTO known_person_v1 (contract_no, person_id, pre_registered_for, rostered_for)
            SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[])
            ON CONFLICT (contract_no, person_id)
            DO UPDATE SET pre_registered_for = excluded.pre_registered_for, rostered_for = excluded.rostered_for
            """,
            *_columns(present),
        )
    if absent:
        await connection.execute(
            """
            DELETE FROM known_person_v1 AS p USING unnest($1::text[], $2::uuid[]) AS k (contract_no, person_id)
            WHERE p.contract_no = k.contract_no AND p.person_id = k.person_id
            """,
            *_columns(absent),
        )


async def on_contract(pool: asyncpg.Pool, contract_no: str, person_id: UUID) -> KnownPerson:
    """How the contract knows the person."""
    row = await pool.fetchrow(
        "SELECT pre_registered_for, rostered_for FROM known_person_v1 WHERE contract_no = $1 AND person_id = $2",
        contract_no,
        person_id,
    )
    return _person(row) if row else KnownPerson()


async def everywhere(pool: asyncpg.Pool, person_id: UUID) -> dict[str, KnownPerson]:
    """Every contract that knows the person, by contract number."""
    rows = await pool.fetch(
        "SELECT contract_no, pre_registered_for, rostered_for FROM known_person_v1 WHERE person_id = $1", person_id
    )
    return {row["contract_no"]: _person(row) for row in rows}


def _person(row: asyncpg.Record) -> KnownPerson:
    return KnownPerson(pre_registered_for=row["pre_registered_for"], rostered_for=row["rostered_for"])


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
