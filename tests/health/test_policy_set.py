"""The values that are shipped, and what a policy set refuses to be."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from health.domain.policy_set import PolicySet, PolicySets
from health.domain.state import HealthPerson
from health.wiring import SHIPPED_POLICY_SETS, person_decider
from tests.health.facts import HEFEI, HUBEI, JIANGSU, POLICY, WUHAN, assess, declaration, report

SHIPPED: dict[str, Any] = json.loads((SHIPPED_POLICY_SETS / "2020-02.json").read_text())


def policy(**changes: Any) -> PolicySet:
    return PolicySet.model_validate_json(json.dumps(SHIPPED | changes))


class TestShippedPolicySet:
    def test_is_the_first_version(self) -> None:
        assert (1, "city") == (POLICY.version, POLICY.authority)

    @pytest.mark.parametrize(
        ("celsius", "is_fever", "is_normal"),
        [(34.9, False, False), (35.0, False, True), (37.2, False, True), (37.3, True, False), (38.0, True, False)],
    )
    def test_draws_the_line_at_37_3(self, celsius: float, is_fever: bool, is_normal: bool) -> None:
        assert (is_fever, is_normal) == (POLICY.is_fever(celsius), POLICY.is_normal(celsius))

    @pytest.mark.parametrize(
        ("code", "is_key_area"), [(HUBEI, True), (WUHAN, True), ("420000", True), (JIANGSU, False), (HEFEI, False)]
    )
    def test_names_hubei(self, code: str, is_key_area: bool) -> None:
        assert is_key_area is POLICY.is_key_area(code, arrived_on=date(2020, 2, 14))


class TestPolicySet:
    def test_says_by_its_operator_whether_the_threshold_is_fever(self) -> None:
        assert not policy(fever=SHIPPED["fever"] | {"operator": ">"}).is_fever(37.3)

    @pytest.mark.parametrize(
        ("arrived_on", "is_key_area"),
        [(date(2020, 1, 22), False), (date(2020, 1, 23), True), (date(2020, 4, 8), True), (date(2020, 4, 9), False)],
    )
    def test_knows_an_area_for_its_dates_only(self, arrived_on: date, is_key_area: bool) -> None:
        area = {"code_prefix": "4201", "name": "武汉市", "since": "2020-01-23", "until": "2020-04-08"}
        assert is_key_area is policy(key_areas=[area]).is_key_area(WUHAN, arrived_on=arrived_on)

    @pytest.mark.parametrize(
        "changes",
        [
            {"version": 0},
            {"authority": "nobody"},
            {"valid_until": "2020-01-31"},
            {"unknown": 1},
            {"fever": SHIPPED["fever"] | {"threshold_celsius": 35.0}},
            {"fever": SHIPPED["fever"] | {"threshold_celsius": "37.3"}},
            {"fever": SHIPPED["fever"] | {"operator": "=="}},
            {"fever": SHIPPED["fever"] | {"remeasured_after_min": 0}},
            {"isolation": {"days": 0, "day_of_arrival": 0}},
            {"isolation": {"days": 14, "day_of_arrival": 1}},
            {"key_areas": [{"code_prefix": "4", "name": "?", "since": "2020-01-01", "until": None}]},
            {"key_areas": [{"code_prefix": "42", "name": "湖北省", "since": "2020-01-02", "until": "2020-01-01"}]},
        ],
    )
    def test_is_not_read_where_it_makes_no_sense(self, changes: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            policy(**changes)


def dated(*begins: date, **changes: Any) -> PolicySets:
    """A set from each of these days on; the last one with these changes."""
    sets = [
        policy(version=n, valid_from=day.isoformat(), valid_until=(after - timedelta(days=1)).isoformat() if after else None)
        for n, (day, after) in enumerate(zip(begins, (*begins[1:], None), strict=True), 1)
    ]
    return PolicySets((*sets[:-1], PolicySet.model_validate(dict(sets[-1]) | changes)))


FIRST, NEXT = date(2020, 2, 1), date(2020, 3, 1)
BEGINS = st.lists(st.dates(date(2019, 12, 1), date(2021, 3, 31)), min_size=1, max_size=6, unique=True).map(sorted)


class TestPolicySets:
    @given(begins=BEGINS, day=st.dates(date(2019, 1, 1), date(2024, 12, 31)))
    def test_have_one_in_force_on_every_day(self, begins: list[date], day: date) -> None:
        found = dated(*begins).on(day)
        assert found.valid_from <= max(day, begins[0])
        assert found.valid_until is None or day <= found.valid_until

    @pytest.mark.parametrize(
        "sets",
        [
            (),
            (policy(valid_until="2020-02-29"),),
            (policy(), policy(version=2, valid_from="2020-03-01")),
            (policy(valid_until="2020-02-28"), policy(version=2, valid_from="2020-03-01")),
            (policy(version=2, valid_until="2020-02-29"), policy(version=2, valid_from="2020-03-01")),
        ],
        ids=["none", "ends", "overlap", "a leap day's gap", "same version"],
    )
    def test_are_not_read_where_a_day_has_none_or_two(self, sets: tuple[PolicySet, ...]) -> None:
        with pytest.raises(ValidationError):
            PolicySets(sets)


class TestJudgement:
    """By the set that was in force on the day in Shanghai on which it was asked for."""

    @pytest.mark.parametrize(
        ("at", "version", "days"),
        [(datetime(2020, 2, 29, 15, 59, tzinfo=UTC), 1, 14), (datetime(2020, 2, 29, 16, 0, tzinfo=UTC), 2, 21)],
    )
    def test_of_an_arrival_names_it(self, at: datetime, version: int, days: int) -> None:
        decider = person_decider(dated(FIRST, NEXT, isolation=POLICY.isolation.model_copy(update={"days": 21})))
        order, assessed = decider.decide(assess(declaration(from_hubei=True), at=at), HealthPerson())
        assert ({version}, days) == ({order.policy_version, assessed.policy_version}, order.days)  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        ("at", "versions"), [(datetime(2020, 2, 29, 15, 59, tzinfo=UTC), []), (datetime(2020, 2, 29, 16, 0, tzinfo=UTC), [2])]
    )
    def test_of_a_reading_names_it(self, at: datetime, versions: list[int]) -> None:
        decider = person_decider(dated(FIRST, NEXT, fever=POLICY.fever.model_copy(update={"threshold_celsius": 37.0})))
        _, *holds = decider.decide(report(37.1, read_at=at), HealthPerson())
        assert versions == [each.policy_version for each in holds]  # type: ignore[union-attr]
