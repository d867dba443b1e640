"""Who comes along with somebody who is expected."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any
from uuid import UUID

import pytest

from chassis.testing.specification import Specification
from contracts.identity import DocumentType
from contracts.registration import (
    FamilyDeclarationAwaited,
    FamilyDetailsCorrected,
    FamilyMemberPreRegistered,
    FamilyMemberWithdrawn,
)
from registration.domain.corrections import CORRECTIONS_MAX, DetailsAreCorrectedTooOften, Name, PreRegistrationIsNotOpen
from registration.domain.declaration import (
    Declaration,
    DeclarationHasChanged,
    MobileIsMissing,
    NameDiffersFromDeclaration,
)
from registration.domain.family import (
    CorrectFamilyMember,
    FamilyForm,
    FamilyMemberAccompaniesAnother,
    FamilyMemberIsUnknown,
    PersonAccompaniesOneself,
    PersonIsRegisteredOtherwise,
    PreRegisterFamilyMember,
    WithdrawFamilyMember,
)
from registration.domain.person import Person, PersonCommand, PersonEvent
from registration.domain.waiting import TakeUp
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
    erase,
    erased,
    form_withdrawn,
    pre_register,
    pre_registered,
    take_up,
    withdrawn,
)

person: Specification[PersonCommand, Person, PersonEvent] = Specification(PERSON_DECIDER)
WORKER, OTHER_WORKER = UUID(int=40), UUID(int=41)
OTHER_NAME, OTHER_RELATION = "g1.1." + "N" * 40, "g1.1." + "R" * 40

FORM = FamilyForm(
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
)


def come_along(
    declaration: Declaration | None = None, *, declaration_version_seen: int | None = None, **changes: Any
) -> PreRegisterFamilyMember:
    return PreRegisterFamilyMember(PERSON, replace(FORM, **changes), declaration, declaration_version_seen, NOW)


def put_right(declaration: Declaration | None = None, **changes: Any) -> CorrectFamilyMember:
    """`declaration` is the latest one that is known."""
    nothing: dict[str, Any] = dict.fromkeys(("name", "relation", "mobile", "declaration_version"))
    usual: dict[str, Any] = {"accompanies": WORKER, "declaration": declaration or declared()}
    return CorrectFamilyMember(person_id=PERSON, contract_no=HERE, reason=SEALED, at=NOW, **nothing | usual | changes)


def is_put_right(declaration: Declaration | None = None, **changes: Any) -> FamilyDetailsCorrected:
    told = dict(comes_along(declaration=declaration)) | changes
    del told["same_as"]
    return FamilyDetailsCorrected(**told, reason=SEALED, corrected_at=NOW)


def is_awaited(**changes: Any) -> FamilyDeclarationAwaited:
    form = replace(FORM, **changes)
    told = {each.name: getattr(form, each.name) for each in fields(form)}
    return FamilyDeclarationAwaited(person_id=PERSON, **told, asked_at=NOW)


def comes_along(
    *, accompanies: UUID = WORKER, mobile: str = DECLARED_MOBILE, declaration: Declaration | None = None
) -> FamilyMemberPreRegistered:
    return FamilyMemberPreRegistered(
        person_id=PERSON,
        accompanies=accompanies,
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


def come_to(declaration: Declaration) -> TakeUp:
    """Where whomever they accompany is expected."""
    return take_up(declaration, along=[HERE])


def stay_away(accompanies: UUID = WORKER, *, based_on: str | None = None) -> WithdrawFamilyMember:
    return WithdrawFamilyMember(PERSON, accompanies, HERE, reason=SEALED, at=NOW, based_on=based_on)


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
        person.when(come_along(declaration_version_seen=1)).then_rejected(DeclarationHasChanged)
        newer = declared(declaration_version=2)
        person.when(come_along(newer, declaration_version_seen=1)).then_rejected(DeclarationHasChanged)

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


class TestWait:
    def test_is_for_a_declaration_that_agrees(self) -> None:
        person.when(come_along()).then(is_awaited()).when(come_along()).then_nothing()
        other = declared(name_fingerprint=OTHER_FINGERPRINT)
        person.when(come_along(other)).then(is_awaited())

    def test_ends_with_the_declaration_by_itself(self) -> None:
        waits = person.given(is_awaited())
        waits.when(come_to(declared())).then(comes_along()).when(come_to(declared())).then_nothing()
        waits.when(come_to(declared(name_fingerprint=OTHER_FINGERPRINT))).then_nothing()
        waits.when(come_to(declared(mobile=None))).then_nothing()

    def test_goes_on_where_nobody_is_expected_whom_to_accompany(self) -> None:
        person.given(is_awaited()).when(take_up(declared())).then_nothing()

    def test_ends_with_a_form_that_agrees(self) -> None:
        waits = person.given(is_awaited(name_fingerprint=OTHER_FINGERPRINT))
        waits.when(come_along(declared())).then(comes_along())
        waits.when(come_along()).then(is_awaited())

    def test_ends_with_a_withdrawal(self) -> None:
        gone = person.given(is_awaited()).when(stay_away()).then(stays_away())
        gone.when(come_to(declared())).then_nothing()
        gone.when(come_along()).then(is_awaited())

    def test_keeps_nobody_from_coming_along_with_another(self) -> None:
        waits = person.given(is_awaited())
        waits.when(come_along(accompanies=OTHER_WORKER)).then(is_awaited(accompanies=OTHER_WORKER))
        waits.when(come_along(declared(), accompanies=OTHER_WORKER)).then(comes_along(accompanies=OTHER_WORKER))

    @pytest.mark.parametrize(("declaration", "works"), [(declared(), pre_registered()), (None, awaited())])
    def test_keeps_nobody_from_working_and_goes_on_meanwhile(self, declaration: Declaration | None, works: PersonEvent) -> None:
        worker = person.given(is_awaited()).when(pre_register(declaration)).then(works)
        assert comes_along() not in worker.when(come_to(declared())).events
        over = withdrawn() if declaration else form_withdrawn()
        worker.given(over).when(come_to(declared())).then(comes_along())

    def test_takes_what_is_typed_once_more_for_another_form(self) -> None:
        waits = person.given(is_awaited(mobile=TYPED_MOBILE))
        waits.when(come_along(mobile=DECLARED_MOBILE)).then(is_awaited(mobile=DECLARED_MOBILE))
        waits.when(come_along(mobile=TYPED_MOBILE, relation=OTHER_RELATION)).then(
            is_awaited(mobile=TYPED_MOBILE, relation=OTHER_RELATION)
        )

    def test_is_not_corrected_but_handed_in_again(self) -> None:
        person.given(is_awaited()).when(put_right(mobile=TYPED_MOBILE)).then_rejected(PreRegistrationIsNotOpen)

    def test_is_dropped_where_somebody_is_erased(self) -> None:
        person.given(is_awaited()).when(erase()).then(erased(HERE))


class TestWithdrawFamilyMember:
    def test_ends_it_once(self) -> None:
        person.given(comes_along()).when(stay_away()).then(stays_away()).when(stay_away()).then_nothing()

    def test_is_refused_where_nobody_comes_along(self) -> None:
        person.when(stay_away()).then_rejected(FamilyMemberIsUnknown)
        person.given(comes_along()).when(stay_away(OTHER_WORKER)).then_rejected(FamilyMemberIsUnknown)


class TestCorrectFamilyMember:
    @pytest.mark.parametrize(
        ("said", "holds"),
        [
            ({"mobile": TYPED_MOBILE}, {"mobile": TYPED_MOBILE}),
            ({"relation": OTHER_RELATION}, {"relation": OTHER_RELATION}),
            ({"name": Name(OTHER_NAME, FINGERPRINT)}, {"name": OTHER_NAME}),
        ],
    )
    def test_tells_the_whole_of_what_holds(self, said: dict[str, Any], holds: dict[str, Any]) -> None:
        person.given(comes_along()).when(put_right(**said)).then(is_put_right(**holds))

    def test_builds_on_what_was_corrected_before(self) -> None:
        once = person.given(comes_along()).when(put_right(mobile=TYPED_MOBILE)).then(is_put_right(mobile=TYPED_MOBILE))
        twice = once.when(put_right(relation=OTHER_RELATION))
        twice.then(is_put_right(mobile=TYPED_MOBILE, relation=OTHER_RELATION)).when(stay_away()).then(stays_away())

    def test_relies_on_the_latest_declaration_where_it_says_so(self) -> None:
        newer = declared(declaration_version=2, from_hubei=True)
        family = person.given(comes_along())
        family.when(put_right(newer, declaration_version=2)).then(is_put_right(newer))
        family.when(put_right(newer, mobile=TYPED_MOBILE)).then(is_put_right(mobile=TYPED_MOBILE))
        family.when(put_right(newer, declaration_version=1)).then_rejected(DeclarationHasChanged)

    def test_is_refused_under_another_name_than_declared(self) -> None:
        other = put_right(name=Name(OTHER_NAME, OTHER_FINGERPRINT))
        person.given(comes_along()).when(other).then_rejected(NameDiffersFromDeclaration)

    def test_does_nothing_where_it_says_what_holds(self) -> None:
        person.given(comes_along()).when(put_right(relation=SEALED, declaration_version=1)).then_nothing()

    def test_is_refused_where_nobody_comes_along(self) -> None:
        person.when(put_right(mobile=TYPED_MOBILE)).then_rejected(FamilyMemberIsUnknown)
        family = person.given(comes_along())
        family.when(put_right(mobile=TYPED_MOBILE, accompanies=OTHER_WORKER)).then_rejected(FamilyMemberIsUnknown)
        family.given(stays_away()).when(put_right(mobile=TYPED_MOBILE)).then_rejected(PreRegistrationIsNotOpen)

    def test_is_bounded(self) -> None:
        often = person.given(comes_along(), *(is_put_right() for _ in range(CORRECTIONS_MAX)))
        often.when(put_right(mobile=TYPED_MOBILE)).then_rejected(DetailsAreCorrectedTooOften)
        often.when(put_right(declaration_version=1)).then_nothing()
