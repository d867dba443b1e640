"""Pre-registrations of registration, and their corrections, become judgements of health; declared temperatures, readings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args
from uuid import UUID

from chassis.command_handling import CommandHandler
from chassis.subscribers import Fact, Policy
from contracts.healthcloud_bridge import DeclarationReceived
from contracts.registration import (
    FamilyDetailsCorrected,
    FamilyMemberPreRegistered,
    PersonDetailsCorrected,
    PersonPreRegistered,
)
from health.domain.commands import AssessArrival, TakeDeclared

Expected = PersonPreRegistered | PersonDetailsCorrected | FamilyMemberPreRegistered | FamilyDetailsCorrected

ARRIVAL_POLICY = "arrival_assessment_v1"
DECLARED_POLICY = "declared_reading_v1"


def arrival_policy(handler: CommandHandler[Any, Any, Any]) -> Policy[AssessArrival]:
    return Policy(
        name=ARRIVAL_POLICY,
        subscribes=get_args(Expected),
        handler=handler,
        react=when_somebody_is_expected,
    )


def when_somebody_is_expected(fact: Fact[Expected]) -> Sequence[tuple[UUID, AssessArrival]]:
    """Judge the declaration that is relied on, once more when anything about it, or about the arrival, was put right."""
    event = fact.event
    form = event if isinstance(event, PersonPreRegistered | PersonDetailsCorrected) else None  # Of family less is asked.
    command = AssessArrival(
        person_id=event.person_id,
        pre_registration_id=fact.recorded.event_id,
        contract_no=event.contract_no,
        district=event.district,
        origin_code=form.origin_code if form else None,
        arrival_date=form.arrival_date if form else None,
        declaration=event.declaration,
        at=event.corrected_at if isinstance(event, PersonDetailsCorrected | FamilyDetailsCorrected) else event.pre_registered_at,
    )
    return [(event.person_id, command)]


def declared_policy(handler: CommandHandler[Any, Any, Any]) -> Policy[TakeDeclared]:
    return Policy(name=DECLARED_POLICY, subscribes=(DeclarationReceived,), handler=handler, react=when_somebody_declares)


def when_somebody_declares(fact: Fact[DeclarationReceived]) -> Sequence[tuple[UUID, TakeDeclared]]:
    """Take the temperature as a reading, whoever relies on it: fever that is declared after the pre-registration counts, too."""
    event = fact.event
    if event.temperature_celsius is None:
        return []
    command = TakeDeclared(
        person_id=event.person_id,
        declaration_version=event.declaration_version,
        reading_celsius=event.temperature_celsius,
        reported_on=event.reported_on,
        at=event.received_at,
    )
    return [(event.person_id, command)]
