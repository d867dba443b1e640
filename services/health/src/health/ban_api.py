"""复核 and 申诉 over HTTP: bans are looked at again, and the banned object. Neither moves a gate."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel

from chassis.auth import Principal, allowed
from chassis.strict_json import StrictModel
from chassis.web import IfMatch, Router, problems
from contracts.access import Action
from contracts.firms import ContractNo
from contracts.health import Disposition
from contracts.texts import VisibleText
from contracts.times import Day
from health.acting import Acting
from health.domain.ban_reviews import PersonIsNotBanned, ReviewIsOutOfReach
from health.domain.commands import ObjectToBan, ReviewBan
from health.wired import Wired

router = Router(prefix="/v1/people/{person_id}/dispositions", tags=["health"])

Decider = Annotated[Principal, Depends(allowed(Action.SET_DISPOSITION))]
Witness = Annotated[Principal, Depends(allowed(Action.NOTE_OBJECTION))]


class ReviewBody(StrictModel):
    """复核: the ban stays."""

    contract_no: ContractNo
    """On whose list the person stands."""
    review_on: Day | None = None
    """Until when it has to be looked at again, within 30 days; without it, in a week."""
    evidence: VisibleText
    """What it still rests on."""


class ObjectionBody(StrictModel):
    """申诉."""

    contract_no: ContractNo
    """On whose list the person stands."""
    note: VisibleText
    """What the person says."""


class BanAnswer(BaseModel):
    """The ban, which stands as before."""

    person_id: UUID
    disposition: Disposition
    review_on: date | None
    objects: bool
    """Whether the person objects, and nobody has looked at it since."""


@router.post("/reviews", status_code=201, responses=problems(PersonIsNotBanned, ReviewIsOutOfReach))
async def review_ban(person_id: UUID, body: ReviewBody, based_on: IfMatch, caller: Decider, act: Acting) -> BanAnswer:
    """复核: somebody looked at the ban again, and it stays. To lift it is another 处置方式.

    `If-Match` is the `ETag` of the dispositions, or objections, that were looked at: a review answers nothing that came after.
    """
    await act.require_known(caller, person_id, body.contract_no)
    command = ReviewBan(
        person_id=person_id,
        review_on=body.review_on,
        evidence=await act.seal(person_id, "evidence", body.evidence),
        reviewed_by=caller.subject,
        at=act.parts.clock.now(),
    )
    await act.handle(caller, command, based_on=based_on)
    return await _ban(person_id, act.parts)


@router.post("/objections", status_code=201, responses=problems(PersonIsNotBanned))
async def object_to_ban(person_id: UUID, body: ObjectionBody, caller: Witness, act: Acting) -> BanAnswer:
    """申诉: what the banned person says. The ban stays, and is due for a review at once."""
    await act.require_known(caller, person_id, body.contract_no)
    note = await act.seal(person_id, "note", body.note)
    await act.handle(caller, ObjectToBan(person_id=person_id, note=note, noted_by=caller.subject, at=act.parts.clock.now()))
    return await _ban(person_id, act.parts)


async def _ban(person_id: UUID, parts: Wired) -> BanAnswer:
    _, person = await parts.handler.read(person_id)
    return BanAnswer(
        person_id=person_id, disposition=person.decided.disposition, review_on=person.review_on, objects=person.objects
    )
