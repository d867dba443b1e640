"""更正 of a family member. A wrong document is withdrawn and registered anew, and a form that waits gives way to another one."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action
from portal.forms import FieldError, Form
from portal.languages import _
from portal.pages.family import family_address, member_of
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.visits import PAGE, Visit, is_overtaken, page

router = Router(
    prefix="/contracts/{contract_no}/pre-registrations/{person_id}/family-members/{member_id}/corrections", tags=["pages"]
)

DETAILS = ("name", "relation", "mobile")
"""Fields that come empty."""
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
    correction = typed | {"reason": form.text("reason")}
    registration, contract_no = visit.services().registration, str(visit.contract_no)
    based_on, key = form.text("etag"), form.text("key")
    try:
        await registration.correct_family_member(contract_no, person_id, member_id, correction, based_on=based_on, key=key)
    except (UpstreamRefused, UpstreamAway) as refused:
        wrong, next_key = visit.wrong(refused, FIELDS), visit.key_after(refused)
        return await _correction(visit, person_id, member_id, errors=wrong, overtaken=is_overtaken(refused), key=next_key)
    return visit.go(f"{family_address(visit, person_id)}/{member_id}?done=corrected")


async def _correction(
    visit: Visit,
    person_id: UUID,
    member_id: UUID,
    *,
    errors: Sequence[FieldError] = (),
    overtaken: bool = False,
    key: str | None = None,
) -> Response:
    _accompanied, member = await member_of(visit, person_id, member_id)
    if overtaken or not visit.form.text("etag"):
        visit.form = Form({**visit.form.values, "etag": [member.etag]})
    here = f"{family_address(visit, person_id)}/{member_id}"
    return visit.render("family_correction.html", errors=errors, person=member, here=here, overtaken=overtaken, key=key)
