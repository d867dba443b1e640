"""What registration is asked over HTTP. Contracts are read from their streams; people, masked, from a read model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.faults import NotFound
from chassis.key_server import Purpose
from chassis.sealing import Unsealer
from chassis.strict_json import StrictModel
from chassis.web import Consistency, Router, etag
from contracts.access import Action
from contracts.firms import ContractNo, Firm
from contracts.identity import Document, masked_mobile, masked_name, masked_number
from contracts.streams import contract_stream
from registration.domain.contract import ContractDetails
from registration.domain.lacking import WaitsFor, waits_for
from registration.domain.seen import FORM, etag_of
from registration.read_models.pre_registrations import (
    PRE_REGISTRATIONS,
    Cursor,
    PreRegistrationRow,
    State,
    page_of_pre_registrations,
    pre_registration_of,
)
from registration.read_models.registrants import FORMS_HANDED_IN, RegistrantRow, registrants_of
from registration.supervised import own_employer
from registration.wired import Wired, wired

ROWS_DEFAULT, ROWS_MAX = 50, 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

router = Router(prefix="/v1")

Viewer = Annotated[Principal, Depends(allowed(Action.VIEW_SITE))]
Finder = Annotated[Principal, Depends(allowed(Action.LOOK_UP_PERSON))]
Parts = Annotated[Wired, Depends(wired)]

# --- Contracts --------------------------------------------------------------------------------------------------------


class StationAnswer(BaseModel):
    """The supervision station (监督站) of a contract."""

    name: str
    district: str


class ContractAnswer(BaseModel):
    """A contract as it was reported."""

    contract_no: str
    construction_no: str
    project_name: str
    general_contractor: Firm
    station: StationAnswer


class ContractsAnswer(BaseModel):
    """All contracts of the caller (选择合同), by number."""

    items: list[ContractAnswer]


class EmployerAnswer(BaseModel):
    """A firm that employs people on the contract."""

    credit_code: str
    name: str
    sub_contract_no: str | None


class EmployersAnswer(BaseModel):
    """All of them, in the order in which they were named."""

    items: list[EmployerAnswer]


@router.get("/contracts", tags=["contracts"])
async def list_contracts(caller: Viewer, parts: Parts) -> ContractsAnswer:
    """The contracts that the caller may choose from."""
    numbers = sorted(caller.contracts)
    read = await asyncio.gather(*(parts.contracts.read(contract_stream(number)) for number in numbers))
    found = [(number, contract.details) for number, (_, contract) in zip(numbers, read, strict=True)]
    return ContractsAnswer(items=[_contract(number, details) for number, details in found if details is not None])


@router.get("/contracts/{contract_no}", tags=["contracts"])
async def read_contract(contract_no: ContractNo, caller: Viewer, parts: Parts, response: Response) -> ContractAnswer:
    """One contract."""
    version, _, details = await parts.contract_of(caller, contract_no)
    response.headers["ETag"] = etag(version)
    return _contract(contract_no, details)


@router.get("/contracts/{contract_no}/employers", tags=["contracts"])
async def list_employers(contract_no: ContractNo, caller: Viewer, parts: Parts, response: Response) -> EmployersAnswer:
    """The firms that may be chosen as 用人单位."""
    version, contract, _ = await parts.contract_of(caller, contract_no)
    response.headers["ETag"] = etag(version)
    return EmployersAnswer(
        items=[
            EmployerAnswer(credit_code=credit_code, name=employer.name, sub_contract_no=employer.sub_contract_no)
            for credit_code, employer in contract.employers.items()
        ]
    )


def _contract(contract_no: str, details: ContractDetails) -> ContractAnswer:
    return ContractAnswer(
        contract_no=contract_no,
        construction_no=details.construction_no,
        project_name=details.project_name,
        general_contractor=details.general_contractor,
        station=StationAnswer(name=details.station_name, district=details.district),
    )


# --- Pre-registrations ------------------------------------------------------------------------------------------------


class RegistrantAnswer(BaseModel):
    """Who handed a form in."""

    account: str
    role: str
    registered_at: datetime
    """UTC."""


class PreRegistrationAnswer(BaseModel):
    """Somebody who is, was, or is to be expected. Name and numbers are masked; None where the person was erased."""

    person_id: UUID
    contract_no: str
    state: State
    name: str | None
    document_type: str
    document_number: str | None
    mobile: str | None
    person_kind: str
    trade: str | None
    employer_credit_code: str
    origin_code: str
    arrival_date: date | None
    declaration_version: int | None
    """The declaration that is pinned. None while one is awaited."""
    waits_for: WaitsFor | None
    """What the form lacks, for all that is known now. None where it does not wait, or is about to be taken up."""
    taken_up: bool
    """Whether nobody acted: the declaration appeared and the kept form was taken up."""
    registered_by: RegistrantAnswer | None
    """Who handed the form in last. None: it was told before that was kept."""
    changed_at: datetime
    """When it came to this state, UTC."""
    etag: str
    """For `If-Match` of a correction, or a withdrawal, of what is shown here."""


class PreRegistrationsAnswer(BaseModel):
    """A page, latest changes first."""

    items: list[PreRegistrationAnswer]
    next: str | None
    """`after` of the next page. None: this was the last one."""


After = Annotated[
    str,
    Query(pattern=r"^[0-9]{1,16}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", description="`next` of the page before; opaque."),
]
"""Microseconds since 1970 and `person_id` of the last row."""


@router.get("/contracts/{contract_no}/pre-registrations", tags=["pre-registrations"])
async def list_pre_registrations(
    contract_no: ContractNo,
    caller: Viewer,
    seen: Consistency,
    parts: Parts,
    state: State | None = None,
    after: After | None = None,
    limit: Annotated[int, Query(ge=1, le=ROWS_MAX)] = ROWS_DEFAULT,
) -> PreRegistrationsAnswer:
    """The list of 进场预登记. `awaiting`: the form is kept until a declaration appears."""
    await parts.contract_of(caller, contract_no)
    await parts.wait_for(seen, PRE_REGISTRATIONS, FORMS_HANDED_IN)
    rows = await page_of_pre_registrations(
        parts.pool, contract_no, state=state, employer=own_employer(caller), after=_cursor(after), limit=limit + 1
    )
    shown = rows[:limit]
    return PreRegistrationsAnswer(
        items=await _masked(parts, caller, contract_no, shown), next=_after(shown[-1]) if len(rows) > limit else None
    )


@router.get("/contracts/{contract_no}/pre-registrations/{person_id}", tags=["pre-registrations"])
async def read_pre_registration(
    contract_no: ContractNo, person_id: UUID, caller: Viewer, seen: Consistency, parts: Parts
) -> PreRegistrationAnswer:
    """查看: one of them."""
    await parts.contract_of(caller, contract_no)
    await parts.wait_for(seen, PRE_REGISTRATIONS, FORMS_HANDED_IN)
    row = await pre_registration_of(parts.pool, contract_no, person_id, employer=own_employer(caller))
    if row is None:
        raise NotFound
    return (await _masked(parts, caller, contract_no, [row]))[0]


async def _masked(
    parts: Wired, caller: Principal, contract_no: str, rows: Sequence[PreRegistrationRow]
) -> list[PreRegistrationAnswer]:
    people = [row.person_id for row in rows]
    unsealer = await parts.sealing.unwrap(people, actor=caller.subject, purpose=Purpose.MASKED_PAGE)
    lacks = await asyncio.gather(*(_waits_for(parts, row) for row in rows))
    handed_in = await registrants_of(parts.pool, contract_no, people, as_family=False)
    return [
        _answer(row, each, registrant_answer(handed_in.get(row.person_id)), unsealer) for row, each in zip(rows, lacks, strict=True)
    ]


async def _waits_for(parts: Wired, row: PreRegistrationRow) -> WaitsFor | None:
    if row.state != "awaiting":
        return None
    return waits_for(row, await parts.declarations.latest(row.person_id), parts.clock.now())


def registrant_answer(row: RegistrantRow | None) -> RegistrantAnswer | None:
    if row is None:
        return None
    return RegistrantAnswer(account=row.account, role=row.role, registered_at=row.registered_at)


def _answer(
    row: PreRegistrationRow, lacks: WaitsFor | None, handed_in: RegistrantAnswer | None, unsealer: Unsealer
) -> PreRegistrationAnswer:
    text = partial(unsealer.text, row.person_id)
    name, number, mobile = text("name", row.name), text("document", row.document), text("mobile", row.mobile)
    return PreRegistrationAnswer(
        person_id=row.person_id,
        contract_no=row.contract_no,
        state=row.state,
        name=name and masked_name(name),
        document_type=row.document_type,
        document_number=number and masked_number(number),
        mobile=mobile and masked_mobile(mobile),
        person_kind=row.person_kind,
        trade=row.trade,
        employer_credit_code=row.employer_credit_code,
        origin_code=row.origin_code,
        arrival_date=row.arrival_date,
        declaration_version=row.declaration_version,
        waits_for=lacks,
        taken_up=row.taken_up,
        registered_by=handed_in,
        changed_at=row.changed_at,
        etag=etag_of(row, FORM, row.state, row.declaration_version),
    )


def _after(row: PreRegistrationRow) -> str:
    return f"{microseconds(row.changed_at)}_{row.person_id}"


def _cursor(after: str | None) -> Cursor | None:
    if after is None:
        return None
    at, _, person_id = after.partition("_")
    return Cursor(moment(at), UUID(person_id))


def microseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - EPOCH) // timedelta(microseconds=1)


def moment(microseconds: str) -> datetime:
    return EPOCH + timedelta(microseconds=int(microseconds))


# --- People -----------------------------------------------------------------------------------------------------------


class PersonLookupBody(StrictModel):
    """Whose `person_id` is wanted."""

    document: Document


class PersonLookupAnswer(BaseModel):
    """By this the person is known everywhere. It shows nothing of the document."""

    person_id: UUID


@router.post("/person-lookups", tags=["people"])
async def look_up_person(body: PersonLookupBody, caller: Finder, parts: Parts) -> PersonLookupAnswer:
    """The `person_id` of a document. A document never seen before gets one now, and nothing is known of it anywhere."""
    (person_id,) = await parts.identities.identify([body.document])
    return PersonLookupAnswer(person_id=person_id)
