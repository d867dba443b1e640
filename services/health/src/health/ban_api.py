"""复核 and 申诉 over HTTP: bans are looked at again, the banned object, and lists say what is due. None of it moves a gate."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel
from starlette.responses import Response

from chassis.auth import Principal, allowed, covers_contract
from chassis.consistency import ConsistencyToken
from chassis.key_server import Purpose
from chassis.sealing import Erased
from chassis.strict_json import StrictModel
from chassis.web import Consistency, IdempotencyKey, IfMatch, Router, etag, problems
from contracts.access import Action
from contracts.firms import ContractNo
from contracts.health import BanObjected, Disposition
from contracts.texts import VisibleText
from contracts.times import Day, shanghai_date
from health.command_api import key_of, seal, tell_version
from health.domain.ban_reviews import PersonIsNotBanned, ReviewIsOutOfReach
from health.domain.commands import ObjectToBan, ReviewBan
from health.history import facts_of
from health.query_api import NOBODY, Before, Limit, next_before, whose_of
from health.read_models.ban_reviews import DueReview, page_of_due_reviews
from health.read_models.isolation_ends import Whose
from health.wired import Wired, own_firm, wired

router = Router(prefix="/v1/people/{person_id}/dispositions", tags=["health"])

site = Router(prefix="/v1/contracts/{contract_no}/ban-reviews", tags=["health"])

supervised = Router(prefix="/v1/ban-reviews", tags=["health"])

Decider = Annotated[Principal, Depends(allowed(Action.SET_DISPOSITION))]
Witness = Annotated[Principal, Depends(allowed(Action.NOTE_OBJECTION))]
Viewer = Annotated[Principal, Depends(allowed(Action.VIEW_SITE))]
Supervisor = Annotated[Principal, Depends(allowed(Action.QUERY_SUPERVISION))]
Parts = Annotated[Wired, Depends(wired)]


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


class ObjectionItem(BaseModel):
    """What somebody said."""

    version: int
    """Of the person's stream after it; orders the items."""
    note: str | None
    """None: erased."""
    noted_by: str | None
    """The account. None: noted before accounts were told."""
    objected_at: datetime


class ObjectionPage(BaseModel):
    """Some objections, newest first."""

    items: list[ObjectionItem]
    next_before: int | None
    """`before` of the next page; None on the last one."""


class DueReviewItem(BaseModel):
    """A ban that somebody has to look at."""

    person_id: UUID
    contracts: list[str]
    """Those asked for that know the person."""
    disposition: Disposition
    banned_at: datetime
    review_on: date
    objected_at: datetime | None


class DueReviewsAnswer(BaseModel):
    """Some of the bans that are due."""

    date: date
    """In Shanghai: by when they are."""
    items: list[DueReviewItem]
    next: UUID | None
    """`after` of the next page. None: this was the last one."""


@router.post("/reviews", status_code=201, responses=problems(PersonIsNotBanned, ReviewIsOutOfReach))
async def review_ban(
    person_id: UUID,
    body: ReviewBody,
    key: IdempotencyKey,
    based_on: IfMatch,
    caller: Decider,
    seen: Consistency,
    parts: Parts,
    response: Response,
) -> BanAnswer:
    """复核: somebody looked at the ban again, and it stays. To lift it is another 处置方式.

    `If-Match` is the `ETag` of the dispositions, or objections, that were looked at: a review answers nothing that came after.
    """
    await parts.wait_for(seen)
    await parts.require_known(caller, person_id, body.contract_no)
    evidence = await seal(parts, person_id, "evidence", body.evidence)
    command = ReviewBan(
        person_id=person_id, review_on=body.review_on, evidence=evidence, reviewed_by=caller.subject, at=parts.clock.now()
    )
    outcome = await parts.handler.handle(person_id, command, key=key_of(caller, key), expected_version=based_on)
    await tell_version(response, person_id, outcome, parts)
    return await _ban(person_id, parts)


