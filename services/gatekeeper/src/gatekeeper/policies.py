"""Facts of registration and health that matter at the door become facts of the gate, in the person's own stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args
from uuid import UUID

from chassis.command_handling import CommandHandler
from chassis.subscribers import Fact, Policy
from contracts.gatekeeper import Cause
from gatekeeper.domain.commands import RelevantFact, TakeNote
from gatekeeper.wired import CLEARANCE_POLICY


def clearance_policy(handler: CommandHandler[Any, Any, Any]) -> Policy[TakeNote]:
    return Policy(name=CLEARANCE_POLICY, subscribes=get_args(RelevantFact), handler=handler, react=when_it_matters_at_the_door)


def when_it_matters_at_the_door(fact: Fact[RelevantFact]) -> Sequence[tuple[UUID, TakeNote]]:
    recorded = fact.recorded
    cause = Cause(
        service=recorded.service,
        event_id=recorded.event_id,
        type=recorded.type,
        shard=recorded.shard,
        pos=recorded.pos,
    )
    return [(fact.event.person_id, TakeNote(fact=fact.event, cause=cause, at=recorded.time))]
