"""Load → decide → append: how every command of every service becomes facts.

A `Decider` is a service's domain: pure functions and a state. A `CommandHandler` runs it against the log. The same
`Decision` serves the policies (`chassis.projector`), which append inside their own transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Any, Generic, TypeVar
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from pydantic import TypeAdapter

from chassis.clock import Clock
from chassis.consistency import ConsistencyToken, Place
from chassis.crash_points import CrashPoint, passing
from chassis.event_store import (
    NO_STREAM,
    AlreadyStored,
    Append,
    Appended,
    CommandKey,
    Conflict,
    EventStore,
    KeyReused,
    Late,
    NewEvent,
    Outrun,
    Remembered,
    StoredStream,
)
from chassis.faults import IdempotencyKeyReused, OtherStreamMoved, TooLate, Unavailable, VersionConflict
from chassis.shard_heads import READ_EVENTS_MAX
from chassis.telemetry import request_context
from chassis.tracing import following
from chassis.turns import Rounds, Turns
from contracts.event import EVENT_BYTES_MAX, Actor, Envelope, Event, Recorded
from contracts.rejection import Rejection

C = TypeVar("C", contravariant=True)
S = TypeVar("S")
E = TypeVar("E", bound=Event)

EVENTS_MAX = 64
"""Facts that one command makes at most."""
NOTHING: Mapping[UUID, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Decider(Generic[C, S, E]):
    """A service's domain for one kind of stream."""

    kind: str
    initial: S
    decide: Callable[[C, S], Sequence[E]]
    """Facts that follow from the command in this state; none for a repeat. Raises a Rejection."""
    evolve: Callable[[S, E], S]
    """The state after a fact. Never refuses: it already happened."""
    events: Mapping[str, type[E]]
    """Every event type that a stream of this kind can hold, by its written name."""
    state_version: int
    """Rises whenever `evolve` or the state's shape changes, so that cached states are folded anew."""

    @cached_property
    def states(self) -> TypeAdapter[S]:
        """The shape in which the state is cached."""
        return TypeAdapter(type(self.initial))

    def cached(self, state: S) -> bytes:
        """As JSON, without whatever is as it was in the beginning: that is most of it, and it is written with each command."""
        return self.states.dump_json(state, exclude_defaults=True)

    def restored(self, cached: bytes) -> S:
        """The state that was `cached`."""
        return self.states.validate_json(cached)

    def fold(self, state: S, events: Sequence[E]) -> S:
        for event in events:
            state = self.evolve(state, event)
        return state


@dataclass(frozen=True, slots=True)
class Cause:
    """What a command's events name as their origin."""

    command_id: UUID
    """Event ids derive from it, so the same command decided twice makes the same ids."""
    causation_id: UUID
    correlation_id: UUID
    traceparent: str
    actor: Actor | None
    """Who asks. None: nobody, it is the service's own doing."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[E]):
    """What became of a command."""

    stream_id: UUID
    """Whose. Of a replayed key, that of the first one."""
    version: int
    """The stream's version after it."""
    events: Sequence[E]
    """The facts it made; none for a repeat. For a replayed key, the facts that the first one made."""
    token: ConsistencyToken | None
    """Where the last of the facts stands in the log; None where there is none."""
    replayed: bool


@dataclass(frozen=True, slots=True)
class Decision(Generic[S, E]):
    """A decided command, ready to be appended at the version that it was decided on."""

    events: Sequence[E]
    state: S
    append: Append


