"""What policies make of a batch of facts: commands, decided outside the transaction and appended inside it.

Exception
└── Raced              decide again
    ├── EpochChanged   the log was restored meanwhile
    └── DoneBefore     what would be appended is stored: without it, then
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import structlog

from chassis.command_handling import Cause, Decision, cause_of
from chassis.database import Connection
from chassis.event_store import EPOCH_CHANGED, Append, Appended, EventStore, append_group, count, is_stored_already
from chassis.subscribers import Fact, Policy
from chassis.tracing import trace_id_of
from contracts.event import Recorded
from contracts.rejection import Rejection

log = structlog.get_logger()


class Raced(Exception):
    """A command of another process came between: decide again."""


class EpochChanged(Raced):
    """The log was restored meanwhile."""


class DoneBefore(Raced):
    """A command's events are stored: before the log was restored, the same facts asked for it."""


Stored = tuple[Append, Appended]
"""What was asked of the log, and what it answered."""


class Asked(NamedTuple):
    """A command of a policy."""

    policy: Policy[Any]
    stream_id: UUID
    command: Any
    cause: Cause


def asked_by(policy: Policy[Any], facts: Sequence[Fact[Any]]) -> list[Asked]:
    """What the policy makes of the facts."""
    return [each for fact in facts for each in _asked(policy, policy.react(fact), fact.recorded, policy.name)]


def asked_when_parked(policy: Policy[Any], recorded: Recorded) -> list[Asked]:
    """What the policy makes of an event that is at fault."""
    return _asked(policy, policy.when_parked(recorded), recorded, f"{policy.name}/parked")


def asked_when_cured(policy: Policy[Any], recorded: Recorded) -> list[Asked]:
    """What the policy makes of the last event of a stream that waited."""
    return _asked(policy, policy.when_cured(recorded), recorded, f"{policy.name}/cured")


def _asked(policy: Policy[Any], commands: Sequence[tuple[UUID, Any]], recorded: Recorded, name: str) -> list[Asked]:
    """`name` keeps the event ids apart of what one event asks for at different times."""
    return [
        Asked(policy, stream_id, command, cause_of(recorded, policy=name, index=index))
        for index, (stream_id, command) in enumerate(commands)
    ]


@dataclass(frozen=True)
class Reactions:
    """Decides and appends for the policies of one service."""

    store: EventStore

    async def decide(self, asked: Sequence[Asked], *, is_careful: bool) -> list[Append]:
        """What the commands append, each decided on what the ones before it made: one append a stream. Outside a transaction.

        `is_careful`: without the commands whose events are stored already.
        """
        if not asked:
            return []
        stream_ids = sorted({each.stream_id for each in asked})
        stored = dict(zip(stream_ids, await self.store.load_many(stream_ids), strict=True))
        first = dict(stored)
        states: dict[UUID, Any] = {}
        decisions: dict[UUID, list[Decision[Any, Any]]] = {}
        for policy, stream_id, command, cause in asked:
            handler = policy.handler
            if stream_id not in states:
                states[stream_id] = await handler.state_of(stream_id, stored[stream_id])
            try:
                events = handler.decider.decide(command, states[stream_id])
            except Rejection as refused:
                log.warning("policy.refused", policy=policy.name, problem=refused.code, trace_id=trace_id_of(cause.traceparent))
                continue
            if not events:
                continue
            decision = handler.decision(stream_id, stored[stream_id], states[stream_id], events, cause)
            if is_careful and await self.store.stored_range([event.event_id for event in decision.append.events]):
                continue
            states[stream_id] = decision.state
            stored[stream_id] = replace(stored[stream_id], version=stored[stream_id].version + len(events))
            decisions.setdefault(stream_id, []).append(decision)
        return [_one_append(of_stream, first[stream_id].version) for stream_id, of_stream in sorted(decisions.items())]

    async def append(self, connection: Connection, appends: Sequence[Append]) -> list[Stored]:
        """In the caller's transaction. Raises: Raced."""
        if not appends:
            return []
        try:
            results = await append_group(connection, appends, epoch=self.store.epoch)
        except asyncpg.PostgresError as error:
            if error.sqlstate == EPOCH_CHANGED:
                raise EpochChanged from error
            if is_stored_already(error):
                raise DoneBefore from error
            raise
        told = list(zip(appends, results, strict=True))
        stored = [(append, result) for append, result in told if isinstance(result, Appended)]
        if len(stored) < len(told):
            count([each for each in told if not isinstance(each[1], Appended)])
            raise Raced
        return stored

    def tell(self, stored: Sequence[Stored]) -> None:
        """It was committed."""
        count(stored)
        for _, result in stored:
            if result.last_pos is not None:
                self.store.on_appended(result.shard, result.last_pos)


def _one_append(decisions: Sequence[Decision[Any, Any]], expected_version: int) -> Append:
    """The decisions of one stream, in order, as one append."""
    last = decisions[-1].append
    return replace(
        last, expected_version=expected_version, events=[event for decision in decisions for event in decision.append.events]
    )
