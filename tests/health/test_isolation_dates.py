"""Days of isolation and of policies, whatever the calendar does: leap days, ends of years, several journeys, several policies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from chassis.testing.specification import Specification
from contracts.health import HealthEvent, IsolationOrdered
from contracts.policy import SHIPPED_VERSION, Policies, PolicyTerms
from health.domain.commands import HealthCommand, WithdrawOrder
from health.domain.rehearsal import ordered_until
from health.domain.state import HealthPerson
from health.wiring import person_decider
from tests.health.facts import ACCOUNT, HUBEI, NOW, PERSON, SEALED, TODAY, adopted, assess, declaration, terms

person: Specification[HealthCommand, HealthPerson, HealthEvent] = Specification(person_decider(Policies))

DAY = timedelta(days=1)
DAYS = st.dates(date(2020, 1, 23), date(2032, 12, 31))
"""From when the shipped policy names Hubei; with four leap days and twelve ends of years."""
WHILES = st.none() | st.integers(0, 400)


class TestIsolation:
    @example(date(2020, 2, 15), 14)
    @example(date(2020, 2, 16), 14)
    @example(date(2021, 2, 15), 14)
    @example(date(2020, 2, 29), 14)
    @example(date(2024, 12, 18), 14)
    @example(date(2020, 12, 31), 1)
    @given(DAYS, st.integers(1, 90))
    def test_bans_on_day_0_and_on_every_day_before_the_last_and_on_none_after(self, arrived_on: date, days: int) -> None:
        decider = person_decider(lambda: adopted(terms(isolation_days=days, valid_from=date(2020, 1, 1))))
        command = assess(declaration(reported_on=arrived_on, departed_on=None), origin_code=HUBEI)
        state = decider.fold(HealthPerson(), decider.decide(command, HealthPerson()))
        banned = [n for n in range(days + 2) if ordered_until(state, arrived_on + n * DAY) is not None]
        assert list(range(days)) == banned
        assert arrived_on + days * DAY == ordered_until(state, arrived_on)

    @given(st.lists(st.tuples(DAYS, st.booleans()), min_size=1, max_size=8))
    def test_of_several_journeys_ends_with_the_latest_that_is_not_withdrawn(self, journeys: list[tuple[date, bool]]) -> None:
        decider, state = person.decider, HealthPerson()
        for n, (arrived_on, _) in enumerate(journeys, 1):
            pinned = declaration(n, reported_on=arrived_on, departed_on=arrived_on)
            command = assess(pinned, contract_no=f"W{n}", origin_code=HUBEI)
            state = decider.fold(state, decider.decide(command, state))
        binding = {arrived_on for arrived_on, _ in journeys}
        for arrived_on in {arrived_on for arrived_on, is_withdrawn in journeys if is_withdrawn}:
            [order] = [each for each in state.orders if each.anchor_date == arrived_on]
            state = decider.fold(state, decider.decide(_withdrawal(order.order_id), state))
            binding.discard(arrived_on)
        first = min(arrived_on for arrived_on, _ in journeys) - DAY
        expected = max((each + 14 * DAY for each in binding), default=None)
        assert expected == ordered_until(state, first)
        assert {each + 14 * DAY for each in binding} == {order.admissible_on for order in state.orders}


class TestPolicyDates:
    @given(st.lists(st.tuples(DAYS, WHILES, st.integers(1, 90)), max_size=6), DAYS)
    def test_of_those_that_cover_the_day_the_last_one_decides_and_else_what_was_shipped(
        self, decided: list[tuple[date, int | None, int]], day: date
    ) -> None:
        policies = adopted(*(_terms(*each) for each in decided))
        covering = [
            version
            for version, (since, length, _) in enumerate(decided, 2)
            if since <= day and (length is None or day <= since + length * DAY)
        ]
        assert max(covering, default=SHIPPED_VERSION) == policies.on(day).version

    @example([(date(2020, 2, 29), 0, 3)], date(2020, 2, 29))
    @example([(date(2020, 12, 31), 1, 3)], date(2021, 1, 1))
    @given(st.lists(st.tuples(DAYS, WHILES, st.integers(1, 90)), max_size=4), DAYS)
    def test_an_arrival_is_judged_by_the_day_on_which_it_is_judged(
        self, decided: list[tuple[date, int | None, int]], day: date
    ) -> None:
        policies = adopted(*(_terms(*each) for each in decided))
        decider = person_decider(lambda: policies)
        at = NOW + (day - TODAY)
        command = assess(declaration(reported_on=day, departed_on=None), origin_code=HUBEI, at=at)
        found = _orders(decider.decide(command, HealthPerson()))
        asked = policies.on(day)
        assert [(asked.isolation_days, asked.version)] == [(each.days, each.policy_version) for each in found]


def _terms(since: date, length: int | None, isolation_days: int) -> PolicyTerms:
    return terms(valid_from=since, valid_until=None if length is None else since + length * DAY, isolation_days=isolation_days)


def _withdrawal(order_id: UUID) -> WithdrawOrder:
    return WithdrawOrder(
        person_id=PERSON, order_id=order_id, reason_code="wrong_origin", evidence=SEALED, withdrawn_by=ACCOUNT, at=NOW
    )


def _orders(events: Sequence[HealthEvent]) -> list[IsolationOrdered]:
    return [each for each in events if isinstance(each, IsolationOrdered)]
