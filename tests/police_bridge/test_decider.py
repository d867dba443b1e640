"""What the police is told next, given what it was told before."""

from __future__ import annotations

from chassis.testing.specification import Specification
from contracts.police import PoliceBridgeEvent
from police_bridge.domain.commands import PoliceBridgeCommand
from police_bridge.domain.state import SharedPerson
from police_bridge.wiring import PERSON as PERSON_DECIDER
from tests.police_bridge.facts import (
    ELSEWHERE,
    NOW,
    OTHER,
    PUDONG,
    corrected,
    erase,
    erased,
    later,
    link,
    linked,
    share,
    shared,
    withdraw,
    withdrawn,
)

person: Specification[PoliceBridgeCommand, SharedPerson, PoliceBridgeEvent] = Specification(PERSON_DECIDER)


class TestShare:
    def test_tells_who_arrives(self) -> None:
        person.when(share()).then(shared())

    def test_tells_nothing_twice(self) -> None:
        person.given(shared()).when(share()).then_nothing()

    def test_tells_nothing_twice_after_a_correction(self) -> None:
        person.given(shared(), corrected(at=later())).when(share(at=later())).then_nothing()

    def test_tells_each_contract_for_itself(self) -> None:
        person.given(shared()).when(share(contract_no=ELSEWHERE, district=PUDONG)).then(
            shared(contract_no=ELSEWHERE, district=PUDONG)
        )

    def test_corrects_the_whole_when_pre_registered_again(self) -> None:
        person.given(shared()).when(share(at=later(), mobile=None)).then(corrected(at=later(), mobile=None))

    def test_tells_anew_after_a_withdrawal(self) -> None:
        person.given(shared(), withdrawn()).when(share(at=later(2))).then(shared(at=later(2)))

    def test_takes_back_from_the_old_district_what_the_new_one_is_told(self) -> None:
        person.given(shared()).when(share(at=later(), district=PUDONG)).then(
            withdrawn(at=later()), shared(at=later(), district=PUDONG)
        ).when(withdraw(at=later(2))).then(withdrawn(at=later(2), district=PUDONG))


class TestWithdraw:
    def test_takes_back_from_the_police_that_was_told(self) -> None:
        person.given(shared(district=PUDONG)).when(withdraw()).then(withdrawn(district=PUDONG))

    def test_takes_back_what_was_corrected(self) -> None:
        person.given(shared(), corrected()).when(withdraw(at=later(2))).then(withdrawn(at=later(2)))

    def test_does_nothing_when_repeated(self) -> None:
        person.given(shared(), withdrawn()).when(withdraw()).then_nothing()

    def test_does_nothing_when_nothing_was_told(self) -> None:
        person.when(withdraw()).then_nothing()

    def test_leaves_other_contracts_alone(self) -> None:
        person.given(shared(), shared(contract_no=ELSEWHERE)).when(withdraw()).then(withdrawn()).when(share()).then_nothing()


class TestLink:
    def test_is_told_to_every_district_that_was_told_of_the_person(self) -> None:
        told = person.given(shared(), shared(contract_no=ELSEWHERE, district=PUDONG))
        told.when(link(OTHER)).then(linked(OTHER), linked(OTHER, district=PUDONG)).when(link(OTHER)).then_nothing()

    def test_is_told_to_nobody_who_was_told_nothing(self) -> None:
        person.when(link(OTHER)).then_nothing()
        person.given(shared(), erased()).when(link(OTHER)).then_nothing()

    def test_is_told_to_a_district_that_comes_later(self) -> None:
        known = person.given(shared(), linked(OTHER))
        there = known.when(share(contract_no=ELSEWHERE, district=PUDONG))
        there.then(shared(contract_no=ELSEWHERE, district=PUDONG), linked(OTHER, district=PUDONG, at=NOW))
        known.when(share(contract_no=ELSEWHERE)).then(shared(contract_no=ELSEWHERE))

    def test_that_was_made_before_anything_was_told_is_told_with_the_first(self) -> None:
        known = person.when(share(same_as=(OTHER,))).then(shared(), linked(OTHER, at=NOW))
        known.when(share(at=later(), same_as=(OTHER,))).then(corrected(at=later()))
        known.when(link()).then(linked())

    def test_that_was_a_mistake_is_told_as_none(self) -> None:
        person.given(shared(), linked(OTHER)).when(link()).then(linked())


class TestErase:
    def test_tells_every_district_that_was_ever_told(self) -> None:
        moved = (shared(), withdrawn(), shared(district=PUDONG))
        person.given(*moved).when(erase()).then(erased(), erased(district=PUDONG))

    def test_does_nothing_when_repeated(self) -> None:
        person.given(shared(), erased()).when(erase()).then_nothing()

    def test_does_nothing_when_nobody_was_told(self) -> None:
        person.when(erase()).then_nothing()

    def test_lets_what_was_told_be_withdrawn(self) -> None:
        person.given(shared(), erased()).when(withdraw()).then(withdrawn())
