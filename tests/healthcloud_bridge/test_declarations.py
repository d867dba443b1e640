"""Which declarations are new."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from chassis.testing.specification import Specification
from contracts.healthcloud_bridge import (
    DeclarationLookedUp,
    DeclarationReceived,
    HealthcloudBridgeEvent,
    LookUpOutcome,
    LookUpPurpose,
)
from healthcloud_bridge.domain.declarations import Declaration, DeclaredPerson, LookUp, Receive
from healthcloud_bridge.wiring import PERSON as PERSON_DECIDER

PERSON = UUID("00000000-0000-4000-8000-000000000007")
NOW = datetime(2020, 2, 18, 1, 0, tzinfo=UTC)
SEALED, SEALED_ANEW = "g1.1." + "A" * 40, "g1.1." + "B" * 40

FIRST = Declaration(
    reported_on=date(2020, 2, 3),
    report_place=SEALED,
    temperature_celsius=38.0,
    health_text=SEALED,
    departed_on=date(2020, 2, 3),
    travel=SEALED,
    from_hubei=False,
    from_wuhan=False,
    stopover=True,
    stopover_place=SEALED,
    stopover_code="340100",
    stay_address=SEALED,
    mobile=SEALED,
    name_fingerprint="n" * 64,
    source_fingerprint="1" * 64,
    contradictions=("temperature_against_health_text",),
    channel="app",
    relation="self",
)
SECOND = replace(FIRST, source_fingerprint="2" * 64, from_hubei=True)
THIRD = replace(FIRST, source_fingerprint="3" * 64)

person: Specification[Receive | LookUp, DeclaredPerson, HealthcloudBridgeEvent] = Specification(PERSON_DECIDER)


def receive(*declarations: Declaration) -> Receive:
    return Receive(person_id=PERSON, declarations=declarations, at=NOW)


def look_up(*declarations: Declaration, outcome: LookUpOutcome = LookUpOutcome.SHOWN) -> LookUp:
    return LookUp(PERSON, "lead-1", LookUpPurpose.FAMILY, outcome, declarations, NOW)


def looked_up(outcome: LookUpOutcome = LookUpOutcome.SHOWN) -> DeclarationLookedUp:
    return DeclarationLookedUp(person_id=PERSON, account="lead-1", purpose=LookUpPurpose.FAMILY, outcome=outcome, looked_up_at=NOW)


def received(version: int, declaration: Declaration) -> DeclarationReceived:
    content: dict[str, Any] = vars(declaration)
    return DeclarationReceived(person_id=PERSON, declaration_version=version, received_at=NOW, **content)


class TestReceive:
    def test_keeps_every_version_in_order(self) -> None:
        person.when(receive(FIRST, SECOND)).then(received(1, FIRST), received(2, SECOND))

    def test_keeps_what_is_new(self) -> None:
        person.given(received(1, FIRST)).when(receive(FIRST, SECOND, THIRD)).then(received(2, SECOND), received(3, THIRD))

    def test_does_nothing_where_all_is_known(self) -> None:
        person.given(received(1, FIRST), received(2, SECOND)).when(receive(FIRST, SECOND)).then_nothing()

    def test_knows_a_submission_by_its_fingerprint_for_it_is_sealed_anew_each_time(self) -> None:
        person.given(received(1, FIRST)).when(receive(replace(FIRST, travel=SEALED_ANEW))).then_nothing()

    def test_does_nothing_for_an_older_answer(self) -> None:
        # Two look-ups at once: the slower one saw less.
        person.given(received(1, FIRST), received(2, SECOND)).when(receive(FIRST)).then_nothing()


class TestLookUp:
    def test_is_on_record_with_what_is_new(self) -> None:
        person.given(received(1, FIRST)).when(look_up(FIRST, SECOND)).then(looked_up(), received(2, SECOND))

    def test_is_on_record_each_time(self) -> None:
        person.given(looked_up(), received(1, FIRST)).when(look_up(FIRST)).then(looked_up())

    def test_is_on_record_where_it_found_nothing(self) -> None:
        nothing = LookUpOutcome.NOT_DECLARED
        person.when(look_up(outcome=nothing)).then(looked_up(nothing))
