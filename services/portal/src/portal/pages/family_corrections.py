"""更正 of a family member. A wrong document is withdrawn and registered anew, and a form that waits gives way to another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action
from portal.forms import FieldError, Form
from portal.languages import _
from portal.pages.corrections import OVERTAKEN
from portal.pages.family import family_address, member_of
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.upstream.registration import FamilyMember
from portal.visits import PAGE, Visit, page

router = Router(
    prefix="/contracts/{contract_no}/pre-registrations/{person_id}/family-members/{member_id}/corrections", tags=["pages"]
)

DETAILS = ("name", "relation", "mobile")
"""Fields that come empty. What stood there goes along as `shown_…`, masked."""
FIELDS = {**{f"/{name}": name for name in (*DETAILS, "reason")}, "name-differs-from-declaration": "name"}


@router.get("", **PAGE)
@page(Action.PRE_REGISTER)
async def show_family_correction(visit: Visit, person_id: UUID, member_id: UUID) -> Response:
    """All is masked, and so empty: it stays as it is unless something is typed."""
    return await _correction(visit, person_id, member_id)


@router.post("", **PAGE)
@page(Action.PRE_REGISTER)
async def correct_family_member(visit: Visit, person_id: UUID, member_id: UUID) -> Response:
    """Only what was typed is sent, with the reason."""
    form = visit.form
    typed = {name: form.text(name) for name in DETAILS if form.text(name).strip()}
    if not typed:
        return await _correction(visit, person_id, member_id, errors=[FieldError("", visit.text(_("没有需要更正的内容")))])
    correction, key = typed | {"reason": form.text("reason")}, form.text("key")
    registration = visit.services().registration
    try:
        _accompanied, member = await member_of(visit, person_id, member_id)
        if overtaken := _overtaken(form, typed, member):
            return await _correction(visit, person_id, member_id, overtaken=overtaken, key=key)
        await registration.correct_family_member(str(visit.contract_no), person_id, member_id, correction, key=key)
    except (UpstreamRefused, UpstreamAway) as refused:
        wrong, next_key = visit.wrong(refused, FIELDS), visit.key_after(refused)
        return await _correction(visit, person_id, member_id, errors=wrong, key=next_key)
    return visit.go(f"{family_address(visit, person_id)}/{member_id}?done=corrected")


def _shown(member: FamilyMember) -> dict[str, str]:
    """What stands in each field, as it was shown."""
    return {name: getattr(member, name) or "" for name in DETAILS}


def _overtaken(form: Form, typed: Mapping[str, str], member: FamilyMember) -> list[str]:
    """Of the fields that were typed into, those that somebody else put right meanwhile, and otherwise."""
    now = _shown(member)
    return [name for name in typed if now[name] not in (form.text(f"shown_{name}"), typed[name])]


async def _correction(
    visit: Visit,
    person_id: UUID,
    member_id: UUID,
    *,
    errors: Sequence[FieldError] = (),
    overtaken: Sequence[str] = (),
    key: str | None = None,
) -> Response:
    _accompanied, member = await member_of(visit, person_id, member_id)
    given = {f"shown_{name}": [value] for name, value in _shown(member).items()}
    if overtaken:
        visit.form = Form({**visit.form.values, **{f"shown_{name}": given[f"shown_{name}"] for name in overtaken}})
        errors = [FieldError(name, visit.text(OVERTAKEN)) for name in overtaken]
    else:
        visit.form = Form({**given, **visit.form.values})
    here = f"{family_address(visit, person_id)}/{member_id}"
    told: dict[str, Any] = {"person": member, "here": here, "shown": DETAILS, "overtaken": overtaken, "key": key}
    return visit.render("family_correction.html", errors=errors, **told)
