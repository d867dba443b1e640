"""Forms that wait: for a declaration, for a name that agrees, for a mobile."""

from __future__ import annotations

import pytest

from portal.labels import WAITS_FOR, WHAT_ENDS_WAITING
from tests.portal.browsing import Browser
from tests.portal.stand_ins import (
    AWAITED,
    CONTRACT,
    ETAG,
    FAMILY_AWAITED,
    OTHER_ETAG,
    PERSON,
    SITE,
    WAITING,
    WAITING_CHILD,
    StandIns,
    assert_based_on_what_was_seen,
    refusal,
)

LIST = f"{SITE}/pre-registrations"
FAMILY = f"{LIST}/{PERSON}/family-members"
FAMILY_FORMS = f"/v1/contracts/{CONTRACT}/pre-registrations/{PERSON}/family-members"
FORM = f"/v1/contracts/{CONTRACT}/pre-registrations/{WAITING}"


class TestWaitingForm:
    @pytest.mark.parametrize("waits_for", WAITS_FOR)
    async def test_says_what_it_lacks_and_what_helps(self, services: StandIns, browser: Browser, waits_for: str) -> None:
        services.answers["GET", FORM] = (200, AWAITED | {"waits_for": waits_for})
        page = (await browser.open(f"{LIST}/{WAITING}")).text
        assert WAITS_FOR[waits_for] in page
        assert WHAT_ENDS_WAITING[waits_for] in page

    @pytest.mark.parametrize("path", [LIST, f"{SITE}/today"])
    async def test_is_listed_with_what_it_lacks(self, browser: Browser, path: str) -> None:
        page = (await browser.open(path)).text
        assert 1 == page.count("姓名与健康云登记不一致")
        assert f'href="{LIST}/{WAITING}"' in page

    async def test_about_to_be_taken_up_lacks_nothing(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", FORM] = (200, AWAITED | {"waits_for": None})
        assert "notice warn" not in (await browser.open(f"{LIST}/{WAITING}")).text

    async def test_is_withdrawn_with_a_reason(self, services: StandIns, browser: Browser) -> None:
        assert "撤回后不再等待" in (await browser.open(f"{LIST}/{WAITING}")).text
        assert "预登记已撤回" in (await browser.submit(f"{LIST}/{WAITING}/withdrawal", reason="不来了")).text
        assert {"reason": "不来了"} == services.body_of("POST", f"{FORM}/withdrawal")

    async def test_that_changed_meanwhile_is_withdrawn_only_when_that_was_told(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{LIST}/{WAITING}")
        services.answers["GET", FORM] = (200, AWAITED | {"etag": OTHER_ETAG})
        services.answers["POST", f"{FORM}/withdrawal"] = refusal(412, "registration-has-changed", "登记信息已有变动")
        services.then["POST", f"{FORM}/withdrawal"] = (204, {})
        page = (await browser.submit(f"{LIST}/{WAITING}/withdrawal", reason="不来了")).text
        assert ("打开本页之后,登记信息已有变动" in page, 'value="不来了"' in page) == (True, True)
        assert "预登记已撤回" in (await browser.submit(f"{LIST}/{WAITING}/withdrawal", reason="不来了")).text
        assert_based_on_what_was_seen(services.sent("POST", f"{FORM}/withdrawal"))

    async def test_is_withdrawn_as_it_was_seen_also_after_another_mistake(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{LIST}/{WAITING}")
        services.answers["GET", FORM] = (200, AWAITED | {"etag": OTHER_ETAG})
        services.answers["POST", f"{FORM}/withdrawal"] = refusal(422, "invalid-request", "有误", ("/reason", "missing"))
        for _ in range(2):
            await browser.submit(f"{LIST}/{WAITING}/withdrawal")
        assert [f'"{ETAG}"'] * 2 == [each.headers["If-Match"] for each in services.sent("POST", f"{FORM}/withdrawal")]

    @pytest.mark.parametrize("form", [LIST, FAMILY])
    async def test_of_another_name_is_told_that_it_waits_and_what_ends_that(
        self, services: StandIns, browser: Browser, form: str
    ) -> None:
        way = "表单已保留。请核对证件上的姓名后重新提交"
        services.answers["POST", f"/v1{form}"] = refusal(409, "name-differs-from-declaration", "姓名不一致", detail=way)
        await browser.open(f"{form}/new")
        page = (await browser.submit(form, name="吴远江")).text
        for words in (way, 'href="#name"', 'value="吴远江"'):
            assert words in page


class TestWaitingFormOfFamily:
    async def test_is_listed_with_what_it_lacks(self, browser: Browser) -> None:
        page = (await browser.open(FAMILY)).text
        assert 1 == page.count(WAITS_FOR["declaration"])
        assert f'href="{FAMILY}/{WAITING_CHILD}"' in page

    @pytest.mark.parametrize("waits_for", WAITS_FOR)
    async def test_says_what_it_lacks_and_what_helps(self, services: StandIns, browser: Browser, waits_for: str) -> None:
        services.answers["GET", FAMILY_FORMS] = (200, {"items": [FAMILY_AWAITED | {"waits_for": waits_for}]})
        page = (await browser.open(f"{FAMILY}/{WAITING_CHILD}")).text
        for words in (WAITS_FOR[waits_for], WHAT_ENDS_WAITING[waits_for], f'href="{FAMILY}/new"'):
            assert words in page
        assert f"{WAITING_CHILD}/corrections" not in page, "it gives way to another form"

    async def test_is_withdrawn_with_a_reason(self, services: StandIns, browser: Browser) -> None:
        assert "撤回后不再等待" in (await browser.open(f"{FAMILY}/{WAITING_CHILD}")).text
        page = await browser.submit(f"{FAMILY}/{WAITING_CHILD}/withdrawal", reason="不来了")
        assert "家属登记已撤回" in page.text
        assert {"reason": "不来了"} == services.body_of("POST", f"{FAMILY_FORMS}/{WAITING_CHILD}/withdrawal")
