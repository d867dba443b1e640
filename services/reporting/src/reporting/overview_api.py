"""Beside the manual's tables: which stations there are to choose from, the course of the last days, and what its numbers count."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from chassis.web import Router
from contracts.times import Day
from reporting.query_api import Contracts, Page, PageAnswer, Parts, Seen, Supervisor, page_fields
from reporting.read_models.days import DAYS_OF_CONTRACTS
from reporting.supervision.contracts import stations_within
from reporting.supervision.days import DAYS_MAX, course, course_read_from
from reporting.supervision.days_by_contract import Happened, contracts_of_day

DAYS_DEFAULT = 14

router = Router(prefix="/v1/supervision", tags=["supervision"])


class StationsAnswer(BaseModel):
    """所在监督站 to choose from."""

    stations: list[str]
    """In Chinese order."""


@router.get("/stations")
async def list_stations(caller: Supervisor, seen: Seen, parts: Parts) -> StationsAnswer:
    """The stations that supervise a contract within the caller's reach."""
    return StationsAnswer(stations=await stations_within(parts.pool, caller.reach))


class DayAnswer(BaseModel):
    """What happened on a day, in Shanghai. Facts are counted, not people: whoever was refused twice counts twice."""

    model_config = ConfigDict(from_attributes=True)

    day: date
    pre_registered: int
    """进场预登记, also what was withdrawn since."""
    entered: int
    """进场登记."""
    refused: int
    """进场登记 that was refused."""
    exited: int
    """退场登记."""


class CourseAnswer(BaseModel):
    """The last days, the earliest first; one without anything is there, too."""

    as_of: datetime
    days: list[DayAnswer]


@router.get("/days")
async def list_days(
    wanted: Contracts, seen: Seen, parts: Parts, days: Annotated[int, Query(ge=1, le=DAYS_MAX)] = DAYS_DEFAULT
) -> CourseAnswer:
    """How many were pre-registered, admitted, refused and left on each day, over all contracts of the filter."""
    await parts.wait_for(seen, course_read_from(wanted))
    found = await course(parts.pool, wanted, days=days)
    return CourseAnswer(as_of=found.as_of, days=[DayAnswer.model_validate(each) for each in found.days])


class ContractOfDayAnswer(BaseModel):
    """A contract on which it happened."""

    model_config = ConfigDict(from_attributes=True)

    contract_no: str
    project_name: str
    times: int


class ContractsOfDayAnswer(PageAnswer):
    """Where it happened on the day: where most, comes first; of equal ones, by the contract's number."""

    day: date
    times: int
    """On all pages: the number of the course, as far as the contracts are known here. The whole city's has the others, too."""
    rows: list[ContractOfDayAnswer]


@router.get("/days/{day}")
async def list_contracts_of_day(
    day: Day, wanted: Contracts, seen: Seen, parts: Parts, counted: Happened, page: Page = 1
) -> ContractsOfDayAnswer:
    """On which contracts of the filter happened what that number of the day counts, and how often. Sums are kept, and no people."""
    await parts.wait_for(seen, DAYS_OF_CONTRACTS)
    found = await contracts_of_day(parts.pool, day, counted, wanted, page=page)
    rows = [ContractOfDayAnswer.model_validate(each) for each in found.rows]
    told = page_fields(found.as_of, found.total, page, len(rows))
    return ContractsOfDayAnswer(**told, day=day, times=found.times, rows=rows)
