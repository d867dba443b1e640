"""实名制作业人员信息查询."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from portal.upstream.calls import Caller, Calls

SERVICE = "reporting"
PEOPLE_ASKED_MAX = 100
"""At once; more is refused."""
ROWS_ASKED_MAX = 200
"""About them, in one answer: a row a contract and employer, and few people have several."""
PAGES_OF_PEOPLE_MAX = 20
"""Turned for those who have."""


class Header(BaseModel):
    contracts: int
    general_contractors: int
    employers: int
    registered: int
    on_site: int
    banned_on_site: int


class Row(BaseModel):
    number: int = 1
    contract_no: str
    construction_no: str
    project_name: str
    general_contractor: str
    general_contractor_kind: str
    station: str
    district: str
    employers: int
    pre_registered: int
    on_site: int
    registered: int
    banned_on_site: int


class _Page(BaseModel):
    as_of: datetime
    page: int
    pages: int
    page_text: str


class Table(_Page):
    header: Header
    rows: list[Row]


class Employer(BaseModel):
    credit_code: str
    name: str


class SupervisedContract(Row):
    as_of: datetime
    employed_by: list[Employer]


class FirmRow(BaseModel):
    credit_code: str
    name: str
    contracts: int


class Firms(_Page):
    total: int
    rows: list[FirmRow]


class PersonRow(BaseModel):
    """Masked."""

    person_id: UUID
    name: str | None
    document_number: str | None
    contract_no: str
    project_name: str
    employer: str | None
    person_kind: str | None
    trade: str | None
    pre_registered_at: datetime | None
    entered_at: datetime | None
    left_at: datetime | None
    on_site: bool
    disposition: str


class People(_Page):
    total: int
    rows: list[PersonRow]


class Found(People):
    is_complete: bool


class Identity(BaseModel):
    """Unmasked."""

    name: str | None
    document_type: str | None
    document_number: str | None
    mobile: str | None


class Access(BaseModel):
    at: datetime
    service: str
    actor: str
    purpose: str
    reason_code: str | None
    reference: str | None
    contract_no: str | None


class AccessLog(BaseModel):
    items: list[Access]
    next_before: int | None


class Change(BaseModel):
    at: datetime
    service: str
    kind: str
    account: str | None
    role: str | None
    proposed_by: str | None
    contract_no: str | None


class ChangeLog(BaseModel):
    items: list[Change]
    next: str | None


class Day(BaseModel):
    day: date
    pre_registered: int
    entered: int
    refused: int
    exited: int


class Course(BaseModel):
    as_of: datetime
    days: list[Day]


class ContractOfDay(BaseModel):
    contract_no: str
    project_name: str
    times: int


class ContractsOfDay(_Page):
    times: int
    """On all pages."""
    rows: list[ContractOfDay]


class Stations(BaseModel):
    stations: list[str]


@dataclass(frozen=True)
class Reporting:
    calls: Calls
    caller: Caller

    async def contracts(self, wanted: Mapping[str, Any]) -> Table:
        return await self.calls.get(self.caller, SERVICE, "/v1/supervision/contracts", Table, **wanted)

    async def contract(self, contract_no: str) -> SupervisedContract:
        return await self.calls.get(self.caller, SERVICE, f"/v1/supervision/contracts/{contract_no}", SupervisedContract)

    async def firms(self, wanted: Mapping[str, Any]) -> Firms:
        return await self.calls.get(self.caller, SERVICE, "/v1/supervision/firms", Firms, **wanted)

    async def people(self, wanted: Mapping[str, Any]) -> People:
        return await self.calls.get(self.caller, SERVICE, "/v1/supervision/people", People, **wanted)

    async def employments(self, wanted: Mapping[str, Any]) -> People:
        return await self.calls.get(self.caller, SERVICE, "/v1/supervision/employments", People, **wanted)

    async def people_of(self, people: Collection[UUID], *, of_contract: str | None = None) -> Mapping[UUID, PersonRow]:
        """Who they are, masked, as far as the supervisor reaches them; on one contract or on any."""
        found, asked = dict[UUID, PersonRow](), [str(each) for each in dict.fromkeys(people)]
        for begin in range(0, len(asked), PEOPLE_ASKED_MAX):
            some = {"person_id": asked[begin : begin + PEOPLE_ASKED_MAX], "of_contract": of_contract, "limit": ROWS_ASKED_MAX}
            found |= await self.all_of(some, pages_max=PAGES_OF_PEOPLE_MAX)
        return found

    async def all_of(self, wanted: Mapping[str, Any], *, pages_max: int) -> Mapping[UUID, PersonRow]:
        """Everybody of a filter, masked, and nobody beyond so many pages."""
        found = dict[UUID, PersonRow]()
        for number in range(1, pages_max + 1):
            page = await self.employments({**wanted, "page": number})
            found |= {row.person_id: row for row in page.rows}
            if number >= page.pages:
                break
        return found

    async def stations(self) -> list[str]:
        return (await self.calls.get(self.caller, SERVICE, "/v1/supervision/stations", Stations)).stations

    async def days(self, wanted: Mapping[str, Any]) -> Course:
        """The course of the last days."""
        return await self.calls.get(self.caller, SERVICE, "/v1/supervision/days", Course, **wanted)

    async def contracts_of_day(self, day: date, wanted: Mapping[str, Any]) -> ContractsOfDay:
        """Where happened what a number of the course counts."""
        return await self.calls.get(self.caller, SERVICE, f"/v1/supervision/days/{day}", ContractsOfDay, **wanted)

    async def search(self, who: Mapping[str, Any]) -> Found:
        """By a whole document, or by a part of a name on one contract."""
        return await self.calls.post(self.caller, SERVICE, "/v1/supervision/person-searches", who, Found, key=None)

    async def reveal(self, why: Mapping[str, Any]) -> Identity:
        return await self.calls.post(self.caller, SERVICE, "/v1/reveals", why, Identity, key=None)

    async def access_log(self, person_id: UUID, *, before: int | None = None) -> AccessLog:
        return await self.calls.get(self.caller, SERVICE, f"/v1/people/{person_id}/access-log", AccessLog, before=before)

    async def change_log(self, person_id: UUID, *, after: str | None = None) -> ChangeLog:
        return await self.calls.get(self.caller, SERVICE, f"/v1/people/{person_id}/change-log", ChangeLog, after=after)

    async def export(self, table: Mapping[str, Any]) -> bytes:
        """A workbook."""
        return (await self.calls.download(self.caller, SERVICE, "/v1/exports", table)).content
