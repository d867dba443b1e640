"""Entries on paper against the rules, on all sites that a supervisor reaches: 核实, what was found and what was done."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from starlette.responses import Response

from chassis.faults import NotFound
from chassis.web import Router
from contracts.access import Action
from portal import labels
from portal.forms import FieldError
from portal.languages import _
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.visits import PAGE, Visit, page

router = Router(prefix="/supervision/paper-entries", tags=["pages"])

FIELDS = {"/finding": "finding", "/measure": "measure", "measure-is-missing": "measure"}


@router.get("", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_supervised_paper_entries(
    visit: Visit, state: str = "", after: str | None = None, done: str | None = None
) -> Response:
    """Whom two people let in on paper, though a rule forbade it: those to be looked at, or those that were."""
    is_settled, services = state == "settled", visit.services()
    found = await services.open_work.paper_entries(is_settled=is_settled, after=after)
    known = await services.reporting.people_of([each.person_id for each in found.items])
    return visit.render("supervision_paper_entries.html", found=found, known=known, is_settled=is_settled, done=done)


@router.get("/{person_id}/{attempt_id}", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def show_supervised_paper_entry(visit: Visit, person_id: UUID, attempt_id: UUID) -> Response:
    """What stood against him, and what came of it."""
    return await _entry(visit, person_id, attempt_id)


@router.post("/{person_id}/{attempt_id}/settlement", **PAGE)
@page(Action.SETTLE_PAPER_ENTRY)
async def settle_paper_entry(visit: Visit, person_id: UUID, attempt_id: UUID) -> Response:
    """核实: it is no longer open, and nothing else changes."""
    form = visit.form
    said = {"attempt_id": str(attempt_id), "finding": form.text("finding"), "measure": form.text("measure")}
    errors = [
        FieldError(name, visit.text(missing))
        for name, codes, missing in (
            ("finding", labels.PAPER_FINDINGS, _("请选择核实结论")),
            ("measure", labels.PAPER_MEASURES, _("请选择处理措施")),
        )
        if said[name] not in codes
    ]
    if errors:
        return await _entry(visit, person_id, attempt_id, errors=errors, key=form.text("key"))
    try:
        await visit.services().open_work.settle_paper_entry(person_id, said, key=form.text("key"))
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _entry(visit, person_id, attempt_id, errors=visit.wrong(refused, FIELDS), key=visit.key_after(refused))
    return visit.go("/supervision/paper-entries?done=settled")


async def _entry(
    visit: Visit, person_id: UUID, attempt_id: UUID, *, errors: Sequence[FieldError] = (), key: str | None = None
) -> Response:
    services = visit.services()
    entry = await services.open_work.paper_entry(person_id, attempt_id)
    if entry is None:
        raise NotFound
    known = await services.reporting.people_of([entry.person_id, *entry.decided_by])
    return visit.render("supervision_paper_entry.html", errors=errors, entry=entry, known=known, key=key)
