"""更正: what was typed wrong of somebody who is expected. A wrong document is withdrawn and registered anew."""

from __future__ import annotations

import asyncio
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
from portal.visits import PAGE, Visit, page

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
}
FIELDS_OF_CODES = {"name-differs-from-declaration": "name", "employer-is-missing": "employer"}


@router.get("", **PAGE)
@page(Action.PRE_REGISTER)
async def show_correction(visit: Visit, person_id: UUID) -> Response:
    """What is masked is empty, and stays as it is unless something is typed."""
    return await _correction(visit, person_id)


@router.post("", **PAGE)
@page(Action.PRE_REGISTER)
async def correct_pre_registration(visit: Visit, person_id: UUID) -> Response:
    """Only what differs is sent, with the reason."""
    known = await visit.services().registration.pre_registration(str(visit.contract_no), person_id)
    body = _changed(visit.form, known)
    if not body:
        message = visit.text(_("没有需要更正的内容"))
        return await _correction(visit, person_id, typed=visit.form, errors=[FieldError("", message)])
    key = visit.form.text("key")
    try:
        correction = body | {"reason": visit.form.text("reason")}
        await visit.services().registration.correct(str(visit.contract_no), person_id, correction, key=key)
    except (UpstreamRefused, UpstreamAway) as refused:
        errors = visit.wrong(refused, FIELDS)
        if isinstance(refused, UpstreamRefused) and refused.code in FIELDS_OF_CODES:
            errors = [FieldError(FIELDS_OF_CODES[refused.code], refused.title)]
        return await _correction(visit, person_id, typed=visit.form, errors=errors, key=visit.key_after(refused))
    return visit.go(f"{visit.site}/pre-registrations/{person_id}?done=corrected")


def _changed(form: Form, known: PreRegistration) -> dict[str, Any]:
    kind, trade = form.text("person_kind"), form.text("trade") or None
    changed: dict[str, Any] = {name: form.text(name) for name in ("name", "mobile") if form.text(name).strip()}
    if form.text("origin_text").strip() or form.text("origin_code") != _province(known):
        changed["origin"] = origin_of(form)
    if form.text("arrival_date") and form.text("arrival_date") != (known.arrival_date and known.arrival_date.isoformat()):
        changed["arrival_date"] = form.text("arrival_date")
    if form.text("employer") != known.employer_credit_code:
        changed["employer_credit_code"] = form.text("employer")
    if kind != known.person_kind or (kind == "worker" and trade != known.trade):
        changed["person_kind"] = kind
        if kind == "worker" and trade is not None:
            changed["trade"] = trade
    return changed


def _province(known: PreRegistration) -> str:
    return f"{known.origin_code[:2]}0000"


async def _correction(
    visit: Visit,
    person_id: UUID,
    *,
    typed: Form | None = None,
    errors: list[FieldError] | None = None,
    key: str | None = None,
) -> Response:
    registration, contract_no = visit.services().registration, str(visit.contract_no)
    person, employers = await asyncio.gather(
        registration.pre_registration(contract_no, person_id), registration.employers(contract_no)
    )
    visit.form = typed or Form(
        {
            "origin_code": [_province(person)],
            "arrival_date": [person.arrival_date.isoformat() if person.arrival_date else ""],
            "person_kind": [person.person_kind],
            "trade": [person.trade or ""],
            "employer": [person.employer_credit_code],
        }
    )
    return visit.render(
        "correction.html",
        status=422 if errors else 200,
        errors=errors or (),
        person=person,
        person_id=person_id,
        employers=employers,
        key=key,
    )
