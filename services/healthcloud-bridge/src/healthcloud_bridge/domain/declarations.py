"""The declarations of one person, as they reached us: every version is kept, each is received once. And who asked for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import assert_never
from uuid import UUID

from contracts.healthcloud_bridge import (
    DeclarationLookedUp,
    DeclarationReceived,
    HealthcloudBridgeEvent,
    LookUpOutcome,
    LookUpPurpose,
)


@dataclass(frozen=True)
class Declaration:
    """One version of a declaration, sealed. Its fields are those of `DeclarationReceived`."""

    reported_on: date
    report_place: str
    temperature_celsius: float | None
    health_text: str
    departed_on: date | None
    travel: str
    from_hubei: bool
    from_wuhan: bool
    stopover: bool
    stopover_place: str | None
    stopover_code: str | None
    stay_address: str
    mobile: str | None
    name_fingerprint: str
    source_fingerprint: str
    contradictions: tuple[str, ...]
    channel: str
    relation: str


@dataclass(frozen=True)
class Receive:
    """Health Cloud answered with these, oldest first."""

    person_id: UUID
    declarations: tuple[Declaration, ...]
    at: datetime


@dataclass(frozen=True)
class LookUp:
    """Somebody asked, and Health Cloud answered with these, oldest first: none unless the outcome is `SHOWN`."""

    person_id: UUID
    account: str
    purpose: LookUpPurpose
    outcome: LookUpOutcome
    declarations: tuple[Declaration, ...]
    at: datetime


@dataclass(frozen=True)
class DeclaredPerson:
    """What is known of a person's declarations."""

    versions: Mapping[str, int] = field(default_factory=dict)
    """Fingerprint of the submission to its version."""
    latest: int = 0
    facts: int = 0
    """How many there are, look-ups too."""
    received_at: int = 0
    """Which of them was the latest declaration: whoever knows that one knows all of them."""


def decide(command: Receive | LookUp, person: DeclaredPerson) -> Sequence[HealthcloudBridgeEvent]:
    match command:
        case Receive():
            return _receive(command, person)
        case LookUp():
            return _look_up(command, person)
        case _:
            assert_never(command)


def _look_up(command: LookUp, person: DeclaredPerson) -> Sequence[HealthcloudBridgeEvent]:
    """To look twice is to have seen it twice: a repeat is a fact of its own."""
    looked_up = DeclarationLookedUp(
        person_id=command.person_id,
        account=command.account,
        purpose=command.purpose,
        outcome=command.outcome,
        looked_up_at=command.at,
    )
    return [looked_up, *_receive(command, person)]


def _receive(command: Receive | LookUp, person: DeclaredPerson) -> Sequence[DeclarationReceived]:
    new = [each for each in command.declarations if each.source_fingerprint not in person.versions]
    return [
        DeclarationReceived(person_id=command.person_id, declaration_version=version, received_at=command.at, **vars(declaration))
        for version, declaration in enumerate(new, person.latest + 1)
    ]


def evolve(person: DeclaredPerson, event: HealthcloudBridgeEvent) -> DeclaredPerson:
    match event:
        case DeclarationReceived():
            return _received(person, event)
        case DeclarationLookedUp():
            return replace(person, facts=person.facts + 1)
        case _:
            assert_never(event)


def _received(person: DeclaredPerson, event: DeclarationReceived) -> DeclaredPerson:
    versions = dict(person.versions)
    if event.source_fingerprint is not None:
        versions[event.source_fingerprint] = event.declaration_version
    facts = person.facts + 1
    return DeclaredPerson(versions=versions, latest=event.declaration_version, facts=facts, received_at=facts)
