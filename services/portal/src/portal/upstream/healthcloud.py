"""获取健康云信息."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from pydantic import BaseModel

from portal.upstream.calls import Caller, Calls

SERVICE = "healthcloud-bridge"


class Declaration(BaseModel):
    """健康云返回信息."""

    person_id: UUID
    declaration_version: int
    reported_on: date
    report_place: str
    temperature_celsius: float | None
    health_text: str
    departed_on: date | None
    travel: str
    from_hubei: bool
    from_wuhan: bool
    stopover: bool
    stopover_place: str | None
    stay_address: str
    mobile: str | None
    contradictions: tuple[str, ...]


@dataclass(frozen=True)
class HealthCloud:
    calls: Calls
    caller: Caller

    async def look_up(self, *, document: Mapping[str, str], name: str) -> Declaration:
        body = {"document": dict(document), "name": name, "purpose": "pre_registration"}
        return await self.calls.post(self.caller, SERVICE, "/v1/declaration-lookups", body, Declaration, key=None)
