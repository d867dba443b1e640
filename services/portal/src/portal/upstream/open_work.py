"""What is open, on a contract and on all that a supervisor reaches: forms that wait, review items, entries on paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from portal.upstream.calls import Caller, Calls
from portal.upstream.gatekeeper import RecordedAttempt
from portal.upstream.health import SUPERVISED_ROWS
from portal.upstream.registration import PAGE_ROWS, Nothing, Registrant
from portal.upstream.review_items import ReviewItems

REGISTRATION, GATEKEEPER = "registration", "gatekeeper"
PAPER_ENTRIES = "/v1/paper-entries"
ENTRIES_MAX = 200
"""Of one person, against the rules."""


class AwaitingForm(BaseModel):
    """Masked."""

    person_id: UUID
    accompanies: UUID | None
    """Of a family member: with whom he comes."""
    name: str | None
    document_type: str
    document_number: str | None
    waits_for: str | None
    registered_by: Registrant | None
    changed_at: datetime


class AwaitingForms(BaseModel):
    items: list[AwaitingForm]
    next: str | None


class AwaitingOnContract(BaseModel):
    contract_no: str
    people: int
    family_members: int


class AwaitingByContract(BaseModel):
    total: int
    items: list[AwaitingOnContract]
    next: str | None


class UnsettledOnContract(BaseModel):
    contract_no: str
    items: int


class UnsettledByContract(BaseModel):
    total: int
    items: list[UnsettledOnContract]
    next: str | None


class PaperEntry(RecordedAttempt):
    contract_no: str


class PaperEntries(BaseModel):
    total: int
    items: list[PaperEntry]
    next: str | None


@dataclass(frozen=True)
class OpenWork:
    calls: Calls
    caller: Caller

    async def awaiting(self, contract_no: str, *, after: str | None = None, limit: int = PAGE_ROWS) -> AwaitingForms:
        """Forms of people and of family; whichever waits longest comes first."""
        path = f"/v1/contracts/{contract_no}/awaiting-forms"
        return await self.calls.get(self.caller, REGISTRATION, path, AwaitingForms, after=after, limit=limit)

    # --- On all contracts that a supervisor reaches ---

    async def awaiting_by_contract(self, *, after: str | None = None) -> AwaitingByContract:
        return await self.calls.get(
            self.caller, REGISTRATION, "/v1/awaiting-forms", AwaitingByContract, after=after, limit=SUPERVISED_ROWS
        )

    async def awaiting_on(self, contract_no: str, *, after: str | None = None) -> AwaitingForms:
        path = f"/v1/awaiting-forms/{contract_no}"
        return await self.calls.get(self.caller, REGISTRATION, path, AwaitingForms, after=after, limit=PAGE_ROWS)

    async def unsettled_by_contract(self, *, after: str | None = None) -> UnsettledByContract:
        """Of 待核事项, those that nobody has looked at."""
        return await self.calls.get(
            self.caller, REGISTRATION, "/v1/review-items", UnsettledByContract, after=after, limit=SUPERVISED_ROWS
        )

    async def unsettled_on(self, contract_no: str, *, after: UUID | None = None) -> ReviewItems:
        path = f"/v1/review-items/{contract_no}"
        return await self.calls.get(self.caller, REGISTRATION, path, ReviewItems, is_settled="false", after=after, limit=PAGE_ROWS)

    async def paper_entries(self, *, is_settled: bool = False, after: str | None = None) -> PaperEntries:
        """Let in on paper although a rule forbade it: those that nobody has looked at, or the others."""
        told = str(is_settled).lower()
        return await self.calls.get(
            self.caller, GATEKEEPER, PAPER_ENTRIES, PaperEntries, is_settled=told, after=after, limit=SUPERVISED_ROWS
        )

    async def paper_entry(self, person_id: UUID, attempt_id: UUID) -> PaperEntry | None:
        """None: there is none, or it is not supervised by whoever asks."""
        found = await self.calls.get(self.caller, GATEKEEPER, PAPER_ENTRIES, PaperEntries, person_id=person_id, limit=ENTRIES_MAX)
        return next((each for each in found.items if each.attempt_id == attempt_id), None)

    async def settle_paper_entry(self, person_id: UUID, said: Mapping[str, Any], *, key: str) -> None:
        await self.calls.post(self.caller, GATEKEEPER, f"{PAPER_ENTRIES}/{person_id}/settlements", said, Nothing, key=key)
