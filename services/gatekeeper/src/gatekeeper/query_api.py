"""What the gate would say, without anybody standing at it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel
from starlette.responses import Response

from chassis.auth import Principal, allowed, covers_contract
from chassis.faults import NotFound
from chassis.web import Consistency, Router, etag
from contracts.access import Action
from contracts.firms import ContractNo
from contracts.gatekeeper import EntryKind, Reason
from gatekeeper.domain.verdict import Question, earliest, judge, pre_registration
from gatekeeper.wired import Wired, wired

router = Router(prefix="/v1/contracts/{contract_no}", tags=["gate"])

Viewer = Annotated[Principal, Depends(allowed(Action.VIEW_CLEARANCE))]
Parts = Annotated[Wired, Depends(wired)]


class ClearanceAnswer(BaseModel):
    """The verdict as it stands, with every reason. Not an attempt: nothing is recorded and nobody is admitted by it."""

    person_id: UUID
    contract_no: str
    kind: EntryKind
    admissible: bool
    reasons: tuple[Reason, ...]
    earliest: date | None
    """The first day, in Shanghai, on which the reasons that have a date no longer stand. None: no date is known."""
    on_site: bool
    """Whether the person has an open entry on this contract."""
    version: int
    """Of the person's stream."""
    as_of: datetime | None
    """UTC: everything that was recorded until then is considered. None: the gate cannot prove how recent its view is."""


@router.get("/clearances/{person_id}")
async def read_clearance(
    contract_no: ContractNo,
    person_id: UUID,
    caller: Viewer,
    seen: Consistency,
    parts: Parts,
    response: Response,
    kind: EntryKind = EntryKind.ENTRY,
) -> ClearanceAnswer:
    """准入状态 of somebody who is known on this contract; of nobody else."""
    covers_contract(caller, contract_no)
    await parts.wait_for(seen)
    version, person = await parts.gate.handler.read(person_id)
    if (
        contract_no not in person.on_site
        and contract_no not in person.clearance.rostered
        and not pre_registration(person, contract_no)
    ):
        raise NotFound
    fresh_as_of = parts.gate.fresh_as_of(person_id)
    verdict = judge(person, Question(contract_no, kind, parts.gate.clock.now(), is_fresh=fresh_as_of is not None))
    response.headers["ETag"] = etag(version)
    return ClearanceAnswer(
        person_id=person_id,
        contract_no=contract_no,
        kind=kind,
        admissible=verdict.admits,
        reasons=verdict.reasons,
        earliest=earliest(verdict.reasons),
        on_site=contract_no in person.on_site,
        version=version,
        as_of=fresh_as_of,
    )
