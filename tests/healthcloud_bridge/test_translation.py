"""Their words in ours."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthcloud_bridge.client import Submission
from healthcloud_bridge.translation import Declared, Untranslatable, translated
from tests.healthcloud_bridge.upstream import form

TODAY = date(2020, 2, 18)


def declared(**changes: Any) -> Declared:
    return translated(Submission.model_validate(form("32062319850312011X", **changes)), today=TODAY)


class TestTranslated:
    def test_is_the_manuals_sample(self) -> None:
        found = declared()
        assert ("101 上海浦东国际机场T1", date(2020, 2, 3), 38.0) == (
            found.report_place,
            found.reported_on,
            found.temperature_celsius,
        )
        assert ("无异常症状", date(2020, 2, 3), "火车G13333") == (found.health_text, found.departed_on, found.travel)
        assert (False, False, False, None) == (found.from_hubei, found.from_wuhan, found.stopover, found.stopover_place)
        assert ("上海市黄浦区五里桥街道测试地址", "13800000011") == (found.stay_address, found.mobile)
        # 38 °C without symptoms, an airport and a train: accepted, and flagged.
        assert ("temperature_against_health_text", "report_place_against_travel") == found.contradictions

    @pytest.mark.parametrize(
        ("text", "day"),
        [
            ("2020-02-03", date(2020, 2, 3)),
            ("2020-02-03 10:22:31", date(2020, 2, 3)),
            ("2020-02-03T10:22:31+08:00", date(2020, 2, 3)),
            ("2020/2/3", date(2020, 2, 3)),
            ("2020年2月3日", date(2020, 2, 3)),
            ("", None),
            ("昨天", None),
            ("2020-02-30", None),
            ("0020-02-03", None),
        ],
    )
    def test_reads_days(self, text: str, day: date | None) -> None:
        assert day == declared(出行时间=text).departed_on

    @pytest.mark.parametrize(
        ("given", "celsius"),
        [
            (38, 38.0),
            ("36.5", 36.5),
            ("36.5℃", 36.5),
            ("37.25 °C", 37.25),
            ("380", 380.0),
            ("", None),
            ("正常", None),
            ("三十六度", None),
        ],
    )
    def test_reads_temperatures(self, given: object, celsius: float | None) -> None:
        assert celsius == declared(体温=given).temperature_celsius

    @pytest.mark.parametrize(("text", "is_yes"), [("否", False), ("是", True), ("", True), ("不清楚", True)])
    def test_takes_whatever_is_not_no_as_yes(self, text: str, is_yes: bool) -> None:
        found = declared(是否湖北出发=text)
        assert is_yes is found.from_hubei
        assert ("from_hubei_unreadable" in found.contradictions) is (text not in ("是", "否"))

    @pytest.mark.parametrize(("text", "place", "code"), [("无", None, None), ("武汉", "武汉", "420100"), ("某镇", "某镇", None)])
    def test_recognises_where_somebody_stopped(self, text: str, place: str | None, code: str | None) -> None:
        found = declared(是否经停="是", 停留地点=text)
        assert (True, place, code) == (found.stopover, found.stopover_place, found.stopover_code)

    @pytest.mark.parametrize(("text", "mobile"), [("+86 138 0000 0011", "13800000011"), ("", None), ("12345", None)])
    def test_takes_a_mobile_that_is_one(self, text: str, mobile: str | None) -> None:
        assert mobile == declared(手机号=text).mobile

    @pytest.mark.parametrize(
        ("theirs", "channel"), [("健康云APP", "app"), ("微信公众号", "wechat"), ("", "other"), ("电话", "other")]
    )
    def test_names_the_channel(self, theirs: str, channel: str) -> None:
        assert channel == declared(填报渠道=theirs).channel

    @pytest.mark.parametrize(("theirs", "relation"), [("本人", "self"), ("子女", "child"), ("邻居", "other")])
    def test_names_the_relation(self, theirs: str, relation: str) -> None:
        assert relation == declared(与本人关系=theirs).relation

    @pytest.mark.parametrize("changes", [{"姓名": " "}, {"姓名": "张\u200b三"}, {"上报时间": ""}, {"上报时间": "明天"}])
    def test_needs_a_name_and_a_day(self, changes: dict[str, str]) -> None:
        with pytest.raises(Untranslatable):
            declared(**changes)

    def test_stands_for_its_number_and_content(self) -> None:
        assert declared(登记编号="1").source == declared(登记编号="1").source
        assert 3 == len(
            {declared(登记编号="1").source, declared(登记编号="2").source, declared(登记编号="1", 居住地址="别处").source}
        )


class TestContradictions:
    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"体温": "37.3"}, "temperature_against_health_text"),
            ({"体温": "380"}, "temperature_implausible"),
            ({"体温": "3.65"}, "temperature_implausible"),
            ({"体温": "正常"}, "temperature_unreadable"),
            ({"出行时间": "昨天"}, "departure_unreadable"),
            ({"手机号": "12345"}, "mobile_unreadable"),
            ({"上报地址": "上海虹桥国际机场", "出行方式": "自驾沪A00000"}, "report_place_against_travel"),
            ({"上报地址": "上海火车站", "出行方式": "航班MU0000"}, "report_place_against_travel"),
            ({"出行时间": "2020-02-04"}, "report_before_departure"),
            ({"上报时间": "2020-02-19"}, "report_in_the_future"),
            ({"是否武汉出发": "是"}, "wuhan_against_hubei"),
            ({"停留地点": "合肥"}, "stopover_against_place"),
            ({"是否武汉出发": "是", "是否湖北出发": "是", "是否经停": "是", "停留地点": "武汉"}, "origin_against_stopover"),
        ],
    )
    def test_are_flagged(self, changes: dict[str, str], code: str) -> None:
        assert code in declared(**changes).contradictions

    @pytest.mark.parametrize(
        "changes",
        [
            {"体温": "36.5", "出行方式": "航班MU0000"},
            {"体温": "38", "健康状况": "发热", "上报地址": "上海虹桥火车站"},
            {"体温": "", "上报地址": "上海虹桥火车站"},
            {
                "体温": "36.5",
                "上报地址": "沪渝高速道口",
                "是否湖北出发": "是",
                "是否武汉出发": "是",
                "是否经停": "是",
                "停留地点": "",
            },
            {"体温": "", "出行方式": "自驾", "上报地址": "道口", "是否湖北出发": "是", "是否经停": "是", "停留地点": "武汉"},
        ],
    )
    def test_are_not_seen_where_there_are_none(self, changes: dict[str, str]) -> None:
        assert () == declared(**changes).contradictions

    @given(st.dictionaries(st.sampled_from(sorted(set(form("x")) - {"姓名", "上报时间"})), st.text(max_size=20)))
    def test_never_keep_a_declaration_out(self, changes: dict[str, str]) -> None:
        assert TODAY >= declared(**changes).reported_on
