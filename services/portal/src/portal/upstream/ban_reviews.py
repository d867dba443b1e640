"""复核 and 申诉: bans that somebody has to look at again, and what the banned say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from portal.upstream.calls import Caller, Calls
from portal.upstream.health import SERVICE, SUPERVISED_ROWS, Decisions, Disposition
from portal.upstream.registration import CORRECTIONS_MAX, PAGE_ROWS, Correction, Corrections, Nothing

GROUNDS_MAX = 20
"""The last decisions about somebody: more than a page need tell."""


class Ban(Decisions):
    """What stands, and what it came from."""

    review_on: date | None
    objects: bool

    @property
    def stands(self) -> bool:
        return self.disposition != "admissible"


class Look(BaseModel):
    """复核, after which the ban stayed."""

    evidence: str | None
    reviewed_at: datetime


class Grounds(Disposition):
    """A decision, and what it rests on."""

    evidence: str | None
    release_document: str | None
    reviews: list[Look]


class AllGrounds(BaseModel):
    items: list[Grounds]


class Objection(BaseModel):
    note: str | None
    objected_at: datetime


class Objections(BaseModel):
    items: list[Objection]


class DueReview(BaseModel):
    person_id: UUID
    contracts: list[str]
    disposition: str
    banned_at: datetime
    review_on: date
    objected_at: datetime | None


class DueReviews(BaseModel):
    date: date
    items: list[DueReview]
    next: UUID | None


@dataclass(frozen=True)
class BanReviews:
    calls: Calls
    caller: Caller

    async def due(self, contract_no: str, *, after: UUID | None = None, limit: int = PAGE_ROWS) -> DueReviews:
        """待复核 on a contract."""
        path = f"/v1/contracts/{contract_no}/ban-reviews"
        return await self.calls.get(self.caller, SERVICE, path, DueReviews, after=after, limit=limit)

    async def supervised(self, *, after: UUID | None = None, limit: int = SUPERVISED_ROWS) -> DueReviews:
        """待复核 on all contracts that a supervisor reaches."""
        return await self.calls.get(self.caller, SERVICE, "/v1/ban-reviews", DueReviews, after=after, limit=limit)

    async def ban(self, person_id: UUID) -> tuple[Ban, int]:
        """The last decision, and the version that a review is based on."""
        return await self.calls.get_versioned(self.caller, SERVICE, _path(person_id), Ban, limit=1)

    async def review(self, person_id: UUID, looked: Mapping[str, Any], *, based_on: int, key: str) -> None:
        """The ban stays. Refused where something came after what was looked at."""
        path = f"{_path(person_id)}/reviews"
        await self.calls.post(self.caller, SERVICE, path, looked, Nothing, key=key, based_on=based_on)

    async def object(self, person_id: UUID, said: Mapping[str, Any], *, key: str) -> None:
        await self.calls.post(self.caller, SERVICE, f"{_path(person_id)}/objections", said, Nothing, key=key)

    async def grounds(self, person_id: UUID) -> list[Grounds]:
        """On what the decisions rest, the last one first. That it was read is recorded."""
        return (await self.calls.get(self.caller, SERVICE, f"{_path(person_id)}/grounds", AllGrounds, limit=GROUNDS_MAX)).items

    async def corrections(self, person_id: UUID) -> list[Correction]:
        """What was put right about the person, the last one first. That it was read is recorded."""
        path = f"/v1/people/{person_id}/corrections"
        return (await self.calls.get(self.caller, SERVICE, path, Corrections, limit=CORRECTIONS_MAX)).items

    async def objections(self, person_id: UUID) -> list[Objection]:
        """What the person said. That it was read is recorded."""
        path = f"{_path(person_id)}/objections"
        return (await self.calls.get(self.caller, SERVICE, path, Objections)).items


def _path(person_id: UUID) -> str:
    return f"/v1/people/{person_id}/dispositions"
