"""更正: what was typed wrong of somebody who is expected. A wrong document is withdrawn and registered anew."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action
from portal.forms import FieldError, Form
from portal.languages import _
from portal.pages.pre_registrations import origin_of
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.upstream.registration import PreRegistration
from portal.visits import PAGE, Visit, is_overtaken, page

router = Router(prefix="/contracts/{contract_no}/pre-registrations/{person_id}/corrections", tags=["pages"])

FIELDS = {
    "/name": "name",
    "/mobile": "mobile",
    "/origin": "origin_text",
    "/origin/code": "origin_code",
    "/arrival_date": "arrival_date",
    "/person_kind": "person_kind",
    "/trade": "trade",
    "/employer_credit_code": "employer",
    "/reason": "reason",
    "name-differs-from-declaration": "name",
    "employer-is-missing": "employer",
}
SHOWN = ("origin_code", "arrival_date", "person_kind", "trade", "employer")
"""Fields that come filled in. What each was filled in with goes along as `shown_…`."""


@router.get("", **PAGE)
@page(Action.PRE_REGISTER)
async def show_correction(visit: Visit, person_id: UUID) -> Response:
    """What is masked is empty, and stays as it is unless something is typed."""
    return await _correction(visit, person_id)


@router.post("", **PAGE)
@page(Action.PRE_REGISTER)
async def correct_pre_registration(visit: Visit, person_id: UUID) -> Response:
    """Only what was changed is sent, with the reason."""
    body = _changed(visit.form)
    if not body:
        message = visit.text(_("没有需要更正的内容"))
        return await _correction(visit, person_id, typed=visit.form, errors=[FieldError("", message)])
    correction = body | {"reason": visit.form.text("reason")}
    based_on, key = visit.form.text("etag"), visit.form.text("key")
    try:
        await visit.services().registration.correct(str(visit.contract_no), person_id, correction, based_on=based_on, key=key)
    except (UpstreamRefused, UpstreamAway) as refused:
        wrong, next_key = visit.wrong(refused, FIELDS), visit.key_after(refused)
        return await _correction(visit, person_id, typed=visit.form, errors=wrong, overtaken=is_overtaken(refused), key=next_key)
    return visit.go(f"{visit.site}/pre-registrations/{person_id}?done=corrected")


def _changed(form: Form) -> dict[str, Any]:
    """Against what was shown: against what holds by now, it would undo what somebody else put right meanwhile."""
    differs = _typed_into(form)
    kind, trade = form.text("person_kind"), form.text("trade")
    changed: dict[str, Any] = {name: form.text(name) for name in ("name", "mobile") if form.text(name).strip()}
    if "origin_code" in differs:
        changed["origin"] = origin_of(form)
    if form.text("arrival_date") and "arrival_date" in differs:
        changed["arrival_date"] = form.text("arrival_date")
    if "employer" in differs:
        changed["employer_credit_code"] = form.text("employer")
    if "person_kind" in differs or (kind == "worker" and "trade" in differs):
        changed["person_kind"] = kind
        if kind == "worker" and trade:
            changed["trade"] = trade
    return changed


def _typed_into(form: Form) -> set[str]:
    """Of what came filled in. To where somebody comes from belongs a text that came empty."""
    typed = {name for name in SHOWN if form.text(name) != form.text(f"shown_{name}")}
    return typed | {"origin_code"} if form.text("origin_text").strip() else typed


def _shown(person: PreRegistration) -> Form:
    """The form as it is given out."""
    filled = {
        "origin_code": f"{person.origin_code[:2]}0000",
        "arrival_date": person.arrival_date.isoformat() if person.arrival_date else "",
        "person_kind": person.person_kind,
        "trade": person.trade or "",
        "employer": person.employer_credit_code,
    }
    return Form({name: [filled[each]] for each in SHOWN for name in (each, f"shown_{each}")} | {"etag": [person.etag]})


def _shown_anew(typed: Form, person: PreRegistration) -> Form:
    """What was typed stays. All else is as it is by now."""
    kept = _typed_into(typed)
    kept |= {"person_kind", "trade"} if kept & {"person_kind", "trade"} else set()  # The one says nothing without the other.
    return Form({**typed.values, **_shown(person).values, **{name: [typed.text(name)] for name in kept}})


async def _correction(
    visit: Visit,
    person_id: UUID,
    *,
    typed: Form | None = None,
    errors: Sequence[FieldError] = (),
    overtaken: bool = False,
    key: str | None = None,
) -> Response:
    registration, contract_no = visit.services().registration, str(visit.contract_no)
    person, employers = await asyncio.gather(
        registration.pre_registration(contract_no, person_id), registration.employers(contract_no)
    )
    if typed is None:
        visit.form = _shown(person)
    elif overtaken:
        visit.form = _shown_anew(typed, person)
    return visit.render(
        "correction.html",
        errors=errors,
        person=person,
        person_id=person_id,
        employers=employers,
        shown=SHOWN,
        overtaken=overtaken,
        key=key,
    )
