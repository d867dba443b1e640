"""`/v1/ops`: what an operator asks every service, and does about what is parked there. The portal's page shows it.

For the role `ops` alone. Nothing is of anybody: streams are told by their ids, and of an event nothing but its type and place.
"""

from __future__ import annotations

import time
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request

from chassis.auth import Principal, allowed
from chassis.curing import NotTheFirst, Place, Stream, Unknown
from chassis.ops import Ops
from chassis.release import release
from chassis.strict_json import StrictModel
from chassis.web import Router, problems
from contracts.access import Action
from contracts.event import SHARDS
from contracts.rejection import Rejection
from contracts.texts import VisibleText

RETRY_S_MAX = 4.0
"""After which no further stream is begun, and of one no further batch: whoever asked is told what is left, and asks again."""
LISTS_MAX = 64
"""Of positions, in one question."""
POSITION_MAX = 2**53 - 1
PLACE = r"^[a-z0-9_]{1,64}/[a-z-]{1,32}/[0-9]{1,2}:[0-9]{1,15}$"

router = Router(prefix="/v1/ops", tags=["ops"])
of_log = Router(prefix="/v1/ops", tags=["ops"])
"""What only a service with a log is asked."""

Operator = Annotated[Principal, Depends(allowed(Action.OPERATE))]


class EventIsNotParked(Rejection):
    """It was retried or discarded meanwhile, or never waited (docs/runbooks/parked.md)."""

    code = "event-is-not-parked"
    title_zh = "该事件已不在等待处理:可能已由他人重试或放弃"
    title_en = "This event does not wait any more: somebody may have retried or discarded it"


class AnotherEventComesFirst(Rejection):
    """What comes first in a stream is decided first (ADR 18)."""

    code = "another-event-comes-first"
    title_zh = "同一数据流中还有更早的事件在等待,请先处理"
    title_en = "Another event of the same stream comes first"


async def _ops(request: Request) -> Ops:
    ops: Ops = request.app.state.ops
    return ops


Asked = Annotated[Ops, Depends(_ops)]


class LogAnswer(BaseModel):
    """How far the log reaches."""

    epoch: int
    heads: list[int]
    """The last position of shard 0, 1, … 63."""
    unpublished_age_s: float
    """Of the oldest event that the broker has not acknowledged; 0: none."""


class FollowedAnswer(BaseModel):
    """How far a read model or policy has come in one of its sources."""

    subscriber: str
    is_policy: bool
    source: str
    positions: list[int]
    """The last one taken in of shard 0, 1, … 63."""


class LeaseAnswer(BaseModel):
    """Who works on what."""

    name: str
    is_held: bool
    """Whether its owner lives. Else it is anybody's within seconds, or nobody is there."""
    owner: UUID | None
    process: str | None
    """Host and process number of the owner."""
    taken_at: AwareDatetime | None
    expires_at: AwareDatetime | None
    """Unless the owner says again that he lives, as he does every second."""
    token: int
    """How often it was taken."""


class WorkerAnswer(BaseModel):
    """A worker that lives."""

    owner: UUID
    process: str
    """Host and process number. Empty: of a release that does not tell."""
    obstacles: list[str]
    """Why it does not get on: `halted-…` (docs/runbooks/halted.md), or what the relay cannot get past (relay-stuck.md)."""


class ParkedAnswer(BaseModel):
    """The first event of a stream that waits, with how many come behind it."""

    event: str
    """Its place: `subscriber/source/shard:pos`."""
    subscriber: str
    source: str
    stream_id: UUID
    version: int
    type: str
    error: str | None
    attempts: int
    behind: int
    parked_at: AwareDatetime


class DiscardedAnswer(BaseModel):
    """An event that was given up."""

    event: str
    type: str
    error: str | None
    reason: str
    discarded_by: str
    discarded_at: AwareDatetime


class RebuildAnswer(BaseModel):
    """The last rebuild of a read model."""

    name: str
    stage: str | None
    """None: of a release that did not tell."""
    events_done: int | None
    events_total: int | None
    """To be folded."""
    began_at: AwareDatetime | None
    told_at: AwareDatetime | None
    silent_s: float | None
    """Since it was last told how far it is."""
    outcome: str | None
    """`switched`, `switched back`, `different`, or the type of what went wrong. None: it is at work, or was killed."""
    has_new: bool
    """Whether tables are there that it has begun."""
    has_old: bool
    """Whether tables are kept that it has replaced."""


class StatusAnswer(BaseModel):
    """How a service runs."""

    service: str
    version: str
    asked_at: AwareDatetime
    log: LogAnswer | None
    """None for a service without a log."""
    followed: list[FollowedAnswer]
    ages_s: dict[str, float | None]
    """What else must not grow old, by name. None: it is not known how old."""
    leases: list[LeaseAnswer]
    workers: list[WorkerAnswer]
    parked_events: int
    parked_streams: int
    parked: list[ParkedAnswer]
    """Some fifty at most."""
    discarded: list[DiscardedAnswer]
    """The last twenty."""
    rebuilds: list[RebuildAnswer]


