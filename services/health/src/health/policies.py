"""Pre-registrations of registration become judgements of health."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.command_handling import CommandHandler
from chassis.subscribers import Fact, Policy
from contracts.registration import PersonPreRegistered
from health.domain.commands import AssessArrival

ARRIVAL_POLICY = "arrival_assessment_v1"


def arrival_policy(handler: CommandHandler[Any, Any, Any]) -> Policy[AssessArrival]:
    return Policy(name=ARRIVAL_POLICY, subscribes=(PersonPreRegistered,), handler=handler, react=when_pre_registered)


def when_pre_registered(fact: Fact[PersonPreRegistered]) -> Sequence[tuple[UUID, AssessArrival]]:
    """Judge the declaration that the pre-registration relies on."""
    event = fact.event
    command = AssessArrival(
        person_id=event.person_id,
        pre_registration_id=fact.recorded.event_id,
        contract_no=event.contract_no,
        district=event.district,
        origin_code=event.origin_code,
        arrival_date=event.arrival_date,
        declaration=event.declaration,
        at=event.pre_registered_at,
    )
    return [(event.person_id, command)]
