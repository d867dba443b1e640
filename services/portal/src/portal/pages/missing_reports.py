"""未填报 on all sites that a supervisor reaches: how many of how many people of which contract, and who they are."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action
from portal.visits import PAGE, Visit, page

router = Router(prefix="/supervision/missing-reports", tags=["pages"])


@router.get("", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_missing_reports(visit: Visit, after: str | None = None) -> Response:
    """Contracts by number, those where somebody has no report of today."""
    found = await visit.services().health.supervised_missing(after=after)
    return visit.render("missing_reports.html", found=found)


@router.get("/{of_contract}", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_missing_people(visit: Visit, of_contract: str, after: UUID | None = None) -> Response:
    """Those of one contract, masked. Family who come along are nobody's employees: reporting does not know them."""
    services = visit.services()
    found = await services.health.supervised_missing_people(of_contract, after=after)
    known = await services.reporting.people_of(found.items, of_contract=of_contract)
    shown: dict[str, Any] = {"found": found, "people": found.items, "known": known, "reported": None, "of_contract": of_contract}
    return visit.render("missing_reports_people.html", **shown)


@router.get("/{of_contract}/followed", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_followed_people(visit: Visit, of_contract: str, after: UUID | None = None) -> Response:
    """应登记: everybody whom the number of a contract counts, and who of them is reported."""
    services = visit.services()
    found = await services.health.supervised_followed_people(of_contract, after=after)
    reported = {each.person_id: each.reported for each in found.items}
    known = await services.reporting.people_of(list(reported), of_contract=of_contract)
    shown: dict[str, Any] = {
        "found": found,
        "people": list(reported),
        "known": known,
        "reported": reported,
        "of_contract": of_contract,
    }
    return visit.render("missing_reports_people.html", **shown)
