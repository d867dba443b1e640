"""工地疫情防控管理 → 进场预登记: the list, the form with 获取健康云信息, 查看, withdrawal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action
from portal.forms import FieldError, Form
from portal.labels import PRE_REGISTRATION_STATES, PROVINCES
from portal.pages.declarations import ShownDeclaration, document_of, fetched_declaration, kept, shown_declaration
from portal.upstream.calls import UpstreamAway, UpstreamRefused, known
from portal.upstream.registration import Correction
from portal.visits import PAGE, Visit, is_overtaken, page

router = Router(prefix="/contracts/{contract_no}/pre-registrations", tags=["pages"])

WUHAN, HUBEI = "420100", "420000"
FIELDS = {
    "/document": "document_number",
    "/document/type": "document_type",
    "/name": "name",
    "/origin": "origin_text",
    "/origin/code": "origin_code",
    "/arrival_date": "arrival_date",
    "/employer_credit_code": "employer",
    "/person_kind": "person_kind",
    "/trade": "trade",
    "/mobile": "mobile",
    "mobile-is-missing": "mobile",
    "name-differs-from-declaration": "name",
    "employer-is-missing": "employer",
}
"""Registration's pointers, and what it refuses for → fields of the form."""


@router.get("", **PAGE)
@page(Action.VIEW_SITE)
async def list_pre_registrations(
    visit: Visit, state: str | None = None, after: str | None = None, done: str | None = None
) -> Response:
    """Everybody who is, was or is to be expected, the latest first."""
    registration, contract_no = visit.services().registration, str(visit.contract_no)
    wanted = state if state in PRE_REGISTRATION_STATES else None
    contract, employers, found = await asyncio.gather(
        registration.contract(contract_no),
        registration.employers(contract_no),
        registration.pre_registrations(contract_no, state=wanted, after=after),
    )
    names = {each.credit_code: each.name for each in employers}
    return visit.render(
        "pre_registrations.html", contract=contract, employers=names, people=found.items, next=found.next, state=wanted, done=done
    )


@router.get("/new", **PAGE)
@page(Action.PRE_REGISTER)
async def show_form(visit: Visit) -> Response:
    """个人信息, 用工信息."""
    visit.form = Form({"person_kind": ["worker"], "document_type": ["citizen_id"]})
    return await _form(visit)


@router.post("/declaration", **PAGE)
@page(Action.LOOK_UP_DECLARATION)
async def fetch_declaration(visit: Visit) -> Response:
    """获取健康云信息: the same form, with what Health Cloud knows."""
    try:
        found = await fetched_declaration(visit)
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _refused(visit, refused, declaration=None)
    return await _form(visit, declaration=found)


@router.post("", **PAGE)
@page(Action.PRE_REGISTER)
async def pre_register(visit: Visit) -> Response:
    """进场预登记."""
    declaration = shown_declaration(visit.form)
    try:
        await visit.services().registration.pre_register(
            str(visit.contract_no), _body(visit.form, declaration), key=visit.form.text("key")
        )
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _refused(visit, refused, declaration=declaration)
    return visit.go(f"{visit.site}/pre-registrations?done=pre_registered")


@router.get("/{person_id}", **PAGE)
@page(Action.VIEW_SITE)
async def show_pre_registration(visit: Visit, person_id: UUID, done: str | None = None) -> Response:
    """查看."""
    return await _detail(visit, person_id, done=done)


@router.post("/{person_id}/withdrawal", **PAGE)
@page(Action.WITHDRAW_PRE_REGISTRATION)
async def withdraw(visit: Visit, person_id: UUID) -> Response:
    """A mistaken pre-registration, before entry, with a reason."""
    registration, contract_no = visit.services().registration, str(visit.contract_no)
    try:
        reason, based_on, key = [visit.form.text(name) for name in ("reason", "etag", "key")]
        await registration.withdraw(contract_no, person_id, reason=reason, based_on=based_on, key=key)
    except (UpstreamRefused, UpstreamAway) as refused:
        wrong, next_key = visit.wrong(refused, {"/reason": "reason"}), visit.key_after(refused)
        return await _detail(visit, person_id, errors=wrong, overtaken=is_overtaken(refused), key=next_key)
    return visit.go(f"{visit.site}/pre-registrations?done=withdrawn")


@router.post("/{person_id}/grounds", **PAGE)
@page(Action.VIEW_GROUNDS)
async def show_grounds_of_pre_registration(visit: Visit, person_id: UUID) -> Response:
    """Why it was corrected or withdrawn: in the answer to a form alone, for that it was read is recorded."""
    corrections = await visit.services().registration.corrections(str(visit.contract_no), person_id)
    return await _detail(visit, person_id, corrections=corrections)


async def _detail(
    visit: Visit,
    person_id: UUID,
    *,
    corrections: Sequence[Correction] | None = None,
    errors: Sequence[FieldError] = (),
    overtaken: bool = False,
    key: str | None = None,
    done: str | None = None,
) -> Response:
    services, contract_no = visit.services(), str(visit.contract_no)
    person, employers, orders = await asyncio.gather(
        services.registration.pre_registration(contract_no, person_id),
        services.registration.employers(contract_no),
        known(services.health.isolation_orders(person_id)),
    )
    names = {each.credit_code: each.name for each in employers}
    return visit.render(
        "pre_registration.html",
        errors=errors,
        person=person,
        employers=names,
        orders=orders,
        corrections=corrections,
        overtaken=overtaken,
        key=key,
        done=done,
    )


async def _form(
    visit: Visit,
    *,
    declaration: ShownDeclaration | None = None,
    errors: Sequence[FieldError] = (),
    status: int | None = None,
    key: str | None = None,
    missing: UpstreamRefused | None = None,
) -> Response:
    registration, contract_no = visit.services().registration, str(visit.contract_no)
    contract, employers = await asyncio.gather(registration.contract(contract_no), registration.employers(contract_no))
    return visit.render(
        "pre_registration_form.html",
        status=status,
        errors=errors,
        contract=contract,
        employers=employers,
        declaration=declaration,
        key=key,
        missing=missing,
    )


async def _refused(visit: Visit, refused: UpstreamRefused | UpstreamAway, *, declaration: ShownDeclaration | None) -> Response:
    """The form again, with what was typed."""
    wrong, key = visit.wrong(refused, FIELDS), visit.key_after(refused)
    status = 503 if isinstance(refused, UpstreamAway) else None
    return await _form(visit, declaration=declaration, errors=wrong, status=status, key=key, missing=kept(refused))


def origin_of(form: Form) -> dict[str, str]:
    """出发地. The list goes down to provinces; of cities only Wuhan matters to a rule."""
    text, code = form.text("origin_text").strip(), form.text("origin_code")
    return {"code": WUHAN if code == HUBEI and "武汉" in text else code, "text": PROVINCES.get(code, "") + text}


def _body(form: Form, declaration: ShownDeclaration | None) -> dict[str, Any]:
    kind, trade = form.text("person_kind"), form.text("trade")
    optional: dict[str, Any] = {
        "trade": trade if kind == "worker" and trade else None,
        "arrival_date": form.text("arrival_date") or None,
        "mobile": form.text("mobile") or None,
        "declaration_version": declaration.declaration_version if declaration else None,
    }
    return {
        "document": document_of(form),
        "name": form.text("name"),
        "person_kind": kind,
        "employer_credit_code": form.text("employer"),
        "origin": origin_of(form),
        **{name: value for name, value in optional.items() if value is not None},
    }