class CommandHandler(Generic[C, S, E]):
    """Handles the commands of one kind of stream of one service."""

    def __init__(self, store: EventStore, decider: Decider[C, S, E], *, service: str, clock: Clock) -> None:
        self._store = store
        self.service = service
        self._clock = clock
        self.decider = decider
        self._turns = Turns()

    def turn(self, stream_id: UUID) -> AbstractAsyncContextManager[None]:
        """For whoever reads before he asks something: nobody else in this process decides on the stream between the two."""
        return self._turns.turn(stream_id)

    async def handle(
        self,
        stream_id: UUID,
        command: C,
        *,
        key: CommandKey | None = None,
        expected_version: int | None = None,
        not_after: datetime | None = None,
        rests_on: Sequence[tuple[UUID, int]] = (),
        along: Mapping[UUID, C] = NOTHING,
    ) -> Outcome[E]:
        """Decide the command on the stream as it is and append what follows, atomically.

        With `key`, sending it again answers with the first outcome and does nothing. With `expected_version`, the stream
        must be there. With `not_after`, the append must happen by then, by the database's clock. With `rests_on`, these other
        streams must be at these versions, which the command was made from. With `along`, some of them are asked something,
        too: all that follows is appended, or nothing is.

        Raises: Rejection as `decide` does; VersionConflict; OtherStreamMoved; IdempotencyKeyReused; TooLate; Unavailable;
        ValueError where a stream is asked along that `rests_on` lacks.
        """
        if along.keys() - dict(rests_on).keys():
            raise ValueError("what is asked along of a stream rests on where that stream was read")
        epoch = self._store.epoch
        try:
            async with self.turn(stream_id):
                outcome = await self._handle(stream_id, command, key, expected_version, not_after, rests_on, along)
        except (Rejection, VersionConflict):
            await self._store.require_whole(since_epoch=epoch)
            # A repeat meets what its first one left, and is refused for that: it is answered with the first outcome.
            if key and (first := await self.outcome_of(key)):
                return first
            raise
        passing(CrashPoint.COMMAND_DONE)
        return outcome

    async def outcome_of(self, key: CommandKey) -> Outcome[E] | None:
        """The outcome of the command that had this key; None where none was done. Raises: IdempotencyKeyReused."""
        match await self._store.remembered(key):
            case Remembered(answer=answer):
                return await self._first_outcome(answer)
            case KeyReused():
                raise IdempotencyKeyReused from None
            case None:
                return await self._stored_outcome(_cause(key))

    async def _handle(
        self,
        stream_id: UUID,
        command: C,
        key: CommandKey | None,
        expected_version: int | None,
        not_after: datetime | None,
        rests_on: Sequence[tuple[UUID, int]],
        asked_along: Mapping[UUID, C],
    ) -> Outcome[E]:
        cause = _cause(key)
        stored = NO_STREAM
        async for _ in Rounds():
            stored = await self._store.load(stream_id)
            if expected_version is not None and stored.version != expected_version:
                raise VersionConflict(stored.version)
            state = await self.state_of(stream_id, stored)
            events = self.decider.decide(command, state)
            along = [await self._along(each, version, asked_along.get(each), cause) for each, version in rests_on]
            decision = self.decision(stream_id, stored, state, events, cause, key=key, not_after=not_after, along=along)
            passing(CrashPoint.COMMAND_DECIDED)
            match await self._store.append(decision.append):
                case Appended(version=version, shard=shard, last_pos=pos):
                    places = [] if pos is None else [Place(shard, pos, self._store.epoch)]
                    token = ConsistencyToken.of(self.service, places)
                    return Outcome(stream_id, version, decision.events, token, replayed=False)
                case Remembered(answer=answer):
                    return await self._first_outcome(answer)
                case KeyReused():
                    raise IdempotencyKeyReused
                case Late():
                    raise TooLate
                case Outrun():
                    raise OtherStreamMoved(stored.version)
                case AlreadyStored():
                    first = await self._stored_outcome(cause)
                    if first is None:
                        raise Unavailable(retry_after_s=1)  # Of an append that is being taken back. It may be done again.
                    return first
                case Conflict():
                    continue
        raise VersionConflict(stored.version)

    async def _along(self, stream_id: UUID, version: int, command: C | None, cause: Cause) -> Append:
        """What goes along to another stream, which was read at this version. None: it only has to stand there."""
        if command is None:
            return Append(stream_id, self.decider.kind, version, (), None, None)
        stored = await self._store.load(stream_id)
        if stored.version != version:
            raise OtherStreamMoved(stored.version)
        state = await self.state_of(stream_id, stored)
        # Of two streams each has its own first event.
        here = replace(cause, command_id=uuid5(cause.command_id, str(stream_id)))
        return self.decision(stream_id, stored, state, self.decider.decide(command, state), here).append

    async def read(self, stream_id: UUID) -> tuple[int, S]:
        """The stream's version and state. A stream that does not exist is at version 0."""
        stored = await self._store.load(stream_id)
        return stored.version, await self.state_of(stream_id, stored)

    async def read_together(self, stream_ids: Sequence[UUID]) -> Mapping[UUID, tuple[int, S]]:
        """As `read`, of several as they are at one moment, in their order."""
        found = zip(stream_ids, await self._store.load_many(stream_ids), strict=True)
        return {each: (stored.version, await self.state_of(each, stored)) for each, stored in found}

    async def state_of(self, stream_id: UUID, stored: StoredStream) -> S:
        if stored.version == 0:
            return self.decider.initial
        if stored.state is not None and stored.state_version == self.decider.state_version:
            return self.decider.restored(stored.state)
        return await self._fold(stream_id, stored.version)

    async def _fold(self, stream_id: UUID, version: int) -> S:
        state = self.decider.initial
        async for event in self.events(stream_id, version):
            state = self.decider.evolve(state, event)
        return state

    async def events(self, stream_id: UUID, version: int) -> AsyncIterator[E]:
        """The stream's facts up to a version, in order. Raises: Unavailable, where one is of a newer release."""
        for reached in range(0, version, READ_EVENTS_MAX):
            upto = min(reached + READ_EVENTS_MAX, version)
            for recorded in await self._store.read_stream(stream_id, after_version=reached, to_version=upto):
                yield self._decode(recorded)

    def decision(
        self,
        stream_id: UUID,
        stored: StoredStream,
        state: S,
        events: Sequence[E],
        cause: Cause,
        *,
        key: CommandKey | None = None,
        not_after: datetime | None = None,
        along: Sequence[Append] = (),
    ) -> Decision[S, E]:
        """The events as the log takes them, with the state after them."""
        if len(events) > EVENTS_MAX:
            raise ValueError(f"{len(events)} facts of one command, at most {EVENTS_MAX}")
        after = self.decider.fold(state, events)
        # A newer process folds differently: what it cached is not replaced by our older fold, but dropped.
        ours = stored.state_version is None or stored.state_version <= self.decider.state_version
        append = Append(
            stream_id=stream_id,
            kind=self.decider.kind,
            expected_version=stored.version,
            events=[self._encode(event, stream_id, stored.version + n, n, cause) for n, event in enumerate(events, 1)],
            state=self.decider.cached(after) if ours else None,
            state_version=self.decider.state_version if ours else stored.state_version,
            not_after=not_after,
            key=key,
            answer=f"{stream_id} {stored.version} {stored.version + len(events)}".encode() if key else None,
            along=along,
        )
        return Decision(events, after, append)

    def _encode(self, event: E, stream_id: UUID, version: int, n: int, cause: Cause) -> NewEvent:
        data = event.encode()
        if len(data) > EVENT_BYTES_MAX:
            raise ValueError(f"{event.TYPE} has {len(data)} bytes, at most {EVENT_BYTES_MAX} can be published")
        envelope = Envelope(
            event_id=_event_id(cause, n),
            type=event.TYPE,
            service=self.service,
            stream_id=stream_id,
            version=version,
            epoch=self._store.epoch,
            time=self._clock.now(),
            correlation_id=cause.correlation_id,
            causation_id=cause.causation_id,
            traceparent=cause.traceparent,
            actor=cause.actor,
        )
        return NewEvent(envelope.event_id, event.TYPE, data, envelope.encode())

    def _decode(self, recorded: Recorded) -> E:
        event_class = self.decider.events.get(recorded.type)
        if event_class is None:
            # Written by a newer release: deciding without it could be wrong.
            raise Unavailable(retry_after_s=30)
        return event_class.decode(recorded.data)

    async def _stored_outcome(self, cause: Cause) -> Outcome[E] | None:
        """The outcome of a command that was done before its key was forgotten, from the events that it made."""
        stored = await self._store.stored_range([_event_id(cause, n) for n in range(1, EVENTS_MAX + 1)])
        if stored is None:
            return None
        stream_id, first, last = stored
        return await self._first_outcome(f"{stream_id} {first - 1} {last}".encode())

    async def _first_outcome(self, answer: bytes) -> Outcome[E]:
        """The outcome of the command that `answer` was remembered for, on whichever stream that was."""
        told, before, version = answer.decode().split()
        stream_id = UUID(told)
        events = await self._store.read_stream(stream_id, after_version=int(before), to_version=int(version))
        token = ConsistencyToken.of(self.service, [Place(last.shard, last.pos, last.epoch) for last in events[-1:]])
        return Outcome(stream_id, int(version), [self._decode(event) for event in events], token, replayed=True)

    async def token_after(self, outcome: Outcome[E]) -> ConsistencyToken | None:
        """Where the stream stands after a command, also where that added nothing: what a repeat finds may be just as young."""
        if outcome.token is not None:
            return outcome.token
        return await self.token_at(outcome.stream_id, version=outcome.version)

    async def token_at(self, stream_id: UUID, *, version: int) -> ConsistencyToken | None:
        """Where one version of the stream stands."""
        place = await self._store.place_of(stream_id, version=version)
        return ConsistencyToken.of(self.service, [place] if place else [])

    async def token_of_shards(self, shards: Iterable[int]) -> ConsistencyToken | None:
        """Everything that these shards hold by now."""
        heads = (await self._store.reach()).heads
        return ConsistencyToken.of(self.service, [heads[shard] for shard in set(shards) if heads[shard].pos])


