"""An invented domain for tests of the machinery: a tally is counted up until it is closed.

A tally remembers everything it counted, in order: whatever is lost, repeated or swapped shows in its state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar, Literal
from uuid import UUID, uuid4

from chassis.command_handling import CommandHandler, Decider
from chassis.event_store import Append, CommandKey, EventStore, NewEvent
from contracts.event import SHARDS, Actor, Envelope, Event
from contracts.rejection import Rejection

SERVICE = "tally"


class Counted(Event):
    TYPE: ClassVar[Literal["gatehouse.tally.counted.v1"]] = "gatehouse.tally.counted.v1"
    tally_id: UUID
    amount: int


class Closed(Event):
    TYPE: ClassVar[Literal["gatehouse.tally.closed.v1"]] = "gatehouse.tally.closed.v1"
    tally_id: UUID


@dataclass(frozen=True)
class Count:
    tally_id: UUID
    amount: int
    """0 is nothing to count."""


@dataclass(frozen=True)
class Close:
    tally_id: UUID


@dataclass(frozen=True)
class Tally:
    amounts: tuple[int, ...] = ()
    closed: bool = False


class TallyIsClosed(Rejection):
    code = "tally-is-closed"
    title_zh = "已关闭"
    title_en = "The tally is closed."


TallyEvent = Counted | Closed
TallyCommand = Count | Close
TallyDecider = Decider[TallyCommand, Tally, TallyEvent]
TallyHandler = CommandHandler[TallyCommand, Tally, TallyEvent]


def decide(command: TallyCommand, tally: Tally) -> Sequence[TallyEvent]:
    if tally.closed:
        raise TallyIsClosed
    if isinstance(command, Close):
        return [Closed(tally_id=command.tally_id)]
    return [Counted(tally_id=command.tally_id, amount=command.amount)] if command.amount else []


def evolve(tally: Tally, event: TallyEvent) -> Tally:
    if isinstance(event, Closed):
        return replace(tally, closed=True)
    return replace(tally, amounts=(*tally.amounts, event.amount))


EVENTS: dict[str, type[TallyEvent]] = {Counted.TYPE: Counted, Closed.TYPE: Closed}

TALLIES: TallyDecider = Decider(kind="tally", initial=Tally(), decide=decide, evolve=evolve, events=EVENTS, state_version=1)


class FixedClock:
    """It is always the same moment."""

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


def handler(store: EventStore, decider: TallyDecider = TALLIES) -> TallyHandler:
    return CommandHandler(store, decider, service=SERVICE, clock=FixedClock())


def in_shard(shard: int) -> UUID:
    """A new stream of this shard."""
    return UUID(int=uuid4().int & ~(SHARDS - 1) | shard)


def in_shards(*shards: int) -> list[UUID]:
    return [in_shard(shard) for shard in shards]


def new_event(
    stream_id: UUID, version: int, *, amount: int = 1, event_id: UUID | None = None, data: bytes | None = None, epoch: int = 1
) -> NewEvent:
    """A `Counted` as a command handler would hand it over."""
    event_id = event_id or uuid4()
    envelope = Envelope(
        event_id=event_id,
        type=Counted.TYPE,
        service=SERVICE,
        stream_id=stream_id,
        version=version,
        epoch=epoch,
        time=FixedClock().now(),
        correlation_id=event_id,
        causation_id=event_id,
        traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
        actor=Actor("ops", "somebody") if version % 2 else None,  # both kinds go every way that events go
    )
    encoded = Counted(tally_id=stream_id, amount=amount).encode()
    return NewEvent(event_id, Counted.TYPE, encoded if data is None else data, envelope.encode())


def append_of(
    stream_id: UUID,
    *,
    at: int = 0,
    events: int = 1,
    key: CommandKey | None = None,
    answer: bytes | None = b"first",
    not_after: datetime | None = None,
    epoch: int = 1,
) -> Append:
    """An append of some events at an expected version."""
    return Append(
        stream_id=stream_id,
        kind="tally",
        expected_version=at,
        events=[new_event(stream_id, at + n, amount=at + n, epoch=epoch) for n in range(1, events + 1)],
        state=b"[%d]" % (at + events),
        state_version=1,
        not_after=not_after,
        key=key,
        answer=answer if key else None,
    )


def key_of(key: str, *, body: bytes = b"body", principal: str = "somebody") -> CommandKey:
    return CommandKey(principal=principal, key=key, body_hash=body)
