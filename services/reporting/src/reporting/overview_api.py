"""Beside the manual's tables: which stations there are to choose from, and the course of the last days."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from chassis.web import Router
from reporting.query_api import Contracts, Parts, Seen, Supervisor
from reporting.supervision.contracts import stations_within
from reporting.supervision.days import DAYS_MAX, course, course_read_from

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
