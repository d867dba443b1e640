"""From sealed rows to what may be shown: masked for lists, plain for whoever gave a reason, which is recorded first."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from uuid import UUID

import asyncpg

from chassis.key_server import Purpose
from chassis.sealing import Sealing, Unsealer
from contracts.identity import folded_name, masked_mobile, masked_name, masked_number
from reporting.supervision.people import PersonRow, sealed_names

NAMES_AT_ONCE = 1_000
SEARCHED_MAX = 20_000
"""People of one contract whose names are searched. Beyond it the answer says that it is not complete."""
FOUND_MAX = 100
"""People whom one search finds."""

RECORD = "INSERT INTO reveal (actor, role, person_id, contract_no, reason_code, reference) VALUES ($1, $2, $3, $4, $5, $6)"


class RevealReason(StrEnum):
    """Why somebody is shown unmasked."""

    CASE_INVESTIGATION = "case_investigation"  # 流行病学调查
    ON_SITE_INSPECTION = "on_site_inspection"  # 现场检查
    COMPLAINT = "complaint"  # 信访投诉
    DATA_CORRECTION = "data_correction"  # 信息更正
    LEGAL_REQUEST = "legal_request"  # 依法调取


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is, as far as it is shown. None where it is not known, or was erased."""

    name: str | None
    document_type: str | None
    document_number: str | None
    mobile: str | None


@dataclass(frozen=True, slots=True)
class Reveal:
    """Who wants to see whom, and why."""

    actor: str
    role: str
    person_id: UUID
    contract_no: str
    reason: RevealReason
    reference: str | None


@dataclass(frozen=True, slots=True)
class NamesFound:
    """People of a contract whose names hold what was looked for."""

    people: Sequence[UUID]
    is_complete: bool
    """Whether everybody was looked at, and everybody found is here."""


async def masked(sealing: Sealing, rows: Sequence[PersonRow], *, actor: str) -> Sequence[Identity]:
    """Of each row. A page is one line in the record of access."""
    found: list[Identity] = []
    for first in range(0, len(rows), NAMES_AT_ONCE):
        page = rows[first : first + NAMES_AT_ONCE]
        unsealer = await sealing.unwrap({row.person_id for row in page}, actor=actor, purpose=Purpose.MASKED_PAGE)
        found += await asyncio.to_thread(_all_masked, page, unsealer)
    return found


def _all_masked(rows: Sequence[PersonRow], unsealer: Unsealer) -> list[Identity]:
    return [_masked(_identity(row, unsealer)) for row in rows]


async def revealed(pool: asyncpg.Pool, sealing: Sealing, row: PersonRow, reveal: Reveal) -> Identity:
    """Unmasked, after it was recorded who saw whom and why: here with the reason, and by the key server."""
    await pool.execute(
        RECORD, reveal.actor, reveal.role, reveal.person_id, reveal.contract_no, reveal.reason.value, reveal.reference
    )
    unsealer = await sealing.unwrap([row.person_id], actor=reveal.actor, purpose=Purpose.REVEAL)
    return _identity(row, unsealer)


async def named(pool: asyncpg.Pool, sealing: Sealing, contract_no: str, name: str, *, actor: str) -> NamesFound:
    """Everybody on the contract whose name holds this. Names are sealed, so each of them is opened and compared."""
    wanted, found = folded_name(name), list[UUID]()
    after: UUID | None = None
    for _ in range(SEARCHED_MAX // NAMES_AT_ONCE):
        sealed = await sealed_names(pool, contract_no, after=after, limit=NAMES_AT_ONCE)
        unsealer = await sealing.unwrap([person_id for person_id, _ in sealed], actor=actor, purpose=Purpose.MASKED_PAGE)
        # Beside the loop: a thousand names take some tens of milliseconds.
        found += await asyncio.to_thread(_matching, sealed, unsealer, wanted)
        if len(found) > FOUND_MAX or len(sealed) < NAMES_AT_ONCE:
            return NamesFound(found[:FOUND_MAX], is_complete=len(found) <= FOUND_MAX)
        after = sealed[-1][0]
    return NamesFound(found, is_complete=False)


def _matching(sealed: Sequence[tuple[UUID, str]], unsealer: Unsealer, wanted: str) -> list[UUID]:
    names = [(person_id, unsealer.text(person_id, "name", name)) for person_id, name in sealed]
    return [person_id for person_id, name in names if name is not None and wanted in folded_name(name)]


def _identity(row: PersonRow, unsealer: Unsealer) -> Identity:
    text = partial(unsealer.text, row.person_id)
    return Identity(text("name", row.name), row.document_type, text("document", row.document), text("mobile", row.mobile))


def _masked(plain: Identity) -> Identity:
    return Identity(
        name=plain.name and masked_name(plain.name),
        document_type=plain.document_type,
        document_number=plain.document_number and masked_number(plain.document_number),
        mobile=plain.mobile and masked_mobile(plain.mobile),
    )
