"""Policies: the values by which people are judged, as health keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from portal.upstream.calls import Caller, Calls
from portal.upstream.health import SERVICE

PAGES_MAX = 10
"""Of fifty versions each."""
REHEARSED_MAX = 200


class Fever(BaseModel):
    operator: str
    threshold_celsius: float
    method: str
    remeasured_after_min: int


class KeyArea(BaseModel):
    code_prefix: str
    name: str
    since: date
    until: date | None = None


class Terms(BaseModel):
    authority: str
    district: str | None = None
    contract_no: str | None = None
    valid_from: date
    valid_until: date | None = None
    allows_extras: bool = True
    fever: Fever | None = None
    isolation_days: int | None = None
    key_areas: list[KeyArea] = []
    switches: dict[str, str] | None = None


class Policy(BaseModel):
    version: int
    terms: Terms
    reference: str | None
    adopted_at: datetime | None
    in_force: bool


class PolicyPage(BaseModel):
    items: list[Policy]
    next: int | None


class Draft(BaseModel):
    draft_id: UUID
    terms: Terms


class Adopted(BaseModel):
    version: int


class Standing(BaseModel):
    fever: str | None
    symptoms: str | None
    admissible_on: date | None


class Rehearsed(BaseModel):
    person_id: UUID
    now: Standing
    then: Standing


class SwitchedRule(BaseModel):
    rule: str
    now: str
    then: str


class Rehearsal(BaseModel):
    day: date
    looked_at: int
    told_in_part: int
    switched: list[SwitchedRule]
    items: list[Rehearsed]
    next: UUID | None


class Proposal(BaseModel):
    person_id: UUID
    ordered: date | None
    proposed: date | None


class Proposals(BaseModel):
    looked_at: int
    items: list[Proposal]
    next: UUID | None


@dataclass(frozen=True)
class Policies:
    calls: Calls
    caller: Caller

    async def all(self) -> list[Policy]:
        """Every version, the oldest first."""
        policies, after = list[Policy](), 0
        for _ in range(PAGES_MAX):
            page = await self.calls.get(self.caller, SERVICE, "/v1/policies", PolicyPage, after=after)
            policies += page.items
            if page.next is None:
                break
            after = page.next
        return policies

    async def draft(self, terms: Mapping[str, Any], *, key: str) -> Draft:
        return await self.calls.post(self.caller, SERVICE, "/v1/policies/drafts", {"terms": dict(terms)}, Draft, key=key)

    async def drafted(self, draft_id: UUID) -> Draft:
        return await self.calls.get(self.caller, SERVICE, f"/v1/policies/drafts/{draft_id}", Draft)

    async def rehearse(self, draft_id: UUID, *, after: UUID | None = None) -> Rehearsal:
        """Who would be judged otherwise, of some thousands of people behind `after`. Nothing is stored."""
        query = f"?limit={REHEARSED_MAX}" + (f"&after={after}" if after else "")
        path = f"/v1/policies/drafts/{draft_id}/rehearsal{query}"
        return await self.calls.post(self.caller, SERVICE, path, {}, Rehearsal, key=None)

    async def activate(self, draft_id: UUID, *, reference: str, key: str) -> Adopted:
        path = f"/v1/policies/drafts/{draft_id}/activation"
        return await self.calls.post(self.caller, SERVICE, path, {"reference": reference}, Adopted, key=key)

    async def proposals(self, *, after: UUID | None = None) -> Proposals:
        return await self.calls.get(self.caller, SERVICE, "/v1/policies/proposals", Proposals, after=after, limit=REHEARSED_MAX)
