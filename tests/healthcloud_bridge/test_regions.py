"""Places as people write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.citizen_id import is_current_region
from healthcloud_bridge.regions import CODES, recognised_region


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("武汉", "420100"),
        ("武汉市", "420100"),
        ("湖北省武汉市", "420100"),
        ("湖北 武汉", "420100"),
        ("湖北省", "420000"),
        ("汉口火车站", "420100"),
        ("武昌", "420100"),
        ("恩施", "422800"),
        ("仙桃市", "429004"),
        ("神农架", "429021"),
        ("合肥南站", "340100"),
        ("安徽省合肥市瑶海区", "340100"),
        ("内蒙古呼和浩特", "150100"),
        ("吉林", "220000"),
        ("吉林市", "220200"),
        ("海南三亚", "460200"),
        ("重庆", "500000"),
        ("香港", "810000"),
        ("上海南站", "310000"),
        ("湖南省长沙市", "430100"),
    ],
)
def test_is_recognised(text: str, code: str) -> None:
    assert code == recognised_region(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "服务区",
        "高速路上",
        "黄梅",  # a county of Hubei: not in the table of cities, so it must not pass
        "朝阳",  # a city of Liaoning and a district of Beijing
        "合肥、武汉",
        "合肥,黄梅",
        "合肥转黄梅",
        "南京 合肥",
        "湖北省、合肥市",
        "武汉、宜昌",
        "合肥 某镇",
    ],
)
def test_is_a_question(text: str) -> None:
    assert recognised_region(text) is None


def test_names_stand_for_one_place_each_that_exists() -> None:
    taiwan_and_others = {"710000", "810000", "820000"}
    assert [] == [code for code in CODES.values() if code not in taiwan_and_others and not is_current_region(code)]
    assert all(re.fullmatch("[1-8][0-9]{5}", code) for code in CODES.values())


@given(st.sampled_from(sorted(CODES)), st.sampled_from(sorted(CODES)), st.sampled_from("、,; /"))
def test_of_two_places_is_recognised_only_where_one_lies_in_the_other(one: str, other: str, between: str) -> None:
    code = recognised_region(f"{one}{between}{other}")
    prefixes = [re.sub("(00)+$", "", CODES[name]) for name in (one, other)]
    lies_within = prefixes[0].startswith(prefixes[1]) or prefixes[1].startswith(prefixes[0])
    assert (code is not None) is lies_within
