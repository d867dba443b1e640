"""每日健康, 处置方式, 隔离要求."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from portal.upstream.calls import Caller, Calls

SERVICE = "health"
IN_FORCE_WAIT_S = 5
ITEMS_MAX = 200
"""Of one page."""
PAGE_ROWS = 50
SUPERVISED_ROWS = 15
"""As on all pages of supervision (manual, 2.9)."""


class HealthReport(BaseModel):
    version: int
    reading_celsius: float
    method: str | None
    symptoms: list[str]
    source: str
    corrected: bool
    """Another one took its place."""
    reported_by: str | None
    read_at: datetime
    reported_at: datetime


class HealthReports(BaseModel):
    items: list[HealthReport]
    next_before: int | None
    holds: list[str]


class Disposition(BaseModel):
    version: int
    """Of the decision, among all that is stored about the person."""
    disposition: str
    isolation_from: date | None
    isolation_until: date | None
    method: str | None
    reason_code: str
    has_evidence: bool
    has_release_document: bool
    decided_by: list[str] | None
    changed_at: datetime
    in_force_at: datetime | None


class Decisions(BaseModel):
    """What stands, and the decisions that led there, the last one first."""

    items: list[Disposition]
    disposition: str

    @property
    def decision(self) -> int:
        """Which decision it is that stands; 0 where there never was one."""
        return self.items[0].version if self.items else 0


class Dispositions(Decisions):
    next_before: int | None


class Decided(BaseModel):
    in_force_at: datetime | None


class Reported(BaseModel):
    holds: list[str]


class RoundOutcome(BaseModel):
    """What became of one of the team."""

    person_id: UUID
    outcome: str
    code: str | None


class Round(BaseModel):
    people: list[RoundOutcome]


class IsolationOrder(BaseModel):
    reason: str
    anchor_date: date
    days: int
    admissible_on: date
    day: int
    withdrawn: bool
    policy_version: int
    declaration_version: int
    ordered_at: datetime


class IsolationOrders(BaseModel):
    items: list[IsolationOrder]


class Assessment(BaseModel):
    """来沪评估 of one declaration version."""

    declaration_version: int
    policy_version: int
    order_ids: list[UUID]
    questions: list[str]
    arrived_on: date | None
    assessed_at: datetime


class Assessments(BaseModel):
    items: list[Assessment]
    next_before: int | None


class MissingReports(BaseModel):
    date: date
    items: list[UUID]
    next: UUID | None


class Followed(BaseModel):
    person_id: UUID
    reported: bool


class FollowedPeople(BaseModel):
    date: date
    items: list[Followed]
    followed: int
    """On all pages."""
    missing: int
    """Those of them without a report."""
    next: UUID | None


class MissingOnContract(BaseModel):
    contract_no: str
    followed: int
    missing: int


class MissingByContract(BaseModel):
    date: date
    items: list[MissingOnContract]
    next: str | None

    @property
    def people(self) -> int:
        return sum(each.missing for each in self.items)


class IsolationEnd(BaseModel):
    person_id: UUID
    contracts: list[str]
    anchor_date: date


class IsolationEnds(BaseModel):
    date: date
    items: list[IsolationEnd]
    next: UUID | None


@dataclass(frozen=True)
class Health:
    calls: Calls
    caller: Caller

    async def reports(self, person_id: UUID, *, before: int | None = None, limit: int = PAGE_ROWS) -> HealthReports:
        path = f"/v1/people/{person_id}/health-reports"
        return await self.calls.get(self.caller, SERVICE, path, HealthReports, before=before, limit=limit)

    async def report(self, person_id: UUID, body: Mapping[str, Any], *, key: str) -> Reported:
        return await self.calls.post(self.caller, SERVICE, f"/v1/people/{person_id}/health-reports", body, Reported, key=key)

    async def report_round(self, contract_no: str, body: Mapping[str, Any], *, key: str) -> Round:
        """每日健康 of a whole team; one report a person."""
        return await self.calls.post(self.caller, SERVICE, f"/v1/contracts/{contract_no}/health-rounds", body, Round, key=key)

    async def dispositions(self, person_id: UUID, *, limit: int = PAGE_ROWS) -> Dispositions:
        return await self.calls.get(self.caller, SERVICE, f"/v1/people/{person_id}/dispositions", Dispositions, limit=limit)

    async def versioned_dispositions(self, person_id: UUID) -> tuple[Dispositions, int]:
        """Also the version that a decision is based on."""
        path = f"/v1/people/{person_id}/dispositions"
        return await self.calls.get_versioned(self.caller, SERVICE, path, Dispositions, limit=PAGE_ROWS)

    async def decide(self, person_id: UUID, body: Mapping[str, Any], *, based_on: int, key: str) -> Decided:
        """处置方式. `in_force_at` is None where the gates did not know it within `IN_FORCE_WAIT_S`.

        Refused where anything came after what was looked at, if only a report (412).
        """
        path = f"/v1/people/{person_id}/dispositions"
        return await self.calls.post(self.caller, SERVICE, path, body, Decided, key=key, wait=IN_FORCE_WAIT_S, based_on=based_on)

    async def isolation_orders(self, person_id: UUID, *, limit: int = PAGE_ROWS) -> list[IsolationOrder]:
        path = f"/v1/people/{person_id}/isolation-orders"
        return (await self.calls.get(self.caller, SERVICE, path, IsolationOrders, limit=limit)).items

    async def assessments(self, person_id: UUID, *, limit: int) -> Assessments:
        return await self.calls.get(self.caller, SERVICE, f"/v1/people/{person_id}/assessments", Assessments, limit=limit)

    async def missing(self, contract_no: str, *, after: UUID | None = None, limit: int = 200) -> MissingReports:
        path = f"/v1/contracts/{contract_no}/missing-reports"
        return await self.calls.get(self.caller, SERVICE, path, MissingReports, after=after, limit=limit)

    async def supervised_missing(self, *, after: str | None = None) -> MissingByContract:
        """How many of which contract have no report of today. Where nearly all reports are there, a page is short."""
        return await self.calls.get(
            self.caller, SERVICE, "/v1/missing-reports", MissingByContract, after=after, limit=SUPERVISED_ROWS
        )

    async def supervised_missing_people(self, contract_no: str, *, after: UUID | None = None) -> MissingReports:
        """Who that is on one of them."""
        path = f"/v1/missing-reports/{contract_no}"
        return await self.calls.get(self.caller, SERVICE, path, MissingReports, after=after, limit=PAGE_ROWS)

    async def supervised_followed_people(
        self, contract_no: str, *, after: UUID | None = None, limit: int = PAGE_ROWS
    ) -> FollowedPeople:
        """Whose reports are asked for there today, whether they are there or not; and how many each of that are."""
        path = f"/v1/missing-reports/{contract_no}/followed"
        return await self.calls.get(self.caller, SERVICE, path, FollowedPeople, after=after, limit=limit)

    async def isolation_ends(self, contract_no: str | None, *, after: UUID | None = None, limit: int = ITEMS_MAX) -> IsolationEnds:
        """隔离期满 today: of a contract; None: on all that a supervisor reaches."""
        path = "/v1/isolation-ends" if contract_no is None else f"/v1/contracts/{contract_no}/isolation-ends"
        return await self.calls.get(self.caller, SERVICE, path, IsolationEnds, after=after, limit=limit)