Positions = Annotated[list[Annotated[int, Field(ge=0, le=POSITION_MAX)]], Field(min_length=SHARDS, max_length=SHARDS)]


class AgesBody(StrictModel):
    """What was taken in of this service's log, by several who follow it."""

    positions: Annotated[list[Positions], Field(min_length=1, max_length=LISTS_MAX)]


class AgesAnswer(BaseModel):
    """Of each of them the age of the oldest event that comes after, seconds; 0: none does."""

    ages_s: list[float]


class RetryBody(StrictModel):
    """What is tried again."""

    stream_id: UUID | None = None
    """A stream, for whoever it waits. None: every one."""


class RetriedAnswer(BaseModel):
    """What became of a stream."""

    subscriber: str
    source: str
    stream_id: UUID
    applied: int
    stopped_at: str | None
    """The first event of it that waits still."""
    error: str | None
    """Why it cannot be applied, or could not now. None: time was up, or nothing is left."""


class RetryAnswer(BaseModel):
    """What became of them."""

    items: list[RetriedAnswer]
    """Those that were tried, whatever was tried least often first."""
    left_streams: int
    """Of those that were asked for, how many wait now, whether they were tried or not."""


class DiscardBody(StrictModel):
    """An event that must never be applied."""

    event: Annotated[str, Field(pattern=PLACE)]
    """Its place: `subscriber/source/shard:pos`."""
    reason: VisibleText
    """Kept for good. No names of people in it."""


@router.get("/status")
async def read_status(operator: Operator, ops: Asked) -> StatusAnswer:
    """How the service runs, by what its database says."""
    events, streams = await ops.parked()
    return StatusAnswer(
        service=ops.name,
        version=release(),
        asked_at=await ops.now(),
        log=LogAnswer.model_validate(log, from_attributes=True) if (log := await ops.log()) else None,
        followed=[FollowedAnswer.model_validate(each, from_attributes=True) for each in await ops.followed()],
        ages_s=await ops.ages_s(),
        leases=[LeaseAnswer(**row) for row in await ops.leases()],
        workers=[WorkerAnswer(**row) for row in await ops.workers()],
        parked_events=events,
        parked_streams=streams,
        parked=[ParkedAnswer(event=_place(row), **_of(row, ParkedAnswer)) for row in await ops.parked_streams()],
        discarded=[DiscardedAnswer(event=_place(row), **_of(row, DiscardedAnswer)) for row in await ops.discarded()],
        rebuilds=[RebuildAnswer(**row) for row in await ops.rebuilds()],
    )


@of_log.post("/ages")
async def read_ages(body: AgesBody, operator: Operator, ops: Asked) -> AgesAnswer:
    """How old is what others have not yet taken in of this log. A question: nothing is stored."""
    return AgesAnswer(ages_s=list(await ops.ages_beyond(body.positions)))


@router.post("/parked/retries")
async def retry_parked(body: RetryBody, operator: Operator, ops: Asked) -> RetryAnswer:
    """Apply what is parked after all, in order, beside the running worker. What was applied is gone: a repeat finds nothing."""
    until_s, items = time.monotonic() + RETRY_S_MAX, list[RetriedAnswer]()
    for row in await ops.cure.streams(body.stream_id):
        if time.monotonic() > until_s:
            break
        items.append(await _retried(ops, Stream(row["subscriber"], row["source"], row["stream_id"]), until_s))
    _, left = await ops.parked(body.stream_id)
    return RetryAnswer(items=items, left_streams=left)


@router.post("/parked/discards", status_code=204, responses=problems(EventIsNotParked, AnotherEventComesFirst))
async def discard_parked(body: DiscardBody, operator: Operator, ops: Asked) -> None:
    """Give one event up, for a reason that is kept with who decided it. What comes behind it stays parked, to be retried."""
    try:
        await ops.cure.discard(Place.parse(body.event), reason=body.reason, by=operator.subject)
    except Unknown:
        raise EventIsNotParked from None
    except NotTheFirst:
        raise AnotherEventComesFirst from None


async def _retried(ops: Ops, stream: Stream, until_s: float) -> RetriedAnswer:
    applied, stopped_at, error = await ops.cure.retry(stream, until_s=until_s)
    return RetriedAnswer(**stream._asdict(), applied=applied, stopped_at=str(stopped_at) if stopped_at else None, error=error)


def _place(row: Any) -> str:
    return str(Place(row["subscriber"], row["source"], row["shard"], row["pos"]))


def _of(row: Any, answer: type[BaseModel]) -> dict[str, Any]:
    """What the answer tells of the row, without its place."""
    return {name: row[name] for name in answer.model_fields if name != "event"}
