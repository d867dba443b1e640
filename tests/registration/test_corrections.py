"""What was typed of who is expected is put right, but for the document."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chassis.testing.specification import Specification
from contracts.people import PersonKind
from registration.domain.corrections import (
    CORRECTIONS_MAX,
    DetailsAreCorrectedTooOften,
    Footing,
    Name,
    Origin,
    PreRegistrationIsNotOpen,
)
from registration.domain.declaration import DeclarationHasChanged, NameDiffersFromDeclaration
from registration.domain.person import Person, PersonCommand, PersonEvent, PersonIsNotPreRegistered
from registration.wiring import PERSON as PERSON_DECIDER
from tests.registration.facts import (
    ELSEWHERE,
    FINGERPRINT,
    HERE,
    OTHER_EMPLOYER,
    OTHER_FINGERPRINT,
    TODAY,
    TYPED_MOBILE,
    awaited,
    closed,
    correct,
    corrected,
    declared,
    pre_registered,
    withdrawn,
)

person: Specification[PersonCommand, Person, PersonEvent] = Specification(PERSON_DECIDER)
OTHER_NAME = "g1.1." + "N" * 40
OTHER_ORIGIN = "g1.1." + "O" * 40
TOMORROW = TODAY + timedelta(days=1)


class TestCorrect:
    @pytest.mark.parametrize(
        ("said", "holds"),
        [
            ({"mobile": TYPED_MOBILE}, {"mobile": TYPED_MOBILE}),
            ({"origin": Origin("420100", OTHER_ORIGIN)}, {"origin_code": "420100", "origin": OTHER_ORIGIN}),
            ({"arrival_date": TOMORROW}, {"arrival_date": TOMORROW}),
            ({"footing": Footing(PersonKind.MANAGER, None)}, {"person_kind": PersonKind.MANAGER, "trade": None}),
            ({"footing": Footing(PersonKind.WORKER, "030")}, {"trade": "030"}),
            ({"employer_credit_code": OTHER_EMPLOYER}, {"employer_credit_code": OTHER_EMPLOYER}),
            ({"name": Name(OTHER_NAME, FINGERPRINT)}, {"name": OTHER_NAME}),
        ],
    )
    def test_tells_the_whole_of_what_holds(self, said: dict[str, Any], holds: dict[str, Any]) -> None:
        person.given(pre_registered()).when(correct(**said)).then(corrected(**holds))

    def test_builds_on_what_was_corrected_before(self) -> None:
        once = person.given(pre_registered()).when(correct(mobile=TYPED_MOBILE)).then(corrected(mobile=TYPED_MOBILE))
        once.when(correct(arrival_date=TODAY)).then(corrected(mobile=TYPED_MOBILE, arrival_date=TODAY))

    def test_does_nothing_where_it_says_what_holds(self) -> None:
        expected = person.given(pre_registered(arrival_date=TODAY))
        expected.when(correct(arrival_date=TODAY, footing=Footing(PersonKind.WORKER, "020"), declaration_version=1)).then_nothing()

    def test_is_of_one_contract(self) -> None:
        both = person.given(pre_registered(), pre_registered(contract_no=ELSEWHERE))
        there = both.when(correct(contract_no=ELSEWHERE, arrival_date=TODAY))
        assert there.then(corrected(contract_no=ELSEWHERE, arrival_date=TODAY)).state.is_expected_on(HERE)

    def test_is_refused_where_nobody_is_expected(self) -> None:
        person.when(correct(mobile=TYPED_MOBILE)).then_rejected(PersonIsNotPreRegistered)
        person.given(awaited()).when(correct(mobile=TYPED_MOBILE)).then_rejected(PersonIsNotPreRegistered)
        for end in (withdrawn(), closed()):
            over = person.given(pre_registered(), end)
            over.when(correct(mobile=TYPED_MOBILE)).then_rejected(PreRegistrationIsNotOpen)

    def test_is_bounded(self) -> None:
        full = person.given(pre_registered(), *(corrected(mobile=TYPED_MOBILE) for _ in range(CORRECTIONS_MAX)))
        full.when(correct(arrival_date=TODAY)).then_rejected(DetailsAreCorrectedTooOften)
        full.when(correct()).then_nothing()


class TestDeclaration:
    def test_can_be_the_latest_from_now_on(self) -> None:
        newer = declared(declaration_version=2, from_hubei=True)
        pinned = person.given(pre_registered()).when(correct(newer, declaration_version=2)).then(corrected(newer))
        assert 2 == pinned.state.pre_registrations[HERE].declaration_version

    def test_stays_where_none_is_named(self) -> None:
        newer = declared(declaration_version=2)
        person.given(pre_registered()).when(correct(newer, arrival_date=TODAY)).then(corrected(arrival_date=TODAY))

    @pytest.mark.parametrize("version", [1, 3])
    def test_must_be_the_latest(self, version: int) -> None:
        newer = correct(declared(declaration_version=2), declaration_version=version)
        person.given(pre_registered()).when(newer).then_rejected(DeclarationHasChanged)

    def test_must_agree_with_the_name(self) -> None:
        other = declared(declaration_version=2, name_fingerprint=OTHER_FINGERPRINT)
        expected = person.given(pre_registered())
        expected.when(correct(other, declaration_version=2)).then_rejected(NameDiffersFromDeclaration)
        expected.when(correct(declared(), name=Name(OTHER_NAME, OTHER_FINGERPRINT))).then_rejected(NameDiffersFromDeclaration)
        both = correct(other, declaration_version=2, name=Name(OTHER_NAME, OTHER_FINGERPRINT))
        expected.when(both).then(corrected(other, name=OTHER_NAME, name_fingerprint=OTHER_FINGERPRINT))

    def test_agrees_with_a_name_that_is_typed_where_none_was_kept(self) -> None:
        newer = declared(declaration_version=2)
        of_before = person.given(pre_registered(name_fingerprint=None))
        of_before.when(correct(newer, declaration_version=2)).then_rejected(NameDiffersFromDeclaration)
        typed = correct(newer, declaration_version=2, name=Name(OTHER_NAME, FINGERPRINT))
        of_before.when(typed).then(corrected(newer, name=OTHER_NAME))
