"""进场登记, 退场登记, 过闸."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from portal.upstream.calls import Caller, Calls

SERVICE = "gatekeeper"


class Reason(BaseModel):
    code: str
    effect: str
    clears: str
    earliest: date | None = None


class Verdict(BaseModel):
    """What the gate says or would say."""

    reasons: list[Reason]
    earliest: date | None

    @property
    def forbidding(self) -> list[Reason]:
        return [each for each in self.reasons if each.effect == "forbid"]

    @property
    def reminders(self) -> list[Reason]:
        return [each for each in self.reasons if each.effect == "remind"]


class Clearance(Verdict):
    admissible: bool
    on_site: bool
    as_of: datetime | None


class Attempt(Verdict):
    person_id: UUID
    outcome: str
    attempted_at: datetime


class Exit(BaseModel):
    person_id: UUID
    exited_at: datetime


class RosterMember(BaseModel):
    person_id: UUID
    employer_credit_code: str | None
    person_kind: str | None
    trade: str | None
    on_site: bool
    entered_at: datetime | None
    left_at: datetime | None
    disposition: str | None
    banned_since: datetime | None


class Roster(BaseModel):
    registered: int
    on_site: int
    banned_on_site: int
    items: list[RosterMember]
    next: UUID | None


@dataclass(frozen=True)
class Gatekeeper:
    calls: Calls
    caller: Caller

    async def clearance(self, contract_no: str, person_id: UUID) -> Clearance:
        return await self.calls.get(self.caller, SERVICE, f"/v1/contracts/{contract_no}/clearances/{person_id}", Clearance)

    async def enter(self, contract_no: str, who: Mapping[str, Any], *, key: str) -> Attempt:
        return await self.calls.post(self.caller, SERVICE, f"/v1/contracts/{contract_no}/entries", who, Attempt, key=key)

    async def leave(self, contract_no: str, who: Mapping[str, Any], *, key: str) -> Exit:
        return await self.calls.post(self.caller, SERVICE, f"/v1/contracts/{contract_no}/exits", who, Exit, key=key)

    async def roster(self, contract_no: str, *, on_site: bool | None = None, after: str | None = None, limit: int = 50) -> Roster:
        told = None if on_site is None else str(on_site).lower()
        return await self.calls.get(
            self.caller, SERVICE, f"/v1/contracts/{contract_no}/roster", Roster, on_site=told, after=after, limit=limit
        )
