"""Answers to open questions, and orders that were made from a wrong fact."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.testing.specification import Specification
from contracts.health import (
    ArrivalAssessed,
    HealthEvent,
    IsolationOrdered,
    IsolationOrderWithdrawn,
    IsolationReason,
    TravelClarified,
)
from contracts.policy import Policies
from health.domain.arrivals import STOPOVER_UNKNOWN
from health.domain.commands import ClarifyTravel, HealthCommand, WithdrawOrder
from health.domain.corrections import IsolationOrderIsUnknown, NoQuestionIsOpen
from health.domain.state import HealthPerson
from health.wiring import person_decider
from tests.health.facts import ACCOUNT, ELSEWHERE, HEFEI, HERE, HUBEI, NOW, PERSON, SEALED, WUHAN, assess, declaration

Person = Specification[HealthCommand, HealthPerson, HealthEvent]
person: Person = Specification(person_decider(Policies))

UNKNOWN = declaration(stopover=True)
FROM_HUBEI = declaration(from_hubei=True)


def clarify(stopover_code: str | None, *, version: int = 1) -> ClarifyTravel:
    return ClarifyTravel(
        person_id=PERSON,
        declaration_version=version,
        stopover_code=stopover_code,
        evidence=SEALED,
        clarified_by=ACCOUNT,
        at=NOW + timedelta(hours=1),
    )


def withdraw(order_id: UUID) -> WithdrawOrder:
    return WithdrawOrder(
        person_id=PERSON, order_id=order_id, reason_code="wrong_origin", evidence=SEALED, withdrawn_by=ACCOUNT, at=NOW
    )


def after(*commands: HealthCommand) -> Person:
    """The person after these commands."""
    stream = person
    for command in commands:
        stream = stream.given(*stream.when(command).events)
    return stream


def order_of(stream: Person) -> UUID:
    (order_id,) = stream.state.order_ids
    return order_id


class TestClarifyTravel:
    @pytest.mark.parametrize("place", [HEFEI, None])
    def test_closes_the_question_where_it_was_no_key_area(self, place: str | None) -> None:
        clarified, assessed = after(assess(UNKNOWN)).when(clarify(place)).events
        assert isinstance(clarified, TravelClarified)
        assert isinstance(assessed, ArrivalAssessed)
        assert (STOPOVER_UNKNOWN, place) == (clarified.question, clarified.stopover_code)
        assert (assess(UNKNOWN).pre_registration_id, (), ()) == (
            assessed.pre_registration_id,
            assessed.questions,
            assessed.order_ids,
        )

    def test_orders_isolation_from_the_day_of_arrival_where_it_was_a_key_area(self) -> None:
        _, order, assessed = after(assess(UNKNOWN)).when(clarify(WUHAN)).events
        assert isinstance(order, IsolationOrdered)
        assert isinstance(assessed, ArrivalAssessed)
        assert (IsolationReason.KEY_AREA_STOPOVER, date(2020, 2, 14)) == (order.reason, order.anchor_date)
        assert ((order.order_id,), ()) == (assessed.order_ids, assessed.questions)

    def test_closes_it_for_every_contract_that_relies_on_the_declaration(self) -> None:
        events = after(assess(UNKNOWN), assess(UNKNOWN, contract_no=ELSEWHERE)).when(clarify(WUHAN)).events
        assert {HERE, ELSEWHERE} == {each.contract_no for each in events if isinstance(each, ArrivalAssessed)}
        assert 1 == sum(isinstance(each, IsolationOrdered) for each in events)

    def test_keeps_the_orders_of_other_reasons(self) -> None:
        stream = after(assess(declaration(stopover=True, from_hubei=True)))
        assessed = stream.when(clarify(HEFEI)).events[-1]
        assert isinstance(assessed, ArrivalAssessed)
        assert (order_of(stream),) == assessed.order_ids

    def test_holds_for_whatever_pins_the_declaration_later(self) -> None:
        assessed = after(assess(UNKNOWN), clarify(HEFEI)).when(assess(UNKNOWN, contract_no=ELSEWHERE)).events[-1]
        assert isinstance(assessed, ArrivalAssessed)
        assert () == assessed.questions

    def test_does_not_hold_for_another_declaration(self) -> None:
        assessed = after(assess(UNKNOWN), clarify(HEFEI)).when(assess(declaration(2, stopover=True))).events[-1]
        assert isinstance(assessed, ArrivalAssessed)
        assert (STOPOVER_UNKNOWN,) == assessed.questions

    def test_does_nothing_when_repeated(self) -> None:
        after(assess(UNKNOWN), clarify(HEFEI)).when(clarify(HEFEI)).then_nothing()

    @pytest.mark.parametrize("pinned", [declaration(), declaration(2, stopover=True)], ids=["no question", "another declaration"])
    def test_is_refused_where_no_question_is_open(self, pinned: object) -> None:
        after(assess(pinned)).when(clarify(HEFEI)).then_rejected(NoQuestionIsOpen)  # type: ignore[arg-type]

    def test_is_refused_for_another_answer_once_it_was_answered(self) -> None:
        after(assess(UNKNOWN), clarify(HEFEI)).when(clarify(WUHAN)).then_rejected(NoQuestionIsOpen)


class TestWithdrawOrder:
    def test_is_kept_with_its_reason(self) -> None:
        stream = after(assess(FROM_HUBEI))
        command = withdraw(order_of(stream))
        stream.when(command).then(
            IsolationOrderWithdrawn(
                person_id=PERSON,
                order_id=command.order_id,
                reason_code="wrong_origin",
                evidence=SEALED,
                withdrawn_by=ACCOUNT,
                withdrawn_at=NOW,
            )
        )

    def test_does_nothing_when_repeated(self) -> None:
        stream = after(assess(FROM_HUBEI))
        command = withdraw(order_of(stream))
        after(assess(FROM_HUBEI), command).when(command).then_nothing()

    def test_is_refused_for_an_order_that_was_never_made(self) -> None:
        after(assess(FROM_HUBEI)).when(withdraw(UUID(int=7))).then_rejected(IsolationOrderIsUnknown)

    def test_leaves_other_orders_alone(self) -> None:
        stream = after(assess(FROM_HUBEI, origin_code=HUBEI))
        first, second = sorted(stream.state.order_ids)
        assert {second} == after(assess(FROM_HUBEI, origin_code=HUBEI), withdraw(first)).state.order_ids

    def test_is_not_made_again_from_the_same_declaration(self) -> None:
        stream = after(assess(FROM_HUBEI))
        events = after(assess(FROM_HUBEI), withdraw(order_of(stream))).when(assess(FROM_HUBEI, contract_no=ELSEWHERE)).events
        (assessed,) = events
        assert isinstance(assessed, ArrivalAssessed)
        assert () == assessed.order_ids

    def test_is_made_again_where_a_later_declaration_says_so(self) -> None:
        stream = after(assess(FROM_HUBEI))
        again = after(assess(FROM_HUBEI), withdraw(order_of(stream))).when(assess(declaration(2, from_hubei=True))).events
        assert [order_of(stream)] == [each.order_id for each in again if isinstance(each, IsolationOrdered)]

    def test_holds_also_against_the_answer_to_a_question(self) -> None:
        wuhan = assess(declaration(stopover=True, stopover_code=WUHAN))
        stream = after(wuhan)
        unknown = assess(UNKNOWN, contract_no=ELSEWHERE)
        events = after(wuhan, withdraw(order_of(stream)), unknown).when(clarify(WUHAN)).events
        assert [TravelClarified, ArrivalAssessed] == [type(each) for each in events]


DAYS = st.dates(min_value=date(2020, 1, 2), max_value=date(2024, 3, 31))
"""From the first day of the key areas, over the ends of years and 29 February 2020 and 2024."""


class TestIsolationDates:
    @given(arrivals=st.lists(DAYS, min_size=1, max_size=5, unique=True))
    def test_are_fourteen_days_from_each_arrival_and_the_latest_end_wins(self, arrivals: list[date]) -> None:
        stream = person
        for version, day in enumerate(arrivals, 1):
            pinned = declaration(version, departed_on=day, reported_on=day, from_hubei=True)
            stream = stream.given(*stream.when(assess(pinned)).events)
        orders = [each for each in stream.happened if isinstance(each, IsolationOrdered)]
        assert sorted(arrivals) == sorted(order.anchor_date for order in orders)
        assert all(order.admissible_on.toordinal() - order.anchor_date.toordinal() == 14 for order in orders)
        assert max(arrivals).toordinal() + 14 == max(order.admissible_on for order in orders).toordinal()

    @given(arrivals=st.lists(DAYS, min_size=1, max_size=5, unique=True), which=st.integers(0, 4))
    def test_of_a_withdrawn_order_no_longer_count(self, arrivals: list[date], which: int) -> None:
        stream = person
        for version, day in enumerate(arrivals, 1):
            pinned = declaration(version, departed_on=day, reported_on=day, from_hubei=True)
            stream = stream.given(*stream.when(assess(pinned)).events)
        orders = [each for each in stream.happened if isinstance(each, IsolationOrdered)]
        wrong = orders[which % len(orders)]
        stream = stream.given(*stream.when(withdraw(wrong.order_id)).events)
        assert {each.order_id for each in orders} - {wrong.order_id} == stream.state.order_ids
