"""待核事项: what somebody must look at on a contract, and that somebody has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, RootModel

from portal.upstream.calls import Caller, Calls
from portal.upstream.registration import PAGE_ROWS, SERVICE


class Declared(BaseModel):
    """A declaration, as far as two of them can be compared."""

    declaration_version: int
    reported_on: date
    departed_on: date | None
    from_hubei: bool
    from_wuhan: bool
    stopover: bool
    stopover_code: str | None
    temperature_celsius: float | None


class Settlement(BaseModel):
    settled_by: str
    settled_at: datetime


class ReviewItem(BaseModel):
    """Masked."""

    person_id: UUID
    kind: str
    declaration_version: int
    codes: list[str]
    pinned: Declared | None
    declared: Declared | None
    latest: Declared | None
    name: str | None
    document_type: str
    document_number: str | None
    settled: Settlement | None

    @property
    def compared(self) -> list[Declared]:
        """What is relied on, what the item is about and what was declared last, each once."""
        told = (each for each in (self.pinned, self.declared, self.latest) if each)
        return list({each.declaration_version: each for each in told}.values())

    @property
    def newer(self) -> Declared | None:
        """What the pre-registration could rely on instead."""
        is_over = self.kind == "entered_though_withdrawn"
        return None if is_over or self.latest is None or self.latest == self.pinned else self.latest


class ReviewItems(BaseModel):
    items: list[ReviewItem]
    next: UUID | None


class FoundOut(BaseModel):
    """What somebody wrote who looked."""

    kind: str
    declaration_version: int
    note: str | None


class FoundOutList(RootModel[list[FoundOut]]):
    """Of one person."""


@dataclass(frozen=True)
class Reviews:
    calls: Calls
    caller: Caller

    async def page(
        self, contract_no: str, *, is_settled: bool | None = None, after: UUID | None = None, limit: int = PAGE_ROWS
    ) -> ReviewItems:
        told = None if is_settled is None else str(is_settled).lower()
        return await self.calls.get(
            self.caller, SERVICE, _path(contract_no), ReviewItems, is_settled=told, after=after, limit=limit
        )

    async def of_person(self, contract_no: str, person_id: UUID) -> list[ReviewItem]:
        return (await self.calls.get(self.caller, SERVICE, _path(contract_no), ReviewItems, person_id=person_id)).items

    async def settle(self, contract_no: str, person_id: UUID, looked: Mapping[str, Any], *, key: str) -> bool:
        """Whether it is settled by this; False: it was before, and what was found is not kept."""
        return await self.calls.post_once(self.caller, SERVICE, f"{_path(contract_no)}/{person_id}/settlements", looked, key=key)

    async def found_out(self, contract_no: str, person_id: UUID) -> list[FoundOut]:
        """What was written about this person's items. That it was read is recorded."""
        path = f"{_path(contract_no)}/{person_id}/settlements"
        return (await self.calls.get(self.caller, SERVICE, path, FoundOutList)).root


def _path(contract_no: str) -> str:
    return f"/v1/contracts/{contract_no}/review-items"
