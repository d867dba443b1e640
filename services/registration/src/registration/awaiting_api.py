"""Forms that wait, over HTTP: for the site, and for whoever supervises it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel

from chassis.auth import Principal, allowed
from chassis.key_server import Purpose
from chassis.web import Consistency, Router
from contracts.access import Action
from contracts.firms import ContractNo
from contracts.identity import masked_name, masked_number
from registration.awaiting_forms import BY_CONTRACT, AwaitingForm, Cursor, page_of_awaiting_forms
from registration.domain.lacking import WaitsFor, waits_for
from registration.query_api import ROWS_DEFAULT, ROWS_MAX, RegistrantAnswer, microseconds, moment, registrant_answer
from registration.read_models.family_members import FAMILY_MEMBERS
from registration.read_models.pre_registrations import PRE_REGISTRATIONS
from registration.read_models.registrants import FORMS_HANDED_IN, registrants_of
from registration.supervised import ByContract, OfAuthority, OnContract, Supervisor, own_employer
from registration.wired import Wired, wired

site = Router(prefix="/v1/contracts/{contract_no}/awaiting-forms", tags=["pre-registrations"])

supervised = Router(prefix="/v1/awaiting-forms", tags=["pre-registrations"])

FORMS = (PRE_REGISTRATIONS, FAMILY_MEMBERS, FORMS_HANDED_IN)
"""What these lists are read from."""

Viewer = Annotated[Principal, Depends(allowed(Action.VIEW_SITE))]
Parts = Annotated[Wired, Depends(wired)]


class AwaitingFormAnswer(BaseModel):
    """A form that waits. Name and number are masked; None where the person was erased."""

    person_id: UUID
    accompanies: UUID | None
    """Of a family member: with whom he comes."""
    contract_no: str
    name: str | None
    document_type: str
    document_number: str | None
    waits_for: WaitsFor | None
    """What it lacks, for all that is known now. None: it is about to be taken up."""
    registered_by: RegistrantAnswer | None
    """Who handed it in. None: it was not told."""
    changed_at: datetime
    """Since when it waits, UTC."""


class AwaitingFormsAnswer(BaseModel):
    """A page; whichever waits longest comes first."""

    items: list[AwaitingFormAnswer]
    next: str | None
    """`after` of the next page. None: this was the last one."""


class AwaitingOnContractItem(OnContract):
    """A contract on which forms wait: one or more."""

    people: int
    family_members: int


class AwaitingByContractAnswer(ByContract[AwaitingOnContractItem]):
    """Contracts on which forms wait, by number."""


After = Annotated[
    str,
    Query(
        pattern=r"^[0-9]{1,16}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_[01]$", description="`next` of the page before; opaque."
    ),
]
"""Microseconds since 1970, `person_id` and whether it is family, of the last row."""
Limit = Annotated[int, Query(ge=1, le=ROWS_MAX)]


@site.get("")
async def list_awaiting_forms(
    contract_no: ContractNo,
    caller: Viewer,
    seen: Consistency,
    parts: Parts,
    after: After | None = None,
    limit: Limit = ROWS_DEFAULT,
) -> AwaitingFormsAnswer:
    """Forms that are kept until a declaration appears that agrees with them: of people, and of family that comes along."""
    await parts.contract_of(caller, contract_no)
    await parts.wait_for(seen, *FORMS)
    return await _page(parts, caller, contract_no, after, limit)


@supervised.get("")
async def list_supervised_awaiting_forms(asked: OfAuthority) -> AwaitingByContractAnswer:
    """The same on all contracts of a station, a district or the city: how many on which contract."""
    return AwaitingByContractAnswer(**await asked.answer(BY_CONTRACT, PRE_REGISTRATIONS, FAMILY_MEMBERS))


@supervised.get("/{contract_no}")
async def list_awaiting_forms_of_supervised(
    contract_no: ContractNo,
    caller: Supervisor,
    seen: Consistency,
    parts: Parts,
    after: After | None = None,
    limit: Limit = ROWS_DEFAULT,
) -> AwaitingFormsAnswer:
    """The same on one of those contracts: which forms."""
    await parts.wait_for(seen, *FORMS)
    await parts.contract_of(caller, contract_no)
    return await _page(parts, caller, contract_no, after, limit)


async def _page(parts: Wired, caller: Principal, contract_no: str, after: str | None, limit: int) -> AwaitingFormsAnswer:
    rows = await page_of_awaiting_forms(
        parts.pool, contract_no, employer=own_employer(caller), after=_cursor(after), limit=limit + 1
    )
    shown = rows[:limit]
    items = await _masked(parts, caller, contract_no, shown)
    return AwaitingFormsAnswer(items=items, next=_after(shown[-1]) if len(rows) > limit else None)


def _after(row: AwaitingForm) -> str:
    return f"{microseconds(row.changed_at)}_{row.person_id}_{row.is_family:d}"


def _cursor(after: str | None) -> Cursor | None:
    if after is None:
        return None
    at, person_id, is_family = after.split("_")
    return Cursor(moment(at), UUID(person_id), is_family == "1")


async def _masked(parts: Wired, caller: Principal, contract_no: str, rows: Sequence[AwaitingForm]) -> list[AwaitingFormAnswer]:
    unsealer = await parts.sealing.unwrap([row.person_id for row in rows], actor=caller.subject, purpose=Purpose.MASKED_PAGE)
    handed_in = {
        is_family: await registrants_of(
            parts.pool, contract_no, [row.person_id for row in rows if row.is_family == is_family], as_family=is_family
        )
        for is_family in (False, True)
    }

    async def answer(row: AwaitingForm) -> AwaitingFormAnswer:
        name = unsealer.text(row.person_id, "name", row.name)
        number = unsealer.text(row.person_id, "document", row.document)
        return AwaitingFormAnswer(
            person_id=row.person_id,
            accompanies=row.accompanies,
            contract_no=row.contract_no,
            name=name and masked_name(name),
            document_type=row.document_type,
            document_number=number and masked_number(number),
            waits_for=waits_for(row, await parts.declarations.latest(row.person_id), parts.clock.now()),
            registered_by=registrant_answer(handed_in[row.is_family].get(row.person_id)),
            changed_at=row.changed_at,
        )

    return list(await asyncio.gather(*(answer(row) for row in rows)))
