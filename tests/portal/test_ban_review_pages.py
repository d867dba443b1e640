"""复核 and 申诉: bans that are looked at again."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.portal.browsing import Browser
from tests.portal.stand_ins import (
    BAN_VERSION,
    CONTRACT,
    DUE_REVIEWS,
    PERSON,
    SITE,
    StandIns,
    app_of,
    refusal,
    registrar,
    supervisor,
)

PATH = f"{SITE}/people/{PERSON}/ban-review"
DISPOSITIONS = f"/v1/people/{PERSON}/dispositions"
REVIEWS, OBJECTIONS, GROUNDS = (f"{DISPOSITIONS}/{each}" for each in ("reviews", "objections", "grounds"))


class TestDueReviews:
    @pytest.mark.parametrize("path", [f"{SITE}/today", f"{SITE}/ban-reviews"])
    async def test_are_listed_for_the_site(self, browser: Browser, path: str) -> None:
        page = (await browser.open(path)).text
        for words in ("待复核的禁止进场", "吴*江", "2020-02-25", "本人有申诉", f'href="{PATH}"'):
            assert words in page

    @pytest.mark.parametrize("path", ["/supervision/today", "/supervision/ban-reviews"])
    async def test_are_listed_for_supervision_by_name(self, services: StandIns, path: str) -> None:
        page = (await Browser(app_of(services, supervisor)).open(path)).text
        for words in ("待复核的禁止进场", "吴*江", "2020-02-25", "本人有申诉", f'href="/supervision/contracts/{CONTRACT}"'):
            assert words in page

    @pytest.mark.parametrize("path", [f"{SITE}/today", f"{SITE}/ban-reviews"])
    async def test_go_on_behind_the_page(self, services: StandIns, browser: Browser, path: str) -> None:
        services.answers["GET", f"/v1/contracts/{CONTRACT}/ban-reviews"] = (200, DUE_REVIEWS | {"next": str(PERSON)})
        page = (await browser.open(path)).text
        assert ">1+<" in page or f"ban-reviews?after={PERSON}" in page


class TestReview:
    async def test_is_based_on_what_the_reviewer_saw(self, services: StandIns, browser: Browser) -> None:
        await browser.open(PATH)
        page = await browser.submit(f"{PATH}/review", evidence="流调报告", review_on="2020-03-03")
        assert "禁止进场维持不变" in page.text
        assert {"contract_no": CONTRACT, "evidence": "流调报告", "review_on": "2020-03-03"} == services.body_of("POST", REVIEWS)
        assert f'"{BAN_VERSION}"' == next(each.headers["If-Match"] for each in services.asked if each.url.path == REVIEWS)

    async def test_without_a_day_leaves_it_to_health(self, services: StandIns, browser: Browser) -> None:
        await browser.open(PATH)
        await browser.submit(f"{PATH}/review", evidence="流调报告", review_on="")
        assert "review_on" not in services.body_of("POST", REVIEWS)

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (refusal(412, "version-mismatch", "数据已被他人更新,请刷新后重试"), "数据已被他人更新"),
            (refusal(422, "review-is-out-of-reach", "复核日期须在今天起30天以内"), 'href="#review_on"'),
            (refusal(422, "invalid-request", "有误", ("/evidence", "missing")), 'href="#evidence"'),
            (refusal(409, "person-is-not-banned", "该人员当前为可进场"), "该人员当前为可进场"),
        ],
    )
    async def test_says_why_not_and_keeps_what_was_typed(
        self, services: StandIns, browser: Browser, answer: Any, words: str
    ) -> None:
        services.answers["POST", REVIEWS] = answer
        await browser.open(PATH)
        page = (await browser.submit(f"{PATH}/review", evidence="流调报告")).text
        assert words in page
        assert 'value="流调报告"' in page

    async def test_lifts_the_ban_by_another_disposition(self, services: StandIns, browser: Browser) -> None:
        page = (await browser.open(PATH)).text
        assert f'action="{SITE}/people/{PERSON}/dispositions"' in page
        page = (await browser.submit(f"{SITE}/people/{PERSON}/dispositions", reason_code="contact_ruled_out")).text
        assert "已在全市所有工地的闸机生效" in page
        sent = {"contract_no": CONTRACT, "disposition": "admissible", "reason_code": "contact_ruled_out"}
        assert sent == services.body_of("POST", DISPOSITIONS)
        assert [f'"{BAN_VERSION}"'] == [each.headers["If-Match"] for each in services.sent("POST", DISPOSITIONS)]

    async def test_of_nobody_who_is_banned_offers_nothing(self, services: StandIns, browser: Browser) -> None:
        _, told = services.answers["GET", DISPOSITIONS]
        admissible = {**told, "disposition": "admissible", "review_on": None, "objects": False}
        services.answers["GET", DISPOSITIONS] = (200, admissible)
        page = (await browser.open(PATH)).text
        assert "没有可复核或申诉的处置" in page
        assert [f"{PATH}/grounds"] == re.findall(rf'action="({PATH}/[^"]+)"', page), "but what there was"


class TestGrounds:
    async def test_are_read_only_when_they_are_asked_for(self, services: StandIns, browser: Browser) -> None:
        page = (await browser.open(PATH)).text
        assert ("显示处置依据" in page, "流调电话通知" in page) == (True, False)
        assert not [each for each in services.asked if each.url.path == GROUNDS]
        page = (await browser.submit(f"{PATH}/grounds")).text
        assert ("显示处置依据" in page, "流调电话通知" in page, "核酸阳性" in page) == (False, True, True)
        assert "把36.8录成38.6" in page
        assert ("更正预登记信息" in page, "手机号录错" in page) == (True, True), "and what was registered"
        assert "用人单位:</span> 上海测试劳务有限公司 改为" in page, "firms by their names"

    async def test_of_whoever_only_registration_knows_are_what_it_tells(self, services: StandIns, browser: Browser) -> None:
        await browser.open(PATH)
        for each in (GROUNDS, f"/v1/people/{PERSON}/corrections"):
            services.answers["GET", each] = refusal(404, "not-found", "未找到")
        page = (await browser.submit(f"{PATH}/grounds")).text
        assert ("流调电话通知" in page, "手机号录错" in page) == (False, True)


class TestObjection:
    async def test_is_noted_by_whoever_registers(self, services: StandIns) -> None:
        browser = Browser(app_of(services, registrar))
        page = (await browser.open(PATH)).text
        assert f"{PATH}/review" not in page
        assert "申诉已登记" in (await browser.submit(f"{PATH}/objection", note="未接触病例")).text
        assert {"contract_no": CONTRACT, "note": "未接触病例"} == services.body_of("POST", OBJECTIONS)

    async def test_keeps_its_key_while_nobody_knows_what_became_of_it(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", OBJECTIONS] = (503, {})
        await browser.open(PATH)
        for _ in range(2):
            assert 'value="未接触病例"' in (await browser.submit(f"{PATH}/objection", note="未接触病例")).text
        assert 1 == len({each.headers["Idempotency-Key"] for each in services.asked if each.method == "POST"})

    async def test_is_read_only_when_it_is_asked_for(self, services: StandIns, browser: Browser) -> None:
        await browser.open(PATH)
        assert not [each for each in services.asked if each.url.path == OBJECTIONS]
        assert "未接触病例" in (await browser.submit(f"{PATH}/objections")).text

    @pytest.mark.parametrize("path", ["review", "objections", "grounds"])
    async def test_is_for_those_who_decide(self, services: StandIns, path: str) -> None:
        browser = Browser(app_of(services, registrar))
        await browser.open(PATH)
        assert 403 == (await browser.submit(f"{PATH}/{path}", evidence="x")).status_code
