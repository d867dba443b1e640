"""携带家属."""

from __future__ import annotations

from typing import Any

import pytest

from tests.portal.browsing import Browser
from tests.portal.stand_ins import (
    CHILD,
    CONTRACT,
    DECLARATION,
    ETAG,
    OTHER_ETAG,
    PERSON,
    SITE,
    Answer,
    StandIns,
    assert_based_on_what_was_seen,
    refusal,
)

PATH = f"{SITE}/pre-registrations/{PERSON}/family-members"
FAMILY = f"/v1/contracts/{CONTRACT}/pre-registrations/{PERSON}/family-members"
CORRECTIONS = f"{PATH}/{CHILD}/corrections"
TYPED = {"document_type": "citizen_id", "document_number": "420106201507250161", "name": "吴小宁", "relation": "子女"}


def changed_meanwhile(services: StandIns, path: str, done: Answer) -> None:
    """What is sent there next is refused; `done` is the answer to what comes after it."""
    _, told = services.answers["GET", FAMILY]
    services.answers["GET", FAMILY] = (200, told | {"items": [each | {"etag": OTHER_ETAG} for each in told["items"]]})
    services.answers["POST", path] = refusal(412, "registration-has-changed", "登记信息已有变动")
    services.then["POST", path] = done


class TestFamily:
    async def test_is_listed_with_what_can_be_done(self, browser: Browser) -> None:
        page = (await browser.open(PATH)).text
        for words in ("预进场家属管理", "携带家属登记", "查看", "吴*宁", "子女", f"health-reports?accompanies={PERSON}"):
            assert words in page

    async def test_is_registered_with_the_declaration_that_was_shown(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{PATH}/new")
        page = await browser.submit(f"{PATH}/declaration", **TYPED)
        for words in ("健康云返回信息", str(DECLARATION["report_place"]), "来自健康云"):
            assert words in page.text
        assert "家属已登记" in (await browser.submit(PATH, **TYPED)).text
        sent = services.body_of("POST", FAMILY)
        assert {"type": "citizen_id", "number": TYPED["document_number"]} == sent.pop("document")
        assert {"name": "吴小宁", "relation": "子女", "declaration_version": 3} == sent

    async def test_types_a_mobile_where_the_declaration_has_none(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", "/v1/declaration-lookups"] = (200, DECLARATION | {"mobile": None})
        await browser.open(f"{PATH}/new")
        page = await browser.submit(f"{PATH}/declaration", **TYPED)
        assert 'name="mobile"' in page.text
        await browser.submit(PATH, **TYPED, mobile="13800000015")
        assert "13800000015" == services.body_of("POST", FAMILY)["mobile"]

    async def test_without_a_declaration_tells_the_way_and_keeps_what_was_typed(self, services: StandIns, browser: Browser) -> None:
        title = "请先去“健康云 APP”进行登记后再进行预进场登记"
        services.answers["POST", "/v1/declaration-lookups"] = refusal(404, "declaration-missing", title, detail="打开“健康云”APP")
        await browser.open(f"{PATH}/new")
        page = await browser.submit(f"{PATH}/declaration", **TYPED)
        for words in (title, "打开“健康云”APP", TYPED["name"], TYPED["document_number"]):
            assert words in page.text

    @pytest.mark.parametrize(
        ("answer", "field"),
        [
            (refusal(409, "mobile-is-missing", "手机号"), "mobile"),
            (refusal(409, "family-member-accompanies-another", "其他人员"), "document_number"),
            (refusal(422, "invalid-request", "有误", ("/name", "missing")), "name"),
        ],
    )
    async def test_says_at_the_field_what_was_not_taken(
        self, services: StandIns, browser: Browser, answer: Any, field: str
    ) -> None:
        services.answers["POST", FAMILY] = answer
        await browser.open(f"{PATH}/new")
        page = await browser.submit(PATH, **TYPED)
        assert f'href="#{field}"' in page.text
        assert TYPED["name"] in page.text

    async def test_is_withdrawn_with_a_reason(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{PATH}/{CHILD}")
        assert "家属登记已撤回" in (await browser.submit(f"{PATH}/{CHILD}/withdrawal", reason="登记有误")).text
        assert {"reason": "登记有误"} == services.body_of("POST", f"{FAMILY}/{CHILD}/withdrawal")

    async def test_that_changed_meanwhile_is_withdrawn_only_when_that_was_told(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{PATH}/{CHILD}")
        changed_meanwhile(services, f"{FAMILY}/{CHILD}/withdrawal", (204, {}))
        page = (await browser.submit(f"{PATH}/{CHILD}/withdrawal", reason="登记有误")).text
        assert ("打开本页之后,登记信息已有变动" in page, 'value="登记有误"' in page) == (True, True)
        assert "家属登记已撤回" in (await browser.submit(f"{PATH}/{CHILD}/withdrawal", reason="登记有误")).text
        assert_based_on_what_was_seen(services.sent("POST", f"{FAMILY}/{CHILD}/withdrawal"))

    async def test_is_withdrawn_as_it_was_seen_also_after_another_mistake(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{PATH}/{CHILD}")
        sent = f"{FAMILY}/{CHILD}/withdrawal"
        changed_meanwhile(services, sent, (204, {}))
        services.answers["POST", sent] = refusal(422, "invalid-request", "有误", ("/reason", "missing"))
        for _ in range(2):
            await browser.submit(f"{PATH}/{CHILD}/withdrawal")
        assert [f'"{ETAG}"'] * 2 == [each.headers["If-Match"] for each in services.sent("POST", sent)]

    async def test_is_not_withdrawn_by_a_form_that_was_tampered_with(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{PATH}/{CHILD}")
        sent = f"{FAMILY}/{CHILD}/withdrawal"
        services.answers["POST", sent] = refusal(400, "if-match-malformed", "有误")
        page = await browser.submit(f"{PATH}/{CHILD}/withdrawal", reason="登记有误", etag="吴\r\n", key="吴")
        assert 422 == page.status_code
        assert [('"???"', "?")] == [
            (each.headers["If-Match"], each.headers["Idempotency-Key"]) for each in services.sent("POST", sent)
        ]

    @pytest.mark.parametrize(
        ("typed", "sent"), [({"name": "吴宁"}, {"name": "吴宁"}), ({"relation": "女儿", "mobile": " "}, {"relation": "女儿"})]
    )
    async def test_is_corrected_by_what_is_typed(
        self, services: StandIns, browser: Browser, typed: dict[str, str], sent: dict[str, str]
    ) -> None:
        assert f'href="{CORRECTIONS}"' in (await browser.open(f"{PATH}/{CHILD}")).text
        await browser.open(CORRECTIONS)
        assert "更正已登记" in (await browser.submit(CORRECTIONS, **typed, reason="登记有误")).text
        assert {**sent, "reason": "登记有误"} == services.body_of("POST", f"{FAMILY}/{CHILD}/corrections")

    async def test_is_not_corrected_by_nothing_nor_by_a_name_that_differs(self, services: StandIns, browser: Browser) -> None:
        await browser.open(CORRECTIONS)
        assert "没有需要更正的内容" in (await browser.submit(CORRECTIONS, reason="登记有误")).text
        services.answers["POST", f"{FAMILY}/{CHILD}/corrections"] = refusal(409, "name-differs-from-declaration", "姓名不一致")
        page = await browser.submit(CORRECTIONS, name="吴宁", reason="登记有误")
        assert ('href="#name"' in page.text, 'value="吴宁"' in page.text) == (True, True)

    async def test_that_changed_meanwhile_is_corrected_only_when_that_was_told(self, services: StandIns, browser: Browser) -> None:
        await browser.open(CORRECTIONS)
        sent = f"{FAMILY}/{CHILD}/corrections"
        changed_meanwhile(services, sent, (201, {}))
        page = (await browser.submit(CORRECTIONS, relation="女儿", reason="登记有误")).text
        for words in ("打开本页之后,登记信息已有变动", 'value="女儿"', 'value="登记有误"', "现在的内容"):
            assert words in page
        assert "更正已登记" in (await browser.submit(CORRECTIONS, relation="女儿", reason="登记有误")).text
        assert_based_on_what_was_seen(services.sent("POST", sent))

    async def test_is_based_on_what_was_seen_also_after_another_mistake(self, services: StandIns, browser: Browser) -> None:
        await browser.open(CORRECTIONS)
        sent = f"{FAMILY}/{CHILD}/corrections"
        changed_meanwhile(services, sent, (201, {}))
        services.answers["POST", sent] = refusal(422, "invalid-request", "有误", ("/reason", "missing"))
        for _ in range(2):
            await browser.submit(CORRECTIONS, relation="女儿")
        assert [f'"{ETAG}"'] * 2 == [each.headers["If-Match"] for each in services.sent("POST", sent)]

    async def test_is_nobody_who_does_not_come_along(self, browser: Browser) -> None:
        assert 404 == (await browser.open(f"{PATH}/{PERSON}")).status_code

    async def test_is_followed_day_by_day_under_the_own_name(self, services: StandIns, browser: Browser) -> None:
        path = f"{SITE}/people/{CHILD}/health-reports"
        page = await browser.open(f"{path}/new?accompanies={PERSON}")
        assert "吴*宁" in page.text
        typed = {"read_at": "2020-02-18T15:44:35", "symptoms": "none", "reading_celsius": "365", "method": "forehead"}
        page = await browser.submit(f"{path}?accompanies={PERSON}", **typed)
        assert "健康状况已登记" in page.text
        assert "吴*宁" in page.text
        assert f'href="{PATH}"' in page.text, "the way back is the family's list"
