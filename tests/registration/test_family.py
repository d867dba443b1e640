"""Who comes along with somebody who is expected."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from chassis.testing.specification import Specification
from contracts.identity import DocumentType
from contracts.registration import FamilyMemberPreRegistered, FamilyMemberWithdrawn
from registration.domain.declaration import (
    Declaration,
    DeclarationHasChanged,
    DeclarationIsMissing,
    MobileIsMissing,
    NameDiffersFromDeclaration,
)
from registration.domain.family import (
    FamilyMemberAccompaniesAnother,
    FamilyMemberIsUnknown,
    PersonAccompaniesOneself,
    PersonIsRegisteredOtherwise,
    PreRegisterFamilyMember,
    WithdrawFamilyMember,
)
from registration.domain.person import Person, PersonCommand, PersonEvent
from registration.wiring import PERSON as PERSON_DECIDER
from tests.registration.facts import (
    DECLARED_MOBILE,
    EMPLOYER,
    FINGERPRINT,
    HERE,
    NOW,
    OTHER_FINGERPRINT,
    PERSON,
    SEALED,
    TYPED_MOBILE,
    awaited,
    declared,
    pre_register,
    pre_registered,
    withdrawn,
)

person: Specification[PersonCommand, Person, PersonEvent] = Specification(PERSON_DECIDER)
WORKER, OTHER_WORKER = UUID(int=40), UUID(int=41)


def come_along(declaration: Declaration | None = None, **changes: Any) -> PreRegisterFamilyMember:
    usual = PreRegisterFamilyMember(
        person_id=PERSON,
        accompanies=WORKER,
        contract_no=HERE,
        district="310109",
        employer_credit_code=EMPLOYER,
        relation=SEALED,
        document=SEALED,
        document_type=DocumentType.CITIZEN_ID,
        name=SEALED,
        name_fingerprint=FINGERPRINT,
        mobile=None,
        declaration=declaration,
        declaration_version_seen=None,
        at=NOW,
    )
    return replace(usual, **changes)


def comes_along(*, mobile: str = DECLARED_MOBILE, declaration: Declaration | None = None) -> FamilyMemberPreRegistered:
    return FamilyMemberPreRegistered(
        person_id=PERSON,
        accompanies=WORKER,
        contract_no=HERE,
        district="310109",
        employer_credit_code=EMPLOYER,
        relation=SEALED,
        declaration=(declaration or declared()).pinned,
        document=SEALED,
        document_type=DocumentType.CITIZEN_ID,
        name=SEALED,
        name_fingerprint=FINGERPRINT,
        mobile=mobile,
        pre_registered_at=NOW,
    )


def stay_away(accompanies: UUID = WORKER) -> WithdrawFamilyMember:
    return WithdrawFamilyMember(person_id=PERSON, accompanies=accompanies, contract_no=HERE, reason=SEALED, at=NOW)


def stays_away() -> FamilyMemberWithdrawn:
    return FamilyMemberWithdrawn(
        person_id=PERSON, accompanies=WORKER, contract_no=HERE, district="310109", reason=SEALED, withdrawn_at=NOW
    )


class TestPreRegisterFamilyMember:
    def test_pins_the_declaration_once(self) -> None:
        person.when(come_along(declared())).then(comes_along()).when(come_along(declared())).then_nothing()

    def test_takes_the_typed_mobile_where_none_was_declared(self) -> None:
        silent = declared(mobile=None)
        person.when(come_along(silent, mobile=TYPED_MOBILE)).then(comes_along(mobile=TYPED_MOBILE, declaration=silent))
        person.when(come_along(silent)).then_rejected(MobileIsMissing)

    def test_is_refused_without_the_declaration_that_was_seen(self) -> None:
        person.when(come_along()).then_rejected(DeclarationIsMissing)
        person.when(come_along(declaration_version_seen=1)).then_rejected(DeclarationHasChanged)
        newer = declared(declaration_version=2)
        person.when(come_along(newer, declaration_version_seen=1)).then_rejected(DeclarationHasChanged)

    def test_is_refused_under_another_name(self) -> None:
        other = declared(name_fingerprint=OTHER_FINGERPRINT)
        person.when(come_along(other)).then_rejected(NameDiffersFromDeclaration)

    def test_is_refused_for_two_people_at_once(self) -> None:
        other = come_along(declared(), accompanies=OTHER_WORKER)
        person.given(comes_along()).when(other).then_rejected(FamilyMemberAccompaniesAnother)

    def test_is_refused_for_oneself(self) -> None:
        person.when(come_along(declared(), accompanies=PERSON)).then_rejected(PersonAccompaniesOneself)

    @pytest.mark.parametrize("fact", [pre_registered(), awaited()])
    def test_is_refused_for_who_is_expected_to_work(self, fact: PersonEvent) -> None:
        person.given(fact).when(come_along(declared())).then_rejected(PersonIsRegisteredOtherwise)

    def test_may_follow_a_withdrawal_of_either(self) -> None:
        person.given(pre_registered(), withdrawn()).when(come_along(declared())).then(comes_along())
        person.given(comes_along(), stays_away()).when(come_along(declared())).then(comes_along())

    def test_keeps_nobody_expected_to_work(self) -> None:
        family = person.given(comes_along())
        family.when(pre_register(declared())).then_rejected(PersonIsRegisteredOtherwise)
        family.given(stays_away()).when(pre_register(declared())).then(pre_registered())


class TestWithdrawFamilyMember:
    def test_ends_it_once(self) -> None:
        person.given(comes_along()).when(stay_away()).then(stays_away()).when(stay_away()).then_nothing()

    def test_is_refused_where_nobody_comes_along(self) -> None:
        person.when(stay_away()).then_rejected(FamilyMemberIsUnknown)
        person.given(comes_along()).when(stay_away(OTHER_WORKER)).then_rejected(FamilyMemberIsUnknown)