@router.post("/objections", status_code=201, responses=problems(PersonIsNotBanned))
async def object_to_ban(
    person_id: UUID,
    body: ObjectionBody,
    key: IdempotencyKey,
    caller: Witness,
    seen: Consistency,
    parts: Parts,
    response: Response,
) -> BanAnswer:
    """申诉: what the banned person says. The ban stays, and is due for a review at once."""
    await parts.wait_for(seen)
    await parts.require_known(caller, person_id, body.contract_no)
    note = await seal(parts, person_id, "note", body.note)
    command = ObjectToBan(person_id=person_id, note=note, noted_by=caller.subject, at=parts.clock.now())
    await tell_version(response, person_id, await parts.handler.handle(person_id, command, key=key_of(caller, key)), parts)
    return await _ban(person_id, parts)


@router.get("/objections")
async def list_objections(
    person_id: UUID, caller: Decider, seen: Consistency, parts: Parts, response: Response, before: Before = None, limit: Limit = 50
) -> ObjectionPage:
    """What the person has said, for those who decide. Reading it is recorded."""
    await parts.wait_for(seen)
    await parts.require_visible(caller, person_id)
    version, _ = await parts.handler.read(person_id)
    response.headers["ETag"] = etag(version)
    found = await facts_of(parts.pool, person_id, BanObjected, before=before, limit=limit)
    if not found:
        return ObjectionPage(items=[], next_before=None)
    unsealer = await parts.sealing.unwrap([person_id], actor=caller.subject, purpose=Purpose.PROCESS)
    notes = [unsealer.unseal(person_id, "note", each.event.note) for each in found]
    items = [
        ObjectionItem(
            version=each.version,
            note=None if isinstance(note, Erased) else note,
            noted_by=each.event.noted_by,
            objected_at=each.event.objected_at,
        )
        for each, note in zip(found, notes, strict=True)
    ]
    return ObjectionPage(items=items, next_before=next_before(found, limit))


ByDay = Annotated[Day | None, Query(alias="date", description="Day in Shanghai; without it, today.")]


@site.get("")
async def list_ban_reviews(
    contract_no: ContractNo,
    caller: Viewer,
    seen: Consistency,
    parts: Parts,
    by_day: ByDay = None,
    after: UUID = NOBODY,
    limit: Limit = 50,
) -> DueReviewsAnswer:
    """待复核: bans of this contract's people that are to be looked at by the day, and those that somebody objects to."""
    covers_contract(caller, contract_no)
    return await _due_reviews(Whose(contract_no=contract_no, employer=own_firm(caller)), seen, parts, by_day, after, limit)


@supervised.get("")
async def list_supervised_ban_reviews(
    caller: Supervisor, seen: Consistency, parts: Parts, by_day: ByDay = None, after: UUID = NOBODY, limit: Limit = 50
) -> DueReviewsAnswer:
    """待复核 on all contracts of a station, a district or the city."""
    return await _due_reviews(whose_of(caller), seen, parts, by_day, after, limit)


async def _due_reviews(
    whose: Whose, seen: ConsistencyToken | None, parts: Wired, by_day: date | None, after: UUID, limit: int
) -> DueReviewsAnswer:
    await parts.wait_for(seen)
    day = by_day or shanghai_date(parts.clock.now())
    found = await page_of_due_reviews(parts.pool, day, whose, after=after, limit=limit + 1)
    items = [_due_review(each) for each in found[:limit]]
    return DueReviewsAnswer(date=day, items=items, next=items[-1].person_id if len(found) > limit else None)


def _due_review(each: DueReview) -> DueReviewItem:
    return DueReviewItem(
        person_id=each.person_id,
        contracts=list(each.contracts),
        disposition=Disposition(each.disposition),
        banned_at=each.banned_at,
        review_on=each.review_on,
        objected_at=each.objected_at,
    )


async def _ban(person_id: UUID, parts: Wired) -> BanAnswer:
    _, person = await parts.handler.read(person_id)
    return BanAnswer(
        person_id=person_id, disposition=person.decided.disposition, review_on=person.review_on, objects=person.objects
    )
