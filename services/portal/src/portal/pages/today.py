"""今日待办: what is open today, the most urgent first. For whoever registers on a site, and for supervision over all of its own."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query
from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action, may
from portal.pages.health import people_of
from portal.pages.open_work import supervised_work
from portal.pages.supervision import DAYS_MAX, Narrowed, context_of
from portal.upstream.ban_reviews import DueReviews
from portal.upstream.gatekeeper import Attempts, Roster
from portal.upstream.health import SUPERVISED_ROWS
from portal.upstream.review_items import ReviewItems
from portal.visits import PAGE, Visit, page

router = Router(tags=["pages"])

NAMED_MAX = 10
"""People of a section that are named; behind the others there is a page of their own."""
BANNED_MAX = 50
"""Of those who have to leave; behind the others there is 用工查询."""
DAYS_DEFAULT = 14


@router.get("/contracts/{contract_no}/today", **PAGE)
@page(Action.VIEW_SITE)
async def show_today(visit: Visit) -> Response:
    """Banned but on site first; then who was not reported, whose isolation ends, who waits for Health Cloud, what is 待核."""
    services, contract_no = visit.services(), str(visit.contract_no)
    (banned, review), (odd, due), missing, ends, waiting = await asyncio.gather(
        _at_the_gate(visit, contract_no),
        _to_be_looked_at(visit, contract_no),
        services.health.missing(contract_no),
        services.health.isolation_ends(contract_no),
        services.open_work.awaiting(contract_no),
    )
    named = [
        *missing.items[:NAMED_MAX],
        *(each.person_id for each in ends.items[:NAMED_MAX]),
        *(each.person_id for each in due.items[:NAMED_MAX]),
        *(each.person_id for each in (banned.items if banned else ())),
        *(each.person_id for each in (review.items[:NAMED_MAX] if review else ())),
    ]
    return visit.render(
        "today.html",
        banned=banned,
        review=review,
        missing=missing,
        ends=ends,
        waiting=waiting,
        odd=odd,
        due=due,
        people=await people_of(visit, named),
        named_max=NAMED_MAX,
    )


async def _to_be_looked_at(visit: Visit, contract_no: str) -> tuple[ReviewItems, DueReviews]:
    services = visit.services()
    return await asyncio.gather(services.reviews.page(contract_no, is_settled=False), services.ban_reviews.due(contract_no))


async def _at_the_gate(visit: Visit, contract_no: str) -> tuple[Roster | None, Attempts | None]:
    """What the gatekeeper tells; None for whoever may not ask it."""
    if visit.principal is None or not may(visit.principal.role, Action.VIEW_CLEARANCE):
        return None, None
    gate = visit.services().gatekeeper
    return await asyncio.gather(gate.roster(contract_no, on_site=True, banned=True), gate.to_be_reviewed(contract_no))


@router.get("/supervision/today", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def show_supervised_today(
    visit: Visit, narrowed: Narrowed, days: Annotated[int, Query(ge=1, le=DAYS_MAX)] = DAYS_DEFAULT
) -> Response:
    """The same over all sites, with the course of the last days."""
    services = visit.services()
    reporting = services.reporting
    (banned, ends, reviews, work), (missing, course, stations) = await asyncio.gather(
        asyncio.gather(
            services.gatekeeper.banned_on_site(limit=BANNED_MAX),
            services.health.isolation_ends(None, limit=SUPERVISED_ROWS),
            services.ban_reviews.supervised(),
            supervised_work(visit),
        ),
        asyncio.gather(services.health.supervised_missing(), reporting.days({**narrowed, "days": days}), reporting.stations()),
    )
    # Neither the gate nor health can read names.
    known = await reporting.people_of(
        [each.person_id for section in (banned, ends, reviews, work.entries) for each in section.items]
    )
    kept = urlencode(narrowed | ({"days": str(days)} if days != DAYS_DEFAULT else {}))
    context: dict[str, Any] = {
        "kept": f"&{kept}" if kept else "",
        "banned": banned,
        "missing": missing,
        "ends": ends,
        "course": course,
        "stations": stations,
        "known": known,
        "reviews": reviews,
        "work": work,
    }
    return visit.render("supervision_today.html", days=days, rows_max=SUPERVISED_ROWS, **context, **context_of(narrowed))
