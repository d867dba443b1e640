"""Somebody is shown unmasked: with a reason, which is recorded first."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, StringConstraints

from chassis.auth import Principal, allowed
from chassis.faults import NotFound
from chassis.strict_json import StrictModel
from chassis.web import Router
from contracts.access import Action
from contracts.firms import ContractNo
from reporting.query_api import Seen, reach_of
from reporting.supervision.filters import ContractFilter
from reporting.supervision.people import EmploymentFilter, employments
from reporting.supervision.unmasking import Reveal, RevealReason, revealed
from reporting.wired import Wired, wired

router = Router(prefix="/v1", tags=["supervision"])

Revealer = Annotated[Principal, Depends(allowed(Action.REVEAL_PERSON))]
Parts = Annotated[Wired, Depends(wired)]
Reference = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z][0-9A-Z/-]{0,39}$")]
"""File number of the case. Not for names: it is recorded as it is."""


class RevealBody(StrictModel):
    """Whom to show, and why."""

    person_id: UUID
    contract_no: ContractNo
    """A contract on which the person is, within the caller's reach."""
    reason: RevealReason
    reference: Reference | None = None


class RevealAnswer(BaseModel):
    """Unmasked. None: not known, or erased."""

    model_config = ConfigDict(from_attributes=True)

    person_id: UUID
    name: str | None
    document_type: str | None
    document_number: str | None
    mobile: str | None


@router.post("/reveals")
async def reveal_person(body: RevealBody, caller: Revealer, seen: Seen, parts: Parts) -> RevealAnswer:
    """Name, number and mobile of somebody on a contract. Who saw whom and why is recorded before anything is shown."""
    wanted = ContractFilter(reach_of(caller), exactly=body.contract_no)
    found = await employments(parts.pool, wanted, EmploymentFilter(people=[body.person_id]), page=1)
    if not found.rows:
        raise NotFound
    reveal = Reveal(caller.subject, caller.role, body.person_id, body.contract_no, body.reason, body.reference)
    identity = await revealed(parts.pool, parts.sealing, found.rows[0], reveal)
    return RevealAnswer(
        person_id=body.person_id,
        name=identity.name,
        document_type=identity.document_type,
        document_number=identity.document_number,
        mobile=identity.mobile,
    )
