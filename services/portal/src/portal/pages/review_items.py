"""待核事项: what is odd about somebody's declarations or entry, side by side, and that somebody has looked."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from starlette.responses import Response

from chassis.faults import NotFound
from chassis.web import Router
from contracts.access import Action
from portal.forms import FieldError
from portal.languages import _
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.upstream.review_items import ReviewItem
from portal.visits import PAGE, Visit, page

router = Router(prefix="/contracts/{contract_no}/review-items", tags=["pages"])

STATES = {"": False, "settled": True}
"""In the address → whether somebody has looked."""


@dataclass(frozen=True)
class Which:
    """One item, as its address names it."""

    person_id: UUID
    kind: str
    declaration_version: int

    async def found(self, visit: Visit) -> ReviewItem:
        """Raises: NotFound, as for what was put right since."""
        for each in await visit.services().reviews.of_person(str(visit.contract_no), self.person_id):
            if (each.kind, each.declaration_version) == (self.kind, self.declaration_version):
                return each
        raise NotFound


@router.get("", **PAGE)
@page(Action.VIEW_SITE)
async def list_review_items(visit: Visit, state: str = "", after: UUID | None = None, done: str | None = None) -> Response:
    """待核事项, or those that somebody has looked at."""
    is_settled = STATES.get(state, False)
    found = await visit.services().reviews.page(str(visit.contract_no), is_settled=is_settled, after=after)
    return visit.render("review_items.html", found=found, is_settled=is_settled, done=done)


ITEM = "/{person_id}/{kind}/{declaration_version}"


@router.get(ITEM, **PAGE)
@page(Action.VIEW_SITE)
async def show_review_item(visit: Visit, person_id: UUID, kind: str, declaration_version: int) -> Response:
    """What is relied on beside what was declared since."""
    return await _item(visit, Which(person_id, kind, declaration_version))


@router.post(f"{ITEM}/settlement", **PAGE)
@page(Action.SETTLE_REVIEW_ITEM)
async def settle_review_item(visit: Visit, person_id: UUID, kind: str, declaration_version: int) -> Response:
    """核实: somebody has looked, and nothing else changes."""
    looked = {"kind": kind, "declaration_version": declaration_version, "note": visit.form.text("note")}
    which = Which(person_id, kind, declaration_version)
    try:
        is_first = await visit.services().reviews.settle(str(visit.contract_no), person_id, looked, key=visit.form.text("key"))
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _item(visit, which, errors=visit.wrong(refused, {"/note": "note"}), key=visit.key_after(refused))
    if not is_first:
        message = visit.text(_("打开本页之后,该事项已由他人(或在另一页面)核实,以那一次为准。您填写的核实情况没有保存。"))
        return await _item(visit, which, errors=[FieldError("", message)], unsaved=visit.form.text("note"))
    return visit.go(f"{visit.site}/review-items?done=settled")


@router.post(f"{ITEM}/correction", **PAGE)
@page(Action.PRE_REGISTER)
async def rely_on_latest_declaration(visit: Visit, person_id: UUID, kind: str, declaration_version: int) -> Response:
    """The pre-registration relies on the latest declaration from now on, which is judged anew."""
    correction = {"declaration_version": visit.form.number("latest"), "reason": visit.form.text("reason")}
    try:
        registration, key = visit.services().registration, visit.form.text("key")
        # What else is registered stays, and a declaration that is not the latest is refused: nothing else need have been seen.
        await registration.correct(str(visit.contract_no), person_id, correction, based_on="", key=key)
    except (UpstreamRefused, UpstreamAway) as refused:
        which = Which(person_id, kind, declaration_version)
        return await _item(visit, which, errors=visit.wrong(refused, {"/reason": "reason"}), key=visit.key_after(refused))
    return visit.go(f"{visit.site}/review-items?done=corrected")


@router.post(f"{ITEM}/note", **PAGE)
@page(Action.SETTLE_REVIEW_ITEM)
async def show_note(visit: Visit, person_id: UUID, kind: str, declaration_version: int) -> Response:
    """核实情况: in the answer to a form alone, for that it was read is recorded."""
    which = Which(person_id, kind, declaration_version)
    written = await visit.services().reviews.found_out(str(visit.contract_no), person_id)
    notes = (each.note for each in written if (each.kind, each.declaration_version) == (kind, declaration_version))
    return await _item(visit, which, note=next(notes, None) or "—")


async def _item(
    visit: Visit,
    which: Which,
    *,
    errors: list[FieldError] | None = None,
    key: str | None = None,
    note: str | None = None,
    unsaved: str = "",
) -> Response:
    return visit.render(
        "review_item.html",
        errors=errors or (),
        item=await which.found(visit),
        key=key,
        note=note,
        unsaved=unsaved,
    )
