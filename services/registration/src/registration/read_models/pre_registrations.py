"""Who is expected on this contract, who waits for a declaration, and who was withdrawn? One row a person and contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from chassis.database import Connection
from chassis.projector import Fact
from contracts.event import Event
from contracts.registration import DeclarationAwaited, PersonPreRegistered, PreRegistrationWithdrawn

State = Literal["awaiting", "open", "withdrawn"]

UPSERT = """
INSERT INTO pre_registration_v1 (
    contract_no, person_id, state, person_kind, trade, employer_credit_code, origin_code, arrival_date, declaration_version,
    document_type, document, name, name_fingerprint, mobile, complete, taken_up, changed_at)
SELECT * FROM unnest(
    $1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::date[], $9::integer[],
    $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::boolean[], $16::boolean[], $17::timestamptz[])
ON CONFLICT (contract_no, person_id) DO UPDATE SET
    state = excluded.state, person_kind = excluded.person_kind, trade = excluded.trade,
    employer_credit_code = excluded.employer_credit_code, origin_code = excluded.origin_code,
    arrival_date = excluded.arrival_date, declaration_version = excluded.declaration_version,
    document_type = excluded.document_type, document = excluded.document, name = excluded.name,
    name_fingerprint = excluded.name_fingerprint, mobile = excluded.mobile, complete = excluded.complete,
    taken_up = excluded.taken_up, changed_at = excluded.changed_at
"""

WITHDRAW = """
UPDATE pre_registration_v1 AS p SET state = 'withdrawn', changed_at = w.changed_at
FROM unnest($1::text[], $2::uuid[], $3::timestamptz[]) AS w (contract_no, person_id, changed_at)
WHERE p.contract_no = w.contract_no AND p.person_id = w.person_id
"""

COLUMNS = """
SELECT contract_no, person_id, state, person_kind, trade, employer_credit_code, origin_code, arrival_date, declaration_version,
       document_type, document, name, name_fingerprint, mobile, complete, taken_up, changed_at
FROM pre_registration_v1
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
    taken_up: bool
    changed_at: datetime
    """When it came to this state."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended."""

    changed_at: datetime
    person_id: UUID


Key = tuple[str, UUID]


class PreRegistrations:
    """Answers the list and the detail of 进场预登记."""

    name = "pre_registration_v1"
    subscribes: tuple[type[Event], ...] = (DeclarationAwaited, PersonPreRegistered, PreRegistrationWithdrawn)

    async def project(self, connection: Connection, facts: Sequence[Fact[Any]], *, partition: int) -> None:
        rows: dict[Key, PreRegistrationRow] = {}
        withdrawn: dict[Key, datetime] = {}
        for fact in facts:
            _fold(fact.event, rows, withdrawn)
        if rows:
            written = [_values(row) for _, row in sorted(rows.items())]
            await connection.execute(UPSERT, *map(list, zip(*written, strict=True)))
        if withdrawn:
            keys = sorted((contract_no, person_id, at) for (contract_no, person_id), at in withdrawn.items())
            await connection.execute(WITHDRAW, *map(list, zip(*keys, strict=True)))


def _fold(event: Event, rows: dict[Key, PreRegistrationRow], withdrawn: dict[Key, datetime]) -> None:
    """`withdrawn` are those whose row stands in the table already."""
    match event:
        case DeclarationAwaited():
            rows[event.contract_no, event.person_id] = _awaiting(event)
            withdrawn.pop((event.contract_no, event.person_id), None)
        case PersonPreRegistered():
            rows[event.contract_no, event.person_id] = _open(event)
            withdrawn.pop((event.contract_no, event.person_id), None)
        case PreRegistrationWithdrawn():
            key = (event.contract_no, event.person_id)
            if key in rows:
                rows[key] = replace(rows[key], state="withdrawn", changed_at=event.withdrawn_at)
            else:
                withdrawn[key] = event.withdrawn_at


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
        taken_up=event.taken_up,
        changed_at=event.pre_registered_at,
    )


def _values(row: PreRegistrationRow) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in PreRegistrationRow.__slots__)


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
