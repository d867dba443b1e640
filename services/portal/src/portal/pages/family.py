"""携带家属: 预进场家属管理 of one pre-registered person, forms that wait among them; the form 携带家属登记, 查看, withdrawal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from starlette.responses import Response

from chassis.faults import NotFound
from chassis.web import Router
from contracts.access import Action
from portal.forms import FieldError, Form
from portal.pages.declarations import ShownDeclaration, document_of, fetched_declaration, kept, shown_declaration
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.upstream.registration import Correction, FamilyMember, PreRegistration
from portal.visits import PAGE, Visit, is_overtaken, page

router = Router(prefix="/contracts/{contract_no}/pre-registrations/{person_id}/family-members", tags=["pages"])

FIELDS = {
    "/document": "document_number",
    "/document/type": "document_type",
    "/name": "name",
    "/relation": "relation",
    "/mobile": "mobile",
    "mobile-is-missing": "mobile",
    "name-differs-from-declaration": "name",
    "person-accompanies-oneself": "document_number",
    "person-is-registered-otherwise": "document_number",
    "family-member-accompanies-another": "document_number",
}


@router.get("", **PAGE)
@page(Action.VIEW_SITE)
async def list_family(visit: Visit, person_id: UUID, done: str | None = None) -> Response:
    """预进场家属管理."""
    registration, contract_no = visit.services().registration, str(visit.contract_no)
    person, family = await asyncio.gather(
        registration.pre_registration(contract_no, person_id), registration.family_members(contract_no, person_id)
    )
    return visit.render("family_members.html", person=person, family=family, done=done)


@router.get("/new", **PAGE)
@page(Action.PRE_REGISTER)
async def show_family_form(visit: Visit, person_id: UUID) -> Response:
    """携带家属登记."""
    visit.form = Form({"document_type": ["citizen_id"]})
    return await _form(visit, person_id)


@router.post("/declaration", **PAGE)
@page(Action.LOOK_UP_DECLARATION)
async def fetch_declaration_of_family_member(visit: Visit, person_id: UUID) -> Response:
    """获取健康云信息 of the family member."""
    try:
        found = await fetched_declaration(visit)
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _refused(visit, person_id, refused, declaration=None)
    return await _form(visit, person_id, declaration=found)


@router.post("", **PAGE)
@page(Action.PRE_REGISTER)
async def pre_register_family_member(visit: Visit, person_id: UUID) -> Response:
    """The family member is known from now on; nobody of the family is ever admitted to a site."""
    form, declaration = visit.form, shown_declaration(visit.form)
    optional: dict[str, Any] = {
        "relation": form.text("relation"),
        "mobile": form.text("mobile"),
        "declaration_version": declaration.declaration_version if declaration else None,
    }
    body = {
        "document": document_of(form),
        "name": form.text("name"),
        **{name: value for name, value in optional.items() if value},
    }
    registration = visit.services().registration
    try:
        await registration.pre_register_family_member(str(visit.contract_no), person_id, body, key=form.text("key"))
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _refused(visit, person_id, refused, declaration=declaration)
    return visit.go(f"{family_address(visit, person_id)}?done=pre_registered")


@router.get("/{member_id}", **PAGE)
@page(Action.VIEW_SITE)
async def show_family_member(visit: Visit, person_id: UUID, member_id: UUID, done: str | None = None) -> Response:
    """查看."""
    return await _member(visit, person_id, member_id, done=done)


@router.post("/{member_id}/withdrawal", **PAGE)
@page(Action.WITHDRAW_PRE_REGISTRATION)
async def withdraw_family_member(visit: Visit, person_id: UUID, member_id: UUID) -> Response:
    """A mistaken family member, with a reason; also to register what was wrong anew."""
    registration, contract_no = visit.services().registration, str(visit.contract_no)
    reason, based_on, key = [visit.form.text(name) for name in ("reason", "etag", "key")]
    try:
        await registration.withdraw_family_member(contract_no, person_id, member_id, reason=reason, based_on=based_on, key=key)
    except (UpstreamRefused, UpstreamAway) as refused:
        wrong, next_key = visit.wrong(refused, {"/reason": "reason"}), visit.key_after(refused)
        return await _member(visit, person_id, member_id, errors=wrong, overtaken=is_overtaken(refused), key=next_key)
    return visit.go(f"{family_address(visit, person_id)}?done=withdrawn")


@router.post("/{member_id}/grounds", **PAGE)
@page(Action.VIEW_GROUNDS)
async def show_grounds_of_family_member(visit: Visit, person_id: UUID, member_id: UUID) -> Response:
    """Why the form was corrected or withdrawn: in the answer to a form alone, for that it was read is recorded."""
    registration = visit.services().registration
    corrections = await registration.corrections(str(visit.contract_no), member_id, accompanies=person_id)
    return await _member(visit, person_id, member_id, corrections=corrections)


def family_address(visit: Visit, person_id: UUID) -> str:
    return f"{visit.site}/pre-registrations/{person_id}/family-members"


async def member_of(visit: Visit, person_id: UUID, member_id: UUID) -> tuple[PreRegistration, FamilyMember]:
    """Who is accompanied, and by whom. Raises: NotFound, UpstreamRefused."""
    registration, contract_no = visit.services().registration, str(visit.contract_no)
    accompanied, family = await asyncio.gather(
        registration.pre_registration(contract_no, person_id), registration.family_members(contract_no, person_id)
    )
    member = next((each for each in family if each.person_id == member_id), None)
    if member is None:
        raise NotFound
    return accompanied, member


async def _member(
    visit: Visit,
    person_id: UUID,
    member_id: UUID,
    *,
    corrections: Sequence[Correction] | None = None,
    errors: Sequence[FieldError] = (),
    overtaken: bool = False,
    key: str | None = None,
    done: str | None = None,
) -> Response:
    accompanied, member = await member_of(visit, person_id, member_id)
    return visit.render(
        "family_member.html",
        errors=errors,
        person=member,
        accompanied=accompanied,
        family=family_address(visit, person_id),
        corrections=corrections,
        overtaken=overtaken,
        key=key,
        done=done,
    )


async def _form(
    visit: Visit,
    person_id: UUID,
    *,
    declaration: ShownDeclaration | None = None,
    errors: Sequence[FieldError] = (),
    status: int | None = None,
    key: str | None = None,
    missing: UpstreamRefused | None = None,
) -> Response:
    accompanied = await visit.services().registration.pre_registration(str(visit.contract_no), person_id)
    return visit.render(
        "family_form.html",
        status=status,
        errors=errors,
        accompanied=accompanied,
        family=family_address(visit, person_id),
        declaration=declaration,
        key=key,
        missing=missing,
    )


async def _refused(
    visit: Visit, person_id: UUID, refused: UpstreamRefused | UpstreamAway, *, declaration: ShownDeclaration | None
) -> Response:
    """The form again, with what was typed."""
    wrong, key = visit.wrong(refused, FIELDS), visit.key_after(refused)
    status = 503 if isinstance(refused, UpstreamAway) else None
    return await _form(visit, person_id, declaration=declaration, errors=wrong, status=status, key=key, missing=kept(refused))
