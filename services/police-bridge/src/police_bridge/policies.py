"""Whom registration expects, what was wrong about him, whom it expects no longer and who is to be forgotten: the police is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never, get_args
from uuid import UUID

from chassis.command_handling import CommandHandler
from chassis.subscribers import Fact, Policy
from contracts.people import ArrivalKind
from contracts.registration import (
    FamilyDetailsCorrected,
    FamilyMemberPreRegistered,
    FamilyMemberWithdrawn,
    PersonDetailsCorrected,
    PersonErased,
    PersonPreRegistered,
    PreRegistrationWithdrawn,
)
from contracts.same_person import PersonLinked, PersonUnlinked
from police_bridge.domain.commands import Erase, Link, Particulars, PoliceBridgeCommand, Share, Withdraw

Telling = (
    PersonPreRegistered
    | PersonDetailsCorrected
    | PreRegistrationWithdrawn
    | FamilyMemberPreRegistered
    | FamilyDetailsCorrected
    | FamilyMemberWithdrawn
    | PersonLinked
    | PersonUnlinked
)
"""What the police must know of."""

SHARING_POLICY = "sharing_v1"
ERASING_POLICY = "erasing_v1"


def sharing_policy(handler: CommandHandler[Any, Any, Any]) -> Policy[PoliceBridgeCommand]:
    return Policy(
        name=SHARING_POLICY,
        subscribes=get_args(Telling),
        handler=handler,
        react=when_the_police_must_know,
    )


def erasing_policy(handler: CommandHandler[Any, Any, Any]) -> Policy[PoliceBridgeCommand]:
    """One of its own, with positions of its own: it begins at the beginning also where the other one was long at work."""
    return Policy(name=ERASING_POLICY, subscribes=(PersonErased,), handler=handler, react=when_somebody_was_erased)


def when_somebody_was_erased(fact: Fact[PersonErased]) -> Sequence[tuple[UUID, PoliceBridgeCommand]]:
    return [(fact.event.person_id, Erase(fact.event.person_id, fact.event.erased_at))]


def when_the_police_must_know(
    fact: Fact[Telling],
) -> Sequence[tuple[UUID, PoliceBridgeCommand]]:
    event = fact.event
    match event:
        case PersonPreRegistered():
            return [_shared_first(event, _particulars(event))]
        case PersonDetailsCorrected():
            return [(event.person_id, Share(event.person_id, event.contract_no, _particulars(event), event.corrected_at))]
        case FamilyMemberPreRegistered():
            return [_shared_first(event, _of_family(event))]
        case FamilyDetailsCorrected():
            return [(event.person_id, Share(event.person_id, event.contract_no, _of_family(event), event.corrected_at))]
        case PreRegistrationWithdrawn() | FamilyMemberWithdrawn():
            return [(event.person_id, Withdraw(event.person_id, event.contract_no, event.withdrawn_at))]
        case PersonLinked(linked_at=at) | PersonUnlinked(unlinked_at=at):
            return [(event.person_id, Link(event.person_id, event.same_as, at))]
        case _:
            assert_never(event)


def _shared_first(event: PersonPreRegistered | FamilyMemberPreRegistered, particulars: Particulars) -> tuple[UUID, Share]:
    same_as = event.same_as or ()
    return event.person_id, Share(event.person_id, event.contract_no, particulars, event.pre_registered_at, same_as)


def _particulars(event: PersonPreRegistered | PersonDetailsCorrected) -> Particulars:
    """Envelopes are copied as they are: they open for the same person and the same field name, here as there."""
    return Particulars(
        kind=ArrivalKind(event.person_kind.value),
        district=event.district,
        document=event.document,
        document_type=event.document_type,
        name=event.name,
        mobile=event.mobile,
        origin_code=event.origin_code,
        origin=event.origin,
        travel=event.declaration.travel,
        arrival_date=event.arrival_date,
        stay_address=event.declaration.stay_address,
    )


def _of_family(event: FamilyMemberPreRegistered | FamilyDetailsCorrected) -> Particulars:
    """Family go where the accompanied person goes."""
    return Particulars(
        kind=ArrivalKind.FAMILY,
        district=event.district,
        document=event.document,
        document_type=event.document_type,
        name=event.name,
        mobile=event.mobile,
        travel=event.declaration.travel,
        stay_address=event.declaration.stay_address,
        accompanies=event.accompanies,
    )
