"""What the values in force say of a reading and of an arrival, and that every judgement names them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from chassis.testing.specification import Specification
from contracts.health import ArrivalAssessed, HealthEvent, IsolationOrdered
from contracts.policy import Authority, KeyArea, Policies, PolicyTerms
from health.domain.commands import HealthCommand
from health.domain.policy_set import PolicySet
from health.domain.state import HealthPerson
from health.wiring import person_decider
from tests.health.facts import (
    ELSEWHERE,
    HEFEI,
    HUBEI,
    JIANGSU,
    POLICY,
    TODAY,
    WUHAN,
    added,
    adopted,
    assess,
    declaration,
    report,
    terms,
)

Person = Specification[HealthCommand, HealthPerson, HealthEvent]
HEFEI_AREA = KeyArea(code_prefix="3401", name="合肥市", since=date(2020, 2, 1))


def person(policies: Policies) -> Person:
    return Specification(person_decider(lambda: policies))


def judged(stream: Person, command: HealthCommand) -> tuple[list[IsolationOrdered], ArrivalAssessed]:
    *_, assessed = events = stream.when(command).events
    assert isinstance(assessed, ArrivalAssessed)
    return [event for event in events if isinstance(event, IsolationOrdered)], assessed


class TestFever:
    @pytest.mark.parametrize(
        ("celsius", "is_fever", "is_normal"),
        [(34.9, False, False), (35.0, False, True), (37.2, False, True), (37.3, True, False), (38.0, True, False)],
    )
    def test_begins_as_shipped_at_37_3(self, celsius: float, is_fever: bool, is_normal: bool) -> None:
        assert (is_fever, is_normal) == (POLICY.is_fever(celsius), POLICY.is_normal(celsius))

    def test_begins_by_the_operator_at_the_threshold_or_above_it(self) -> None:
        above = POLICY.city.fever.model_copy(update={"operator": ">"})
        assert not PolicySet(adopted(terms(fever=above)).on(TODAY)).is_fever(37.3)


class TestIsolation:
    @pytest.mark.parametrize(
        ("code", "is_asked"), [(HUBEI, True), (WUHAN, True), ("420000", True), (JIANGSU, False), (HEFEI, False)]
    )
    def test_is_asked_as_shipped_of_arrivals_from_hubei(self, code: str, is_asked: bool) -> None:
        assert is_asked is (POLICY.isolation(code, arrived_on=date(2020, 2, 14)) is not None)

    @pytest.mark.parametrize(
        ("arrived_on", "is_asked"),
        [(date(2020, 1, 22), False), (date(2020, 1, 23), True), (date(2020, 4, 8), True), (date(2020, 4, 9), False)],
    )
    def test_is_asked_on_the_days_of_the_area_only(self, arrived_on: date, is_asked: bool) -> None:
        area = KeyArea(code_prefix="4201", name="武汉市", since=date(2020, 1, 23), until=date(2020, 4, 8))
        policy = PolicySet(adopted(terms(key_areas=(area,))).on(TODAY))
        assert is_asked is (policy.isolation(WUHAN, arrived_on=arrived_on) is not None)


MIDNIGHT = [(datetime(2020, 2, 29, 15, 59, tzinfo=UTC), 1), (datetime(2020, 2, 29, 16, 0, tzinfo=UTC), 2)]
"""Before and after 2020-03-01 begins in Shanghai: the version in force."""


class TestJudgement:
    """By what is in force on the day in Shanghai on which it was asked for."""

    @pytest.mark.parametrize(("at", "version"), MIDNIGHT)
    def test_of_an_arrival_names_the_version(self, at: datetime, version: int) -> None:
        stream = person(adopted(terms(valid_from=date(2020, 3, 1), isolation_days=21)))
        [order], assessed = judged(stream, assess(declaration(from_hubei=True), at=at))
        assert ({version}, 7 * (version + 1)) == ({order.policy_version, assessed.policy_version}, order.days)

    @pytest.mark.parametrize(("at", "version"), MIDNIGHT)
    def test_of_a_reading_names_the_version(self, at: datetime, version: int) -> None:
        fever = POLICY.city.fever.model_copy(update={"threshold_celsius": 37.0})
        stream = person(adopted(terms(valid_from=date(2020, 3, 1), fever=fever)))
        _, *holds = stream.when(report(37.1, read_at=at)).events
        assert ([2] if version == 2 else []) == [each.policy_version for each in holds]  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("adopted_terms", "command", "orders", "extras"),
        [
            ([added()], assess(origin_code=HUBEI), [(21, 2)], (2,)),
            ([added()], assess(origin_code=HUBEI, district="310115"), [(14, 1)], None),
            ([added()], assess(), [], (2,)),
            ([added(isolation_days=7)], assess(origin_code=HUBEI), [(14, 1)], (2,)),
            ([added(isolation_days=None, key_areas=(HEFEI_AREA,))], assess(origin_code=HEFEI), [(14, 2)], (2,)),
            ([added(), added(Authority.SITE, isolation_days=28)], assess(origin_code=HUBEI), [(28, 3)], (2, 3)),
            (
                [added(), added(Authority.SITE, isolation_days=28)],
                assess(origin_code=HUBEI, contract_no=ELSEWHERE),
                [(21, 2)],
                (2,),
            ),
            ([added(), terms(allows_extras=False)], assess(origin_code=HUBEI), [(14, 3)], None),
        ],
    )
    def test_of_an_arrival_takes_the_stricter_of_city_district_and_site(
        self, adopted_terms: list[PolicyTerms], command: Any, orders: list[tuple[int, int]], extras: tuple[int, ...] | None
    ) -> None:
        found, assessed = judged(person(adopted(*adopted_terms)), command)
        assert (orders, extras) == ([(each.days, each.policy_version) for each in found], assessed.extra_policy_versions)

    def test_of_an_arrival_orders_once_more_where_a_district_asks_for_longer(self) -> None:
        stream = person(adopted(added()))
        first, _ = judged(stream, assess(origin_code=HUBEI, contract_no=ELSEWHERE, district="310115"))
        stream = stream.given(*stream.when(assess(origin_code=HUBEI, contract_no=ELSEWHERE, district="310115")).events)
        second, _ = judged(stream, assess(origin_code=HUBEI))
        assert [14, 21] == [each.days for each in (*first, *second)]
