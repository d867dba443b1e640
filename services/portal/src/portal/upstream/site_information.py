"""工地疫情防控信息: team, hospital, supplies, 建筑工地复工检查表."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from portal.upstream.calls import Caller, Calls, Download, File
from portal.upstream.registration import SERVICE, Nothing

COUNTS_SHOWN = 4
"""Of a list of fifty supplies a page of more would be too heavy for a slow line."""


class TeamMember(BaseModel):
    """Masked for whoever may not submit."""

    name: str | None
    duty: str | None
    phone: str | None


class Supply(BaseModel):
    item: str
    unit: str
    quantity: int
    used_per_100_people_daily: int | None = None


class EpidemicControl(BaseModel):
    """As last submitted; version 0: never."""

    version: int
    team: list[TeamMember]
    designated_hospital: str | None
    supplies: list[Supply]
    submitted_at: datetime | None


class Cover(BaseModel):
    item: str
    unit: str
    quantity: int
    days: int | None


class Counted(BaseModel):
    item: str
    unit: str
    quantity: int


class SupplyCount(BaseModel):
    told: str
    counted_at: datetime
    supplies: list[Counted]


class SupplyCounts(BaseModel):
    head_count: int
    cover: list[Cover]
    items: list[SupplyCount]
    next: int | None


class Checklist(BaseModel):
    version: int
    media_type: str
    size_bytes: int
    uploaded_at: datetime


class Checklists(BaseModel):
    items: list[Checklist]


@dataclass(frozen=True)
class SiteInformation:
    calls: Calls
    caller: Caller

    async def read(self, contract_no: str) -> EpidemicControl:
        return await self.calls.get(self.caller, SERVICE, f"/v1/contracts/{contract_no}/epidemic-control", EpidemicControl)

    async def submit(self, contract_no: str, control: Mapping[str, Any], *, based_on: int) -> None:
        path = f"/v1/contracts/{contract_no}/epidemic-control"
        await self.calls.put(self.caller, SERVICE, path, control, Nothing, based_on=based_on)

    async def supply_counts(self, contract_no: str, *, before: int | None = None, limit: int = COUNTS_SHOWN) -> SupplyCounts:
        path = f"/v1/contracts/{contract_no}/supply-counts"
        return await self.calls.get(self.caller, SERVICE, path, SupplyCounts, before=before, limit=limit)

    async def count_supplies(self, contract_no: str, quantities: Mapping[str, int], *, key: str) -> None:
        body = {"supplies": [{"item": item, "quantity": quantity} for item, quantity in quantities.items()]}
        await self.calls.post(self.caller, SERVICE, f"/v1/contracts/{contract_no}/supply-counts", body, Nothing, key=key)

    async def checklists(self, contract_no: str) -> list[Checklist]:
        path = f"/v1/contracts/{contract_no}/resumption-checklists"
        return (await self.calls.get(self.caller, SERVICE, path, Checklists)).items

    async def upload_checklist(self, contract_no: str, file: File, *, key: str) -> None:
        path = f"/v1/contracts/{contract_no}/resumption-checklists"
        await self.calls.upload(self.caller, SERVICE, path, file, Nothing, key=key)

    async def checklist(self, contract_no: str, version: int) -> Download:
        return await self.calls.download(self.caller, SERVICE, f"/v1/contracts/{contract_no}/resumption-checklists/{version}")
