"""The values that are shipped, and what a policy set refuses to be."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from health.domain.policy_set import PolicySet
from health.wiring import SHIPPED_POLICY_SET
from tests.health.facts import HEFEI, HUBEI, JIANGSU, POLICY, WUHAN

SHIPPED: dict[str, Any] = json.loads(SHIPPED_POLICY_SET.read_text())


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
