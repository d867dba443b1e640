"""Who somebody is on a contract, over HTTP: health and the gate know a `person_id` and can read no name."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel

from chassis.auth import Principal, allowed
from chassis.key_server import Purpose
from chassis.sealing import Unsealer
from chassis.web import Consistency, Router
from contracts.access import Action
from contracts.firms import ContractNo
from contracts.identity import masked_name, masked_number
from registration.people_here import PersonHere, Standing, people_here
from registration.read_models.family_members import FAMILY_MEMBERS
from registration.read_models.pre_registrations import PRE_REGISTRATIONS
from registration.read_models.roster_members import ROSTER_MEMBERS
from registration.supervised import own_employer
from registration.wired import Wired, wired

PEOPLE_ASKED_MAX = 50

router = Router(prefix="/v1/contracts/{contract_no}/people", tags=["people"])

Viewer = Annotated[Principal, Depends(allowed(Action.VIEW_SITE))]
Parts = Annotated[Wired, Depends(wired)]


class PersonHereAnswer(BaseModel):
    """Somebody whom the contract knows. Name and number are masked; None where the person was erased."""

    person_id: UUID
    contract_no: str
    standing: Standing
    accompanies: UUID | None
    """Of family: with whom."""
    employer_credit_code: str | None
    """Of family: of whom they accompany."""
    person_kind: str | None
    trade: str | None
    name: str | None
    document_type: str
    document_number: str | None


class PeopleHereAnswer(BaseModel):
    """Those asked for whom the contract knows, by `person_id`."""

    items: list[PersonHereAnswer]


@router.get("")
async def list_people_here(
    contract_no: ContractNo,
    caller: Viewer,
    seen: Consistency,
    parts: Parts,
    person_id: Annotated[list[UUID], Query(min_length=1, max_length=PEOPLE_ASKED_MAX, description="Of these.")],
) -> PeopleHereAnswer:
    """Who these people are here: expected, come along, or of the old roster. Whoever is nobody here is left out."""
    await parts.contract_of(caller, contract_no)
    await parts.wait_for(seen, PRE_REGISTRATIONS, FAMILY_MEMBERS, ROSTER_MEMBERS)
    rows = await people_here(parts.pool, contract_no, person_id, employer=own_employer(caller))
    people = [row.person_id for row in rows]
    unsealer = await parts.sealing.unwrap(people, actor=caller.subject, purpose=Purpose.MASKED_PAGE)
    return PeopleHereAnswer(items=[_answer(contract_no, row, unsealer) for row in rows])


def _answer(contract_no: str, row: PersonHere, unsealer: Unsealer) -> PersonHereAnswer:
    name = unsealer.text(row.person_id, "name", row.name)
    number = unsealer.text(row.person_id, "document", row.document)
    return PersonHereAnswer(
        person_id=row.person_id,
        contract_no=contract_no,
        standing=row.standing,
        accompanies=row.accompanies,
        employer_credit_code=row.employer_credit_code,
        person_kind=row.person_kind,
        trade=row.trade,
        name=name and masked_name(name),
        document_type=row.document_type,
        document_number=number and masked_number(number),
    )
