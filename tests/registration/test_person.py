"""Who is expected, who waits, who is withdrawn, who stands on the old roster."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from chassis.testing.specification import Specification
from contracts.gatekeeper import CONTRACTS_MAX
from contracts.people import PersonKind
from registration.domain.declaration import Declaration, DeclarationHasChanged, MobileIsMissing
from registration.domain.erasure import EpidemicIsNotOver, PersonIsErased, PersonIsUnknown
from registration.domain.family import PersonIsRegisteredOtherwise
from registration.domain.person import (
    Person,
    PersonCommand,
    PersonEvent,
    PersonHasEntered,
    PersonIsNotPreRegistered,
    PersonIsOnTooManyContracts,
)
from registration.wiring import PERSON as PERSON_DECIDER
from tests.registration.facts import (
    DECLARED_MOBILE,
    ELSEWHERE,
    EXITED_AT,
    LEFT,
    NOW,
    OTHER_EMPLOYER,
    OTHER_FINGERPRINT,
    SEALED,
    TODAY,
    TYPED_MOBILE,
    awaited,
    close,
    closed,
    declared,
    erase,
    erased,
    form_withdrawn,
    import_member,
    imported,
    pre_register,
    pre_registered,
    take_up,
    withdraw,
    withdrawn,
)

person: Specification[PersonCommand, Person, PersonEvent] = Specification(PERSON_DECIDER)
BACK_AT = EXITED_AT + timedelta(days=3)
SINCE = declared(declaration_version=2, reported_on=TODAY + timedelta(days=3))
"""Declared after the exit."""
MISNAMED = declared(name_fingerprint=OTHER_FINGERPRINT)
"""Declared under another name."""
EVERYWHERE = tuple(imported(contract_no=f"W{n:05}") for n in range(CONTRACTS_MAX))


class TestPreRegister:
    def test_pins_the_declaration(self) -> None:
        found = declared(declaration_version=3, from_hubei=True, stopover=True, stopover_code="420100", temperature_celsius=38.0)
        opened = person.when(pre_register(found)).then(pre_registered(found))
        assert 3 == opened.state.pre_registrations["W2019010100011"].declaration_version

    def test_does_nothing_when_repeated(self) -> None:
        person.given(pre_registered()).when(pre_register(declared())).then_nothing()

    def test_does_nothing_when_repeated_after_a_newer_declaration(self) -> None:
        newer = declared(declaration_version=2, name_fingerprint=OTHER_FINGERPRINT)
        person.given(pre_registered()).when(pre_register(newer, seen=1)).then_nothing()

    def test_is_for_each_contract(self) -> None:
        there = pre_register(declared(), contract_no=ELSEWHERE)
        person.given(pre_registered()).when(there).then(pre_registered(contract_no=ELSEWHERE))

    def test_may_follow_a_withdrawal(self) -> None:
        person.given(pre_registered(), withdrawn()).when(pre_register(declared())).then(pre_registered())

    def test_is_for_people_of_the_old_roster_too(self) -> None:
        person.given(imported()).when(pre_register(declared())).then(pre_registered())

    @pytest.mark.parametrize("seen", [1, 3])
    def test_is_refused_on_another_version_than_was_seen(self, seen: int) -> None:
        person.when(pre_register(declared(declaration_version=2), seen=seen)).then_rejected(DeclarationHasChanged)

    def test_is_refused_on_a_version_that_is_not_known(self) -> None:
        person.when(pre_register(None, seen=1)).then_rejected(DeclarationHasChanged)

    def test_is_refused_beyond_the_contracts_that_the_gate_can_keep(self) -> None:
        full = person.given(*EVERYWHERE)
        full.when(pre_register(declared())).then_rejected(PersonIsOnTooManyContracts)
        full.when(pre_register(declared(), contract_no="W00000")).then(pre_registered(contract_no="W00000"))


class TestMobile:
    def test_comes_from_the_declaration(self) -> None:
        person.when(pre_register(declared(), mobile=TYPED_MOBILE)).then(pre_registered())

    def test_is_typed_where_that_has_none(self) -> None:
        found = declared(mobile=None)
        person.when(pre_register(found, mobile=TYPED_MOBILE)).then(pre_registered(found, mobile=TYPED_MOBILE))

    def test_must_come_from_somewhere(self) -> None:
        person.when(pre_register(declared(mobile=None))).then_rejected(MobileIsMissing)


class TestAwaitADeclaration:
    def test_keeps_the_form(self) -> None:
        person.when(pre_register(None)).then(awaited())

    def test_does_nothing_when_repeated(self) -> None:
        # Sealed anew each time, so the envelopes differ.
        person.given(awaited()).when(pre_register(None, name=SEALED + "B", origin=SEALED + "C")).then_nothing()

    @pytest.mark.parametrize(
        "changed",
        [
            {"name_fingerprint": OTHER_FINGERPRINT},
            {"employer_credit_code": OTHER_EMPLOYER},
            {"person_kind": PersonKind.MANAGER, "trade": None},
            {"origin_code": "420100"},
            {"arrival_date": date(2020, 2, 20)},
            {"mobile": TYPED_MOBILE},
        ],
    )
    def test_keeps_a_corrected_form_in_its_place(self, changed: dict[str, Any]) -> None:
        corrected = person.given(awaited()).when(pre_register(None, **changed)).then(awaited(**changed))
        assert 1 == len(corrected.state.awaited)

    def test_takes_a_number_that_is_typed_once_more_for_another(self) -> None:
        waits = person.given(awaited(mobile=TYPED_MOBILE))
        waits.when(pre_register(None, mobile=DECLARED_MOBILE)).then(awaited(mobile=DECLARED_MOBILE))

    def test_leaves_what_waits_for_another_firm_in_its_place(self) -> None:
        theirs = person.given(awaited())
        ours = replace(pre_register(None, employer_credit_code=OTHER_EMPLOYER), for_one_firm=True)
        theirs.when(ours).then_rejected(PersonIsRegisteredOtherwise)
        theirs.when(replace(pre_register(None, origin_code="420100"), for_one_firm=True)).then(awaited(origin_code="420100"))

    def test_keeps_a_form_of_another_name_than_declared(self) -> None:
        kept = person.when(pre_register(MISNAMED, seen=1)).then(awaited())
        kept.when(pre_register(MISNAMED)).then_nothing()
        corrected_form = kept.when(pre_register(MISNAMED, name_fingerprint=OTHER_FINGERPRINT))
        assert {} == corrected_form.then(pre_registered(name_fingerprint=OTHER_FINGERPRINT)).state.awaited

    def test_ends_when_the_form_is_handed_in_again_after_the_declaration(self) -> None:
        opened = person.given(awaited()).when(pre_register(declared())).then(pre_registered())
        assert {} == opened.state.awaited


class TestTakeUp:
    def test_pre_registers_whoever_waited(self) -> None:
        person.given(awaited()).when(take_up(declared())).then(pre_registered(taken_up=True))

    def test_does_nothing_when_repeated(self) -> None:
        person.given(awaited(), pre_registered(taken_up=True)).when(take_up(declared())).then_nothing()

    def test_is_for_every_contract_that_waited(self) -> None:
        waiting = person.given(awaited(), awaited(contract_no=ELSEWHERE))
        both = [pre_registered(contract_no=ELSEWHERE, taken_up=True), pre_registered(taken_up=True)]
        waiting.when(take_up(declared())).then(*both)

    def test_uses_the_typed_mobile_where_the_declaration_has_none(self) -> None:
        found = declared(mobile=None)
        waiting = person.given(awaited(mobile=TYPED_MOBILE))
        waiting.when(take_up(found)).then(pre_registered(found, mobile=TYPED_MOBILE, taken_up=True))

    @pytest.mark.parametrize("changed", [{"complete": False}, {"name_fingerprint": OTHER_FINGERPRINT}, {"name_fingerprint": None}])
    def test_leaves_open_work_open(self, changed: dict[str, Any]) -> None:
        person.given(awaited(**changed)).when(take_up(declared())).then_nothing()

    def test_leaves_a_form_without_any_mobile_open(self) -> None:
        person.given(awaited()).when(take_up(declared(mobile=None))).then_nothing()

    def test_does_nothing_for_who_does_not_wait(self) -> None:
        person.when(take_up(declared())).then_nothing()

    def test_follows_a_declaration_under_the_right_name(self) -> None:
        right = declared(declaration_version=2)
        kept = person.given(awaited())
        kept.when(take_up(MISNAMED)).then_nothing()
        kept.when(take_up(right)).then(pre_registered(right, taken_up=True))

    def test_never_undoes_a_withdrawal(self) -> None:
        person.given(awaited(), form_withdrawn()).when(take_up(declared())).then_nothing()
        person.given(awaited(), pre_registered(taken_up=True), withdrawn()).when(take_up(declared())).then_nothing()


class TestWithdraw:
    def test_ends_the_pre_registration(self) -> None:
        person.given(pre_registered()).when(withdraw()).then(withdrawn())

    def test_does_nothing_when_repeated(self) -> None:
        person.given(pre_registered(), withdrawn()).when(withdraw()).then_nothing()
        person.given(pre_registered(), withdrawn()).when(withdraw(entered_at=NOW)).then_nothing()

    def test_is_for_one_contract(self) -> None:
        both = person.given(pre_registered(), pre_registered(contract_no=ELSEWHERE))
        left = both.when(withdraw(contract_no=ELSEWHERE)).then(withdrawn(contract_no=ELSEWHERE))
        assert left.state.is_expected_on("W2019010100011")

    def test_is_refused_after_entry(self) -> None:
        person.given(pre_registered()).when(withdraw(entered_at=NOW)).then_rejected(PersonHasEntered)

    def test_is_refused_after_the_exit(self) -> None:
        person.given(pre_registered(), closed()).when(withdraw(entered_at=NOW)).then_rejected(PersonHasEntered)

    def test_is_possible_again_for_who_has_come_back_only_on_paper(self) -> None:
        back = person.given(pre_registered(), closed(), pre_registered(SINCE, at=BACK_AT))
        back.when(withdraw(entered_at=NOW)).then(withdrawn())
        back.when(withdraw(entered_at=BACK_AT)).then_rejected(PersonHasEntered)

    def test_is_refused_for_who_was_imported_as_on_site(self) -> None:
        person.given(imported(on_site=True), pre_registered()).when(withdraw()).then_rejected(PersonHasEntered)
        person.given(imported(on_site=False), pre_registered()).when(withdraw()).then(withdrawn())

    def test_is_refused_where_nobody_was_pre_registered(self) -> None:
        person.when(withdraw()).then_rejected(PersonIsNotPreRegistered)


class TestWithdrawAForm:
    """That waits for a declaration."""

    def test_drops_it_once(self) -> None:
        person.given(awaited()).when(withdraw()).then(form_withdrawn()).when(withdraw()).then_nothing()

    def test_leaves_those_for_other_contracts(self) -> None:
        both = person.given(awaited(), awaited(contract_no=ELSEWHERE)).when(withdraw()).then(form_withdrawn())
        both.when(take_up(declared())).then(pre_registered(contract_no=ELSEWHERE, taken_up=True))

    def test_of_who_comes_back_is_never_refused(self) -> None:
        back = person.given(pre_registered(), closed(), awaited(left=LEFT))
        back.when(withdraw(entered_at=NOW)).then(form_withdrawn()).when(withdraw(entered_at=NOW)).then_nothing()

    def test_may_be_followed_by_another_form(self) -> None:
        person.given(awaited(), form_withdrawn()).when(pre_register(None)).then(awaited())
        opened = person.given(awaited(), form_withdrawn()).when(pre_register(declared())).then(pre_registered())
        opened.when(withdraw()).then(withdrawn())


class TestClose:
    def test_ends_what_let_the_person_in(self) -> None:
        left = person.given(pre_registered()).when(close()).then(closed())
        assert not left.state.is_expected_on("W2019010100011")

    def test_does_nothing_when_repeated(self) -> None:
        person.given(pre_registered(), closed()).when(close()).then_nothing()

    def test_does_nothing_where_no_pre_registration_is_open(self) -> None:
        person.given(imported(on_site=True), pre_registered(contract_no=ELSEWHERE)).when(close()).then_nothing()
        person.given(pre_registered(), withdrawn()).when(close()).then_nothing()


class TestComingBack:
    """To where one has left: with a declaration made since the exit."""

    gone = person.given(pre_registered(), closed())

    def test_takes_a_declaration_made_since(self) -> None:
        self.gone.when(pre_register(SINCE, seen=2, at=BACK_AT)).then(pre_registered(SINCE, at=BACK_AT))

    @pytest.mark.parametrize("old", [declared(), declared(declaration_version=2, reported_on=TODAY - timedelta(days=1))])
    def test_waits_for_one_where_all_are_of_before(self, old: Declaration) -> None:
        kept = self.gone.when(pre_register(old, seen=old.version, at=BACK_AT)).then(awaited(left=LEFT, at=BACK_AT))
        kept.when(pre_register(old, at=BACK_AT)).then_nothing()
        kept.when(take_up(old, at=BACK_AT)).then_nothing()
        kept.when(take_up(SINCE, at=BACK_AT)).then(pre_registered(SINCE, taken_up=True, at=BACK_AT))

    def test_is_never_before_the_exit_by_any_clock(self) -> None:
        kept = self.gone.when(pre_register(SINCE, at=EXITED_AT)).then(awaited(left=LEFT, at=EXITED_AT))
        kept.when(take_up(SINCE, at=EXITED_AT)).then_nothing()

    def test_takes_the_same_one_again_after_a_withdrawal(self) -> None:
        again = person.given(pre_registered(), closed(), pre_registered(SINCE, at=BACK_AT), withdrawn())
        again.when(pre_register(SINCE, at=BACK_AT)).then(pre_registered(SINCE, at=BACK_AT))

    def test_elsewhere_takes_any(self) -> None:
        self.gone.when(pre_register(declared(), contract_no=ELSEWHERE)).then(pre_registered(contract_no=ELSEWHERE))


class TestImportRosterMember:
    @pytest.mark.parametrize("on_site", [True, False])
    def test_puts_the_person_on_the_roster_once(self, on_site: bool) -> None:
        person.when(import_member(on_site=on_site)).then(imported(on_site=on_site)).when(import_member()).then_nothing()

    def test_is_for_each_contract(self) -> None:
        there = import_member(contract_no=ELSEWHERE)
        person.given(imported()).when(there).then(imported(contract_no=ELSEWHERE))

    def test_is_refused_beyond_the_contracts_that_the_gate_can_keep(self) -> None:
        person.given(*EVERYWHERE).when(import_member()).then_rejected(PersonIsOnTooManyContracts)


class TestErase:
    def test_forgets_everything_once(self) -> None:
        gone = person.given(pre_registered(), withdrawn(), imported(on_site=True)).when(erase()).then(erased())
        assert Person(is_erased=True) == gone.state
        gone.when(erase()).then_nothing()

    def test_drops_the_forms_that_wait(self) -> None:
        waiting = person.given(awaited(), awaited(contract_no=ELSEWHERE), pre_registered())
        waiting.when(erase()).then(erased(ELSEWHERE)).when(take_up(declared())).then_nothing()

    def test_is_for_whoever_only_declared(self) -> None:
        person.when(erase(has_key=True)).then(erased())

    def test_is_refused_for_whoever_is_not_known(self) -> None:
        person.when(erase()).then_rejected(PersonIsUnknown)

    @pytest.mark.parametrize("epidemic_ended_on", [None, TODAY + timedelta(days=1)])
    def test_is_refused_before_the_epidemic_is_over(self, epidemic_ended_on: date | None) -> None:
        person.given(imported()).when(erase(epidemic_ended_on=epidemic_ended_on)).then_rejected(EpidemicIsNotOver)

    def test_lets_nothing_be_registered_afterwards(self) -> None:
        gone = person.given(imported(), erased())
        gone.when(pre_register(declared())).then_rejected(PersonIsErased)
        gone.when(import_member()).then_rejected(PersonIsErased)
        gone.when(withdraw()).then_rejected(PersonIsNotPreRegistered)
