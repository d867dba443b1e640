"""每日健康 and 处置方式 of one person."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action
from contracts.times import SHANGHAI
from portal.forms import FieldError, Form
from portal.languages import _
from portal.upstream.calls import STATUS_CHANGED, UpstreamAway, UpstreamRefused
from portal.upstream.health import Decided
from portal.upstream.registration import FamilyMember, PersonHere, PreRegistration
from portal.visits import PAGE, Visit, page

router = Router(prefix="/contracts/{contract_no}/people/{person_id}", tags=["pages"])

Accompanies = Annotated[UUID | None, Query(description="Of a family member: with whom he comes.")]
"""Read by `Visit.accompanies`, for every part of the page."""

REPORT_FIELDS = {
    "/read_at": "read_at",
    "/reading_celsius": "reading_celsius",
    "/symptoms": "symptoms",
    "/method": "method",
    "no-symptom-is-ticked": "symptoms",
    "reading-is-in-the-future": "read_at",
}
DISPOSITION_FIELDS = {
    "/disposition": "disposition",
    "/isolation_from": "isolation_from",
    "/isolation_until": "isolation_until",
    "/method": "method",
    "/reason_code": "reason_code",
    "/evidence": "evidence",
    "/release_document": "release_document",
}

OVERTAKEN_BY_OTHERS_MAX = 3
"""By reports and the like, which change no decision: the form is sent again on top of them."""


@router.get("/health-reports", **PAGE)
@page(Action.VIEW_SITE)
async def list_health_reports(
    visit: Visit, person_id: UUID, before: int | None = None, done: str | None = None, accompanies: Accompanies = None
) -> Response:
    """每日健康状况: what was reported."""
    person, found = await asyncio.gather(person_of(visit, person_id), visit.services().health.reports(person_id, before=before))
    return visit.render("health_reports.html", person=person, person_id=person_id, found=found, done=done)


@router.get("/health-reports/new", **PAGE)
@page(Action.REPORT_HEALTH)
async def show_health_form(visit: Visit, person_id: UUID, accompanies: Accompanies = None) -> Response:
    """新增健康状态: 日期, 健康状况, 体温测量. Nothing is ticked beforehand but the time, which is now."""
    now = visit.portal.clock.now().astimezone(SHANGHAI)
    visit.form = Form({"read_at": [f"{now:%Y-%m-%dT%H:%M:%S}"], "method": ["forehead"]})
    return await _health_form(visit, person_id)


@router.post("/health-reports", **PAGE)
@page(Action.REPORT_HEALTH)
async def report_health(visit: Visit, person_id: UUID, accompanies: Accompanies = None) -> Response:
    """新增健康状况."""
    body, errors = _report(visit)
    if errors:
        return await _health_form(visit, person_id, errors=errors)
    try:
        await visit.services().health.report(person_id, body, key=visit.form.text("key"))
    except (UpstreamRefused, UpstreamAway) as refused:
        wrong, key = visit.wrong(refused, REPORT_FIELDS), visit.key_after(refused)
        return await _health_form(visit, person_id, errors=wrong, key=key)
    return visit.go(_address(visit, person_id, "health-reports", done="reported"))


async def _health_form(visit: Visit, person_id: UUID, *, errors: Sequence[FieldError] = (), key: str | None = None) -> Response:
    person = await person_of(visit, person_id)
    return visit.render("health_form.html", errors=errors, person=person, person_id=person_id, key=key)


def _report(visit: Visit) -> tuple[dict[str, Any], list[FieldError]]:
    """The body for health, and what is no time or number at all."""
    form, errors = visit.form, []
    read_at, reading = shanghai_moment(form.text("read_at")), celsius(form.text("reading_celsius"))
    if read_at is None:
        errors.append(FieldError("read_at", visit.text(_("请填写日期和时间"))))
    if not form.many("symptoms"):
        errors.append(FieldError("symptoms", visit.text(_("请至少选择一项健康状况"))))
    if reading is None:
        errors.append(FieldError("reading_celsius", visit.text(_("请填写体温,例如 36.5"))))
    body = {
        "contract_no": visit.contract_no,
        "read_at": read_at and read_at.isoformat(),
        "reading_celsius": reading,
        "symptoms": list(form.many("symptoms")),
        **({"method": form.text("method")} if form.text("method") else {}),
    }
    return body, errors


# --- 处置方式 ---------------------------------------------------------------------------------------------------------


@router.get("/dispositions", **PAGE)
@page(Action.VIEW_SITE)
async def show_dispositions(visit: Visit, person_id: UUID, done: str | None = None, accompanies: Accompanies = None) -> Response:
    """人员防疫处置情况填写, with every decision before."""
    today = visit.portal.clock.now().astimezone(SHANGHAI).date()
    visit.form = Form({"disposition": ["quarantine_required"], "isolation_from": [today.isoformat()]})
    return await _dispositions(visit, person_id, done=done)


@router.post("/dispositions", **PAGE)
@page(Action.SET_DISPOSITION)
async def change_disposition(visit: Visit, person_id: UUID, accompanies: Accompanies = None) -> Response:
    """Decide, and tell when it is in force at all gates."""
    form = visit.form
    is_ban = form.text("disposition") != "admissible"
    names = ("isolation_from", "isolation_until", "method") if is_ban else ("release_document",)
    optional = {name: form.text(name) for name in (*names, "evidence") if form.text(name)}
    decision = {"disposition": form.text("disposition"), "reason_code": form.text("reason_code")}
    body = {"contract_no": visit.contract_no, **decision, **optional}
    try:
        decided = await _decide(visit, person_id, body)
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _dispositions(visit, person_id, refused=refused)
    return visit.go(_address(visit, person_id, "dispositions", done="in_force" if decided.in_force_at else "stored"))


async def _decide(visit: Visit, person_id: UUID, body: Mapping[str, Any]) -> Decided:
    """In place of the decision that the form was given out with. Raises: UpstreamRefused (412: there is another), UpstreamAway."""
    health, form, version = visit.services().health, visit.form, visit.form.number("version")
    for _again in range(OVERTAKEN_BY_OTHERS_MAX):
        try:
            return await health.decide(person_id, body, based_on=version, key=form.text("key"))
        except UpstreamRefused as refused:
            if refused.status != STATUS_CHANGED:
                raise
            # Sent before the version is looked at: a form that is sent twice gets the answer to its first.
            found, version = await health.versioned_dispositions(person_id)
            if found.decision != form.number("decision"):
                raise
    return await health.decide(person_id, body, based_on=version, key=form.text("key"))


async def _dispositions(
    visit: Visit, person_id: UUID, *, refused: UpstreamRefused | UpstreamAway | None = None, done: str | None = None
) -> Response:
    """With what was typed. Where somebody decided since the form was given out, that is told, and the next 提交 replaces it."""
    person, (found, version) = await asyncio.gather(
        person_of(visit, person_id), visit.services().health.versioned_dispositions(person_id)
    )
    errors = visit.wrong(refused, DISPOSITION_FIELDS) if refused else []
    overtaken_by = found.items[0] if refused and found.items and found.decision != visit.form.number("decision") else None
    if overtaken_by:
        message = visit.text(_("打开本页之后,处置方式已被更改。您填写的内容都在:请核对现在的处置方式,再次提交即以您填写的为准。"))
        is_of_that = isinstance(refused, UpstreamRefused) and refused.status == STATUS_CHANGED
        errors = [FieldError("", message), *([] if is_of_that else errors)]
    return visit.render(
        "dispositions.html",
        errors=errors,
        person=person,
        person_id=person_id,
        found=found,
        version=version,
        overtaken_by=overtaken_by,
        key=visit.key_after(refused) if refused else None,
        done=done,
    )


def _address(visit: Visit, person_id: UUID, page: str, *, done: str) -> str:
    whose = f"&accompanies={visit.accompanies}" if visit.accompanies else ""
    return f"{visit.site}/people/{person_id}/{page}?done={done}{whose}"


# --- What is typed ----------------------------------------------------------------------------------------------------


async def person_of(visit: Visit, person_id: UUID) -> PreRegistration | FamilyMember | PersonHere | None:
    """Who it is: as pre-registered here, or coming along; else as on the old roster."""
    registration, contract_no = visit.services().registration, str(visit.contract_no)
    try:
        if visit.accompanies is not None:
            family = await registration.family_members(contract_no, visit.accompanies)
            return next((each for each in family if each.person_id == person_id), None)
        return await registration.pre_registration(contract_no, person_id)
    except UpstreamRefused as refused:
        if refused.status != 404:
            raise
    return (await people_of(visit, [person_id])).get(person_id)


async def people_of(visit: Visit, wanted: Iterable[UUID]) -> Mapping[UUID, PersonHere]:
    """Who they are on the contract."""
    return await visit.services().registration.people(str(visit.contract_no), wanted)


def shanghai_moment(text: str) -> datetime | None:
    """A time as a browser writes it, in Shanghai. Seconds may be missing."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
    except ValueError:
        return None


def celsius(text: str) -> float | None:
    """A temperature as it is typed: `36.5`, `36。5`, `365`."""
    typed = text.strip().replace("。", ".").replace(",", ".").removesuffix("℃").strip()
    if typed.isascii() and typed.isdigit() and len(typed) == 3:
        typed = f"{typed[:2]}.{typed[2]}"
    try:
        return float(typed)
    except ValueError:
        return None
