"""Facts of registration and health that matter at the door become facts of the gate, in the person's own stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args
from uuid import UUID

from chassis.command_handling import CommandHandler
from chassis.subscribers import Fact, Policy
from contracts.event import Recorded
from contracts.gatekeeper import Cause
from gatekeeper.domain.commands import MarkHistory, RelevantFact, TakeNote
from gatekeeper.wired import CLEARANCE_POLICY


def clearance_policy(handler: CommandHandler[Any, Any, Any]) -> Policy[TakeNote | MarkHistory]:
    return Policy(
        name=CLEARANCE_POLICY,
        subscribes=get_args(RelevantFact),
        handler=handler,
        react=when_it_matters_at_the_door,
        when_parked=when_it_cannot_be_read,
        when_cured=when_all_can_be_read_again,
    )


def when_it_matters_at_the_door(fact: Fact[RelevantFact]) -> Sequence[tuple[UUID, TakeNote]]:
    return [(fact.event.person_id, TakeNote(fact=fact.event, cause=_cause(fact.recorded), at=fact.recorded.time))]


def when_it_cannot_be_read(recorded: Recorded) -> Sequence[tuple[UUID, MarkHistory]]:
    """It may be a ban: the person is refused until it has been read."""
    return [_marked(recorded, unreadable=True)]


def when_all_can_be_read_again(recorded: Recorded) -> Sequence[tuple[UUID, MarkHistory]]:
    return [_marked(recorded, unreadable=False)]


def _marked(recorded: Recorded, *, unreadable: bool) -> tuple[UUID, MarkHistory]:
    # A person's stream has the person's id in every service; nothing else of the fact can be trusted.
    person_id = recorded.stream_id
    return person_id, MarkHistory(person_id=person_id, unreadable=unreadable, cause=_cause(recorded), at=recorded.time)


def _cause(recorded: Recorded) -> Cause:
    return Cause(
        service=recorded.service,
        event_id=recorded.event_id,
        type=recorded.type,
        shard=recorded.shard,
        pos=recorded.pos,
    )
