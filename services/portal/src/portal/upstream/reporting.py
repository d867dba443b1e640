"""实名制作业人员信息查询."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from portal.upstream.calls import Caller, Calls

SERVICE = "reporting"


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
