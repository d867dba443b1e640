"""工地疫情防控信息 over HTTP: what a site tells of its own precautions, and what it is shown of them."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, TypeVar

from fastapi import Depends, Query
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.command_handling import command_key
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.consistency import ConsistencyToken
from chassis.key_server import Purpose
from chassis.sealing import Sealer, Unsealer
from chassis.strict_json import StrictModel
from chassis.telemetry import request_context
from chassis.web import Consistency, IdempotencyKey, IfMatch, Router, etag, problems
from contracts.access import Action, may
from contracts.firms import ContractNo
from contracts.identity import PersonName, masked_mobile, masked_name
from contracts.site_information import (
    SUPPLIES_MAX,
    TEAM_MAX,
    CountedSupply,
    DailyUse,
    Quantity,
    Supply,
    SupplyName,
    SupplyUnit,
    TeamMember,
)
from contracts.streams import site_stream
from contracts.texts import VisibleText
from registration.domain.site import (
    CountSupplies,
    EpidemicControl,
    Site,
    SiteInformationHasChanged,
    SiteInformationIsNotSubmitted,
    SubmitEpidemicControl,
    SuppliesAreNotThoseSubmitted,
    days_of_cover,
)
from registration.read_models.presences import PRESENCES, head_count
from registration.read_models.supply_counts import SUPPLY_COUNTS, SupplyCountRow, Told, page_of_supply_counts, supplies_of
from registration.wired import Wired, wired

ROWS_DEFAULT, ROWS_MAX = 50, 200
DUTY_CHARS_MAX = 50

router = Router(prefix="/v1/contracts/{contract_no}", tags=["site information"])

Submitter = Annotated[Principal, Depends(allowed(Action.SUBMIT_SITE_INFORMATION))]
Viewer = Annotated[Principal, Depends(allowed(Action.VIEW_SITE))]
Parts = Annotated[Wired, Depends(wired)]

Phone = Annotated[str, Field(pattern=r"^\+?[0-9][0-9 -]{3,22}[0-9]$")]
"""A mobile, or a telephone of the office: digits, spaces and hyphens."""

# --- Team, hospital, supplies -----------------------------------------------------------------------------------------


class TeamMemberBody(StrictModel):
    """Somebody of the team (疫情防控小组)."""

    name: PersonName
    duty: Annotated[VisibleText, Field(max_length=DUTY_CHARS_MAX)]
    phone: Phone


class QuantityBody(StrictModel):
    """How much there is of something."""

    item: SupplyName
    quantity: Quantity


class SupplyBody(QuantityBody):
    """Something held ready (防疫物资)."""

    unit: SupplyUnit
    used_per_100_people_daily: DailyUse | None = None
    """Units that a hundred people use in a day, if it is used up by the day."""


Named = TypeVar("Named", bound=QuantityBody)


def _each_once(supplies: list[Named]) -> list[Named]:
    if len({supply.item for supply in supplies}) < len(supplies):
        raise ValueError("an item stands in the list twice")
    return supplies


class EpidemicControlBody(StrictModel):
    """工地疫情防控信息, whole."""

    team: Annotated[list[TeamMemberBody], Field(min_length=1, max_length=TEAM_MAX)]
    designated_hospital: VisibleText
    """对口医院."""
    supplies: Annotated[list[SupplyBody], Field(max_length=SUPPLIES_MAX), AfterValidator(_each_once)]


class EpidemicControlReceipt(BaseModel):
    """It is submitted; checklists may be uploaded."""

    contract_no: str
    version: int
    """Which submission, from 1."""


@router.put("/epidemic-control", responses=problems(SiteInformationHasChanged))
async def submit_epidemic_control(
    contract_no: ContractNo, body: EpidemicControlBody, based_on: IfMatch, caller: Submitter, parts: Parts, response: Response
) -> EpidemicControlReceipt:
    """提交, as often as wanted; each time a version. `If-Match` is the `ETag` of what was read, `"0"` before the first."""
    await parts.contract_of(caller, contract_no)
    stream_id = site_stream(contract_no)
    sealer = await parts.sealing.sealer_for([stream_id])
    command = SubmitEpidemicControl(
        contract_no=contract_no, based_on=based_on, control=_sealed(contract_no, body, sealer), at=parts.clock.now()
    )
    outcome = await parts.sites.handle(stream_id, command)
    version = based_on + 1
    _tell(response, version, outcome.token)
    return EpidemicControlReceipt(contract_no=contract_no, version=version)


def _sealed(contract_no: str, body: EpidemicControlBody, sealer: Sealer) -> EpidemicControl:
    def seal(field: str, text: str) -> str:
        return sealer.seal(site_stream(contract_no), field, text)

    return EpidemicControl(
        team=tuple(
            TeamMember(name=seal("name", each.name), duty=seal("duty", each.duty), phone=seal("phone", each.phone))
            for each in body.team
        ),
        designated_hospital=seal("designated_hospital", body.designated_hospital),
        supplies=tuple(Supply(**dict(each)) for each in body.supplies),
    )


class TeamMemberAnswer(BaseModel):
    """Somebody of the team. Masked for whoever may not submit; None where the key was destroyed."""

    name: str | None
    duty: str | None
    phone: str | None


class EpidemicControlAnswer(BaseModel):
    """The latest submission. Version 0, and nothing in it: there is none yet."""

    contract_no: str
    version: int
    team: list[TeamMemberAnswer]
    designated_hospital: str | None
    supplies: list[Supply]
    submitted_at: datetime | None


@router.get("/epidemic-control")
async def read_epidemic_control(contract_no: ContractNo, caller: Viewer, parts: Parts, response: Response) -> EpidemicControlAnswer:
    """The latest submission. Whoever may submit sees the team unmasked, since he submits it again; that he did is recorded."""
    await parts.contract_of(caller, contract_no)
    stream_id = site_stream(contract_no)
    _, site = await parts.sites.read(stream_id)
    in_full = may(caller.role, Action.SUBMIT_SITE_INFORMATION)
    response.headers["ETag"] = etag(site.control_version)
    purpose = Purpose.REVEAL if in_full else Purpose.MASKED_PAGE
    unsealer = await parts.sealing.unwrap([stream_id] if site.control else [], actor=caller.subject, purpose=purpose)
    return _answer(contract_no, site, unsealer, in_full=in_full)


def _answer(contract_no: str, site: Site, unsealer: Unsealer, *, in_full: bool) -> EpidemicControlAnswer:
    text = partial(unsealer.text, site_stream(contract_no))

    def member(sealed: TeamMember) -> TeamMemberAnswer:
        name, phone = text("name", sealed.name), text("phone", sealed.phone)
        if not in_full:
            name, phone = name and masked_name(name), phone and masked_mobile(phone)
        return TeamMemberAnswer(name=name, duty=text("duty", sealed.duty), phone=phone)

    control = site.control
    return EpidemicControlAnswer(
        contract_no=contract_no,
        version=site.control_version,
        team=[member(each) for each in control.team] if control else [],
        designated_hospital=text("designated_hospital", control.designated_hospital) if control else None,
        supplies=list(control.supplies) if control else [],
        submitted_at=site.submitted_at,
    )


# --- Counts -----------------------------------------------------------------------------------------------------------


class SupplyCountBody(StrictModel):
    """Every supply of the list that was submitted last."""

    supplies: Annotated[list[QuantityBody], Field(min_length=1, max_length=SUPPLIES_MAX), AfterValidator(_each_once)]


class SupplyCountReceipt(BaseModel):
    """The count is kept."""

    contract_no: str


@router.post(
    "/supply-counts",
    status_code=201,
    responses=problems(SiteInformationIsNotSubmitted, SuppliesAreNotThoseSubmitted),
)
async def count_supplies(
    contract_no: ContractNo, body: SupplyCountBody, key: IdempotencyKey, caller: Submitter, parts: Parts, response: Response
) -> SupplyCountReceipt:
    """How much there is now of every supply. Every count is kept."""
    await parts.contract_of(caller, contract_no)
    command = CountSupplies(
        contract_no=contract_no, quantities={each.item: each.quantity for each in body.supplies}, at=parts.clock.now()
    )
    command_id = command_key(principal=caller.subject, key=key, body=request_context().content)
    outcome = await parts.sites.handle(site_stream(contract_no), command, key=command_id)
    _tell(response, outcome.version, outcome.token)
    return SupplyCountReceipt(contract_no=contract_no)


class CoverAnswer(BaseModel):
    """How long something lasts."""

    item: str
    unit: str
    quantity: int
    """As last submitted or counted."""
    days: int | None
    """Whole days. None where nobody is on site, or it is not used up by the day."""


class SupplyCountAnswer(BaseModel):
    """What there was."""

    told: Told
    counted_at: datetime
    supplies: list[CountedSupply]


class SupplyCountsAnswer(BaseModel):
    """What is there, how long it lasts, and a page of what was told, the latest first."""

    head_count: int
    """People on site (在场) now, as far as the gate has told here."""
    cover: list[CoverAnswer]
    items: list[SupplyCountAnswer]
    next: int | None
    """`before` of the next page. None: this was the last one."""


@router.get("/supply-counts")
async def list_supply_counts(
    contract_no: ContractNo,
    caller: Viewer,
    seen: Consistency,
    parts: Parts,
    before: Annotated[int | None, Query(ge=1, le=2**53 - 1, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=ROWS_MAX)] = ROWS_DEFAULT,
) -> SupplyCountsAnswer:
    """防疫物资: every count so far, and for how many days it is enough for the people who are on site now."""
    await parts.contract_of(caller, contract_no)
    await parts.wait_for(seen, SUPPLY_COUNTS, PRESENCES)
    _, site = await parts.sites.read(site_stream(contract_no))
    rows = await page_of_supply_counts(parts.pool, contract_no, before=before, limit=limit + 1)
    people = await head_count(parts.pool, contract_no)
    return SupplyCountsAnswer(
        head_count=people,
        cover=_cover(site, people),
        items=[_counted(row) for row in rows[:limit]],
        next=rows[limit - 1].version if len(rows) > limit else None,
    )


def _cover(site: Site, people: int) -> list[CoverAnswer]:
    return [
        CoverAnswer(
            item=supply.item,
            unit=supply.unit,
            quantity=site.stock[supply.item],
            days=days_of_cover(
                site.stock[supply.item], used_per_100_people_daily=supply.used_per_100_people_daily, head_count=people
            ),
        )
        for supply in (site.control.supplies if site.control else ())
    ]


def _counted(row: SupplyCountRow) -> SupplyCountAnswer:
    return SupplyCountAnswer(told=row.told, counted_at=row.counted_at, supplies=list(supplies_of(row)))


# ----------------------------------------------------------------------------------------------------------------------


def _tell(response: Response, version: int, token: ConsistencyToken | None) -> None:
    response.headers["ETag"] = etag(version)
    if token is not None:
        response.headers[CONSISTENCY_TOKEN] = str(token)
