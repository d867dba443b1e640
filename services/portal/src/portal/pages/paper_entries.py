"""纸面放行补录: whom two people let in on paper while the gate could not know, and what the rules say to it afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action
from portal.forms import FieldError, Form
from portal.languages import _
from portal.pages.health import people_of, person_of, shanghai_moment
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.visits import PAGE, Visit, page

router = Router(prefix="/contracts/{contract_no}/paper-entries", tags=["pages"])

WHO = {"document": "", "first": "/decided_by/0", "second": "/decided_by/1"}
"""Field → where that person stands in the body: who went in, and the two who decided."""
FIELDS = {f"{pointer}/document": f"{field}_number" for field, pointer in WHO.items()} | {
    "/entered_at": "entered_at",
    "paper-entry-needs-two-people": "first_number",
    "paper-entry-is-in-the-future": "entered_at",
    "paper-entry-is-too-old": "entered_at",
}


@router.get("", **PAGE)
@page(Action.ADMIT)
async def show_paper_entries(visit: Visit, after: str | None = None) -> Response:
    """The form, and what has still to be looked at."""
    visit.form = Form({f"{each}_type": ["citizen_id"] for each in WHO})
    return await _paper_entries(visit, after=after)


@router.post("", **PAGE)
@page(Action.ADMIT)
async def record_paper_entry(visit: Visit) -> Response:
    """It has happened, whatever the rules say; they are told beside it."""
    body, errors = _typed(visit)
    if errors:
        return await _paper_entries(visit, errors=errors, key=visit.form.text("key"))
    try:
        entry = await visit.services().gatekeeper.record_on_paper(str(visit.contract_no), body, key=visit.form.text("key"))
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _paper_entries(visit, errors=visit.wrong(refused, FIELDS), key=visit.key_after(refused))
    return visit.render("paper_entry.html", entry=entry, person=await person_of(visit, entry.person_id))


def _typed(visit: Visit) -> tuple[dict[str, Any], list[FieldError]]:
    form, errors = visit.form, list[FieldError]()
    entered_at = shanghai_moment(form.text("entered_at"))
    for each in WHO:
        if not form.text(f"{each}_number").strip():
            errors.append(FieldError(f"{each}_number", visit.text(_("请填写证件号码"))))
    if entered_at is None:
        errors.append(FieldError("entered_at", visit.text(_("请填写日期和时间"))))
    body = _document(form, "document") | {
        "decided_by": [_document(form, "first"), _document(form, "second")],
        "entered_at": entered_at and entered_at.isoformat(),
    }
    return body, errors


def _document(form: Form, who: str) -> dict[str, Any]:
    return {"document": {"type": form.text(f"{who}_type") or "citizen_id", "number": form.text(f"{who}_number").strip()}}


async def _paper_entries(
    visit: Visit, *, after: str | None = None, errors: Sequence[FieldError] = (), key: str | None = None
) -> Response:
    found = await visit.services().gatekeeper.to_be_reviewed(str(visit.contract_no), after=after)
    return visit.render(
        "paper_entries.html",
        errors=errors,
        found=found,
        people=await people_of(visit, [each.person_id for each in found.items]),
        key=key,
    )
