"""进场登记, 退场登记, 过闸, and what was decided on paper."""

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


class Reasons(BaseModel):
    """Why, all of it."""

    reasons: list[Reason]

    @property
    def forbidding(self) -> list[Reason]:
        return [each for each in self.reasons if each.effect == "forbid"]

    @property
    def reminders(self) -> list[Reason]:
        return [each for each in self.reasons if each.effect == "remind"]


class Verdict(Reasons):
    """What the gate says or would say."""

    earliest: date | None


class Clearance(Verdict):
    admissible: bool
    on_site: bool
    as_of: datetime | None


class Attempt(Verdict):
    person_id: UUID
    outcome: str
    attempted_at: datetime
    valid_until: datetime | None


class PaperEntry(Reasons):
    """What the rules say afterwards to whom two people let in."""

    person_id: UUID
    needs_review: bool
    entered_at: datetime


class Settlement(BaseModel):
    """What an authority said of an entry on paper against the rules."""

    finding: str
    measure: str
    settled_by: str
    settled_at: datetime


class RecordedAttempt(Reasons):
    attempt_id: UUID
    person_id: UUID
    kind: str
    outcome: str
    decided_by: list[UUID]
    attempted_at: datetime
    recorded_at: datetime
    recorded_by: str | None = None
    """The account that asked, or that recorded it."""
    settled: Settlement | None = None


class Attempts(BaseModel):
    items: list[RecordedAttempt]
    next: str | None


class Exit(BaseModel):
    person_id: UUID
    exited_at: datetime


class PastExit(BaseModel):
    exited_at: datetime
    recorded_by: str | None
    """The account."""


class Exits(BaseModel):
    items: list[PastExit]
    next_before: int | None


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


class BannedOnSite(BaseModel):
    person_id: UUID
    contracts: list[str]
    disposition: str
    banned_since: datetime


class BannedPage(BaseModel):
    items: list[BannedOnSite]
    next: UUID | None


@dataclass(frozen=True)
class Gatekeeper:
    calls: Calls
    caller: Caller

    async def clearance(self, contract_no: str, person_id: UUID) -> Clearance:
        return await self.calls.get(self.caller, SERVICE, f"/v1/contracts/{contract_no}/clearances/{person_id}", Clearance)

    async def enter(self, contract_no: str, who: Mapping[str, Any], *, key: str) -> Attempt:
        return await self.calls.post(self.caller, SERVICE, f"/v1/contracts/{contract_no}/entries", who, Attempt, key=key)

    async def pass_gate(self, contract_no: str, document: Mapping[str, str], *, key: str) -> Attempt:
        """过闸. Only a turnstile may ask."""
        body = {"document": dict(document)}
        return await self.calls.post(self.caller, SERVICE, f"/v1/contracts/{contract_no}/gate-passes", body, Attempt, key=key)

    async def record_on_paper(self, contract_no: str, entry: Mapping[str, Any], *, key: str) -> PaperEntry:
        return await self.calls.post(self.caller, SERVICE, f"/v1/contracts/{contract_no}/paper-entries", entry, PaperEntry, key=key)

    async def to_be_reviewed(self, contract_no: str, *, after: str | None = None, limit: int = 50) -> Attempts:
        """待核: let in on paper although a rule forbade it."""
        return await self.calls.get(
            self.caller, SERVICE, f"/v1/contracts/{contract_no}/attempts", Attempts, needs_review="true", after=after, limit=limit
        )

    async def attempts_of(self, contract_no: str, person_id: UUID, *, limit: int) -> Attempts:
        path = f"/v1/contracts/{contract_no}/attempts"
        return await self.calls.get(self.caller, SERVICE, path, Attempts, person_id=str(person_id), limit=limit)

    async def exits_of(self, contract_no: str, person_id: UUID, *, limit: int) -> Exits:
        path = f"/v1/contracts/{contract_no}/exits"
        return await self.calls.get(self.caller, SERVICE, path, Exits, person_id=str(person_id), limit=limit)

    async def leave(self, contract_no: str, who: Mapping[str, Any], *, key: str) -> Exit:
        return await self.calls.post(self.caller, SERVICE, f"/v1/contracts/{contract_no}/exits", who, Exit, key=key)

    async def roster(
        self,
        contract_no: str,
        *,
        on_site: bool | None = None,
        banned: bool | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Roster:
        path, told = f"/v1/contracts/{contract_no}/roster", {"on_site": _told(on_site), "banned": _told(banned)}
        return await self.calls.get(self.caller, SERVICE, path, Roster, **told, after=after, limit=limit)

    async def banned_on_site(self, *, limit: int = 200) -> BannedPage:
        """On all sites that a supervisor reaches."""
        return await self.calls.get(self.caller, SERVICE, "/v1/banned-on-site", BannedPage, limit=limit)


def _told(asked: bool | None) -> str | None:
    return None if asked is None else str(asked).lower()
