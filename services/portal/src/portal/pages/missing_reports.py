"""未填报 on all sites that a supervisor reaches: how many of how many people of which contract, and who they are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action
from portal.upstream.health import FollowedPeople, MissingReports
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
    """Those of one contract."""
    health = visit.services().health
    found, counted = await asyncio.gather(
        health.supervised_missing_people(of_contract, after=after), health.supervised_followed_people(of_contract, limit=1)
    )
    return await _people(visit, of_contract, found, found.items, counted=counted)


@router.get("/{of_contract}/followed", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_followed_people(visit: Visit, of_contract: str, after: UUID | None = None) -> Response:
    """应登记: everybody whom the number of a contract counts, and who of them is reported."""
    found = await visit.services().health.supervised_followed_people(of_contract, after=after)
    reported = {each.person_id: each.reported for each in found.items}
    return await _people(visit, of_contract, found, list(reported), counted=found, reported=reported)


async def _people(
    visit: Visit,
    of_contract: str,
    found: MissingReports | FollowedPeople,
    people: Sequence[UUID],
    *,
    counted: FollowedPeople,
    reported: Mapping[UUID, bool] | None = None,
) -> Response:
    """Masked. Family who come along are nobody's employees: reporting does not know them."""
    known = await visit.services().reporting.people_of(people, of_contract=of_contract)
    told: dict[str, Any] = {"people": people, "known": known, "counted": counted, "reported": reported}
    return visit.render("missing_reports_people.html", found=found, of_contract=of_contract, **told)
