"""Terms that make sense, and which of all that was adopted is in force on a day at a place."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.event import EVENT_BYTES_MAX
from contracts.firms import NUMBER_CHARS_MAX
from contracts.policy import (
    AREA_NAME_CHARS_MAX,
    KEY_AREAS_MAX,
    SHIPPED,
    Authority,
    KeyArea,
    Policies,
    PolicyTerms,
    Switch,
    policies_of,
)

CITY: dict[str, Any] = SHIPPED.model_dump(mode="json")
HONGKOU: dict[str, Any] = {"authority": "district", "district": "310109", "valid_from": "2020-03-01", "isolation_days": 21}
SITE = HONGKOU | {"authority": "site", "contract_no": "W1", "isolation_days": 28}
DAY = date(2020, 3, 1)


def terms(of: dict[str, Any] = CITY, **changes: Any) -> PolicyTerms:
    return PolicyTerms.model_validate_json(json.dumps(of | changes))


class TestTerms:
    @pytest.mark.parametrize(
        ("of", "changes", "flaw"),
        [
            (CITY, {"valid_until": "2020-01-31"}, "days_out_of_order"),
            (CITY, {"fever": None}, "policy_incomplete"),
            (CITY, {"isolation_days": None}, "policy_incomplete"),
            (CITY, {"switches": None}, "policy_incomplete"),
            (CITY, {"district": "310109"}, "policy_place"),
            (HONGKOU, {"district": None}, "policy_place"),
            (HONGKOU, {"contract_no": "W1"}, "policy_place"),
            (SITE, {"contract_no": None}, "policy_place"),
            (SITE, {"district": None}, "policy_place"),
            (HONGKOU, {"fever": CITY["fever"]}, "policy_beyond_authority"),
            (SITE, {"switches": CITY["switches"]}, "policy_beyond_authority"),
            (HONGKOU, {"isolation_days": None}, "policy_incomplete"),
            (HONGKOU, {"district": "310199"}, "district_unknown"),
            (CITY, {"isolation_days": 0}, "greater_than_equal"),
            (CITY, {"isolation_days": 91}, "less_than_equal"),
            (CITY, {"authority": "nobody"}, "enum"),
            (CITY, {"version": 1}, "extra_forbidden"),
            (CITY, {"fever": CITY["fever"] | {"threshold_celsius": 35.0}}, "greater_than"),
            (CITY, {"fever": CITY["fever"] | {"threshold_celsius": "37.3"}}, "float_type"),
            (CITY, {"fever": CITY["fever"] | {"operator": "=="}}, "literal_error"),
            (CITY, {"fever": CITY["fever"] | {"remeasured_after_min": 0}}, "greater_than_equal"),
            (CITY, {"switches": CITY["switches"] | {"confirmed": "off"}}, "extra_forbidden"),
            (CITY, {"switches": {"fever": "forbid"}}, "missing"),
            (CITY, {"switches": CITY["switches"] | {"fever": "sometimes"}}, "enum"),
            (CITY, {"key_areas": [{"code_prefix": "4", "name": "甲", "since": "2020-01-01"}]}, "string_pattern_mismatch"),
            (
                CITY,
                {"key_areas": [{"code_prefix": "42", "name": "甲", "since": "2020-01-02", "until": "2020-01-01"}]},
                "days_out_of_order",
            ),
        ],
    )
    def test_are_refused_where_they_make_no_sense(self, of: dict[str, Any], changes: dict[str, Any], flaw: str) -> None:
        with pytest.raises(ValidationError) as caught:
            terms(of, **changes)
        assert flaw in {error["type"] for error in caught.value.errors()}

    def test_at_their_fullest_fit_into_an_event(self) -> None:
        area = KeyArea(code_prefix="420100", name="𠮷" * AREA_NAME_CHARS_MAX, since=DAY, until=DAY)
        fullest = {"contract_no": "𠮷" * NUMBER_CHARS_MAX, "key_areas": (area,) * KEY_AREAS_MAX, "valid_until": DAY}
        assert len(terms(SITE).model_copy(update=fullest).model_dump_json()) < EVENT_BYTES_MAX - 2_000

    def test_as_shipped_are_those_of_february_2020(self) -> None:
        assert SHIPPED.fever is not None
        assert SHIPPED.switches is not None
        assert (">=", 37.3, 5) == (SHIPPED.fever.operator, SHIPPED.fever.threshold_celsius, SHIPPED.fever.remeasured_after_min)
        assert (14, {"42", "4201"}) == (SHIPPED.isolation_days, {each.code_prefix for each in SHIPPED.key_areas})
        assert Switch.REMIND is SHIPPED.switches.no_report_today


SPANS = st.lists(st.tuples(st.integers(0, 400), st.none() | st.integers(0, 60)), max_size=8)


class TestPolicies:
    @given(spans=SPANS, asked=st.integers(-50, 500))
    def test_have_the_latest_that_covers_the_day_in_force(self, spans: list[tuple[int, int | None]], asked: int) -> None:
        begin = date(2020, 2, 1)
        dated = [
            SHIPPED.model_copy(
                update={
                    "valid_from": begin + timedelta(days=first),
                    "valid_until": None if length is None else begin + timedelta(days=first + length),
                }
            )
            for first, length in spans
        ]
        covering = [
            n for n, (first, length) in enumerate(spans, 2) if first <= asked <= (first + length if length is not None else asked)
        ]
        found = policies_of(enumerate(dated, 2)).on(begin + timedelta(days=asked))
        assert (covering[-1] if covering else 1) == found.version

    @pytest.mark.parametrize(
        ("adopted", "district", "contract_no", "versions"),
        [
            ([terms(HONGKOU), terms(SITE)], "310109", "W1", [2, 3]),
            ([terms(HONGKOU), terms(SITE)], "310109", "W2", [2]),
            ([terms(HONGKOU), terms(SITE)], "310115", "W1", []),
            ([terms(HONGKOU), terms(SITE)], None, "W1", []),
            ([terms(SITE)], "310109", "W1", [2]),
            ([terms(HONGKOU), terms(HONGKOU, isolation_days=28)], "310109", "W1", [3]),
            ([terms(HONGKOU), terms(HONGKOU, valid_from="2020-03-02")], "310109", "W1", [2]),
            ([terms(HONGKOU, allows_extras=False), terms(SITE)], "310109", "W1", [2]),
            ([terms(HONGKOU), terms(SITE), terms(allows_extras=False)], "310109", "W1", []),
            ([terms(HONGKOU), terms(allows_extras=False, valid_until="2020-02-29")], "310109", "W1", [2]),
        ],
    )
    def test_let_lower_authorities_add_as_long_as_the_higher_allow_it(
        self, adopted: list[PolicyTerms], district: str | None, contract_no: str, versions: list[int]
    ) -> None:
        found = policies_of(enumerate(adopted, 2)).extras_on(DAY, district=district, contract_no=contract_no)
        assert versions == [each.version for each in found]

    def test_count_their_versions_whoever_decided(self) -> None:
        assert 1 == Policies().latest_version
        assert 3 == policies_of([(2, terms()), (3, terms(HONGKOU))]).latest_version
        assert Authority.CITY is policies_of([(2, terms(HONGKOU)), (3, terms())]).on(DAY).terms.authority
