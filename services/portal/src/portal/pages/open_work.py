"""What is open: forms that wait (remembered refusals), review items, isolation that ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action
from portal.pages.health import people_of
from portal.upstream.health import PAGE_ROWS, SUPERVISED_ROWS
from portal.upstream.open_work import AwaitingByContract, PaperEntries, UnsettledByContract
from portal.visits import PAGE, Visit, page

router = Router(tags=["pages"])


@router.get("/contracts/{contract_no}/awaiting-forms", **PAGE)
@page(Action.VIEW_SITE)
async def list_awaiting_forms(visit: Visit, after: str | None = None) -> Response:
    """等待健康云登记: people and family, whoever waits longest first."""
    found = await visit.services().open_work.awaiting(str(visit.contract_no), after=after)
    return visit.render("awaiting_forms.html", found=found)


@router.get("/contracts/{contract_no}/isolation-ends", **PAGE)
@page(Action.VIEW_SITE)
async def list_isolation_ends(visit: Visit, after: UUID | None = None) -> Response:
    """今天隔离期满, by `person_id`."""
    found = await visit.services().health.isolation_ends(str(visit.contract_no), after=after, limit=PAGE_ROWS)
    people = await people_of(visit, [each.person_id for each in found.items])
    return visit.render("isolation_ends.html", found=found, people=people)


# --- 监督 -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SupervisedWork:
    """As much of each as one page of supervision shows."""

    awaiting: AwaitingByContract
    unsettled: UnsettledByContract
    entries: PaperEntries


async def supervised_work(visit: Visit) -> SupervisedWork:
    work = visit.services().open_work
    return SupervisedWork(*await asyncio.gather(work.awaiting_by_contract(), work.unsettled_by_contract(), work.paper_entries()))


@router.get("/supervision/awaiting-forms", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_supervised_awaiting_forms(visit: Visit, after: str | None = None) -> Response:
    """How many forms wait on which contract."""
    found = await visit.services().open_work.awaiting_by_contract(after=after)
    return visit.render("supervision_awaiting_forms.html", found=found)


@router.get("/supervision/awaiting-forms/{of_contract}", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_awaiting_forms_of_supervised(visit: Visit, of_contract: str, after: str | None = None) -> Response:
    """Which forms those are."""
    found = await visit.services().open_work.awaiting_on(of_contract, after=after)
    return visit.render("supervision_awaiting_of.html", found=found, of_contract=of_contract)


@router.get("/supervision/review-items", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_supervised_review_items(visit: Visit, after: str | None = None) -> Response:
    """How much there is to look at on which contract."""
    found = await visit.services().open_work.unsettled_by_contract(after=after)
    return visit.render("supervision_review_items.html", found=found)


@router.get("/supervision/review-items/{of_contract}", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_review_items_of_supervised(visit: Visit, of_contract: str, after: UUID | None = None) -> Response:
    """What that is. It is looked at on the site."""
    found = await visit.services().open_work.unsettled_on(of_contract, after=after)
    return visit.render("supervision_review_items_of.html", found=found, of_contract=of_contract)


@router.get("/supervision/isolation-ends", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_supervised_isolation_ends(visit: Visit, after: UUID | None = None) -> Response:
    """今天隔离期满."""
    services = visit.services()
    found = await services.health.isolation_ends(None, after=after, limit=SUPERVISED_ROWS)
    known = await services.reporting.people_of([each.person_id for each in found.items])
    return visit.render("supervision_isolation_ends.html", found=found, known=known)
