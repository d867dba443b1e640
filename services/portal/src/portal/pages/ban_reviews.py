"""待复核: bans that are to be looked at again; 复核 and 申诉 of one person. Neither moves a gate: that takes another 处置方式."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action
from portal.forms import FieldError
from portal.pages.health import Accompanies, people_of, person_of
from portal.upstream.ban_reviews import Grounds, Objection
from portal.upstream.calls import UpstreamAway, UpstreamRefused, known
from portal.upstream.registration import Correction
from portal.visits import PAGE, Visit, page

router = Router(tags=["pages"])

OF_PERSON = "/contracts/{contract_no}/people/{person_id}/ban-review"
FIELDS = {"/evidence": "evidence", "/review_on": "review_on", "/note": "note", "review-is-out-of-reach": "review_on"}


@router.get("/contracts/{contract_no}/ban-reviews", **PAGE)
@page(Action.VIEW_SITE)
async def list_ban_reviews(visit: Visit, after: UUID | None = None) -> Response:
    """Whose day of review has come, and who objects."""
    due = await visit.services().ban_reviews.due(str(visit.contract_no), after=after)
    people = await people_of(visit, [each.person_id for each in due.items])
    return visit.render("ban_reviews.html", due=due, people=people)


@router.get("/supervision/ban-reviews", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_supervised_ban_reviews(visit: Visit, after: UUID | None = None) -> Response:
    """Bans that those responsible on the sites have not looked at again."""
    services = visit.services()
    found = await services.ban_reviews.supervised(after=after)
    known = await services.reporting.people_of([each.person_id for each in found.items])
    return visit.render("supervision_ban_reviews.html", found=found, known=known)


@router.get(OF_PERSON, **PAGE)
@page(Action.VIEW_SITE)
async def show_ban(visit: Visit, person_id: UUID, done: str | None = None, accompanies: Accompanies = None) -> Response:
    """What stands against one person, and what can be done about it."""
    return await _ban(visit, person_id, done=done)


@router.post(f"{OF_PERSON}/review", **PAGE)
@page(Action.SET_DISPOSITION)
async def review_ban(visit: Visit, person_id: UUID, accompanies: Accompanies = None) -> Response:
    """维持, based on what the reviewer saw."""
    form = visit.form
    looked = {"contract_no": visit.contract_no, "evidence": form.text("evidence")}
    if form.text("review_on"):
        looked["review_on"] = form.text("review_on")
    try:
        await visit.services().ban_reviews.review(person_id, looked, based_on=form.number("version"), key=form.text("key"))
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _refused(visit, person_id, refused)
    return visit.go(_address(visit, person_id, done="reviewed"))


@router.post(f"{OF_PERSON}/objection", **PAGE)
@page(Action.NOTE_OBJECTION)
async def object_to_ban(visit: Visit, person_id: UUID, accompanies: Accompanies = None) -> Response:
    """申诉: what the person says."""
    said = {"contract_no": visit.contract_no, "note": visit.form.text("note")}
    try:
        await visit.services().ban_reviews.object(person_id, said, key=visit.form.text("key"))
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _refused(visit, person_id, refused)
    return visit.go(_address(visit, person_id, done="objected"))


@router.post(f"{OF_PERSON}/objections", **PAGE)
@page(Action.VIEW_GROUNDS)
async def show_objections(visit: Visit, person_id: UUID, accompanies: Accompanies = None) -> Response:
    """In the answer to a form alone, for that it was read is recorded."""
    return await _ban(visit, person_id, objections=await visit.services().ban_reviews.objections(person_id))


@router.post(f"{OF_PERSON}/grounds", **PAGE)
@page(Action.VIEW_GROUNDS)
async def show_grounds(visit: Visit, person_id: UUID, accompanies: Accompanies = None) -> Response:
    """处置依据 of every decision, and why something was put right: likewise."""
    contract_no = str(visit.contract_no)
    words, employers = await asyncio.gather(
        words_about(visit, person_id, [contract_no]), visit.services().registration.employers(contract_no)
    )
    return await _ban(visit, person_id, words=words, employers={each.credit_code: each.name for each in employers})


@dataclass(frozen=True)
class Words:
    """On what it rests that somebody was banned, or that something was put right."""

    grounds: Sequence[Grounds]
    corrections: Sequence[Correction]


async def words_about(visit: Visit, person_id: UUID, contracts: Iterable[str]) -> Words:
    """Also about what was registered on these contracts. That they were read is recorded."""
    bans, registration = visit.services().ban_reviews, visit.services().registration
    of_forms = [registration.corrections(each, person_id, accompanies=visit.accompanies) for each in contracts]
    grounds, of_health, registered = await asyncio.gather(
        known(bans.grounds(person_id)), known(bans.corrections(person_id)), asyncio.gather(*map(known, of_forms))
    )
    # Documents are linked once, and told on every contract.
    once = {each.version: each for found in registered for each in found}
    corrections = sorted([*of_health, *once.values()], key=lambda each: each.corrected_at, reverse=True)
    return Words(grounds, corrections)


async def _refused(visit: Visit, person_id: UUID, refused: UpstreamRefused | UpstreamAway) -> Response:
    return await _ban(visit, person_id, errors=visit.wrong(refused, FIELDS), key=visit.key_after(refused))


async def _ban(
    visit: Visit,
    person_id: UUID,
    *,
    errors: Sequence[FieldError] = (),
    key: str | None = None,
    done: str | None = None,
    objections: Sequence[Objection] | None = None,
    words: Words | None = None,
    employers: Mapping[str, str] | None = None,
) -> Response:
    person, (ban, version) = await asyncio.gather(person_of(visit, person_id), visit.services().ban_reviews.ban(person_id))
    return visit.render(
        "ban_review.html",
        errors=errors,
        person=person,
        person_id=person_id,
        ban=ban,
        version=version,
        objections=objections,
        words=words,
        employers=employers or {},
        key=key,
        done=done,
    )


def _address(visit: Visit, person_id: UUID, *, done: str) -> str:
    whose = f"&accompanies={visit.accompanies}" if visit.accompanies else ""
    return f"{visit.site}/people/{person_id}/ban-review?done={done}{whose}"
