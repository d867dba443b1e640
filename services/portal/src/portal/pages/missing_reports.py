"""未填报 on all sites that a supervisor reaches: how many people of which contract, and who that is."""

from __future__ import annotations

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
    return visit.render("missing_reports_people.html", found=found, known=known, of_contract=of_contract)
