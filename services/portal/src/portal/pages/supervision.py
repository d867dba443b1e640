"""实名制和台账管理 → 实名制作业人员信息查询: 合同查询, 用工查询, and the list behind every number, those of 走势 among them."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query
from starlette.responses import Response

from chassis.faults import NotFound
from chassis.web import Router
from contracts.access import Action
from portal import labels
from portal.visits import PAGE, Visit, page

router = Router(prefix="/supervision", tags=["pages"])

SETS = ("pre_registered", "registered", "on_site")
DAYS_MAX = 90
"""Of 走势."""


def filled(**given: str | int | None) -> dict[str, str]:
    """What was filled in; an empty field filters nothing."""
    return {name: str(value).strip() for name, value in given.items() if value is not None and str(value).strip()}


async def _narrowed(
    contract_no: str | None = None,
    project_name: str | None = None,
    general_contractor: str | None = None,
    station: str | None = None,
    of_contract: str | None = None,
    of_contractor: str | None = None,
    of_employer: str | None = None,
) -> dict[str, str]:
    """The filter 合同信息, which every page of supervision has, and of what a number was opened."""
    typed = filled(contract_no=contract_no, project_name=project_name, general_contractor=general_contractor, station=station)
    return typed | filled(of_contract=of_contract, of_contractor=of_contractor, of_employer=of_employer)


Narrowed = Annotated[dict[str, str], Depends(_narrowed)]


def context_of(wanted: dict[str, str]) -> dict[str, Any]:
    """The filter for the form, and for the links that keep it: state stands in the address."""

    def address(path: str, **more: Any) -> str:
        query = urlencode({name: value for name, value in {**wanted, **more}.items() if value not in (None, "")})
        return f"/supervision/{path}" + (f"?{query}" if query else "")

    return {"wanted": wanted, "address_of": address}


@router.get("/contracts", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_contracts(
    visit: Visit,
    narrowed: Narrowed,
    order_by: str | None = None,
    descending: str | None = None,
    page: int = 1,
) -> Response:
    """合同查询, in the manual's order unless another one is asked for."""
    reporting, ordered = visit.services().reporting, filled(order_by=order_by, descending=descending)
    table, stations = await asyncio.gather(reporting.contracts({**narrowed, **ordered, "page": page}), reporting.stations())
    context: dict[str, Any] = {"table": table, "stations": stations, "ordered": ordered}
    pages = context_of(narrowed | ordered)["address_of"]
    return visit.render("supervision_contracts.html", ordered_address=pages, **context, **context_of(narrowed))


@router.get("/contracts/{of_contract}", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def show_contract(visit: Visit, of_contract: str) -> Response:
    """详情 查看."""
    found = await visit.services().reporting.contract(of_contract)
    return visit.render("supervision_contract.html", found=found, **context_of({"of_contract": of_contract}))


@router.get("/firms", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_firms(
    visit: Visit,
    kind: str,
    narrowed: Narrowed,
    page: int = 1,
) -> Response:
    """总包单位(n) or 用工单位(n)."""
    if kind not in ("general_contractor", "employer"):
        raise NotFound
    found = await visit.services().reporting.firms({**narrowed, "kind": kind, "page": page})
    return visit.render("supervision_firms.html", found=found, kind=kind, **context_of({**narrowed, "kind": kind}))


@router.get("/people", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_people(
    visit: Visit,
    counted: str,
    narrowed: Narrowed,
    page: int = 1,
) -> Response:
    """Exactly whom a number counts."""
    if counted not in SETS:
        raise NotFound
    found = await visit.services().reporting.people({**narrowed, "set": counted, "page": page})
    return visit.render("supervision_people.html", found=found, counted=counted, **context_of({**narrowed, "counted": counted}))


@router.get("/days/{day}", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_contracts_of_day(
    visit: Visit,
    day: date,
    counted: str,
    narrowed: Narrowed,
    days: Annotated[int | None, Query(ge=1, le=DAYS_MAX)] = None,
    page: int = 1,
) -> Response:
    """On which contracts happened what a number of 走势 counts: of `days`, to which it leads back."""
    if counted not in labels.HAPPENED:
        raise NotFound
    found = await visit.services().reporting.contracts_of_day(day, {**narrowed, "counted": counted, "page": page})
    wanted = {**narrowed, "counted": counted, **filled(days=days)}
    return visit.render("supervision_day.html", found=found, day=day, counted=counted, **context_of(wanted))


@router.get("/employments", **PAGE)
@page(Action.QUERY_SUPERVISION)
async def list_employments(
    visit: Visit,
    narrowed: Narrowed,
    person_kind: str | None = None,
    trade: str | None = None,
    disposition: str | None = None,
    on_site: str | None = None,
    banned: str | None = None,
    page: int = 1,
) -> Response:
    """用工查询: a row a person, contract and employer."""
    wanted = narrowed | filled(person_kind=person_kind, trade=trade, disposition=disposition, on_site=on_site, banned=banned)
    found = await visit.services().reporting.employments({**wanted, "page": page})
    return visit.render("supervision_employments.html", found=found, **context_of(wanted))
