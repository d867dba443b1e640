"""One person: what became of him, and what was typed wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest

from portal.labels import CONTRADICTED, CONTRADICTIONS
from portal.pages.history import SHOWN_MAX
from tests.portal.browsing import Browser
from tests.portal.stand_ins import (
    CHILD,
    CONTRACT,
    EMPLOYER,
    OTHER_ETAG,
    PAGE_BYTES_MAX,
    PERSON,
    PRE_REGISTRATION,
    SITE,
    StandIns,
    app_of,
    assert_based_on_what_was_seen,
    refusal,
    registrar,
)

CORRECTED_FIELD = re.compile(r'<br><span class="quiet">([^<]+)</span>([^<]+)')
HISTORY, CORRECTIONS = f"{SITE}/people/{PERSON}/history", f"{SITE}/pre-registrations/{PERSON}/corrections"
KNOWN = f"/v1/contracts/{CONTRACT}/pre-registrations/{PERSON}"
CORRECTED = f"{KNOWN}/corrections"
SHOWN = {
    "origin_code": "420000",
    "arrival_date": "2020-02-14",
    "person_kind": "worker",
    "trade": "020",
    "employer": EMPLOYER,
    "reason": "登记有误",
}
"""As the form comes: nothing of it differs."""


class TestHistory:
    async def test_tells_every_fact_who_did_it_and_why(self, browser: Browser) -> None:
        page = (await browser.open(HISTORY)).text
        for words in (
            "进场预登记",
            "38.0 ℃",
            "人工登记",
            "与病例有接触",
            "出发地为重点地区",
            "来沪评估",
            "依据健康云第 1 次上报",
            "政策第 1 版",
            "两人书面放行",
            "经办</span>&nbsp;user:5",
            "经办</span>&nbsp;user:6",
            "经办</span>&nbsp;user:7",
            "经办</span>&nbsp;user:8 + user:9",
        ):
            assert words in page

    @pytest.mark.parametrize(
        "answer", [refusal(405, "method-not-allowed", "不支持该请求方法"), refusal(404, "not-found", "未找到"), (503, {})]
    )
    async def test_tells_all_else_beside_a_gatekeeper_that_tells_no_exits(
        self, services: StandIns, browser: Browser, answer: Any
    ) -> None:
        assert "退场记录暂时无法显示" not in (await browser.open(HISTORY)).text
        services.answers["GET", f"/v1/contracts/{CONTRACT}/exits"] = answer
        page = await browser.open(HISTORY)
        assert 200 == page.status_code
        for words in ("退场记录暂时无法显示", "两人书面放行", "来沪评估"):
            assert words in page.text

    @pytest.mark.parametrize("path", [HISTORY, f"{SITE}/people/{PERSON}/health-reports"])
    async def test_says_that_a_report_counts_no_more(self, services: StandIns, browser: Browser, path: str) -> None:
        assert "已更正,不再计算" not in (await browser.open(path)).text
        _, told = services.answers["GET", f"/v1/people/{PERSON}/health-reports"]
        corrected = [each | {"corrected": True} for each in told["items"]]
        services.answers["GET", f"/v1/people/{PERSON}/health-reports"] = (200, {**told, "items": corrected})
        assert "已更正,不再计算" in (await browser.open(path)).text

    async def test_tells_each_correction_by_whom_and_why_where_that_is_asked_for(
        self, services: StandIns, browser: Browser
    ) -> None:
        page = (await browser.open(HISTORY)).text
        assert ("显示更正与理由" in page, "手机号录错" in page) == (True, False)
        assert not [each for each in services.asked if each.url.path.endswith("/corrections")]
        page = (await browser.submit(HISTORY)).text
        for words in ("更正预登记信息", "手机号录错", "更正每日健康", "把36.8录成38.6", "流调电话通知"):
            assert words in page
        assert "经办</span>&nbsp;user:jianli" in page
        assert "显示更正与理由" not in page
        assert [
            "手机号: 138****0011 改为 139****0022",
            "用人单位: 上海测试劳务有限公司 改为 91310109MA1A000006",
            "工种: — 改为 钢筋工",
        ] == corrected_fields(page)

    async def test_tells_of_whoever_was_withdrawn_when_he_was_registered_and_when_that_ended(
        self, services: StandIns, browser: Browser
    ) -> None:
        withdrawn = PRE_REGISTRATION | {"state": "withdrawn", "changed_at": "2020-02-20T00:00:00Z"}
        services.answers["GET", f"/v1/contracts/{CONTRACT}/pre-registrations/{PERSON}"] = (200, withdrawn)
        page = (await browser.open(HISTORY)).text
        assert page.index("已撤回") < page.index("已预登记")
        assert "2020-02-20 08:00:00" in page

    async def test_of_whoever_may_not_read_them_offers_no_reasons(self, services: StandIns) -> None:
        employer = Browser(app_of(services, registrar))
        assert "显示更正与理由" not in (await employer.open(HISTORY)).text
        assert 403 == (await employer.submit(HISTORY)).status_code

    async def test_begins_with_what_came_last(self, services: StandIns, browser: Browser) -> None:
        status, reports = services.answers["GET", f"/v1/people/{PERSON}/health-reports"]
        later = reports["items"][0] | {"reported_at": "2020-02-19T00:00:00Z", "reading_celsius": 36.4}
        services.answers["GET", f"/v1/people/{PERSON}/health-reports"] = (status, {**reports, "items": [*reports["items"], later]})
        page = (await browser.open(HISTORY)).text
        assert page.index("36.4 ℃") < page.index("两人书面放行")

    async def test_says_that_there_is_more(self, services: StandIns, browser: Browser) -> None:
        assert "每类只显示最近 25 条" not in (await browser.open(HISTORY)).text
        services.answers["GET", f"/v1/people/{PERSON}/assessments"] = (200, {"items": [], "next_before": 7})
        assert "每类只显示最近 25 条" in (await browser.open(HISTORY)).text

    async def test_without_what_the_gate_said_for_whoever_may_not_know(self, services: StandIns) -> None:
        page = await Browser(app_of(services, registrar)).open(HISTORY)
        assert (200, False) == (page.status_code, "两人书面放行" in page.text)
        assert not [each for each in services.asked if "attempts" in each.url.path]


class TestCorrect:
    @pytest.mark.parametrize(
        ("typed", "sent"),
        [
            ({"name": "吴远红"}, {"name": "吴远红"}),
            ({"mobile": "13800000016"}, {"mobile": "13800000016"}),
            ({"origin_text": "武汉市"}, {"origin": {"code": "420100", "text": "湖北省武汉市"}}),
            ({"origin_code": "320000"}, {"origin": {"code": "320000", "text": "江苏省"}}),
            ({"arrival_date": "2020-02-15"}, {"arrival_date": "2020-02-15"}),
            ({"trade": "030"}, {"person_kind": "worker", "trade": "030"}),
            ({"person_kind": "manager"}, {"person_kind": "manager"}),
        ],
    )
    async def test_sends_what_differs(self, services: StandIns, browser: Browser, typed: dict[str, str], sent: Any) -> None:
        await browser.open(CORRECTIONS)
        assert "更正已登记" in (await browser.submit(CORRECTIONS, **{**SHOWN, **typed})).text
        assert {**sent, "reason": "登记有误"} == services.body_of("POST", CORRECTED)

    async def test_undoes_nothing_that_was_put_right_meanwhile(self, services: StandIns, browser: Browser) -> None:
        await browser.open(CORRECTIONS)
        elsewhere = {"arrival_date": "2020-02-10", "origin_code": "320100", "trade": "030", "employer_credit_code": "another"}
        services.answers["GET", KNOWN] = (200, {**PRE_REGISTRATION, **elsewhere})
        services.answers["POST", CORRECTED] = (503, {})
        await browser.submit(CORRECTIONS, **{**SHOWN, "mobile": "13800000016"})
        services.answers["POST", CORRECTED] = (201, {})
        await browser.submit(CORRECTIONS, **{**SHOWN, "mobile": "13800000016"})
        assert {"mobile": "13800000016", "reason": "登记有误"} == services.body_of("POST", CORRECTED)
        first, again = services.sent("POST", CORRECTED)
        assert (first.content, first.headers["Idempotency-Key"]) == (again.content, again.headers["Idempotency-Key"])

    async def test_of_what_somebody_else_put_right_is_made_only_when_that_was_told(
        self, services: StandIns, browser: Browser
    ) -> None:
        await browser.open(CORRECTIONS)
        elsewhere = {"arrival_date": "2020-02-10", "trade": "030", "etag": OTHER_ETAG}
        services.answers["GET", KNOWN] = (200, {**PRE_REGISTRATION, **elsewhere})
        services.answers["POST", CORRECTED] = refusal(412, "registration-has-changed", "登记信息已有变动")
        services.then["POST", CORRECTED] = (201, {})
        page = await browser.submit(CORRECTIONS, **{**SHOWN, "trade": "040", "mobile": "13800000016"})
        for words in ("打开本页之后,登记信息已有变动", 'value="13800000016"', 'value="登记有误"', 'value="2020-02-10"'):
            assert words in page.text
        as_shown = {**SHOWN, "arrival_date": "2020-02-10", "trade": "040", "mobile": "13800000016"}
        assert "更正已登记" in (await browser.submit(CORRECTIONS, **as_shown)).text
        assert_based_on_what_was_seen(services.sent("POST", CORRECTED))
        told = {"mobile": "13800000016", "person_kind": "worker", "trade": "040", "reason": "登记有误"}
        assert told == services.body_of("POST", CORRECTED), "what somebody else put right is left alone"

    async def test_of_nothing_is_told_so(self, services: StandIns, browser: Browser) -> None:
        await browser.open(CORRECTIONS)
        assert "没有需要更正的内容" in (await browser.submit(CORRECTIONS, **SHOWN)).text
        assert not [each for each in services.asked if each.method == "POST"]

    async def test_says_at_the_field_what_was_not_taken(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", CORRECTED] = refusal(409, "name-differs-from-declaration", "姓名不一致")
        await browser.open(CORRECTIONS)
        page = await browser.submit(CORRECTIONS, **{**SHOWN, "name": "吴远红"})
        assert 'href="#name"' in page.text
        assert 'value="吴远红"' in page.text


class TestWhyItWasPutRight:
    @pytest.mark.parametrize(
        ("path", "told"),
        [
            (f"{SITE}/pre-registrations/{PERSON}", ("更正预登记信息", "手机号录错")),
            (f"{SITE}/pre-registrations/{PERSON}/family-members/{CHILD}", ("撤回家属登记", "不同行")),
        ],
    )
    async def test_is_read_only_when_it_is_asked_for(
        self, services: StandIns, browser: Browser, path: str, told: tuple[str, ...]
    ) -> None:
        asked = f"/v1{path}/corrections"
        assert told[-1] not in (await browser.open(path)).text
        assert [] == services.sent("GET", asked)
        page = (await browser.submit(f"{path}/grounds")).text
        assert all(words in page for words in told)
        services.answers["GET", asked] = (200, {"items": [], "next_before": None})
        assert told[-1] not in (await browser.submit(f"{path}/grounds")).text

    async def test_is_not_for_the_firm(self, services: StandIns) -> None:
        browser = Browser(app_of(services, registrar))
        page = await browser.open(f"{SITE}/pre-registrations/{PERSON}")
        assert (200, False) == (page.status_code, "显示理由" in page.text)
        assert 403 == (await browser.submit(f"{SITE}/pre-registrations/{PERSON}/grounds")).status_code

    async def test_of_whoever_is_withdrawn_is_read_though_health_knows_him_no_more(
        self, services: StandIns, browser: Browser
    ) -> None:
        services.answers["GET", KNOWN] = (200, PRE_REGISTRATION | {"state": "withdrawn"})
        services.answers["GET", f"/v1/people/{PERSON}/isolation-orders"] = refusal(404, "not-found", "未找到")
        page = await browser.open(f"{SITE}/pre-registrations/{PERSON}")
        assert (200, True) == (page.status_code, "显示理由" in page.text)


class TestDeclaration:
    async def test_is_shown_with_its_source_and_its_contradictions_where_they_lie(self, browser: Browser) -> None:
        await browser.open(f"{SITE}/pre-registrations/new")
        page = await browser.submit(f"{SITE}/pre-registrations/declaration", document_number="420106199007250153", name="吴远江")
        for words in ("来源", "第 3 次上报", "获取时间"):
            assert words in page.text
        assert 4 == page.text.count("有矛盾</span>")

    def test_has_a_line_for_every_contradiction(self) -> None:
        assert CONTRADICTIONS.keys() - {"mobile_unreadable"} == CONTRADICTED.keys()


class TestHeaviestPage:
    async def test_stays_light(self, services: StandIns, browser: Browser) -> None:
        for path in (
            f"/v1/people/{PERSON}/{each}" for each in ("health-reports", "dispositions", "isolation-orders", "assessments")
        ):
            status, told = services.answers["GET", path]
            services.answers["GET", path] = (status, {**told, "items": told["items"] * SHOWN_MAX, "next_before": 1})
        attempts = f"/v1/contracts/{CONTRACT}/attempts"
        status, told = services.answers["GET", attempts]
        services.answers["GET", attempts] = (status, {**told, "items": told["items"] * SHOWN_MAX})
        assert len((await browser.open(HISTORY)).content) < PAGE_BYTES_MAX


def corrected_fields(page: str) -> list[str]:
    return [" ".join("".join(each).split()) for each in CORRECTED_FIELD.findall(page)]