def command_key(*, principal: str, key: str, body: bytes) -> CommandKey:
    """The key of a request. `body` is whatever makes two requests the same: route, path and content."""
    return CommandKey(principal=principal, key=key, body_hash=hashlib.sha256(body).digest())


def _event_id(cause: Cause, n: int) -> UUID:
    """Of the command's `n`-th event, from 1."""
    return uuid5(cause.command_id, str(n))


def _cause(key: CommandKey | None) -> Cause:
    # With the body: a key that was forgotten after some days may come back for another request, which makes other events.
    command_id = uuid5(NAMESPACE_OID, f"{key.principal}\n{key.key}\n{key.body_hash.hex()}") if key else uuid4()
    context = request_context()
    asks = context.principal
    return Cause(
        command_id=command_id,
        causation_id=command_id,
        correlation_id=command_id,
        traceparent=context.traceparent,
        actor=Actor(asks.role, asks.subject) if asks else None,
    )


def cause_of(recorded: Recorded, *, policy: str, index: int) -> Cause:
    """The cause of the `index`-th command that a policy draws from an event."""
    return Cause(
        command_id=uuid5(recorded.event_id, f"{policy}/{index}"),
        causation_id=recorded.event_id,
        correlation_id=recorded.correlation_id,
        traceparent=following(recorded.traceparent),
        actor=None,
    )
