"""Who is expected on this contract, who waits for a declaration, who was withdrawn, who has left? One row a person and contract."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from chassis.subscribers import Fact
from chassis.tables import Key, ReadModel, Rows, Table
from contracts.registration import (
    DeclarationAwaited,
    FormWithdrawn,
    PersonDetailsCorrected,
    PersonErased,
    PersonPreRegistered,
    PreRegistrationClosed,
    PreRegistrationWithdrawn,
)
from registration.domain.form import Left

State = Literal["awaiting", "open", "withdrawn", "closed"]

COLUMNS = """
SELECT contract_no, person_id, state, person_kind, trade, employer_credit_code, origin_code, arrival_date, declaration_version,
       document_type, document, name, name_fingerprint, mobile, complete, left_at, left_with_version, taken_up, changed_at
FROM pre_registration_v2
"""

PAGE = f"""
{COLUMNS}
WHERE contract_no = $1
  AND ($2::text IS NULL OR state = $2)
  AND ($3::text IS NULL OR employer_credit_code = $3)
  AND ($4::timestamptz IS NULL OR (changed_at, person_id) < ($4, $5::uuid))
ORDER BY changed_at DESC, person_id DESC
LIMIT $6
"""

ONE = f"{COLUMNS} WHERE contract_no = $1 AND person_id = $2 AND ($3::text IS NULL OR employer_credit_code = $3)"


@dataclass(frozen=True, slots=True)
class PreRegistrationRow:
    """A row. Document, name and mobile are sealed."""

    contract_no: str
    person_id: UUID
    state: State
    person_kind: str
    trade: str | None
    employer_credit_code: str
    origin_code: str
    arrival_date: date | None
    declaration_version: int | None
    """None while a declaration is awaited."""
    document_type: str
    document: str
    name: str
    name_fingerprint: str | None
    """While a declaration is awaited; it is compared no more afterwards."""
    mobile: str | None
    complete: bool
    left_at: datetime | None
    """While a declaration made since this exit is awaited."""
    left_with_version: int | None
    taken_up: bool
    changed_at: datetime
    """When it came to this state."""

    @property
    def left(self) -> Left | None:
        return Left(self.left_at, self.left_with_version) if self.left_at and self.left_with_version else None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended."""

    changed_at: datetime
    person_id: UUID


PRE_REGISTERED = Table("pre_registration_v2", PreRegistrationRow, key=("contract_no", "person_id"))


def _awaited(rows: Rows, fact: Fact[DeclarationAwaited], _: int) -> None:
    rows.put(PRE_REGISTERED, _awaiting(fact.event))


def _pre_registered(rows: Rows, fact: Fact[PersonPreRegistered], _: int) -> None:
    rows.put(PRE_REGISTERED, _open(fact.event))


def _corrected(rows: Rows, fact: Fact[PersonDetailsCorrected], _: int) -> None:
    event = fact.event
    row = rows.get(PRE_REGISTERED, (event.contract_no, event.person_id))
    if row is None:
        return
    corrected = replace(
        row,
        person_kind=event.person_kind,
        trade=event.trade,
        employer_credit_code=event.employer_credit_code,
        origin_code=event.origin_code,
        arrival_date=event.arrival_date,
        declaration_version=event.declaration.version,
        name=event.name,
        mobile=event.mobile,
    )
    rows.put(PRE_REGISTERED, corrected)


def _withdrawn(rows: Rows, fact: Fact[FormWithdrawn | PreRegistrationWithdrawn], _: int) -> None:
    row = rows.get(PRE_REGISTERED, (fact.event.contract_no, fact.event.person_id))
    if row is not None:
        rows.put(PRE_REGISTERED, replace(row, state="withdrawn", changed_at=fact.event.withdrawn_at))


def _closed(rows: Rows, fact: Fact[PreRegistrationClosed], _: int) -> None:
    row = rows.get(PRE_REGISTERED, (fact.event.contract_no, fact.event.person_id))
    if row is not None:
        rows.put(PRE_REGISTERED, replace(row, state="closed", changed_at=fact.event.closed_at))


def _erased(rows: Rows, fact: Fact[PersonErased], _: int) -> None:
    for contract_no in fact.event.dropped_forms:
        rows.remove(PRE_REGISTERED, (contract_no, fact.event.person_id))


def _read(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    """A correction, a withdrawal and an exit keep the rest of the row; all others overwrite it."""
    if isinstance(fact.event, FormWithdrawn | PersonDetailsCorrected | PreRegistrationWithdrawn | PreRegistrationClosed):
        yield PRE_REGISTERED, (fact.event.contract_no, fact.event.person_id)


def _awaiting(event: DeclarationAwaited) -> PreRegistrationRow:
    return PreRegistrationRow(
        contract_no=event.contract_no,
        person_id=event.person_id,
        state="awaiting",
        person_kind=event.person_kind,
        trade=event.trade,
        employer_credit_code=event.employer_credit_code,
        origin_code=event.origin_code,
        arrival_date=event.arrival_date,
        declaration_version=None,
        document_type=event.document_type,
        document=event.document,
        name=event.name,
        name_fingerprint=event.name_fingerprint,
        mobile=event.mobile,
        complete=event.complete,
        left_at=event.left_at,
        left_with_version=event.left_with_version,
        taken_up=False,
        changed_at=event.asked_at,
    )


def _open(event: PersonPreRegistered) -> PreRegistrationRow:
    return PreRegistrationRow(
        contract_no=event.contract_no,
        person_id=event.person_id,
        state="open",
        person_kind=event.person_kind,
        trade=event.trade,
        employer_credit_code=event.employer_credit_code,
        origin_code=event.origin_code,
        arrival_date=event.arrival_date,
        declaration_version=event.declaration.version,
        document_type=event.document_type,
        document=event.document,
        name=event.name,
        name_fingerprint=None,
        mobile=event.mobile,
        complete=True,
        left_at=None,
        left_with_version=None,
        taken_up=event.taken_up,
        changed_at=event.pre_registered_at,
    )


PRE_REGISTRATIONS = ReadModel(
    name="pre_registration_v2",
    tables=(PRE_REGISTERED,),
    folds={
        DeclarationAwaited: _awaited,
        FormWithdrawn: _withdrawn,
        PersonPreRegistered: _pre_registered,
        PersonDetailsCorrected: _corrected,
        PreRegistrationWithdrawn: _withdrawn,
        PreRegistrationClosed: _closed,
        PersonErased: _erased,
    },
    reads=_read,
)
"""Answers the list and the detail of 进场预登记."""


async def page_of_pre_registrations(
    pool: asyncpg.Pool, contract_no: str, *, state: State | None, employer: str | None, after: Cursor | None, limit: int
) -> list[PreRegistrationRow]:
    """The latest changes first. `employer` is a credit code: only its people."""
    at, person_id = (after.changed_at, after.person_id) if after else (None, None)
    rows = await pool.fetch(PAGE, contract_no, state, employer, at, person_id, limit)
    return [PreRegistrationRow(*row) for row in rows]


async def pre_registration_of(
    pool: asyncpg.Pool, contract_no: str, person_id: UUID, *, employer: str | None
) -> PreRegistrationRow | None:
    row = await pool.fetchrow(ONE, contract_no, person_id, employer)
    return None if row is None else PreRegistrationRow(*row)
