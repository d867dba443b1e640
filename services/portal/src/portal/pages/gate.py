"""进场登记 with its verdict, and 退场登记."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from starlette.responses import Response

from chassis.faults import NotFound
from chassis.web import Router
from contracts.access import Action
from portal.forms import FieldError, Form
from portal.pages.health import people_of, person_of
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.visits import PAGE, Visit, page

router = Router(prefix="/contracts/{contract_no}", tags=["pages"])

COUNTED: Mapping[str, Mapping[str, bool]] = {
    "on_site": {"on_site": True},
    "banned": {"on_site": True, "banned": True},
    "registered": {},
}
"""A number of the page → of the roster, whom it counts."""
FIELDS = {"/document": "document_number", "/document/type": "document_type", "/person_id": "document_number"}


@router.get("/entries", **PAGE)
@page(Action.ADMIT)
async def show_entry_form(visit: Visit, person: UUID | None = None) -> Response:
    """进场登记: whose document, or somebody of the list."""
    visit.form = Form({"document_type": ["citizen_id"]})
    return await _entry(visit, person)


@router.post("/entries", **PAGE)
@page(Action.ADMIT)
async def register_entry(visit: Visit) -> Response:
    """Green, or every reason, what clears it, and the earliest date. A repeat is judged again and counted once."""
    try:
        attempt = await visit.services().gatekeeper.enter(str(visit.contract_no), _who(visit.form), key=visit.form.text("key"))
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _entry(visit, _chosen(visit.form), errors=visit.wrong(refused, FIELDS), key=visit.key_after(refused))
    person = await person_of(visit, attempt.person_id)
    return visit.render("verdict.html", attempt=attempt, person=person)


@router.get("/exits", **PAGE)
@page(Action.ADMIT)
async def show_exits(visit: Visit, counted: str = "on_site", after: str | None = None, done: str | None = None) -> Response:
    """退场登记: who is on site; or everybody whom another number of the page counts."""
    if counted not in COUNTED:
        raise NotFound
    visit.form = Form({"document_type": ["citizen_id"]})
    return await _exits(visit, counted=counted, after=after, done=done)


@router.post("/exits", **PAGE)
@page(Action.ADMIT)
async def register_exit(visit: Visit) -> Response:
    """退场登记. To come back takes a new pre-registration."""
    try:
        await visit.services().gatekeeper.leave(str(visit.contract_no), _who(visit.form), key=visit.form.text("key"))
    except (UpstreamRefused, UpstreamAway) as refused:
        return await _exits(visit, errors=visit.wrong(refused, FIELDS), key=visit.key_after(refused))
    return visit.go(f"{visit.site}/exits?done=left")


async def _entry(visit: Visit, person_id: UUID | None, *, errors: Sequence[FieldError] = (), key: str | None = None) -> Response:
    person = clearance = None
    if person_id is not None:
        services = visit.services()
        person, clearance = await asyncio.gather(
            person_of(visit, person_id), services.gatekeeper.clearance(str(visit.contract_no), person_id)
        )
    return visit.render(
        "entry.html",
        errors=errors,
        person_id=person_id,
        person=person,
        clearance=clearance,
        key=key,
    )


async def _exits(
    visit: Visit,
    *,
    counted: str = "on_site",
    after: str | None = None,
    errors: Sequence[FieldError] = (),
    key: str | None = None,
    done: str | None = None,
) -> Response:
    services, contract_no = visit.services(), str(visit.contract_no)
    roster, employers = await asyncio.gather(
        services.gatekeeper.roster(contract_no, **COUNTED[counted], after=after),
        services.registration.employers(contract_no),
    )
    return visit.render(
        "exits.html",
        errors=errors,
        roster=roster,
        counted=counted,
        people=await people_of(visit, [each.person_id for each in roster.items]),
        employers={each.credit_code: each.name for each in employers},
        key=key,
        done=done,
    )


def _chosen(form: Form) -> UUID | None:
    try:
        return UUID(form.text("person_id"))
    except ValueError:
        return None


def _who(form: Form) -> dict[str, Any]:
    chosen = _chosen(form)
    if chosen is not None:
        return {"person_id": str(chosen)}
    return {"document": {"type": form.text("document_type") or "citizen_id", "number": form.text("document_number").strip()}}
