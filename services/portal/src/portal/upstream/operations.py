"""How every service runs, asked of all at once: one that is down, slow or older than this portal keeps nobody waiting.

Each service says how far its own log reaches and how far it has come in those of others; only here both are known, so that
only here it can be told who is behind whom. How old that makes somebody is then asked of whoever has the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from portal.upstream.calls import Caller, Calls, UpstreamAway, UpstreamRefused

SERVICES = ("registration", "health", "gatekeeper", "reporting", "healthcloud-bridge", "police-bridge")
STATUS_S_MAX = 3.0
"""How long one service may take to say how it runs: then the page is shown without it."""
AGES_S_MAX = 2.0


class Log(BaseModel):
    epoch: int
    heads: list[int]
    unpublished_age_s: float


class Followed(BaseModel):
    subscriber: str
    is_policy: bool
    source: str
    positions: list[int]


class Lease(BaseModel):
    name: str
    is_held: bool
    owner: UUID | None
    process: str | None
    taken_at: datetime | None
    expires_at: datetime | None
    token: int


class Worker(BaseModel):
    owner: UUID
    process: str
    obstacles: list[str]


class Parked(BaseModel):
    event: str
    subscriber: str
    source: str
    stream_id: UUID
    version: int
    type: str
    error: str | None
    attempts: int
    behind: int
    parked_at: datetime


class Discarded(BaseModel):
    event: str
    type: str
    reason: str
    discarded_by: str
    discarded_at: datetime


class Rebuild(BaseModel):
    name: str
    stage: str | None
    events_done: int | None
    events_total: int | None
    began_at: datetime | None
    told_at: datetime | None
    silent_s: float | None
    outcome: str | None
    has_new: bool
    has_old: bool


class Status(BaseModel):
    service: str
    version: str
    asked_at: datetime
    log: Log | None
    followed: list[Followed]
    ages_s: dict[str, float | None]
    leases: list[Lease]
    workers: list[Worker]
    parked_events: int
    parked_streams: int
    parked: list[Parked]
    discarded: list[Discarded]
    rebuilds: list[Rebuild]


class Ages(BaseModel):
    ages_s: list[float]


class Retried(BaseModel):
    applied: int


class RetryOutcome(BaseModel):
    items: list[Retried]
    left_streams: int
    """Of those that were to be retried."""


class Nothing(BaseModel):
    """Of a 204."""


@dataclass(frozen=True)
class Following:
    """A read model or policy in one of its sources."""

    subscriber: str
    is_policy: bool
    source: str
    behind: int | None
    """Events. None: the source does not say how far its log reaches."""
    age_s: float | None
    """Of the oldest of them; 0: none. None: it is not known."""


@dataclass(frozen=True)
class Running:
    """A service, as far as it answered."""

    name: str
    status: Status | None
    """None: it did not answer in time, or not as this portal understands."""
    following: Sequence[Following] = ()

    @property
    def oldest_age_s(self) -> float | None:
        """Of whatever it has not taken in yet, as far as known; 0: of nothing."""
        ages = [each.age_s for each in self.following if each.age_s is not None]
        return max(ages, default=None if self.following else 0.0)

    @property
    def leases_held(self) -> Sequence[Lease]:
        return [each for each in self.status.leases if each.is_held] if self.status else ()

    @property
    def obstacles(self) -> Sequence[str]:
        """Why its workers do not get on, as codes."""
        return sorted({each for worker in self.status.workers for each in worker.obstacles}) if self.status else ()


@dataclass(frozen=True)
class Operations:
    calls: Calls
    caller: Caller

    async def all(self) -> Sequence[Running]:
        """Every service, asked at the same time."""
        return await self.of(*SERVICES)

    async def of(self, *shown: str) -> Sequence[Running]:
        """These services, each with how far it is behind its sources."""
        statuses = dict(zip(SERVICES, await asyncio.gather(*map(self._status, SERVICES)), strict=True))
        ages = await self._ages(statuses)
        return [
            Running(name, status, _following(name, status, statuses, ages)) for name, status in statuses.items() if name in shown
        ]

    async def retry(self, service: str, stream_id: UUID | None) -> RetryOutcome:
        """A stream, or all that wait there. Raises: UpstreamRefused, UpstreamAway."""
        body = {"stream_id": str(stream_id)} if stream_id else {}
        return await self.calls.post(self.caller, service, "/v1/ops/parked/retries", body, RetryOutcome, key=None)

    async def discard(self, service: str, event: str, *, reason: str) -> None:
        """Raises: UpstreamRefused, UpstreamAway."""
        body = {"event": event, "reason": reason}
        await self.calls.post(self.caller, service, "/v1/ops/parked/discards", body, Nothing, key=None)

    async def _status(self, service: str) -> Status | None:
        try:
            async with asyncio.timeout(STATUS_S_MAX):
                return await self.calls.get(self.caller, service, "/v1/ops/status", Status)
        except (UpstreamAway, UpstreamRefused, TimeoutError):
            return None

    async def _ages(self, statuses: Mapping[str, Status | None]) -> dict[tuple[str, str, str], float]:
        """(service, subscriber, source) → age, of whoever is behind a source that answers in time."""
        behind: dict[str, dict[tuple[str, str, str], list[int]]] = {}
        for name, status in statuses.items():
            for each in status.followed if status else ():
                if _behind(each, statuses.get(each.source)):
                    behind.setdefault(each.source, {})[name, each.subscriber, each.source] = each.positions
        answers = await asyncio.gather(*(self._ages_of(source, list(each.values())) for source, each in behind.items()))
        return {
            key: age_s for each, ages in zip(behind.values(), answers, strict=True) for key, age_s in zip(each, ages, strict=False)
        }

    async def _ages_of(self, source: str, positions: Sequence[Any]) -> Sequence[float]:
        try:
            async with asyncio.timeout(AGES_S_MAX):
                return (await self.calls.post(self.caller, source, "/v1/ops/ages", {"positions": positions}, Ages, key=None)).ages_s
        except (UpstreamAway, UpstreamRefused, TimeoutError):
            return ()


def _behind(followed: Followed, source: Status | None) -> int | None:
    if source is None or source.log is None:
        return None
    return sum(max(head - pos, 0) for head, pos in zip(source.log.heads, followed.positions, strict=False))


def _following(
    name: str, status: Status | None, statuses: Mapping[str, Status | None], ages: Mapping[tuple[str, str, str], float]
) -> Sequence[Following]:
    found = []
    for each in status.followed if status else ():
        behind = _behind(each, statuses.get(each.source))
        age_s = 0.0 if behind == 0 else ages.get((name, each.subscriber, each.source))
        found.append(Following(each.subscriber, each.is_policy, each.source, behind, age_s))
    return found
