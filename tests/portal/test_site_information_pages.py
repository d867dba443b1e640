"""工地疫情防控信息."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.access import Role
from portal.operators import SiteGrant
from portal.session import Session
from tests.portal.browsing import Browser
from tests.portal.stand_ins import (
    CONTRACT,
    EPIDEMIC_CONTROL,
    NEVER_SUBMITTED,
    SITE,
    StandIns,
    app_of,
    operator,
    refusal,
)

PATH = f"{SITE}/epidemic-control"
CONTROL, COUNTS = f"/v1/contracts/{CONTRACT}/epidemic-control", f"/v1/contracts/{CONTRACT}/supply-counts"
CHECKLISTS = f"/v1/contracts/{CONTRACT}/resumption-checklists"
TYPED = {
    "team-0-name": "赵一",
    "team-0-duty": "组长",
    "team-0-phone": "13800000021",
    "team-1-name": " ",
    "hospital": "上海市第四人民医院",
    "supply-1-item": "口罩",
    "supply-1-unit": "只",
    "supply-1-quantity": "2000",
    "supply-1-used": "200",
}
BODY = {
    "team": [{"name": "赵一", "duty": "组长", "phone": "13800000021"}],
    "designated_hospital": "上海市第四人民医院",
    "supplies": [{"item": "口罩", "unit": "只", "quantity": 2000, "used_per_100_people_daily": 200}],
}
CHANGED = refusal(412, "site-information-has-changed", "已被他人更新")
PDF = ("检查表.pdf", b"%PDF-1.7\r\n--x\r\n\x00\xff", "application/pdf")


class TestSubmit:
    async def test_shows_what_was_submitted_and_how_long_it_lasts(self, browser: Browser) -> None:
        page = (await browser.open(PATH)).text
        for words in ("疫情防控小组", "赵一", "对口医院", "防疫物资", 'value="2000"', "现在在场 212 人", "4 天", "检查表 1"):
            assert words in page

    async def test_sends_the_rows_that_have_something_in_them(self, services: StandIns, browser: Browser) -> None:
        await browser.open(PATH)
        assert "已提交" in (await browser.submit(PATH, **TYPED)).text
        (sent,) = services.sent("PUT", CONTROL)
        assert BODY == services.body_of("PUT", CONTROL)
        assert '"2"' == sent.headers["If-Match"], "it is based on what was shown"

    async def test_adds_a_row_and_keeps_what_was_typed(self, services: StandIns, browser: Browser) -> None:
        await browser.open(PATH)
        page = (await browser.submit(PATH, **{**TYPED, "hospital": "新填的医院", "more": "team"})).text
        for words in ('name="team-2-name"', "新填的医院", 'value="口罩"'):
            assert words in page
        assert not services.sent("PUT", CONTROL)

    @pytest.mark.parametrize(
        ("changed", "field"),
        [
            ({"hospital": " "}, "hospital"),
            ({"team-0-name": "", "team-0-duty": "", "team-0-phone": ""}, "team-0-name"),
            ({"supply-1-quantity": "很多"}, "supply-1-quantity"),
            ({"supply-1-used": "1.5"}, "supply-1-used"),
        ],
    )
    async def test_says_at_the_field_what_is_missing(
        self, services: StandIns, browser: Browser, changed: dict[str, str], field: str
    ) -> None:
        await browser.open(PATH)
        page = (await browser.submit(PATH, **{**TYPED, **changed})).text
        assert f'href="#{field}"' in page
        assert f'id="{field}-error"' in page
        assert not services.sent("PUT", CONTROL)

    async def test_says_at_the_row_what_was_not_taken(self, services: StandIns, browser: Browser) -> None:
        services.answers["PUT", CONTROL] = refusal(422, "invalid-request", "有误", ("/supplies/0/unit", "missing"))
        await browser.open(PATH)
        assert 'id="supply-1-unit-error"' in (await browser.submit(PATH, **TYPED)).text

    async def test_sent_twice_is_submitted_once(self, services: StandIns, browser: Browser) -> None:
        await browser.open(PATH)
        services.answers["PUT", CONTROL] = CHANGED
        services.answers["GET", CONTROL] = (200, {**EPIDEMIC_CONTROL, "version": 3, **BODY})
        assert "已提交" in (await browser.submit(PATH, **TYPED)).text

    async def test_overtaken_shows_both_and_loses_neither(self, services: StandIns, browser: Browser) -> None:
        await browser.open(PATH)
        services.answers["PUT", CONTROL] = CHANGED
        services.answers["GET", CONTROL] = (200, {**EPIDEMIC_CONTROL, "version": 7, "designated_hospital": "别的医院"})
        page = (await browser.submit(PATH, **TYPED)).text
        for words in ("已被他人更新", "别的医院", f'value="{TYPED["hospital"]}"'):
            assert words in page
        await browser.submit(PATH, **TYPED)
        assert '"7"' == services.sent("PUT", CONTROL)[-1].headers["If-Match"]

    async def test_is_nothing_for_whoever_only_looks(self, services: StandIns) -> None:
        session = operator()
        looking = Session(b"", session.user_id, None, (SiteGrant(CONTRACT, Role.SUPERVISION_LEAD),), {})
        page = (await Browser(app_of(services, lambda: looking)).open(PATH)).text
        assert "上海市第四人民医院" in page
        assert 'name="hospital"' not in page
        assert 'type="file"' not in page


class TestCount:
    async def test_is_of_every_supply(self, services: StandIns, browser: Browser) -> None:
        await browser.open(PATH)
        page = await browser.submit(f"{PATH}/counts", counted=["口罩", "测温枪"], **{"count-0": "1800", "count-1": "4"})
        assert "数量已登记" in page.text
        expected = [{"item": "口罩", "quantity": 1800}, {"item": "测温枪", "quantity": 4}]
        assert expected == services.body_of("POST", COUNTS)["supplies"]

    async def test_without_one_says_where(self, services: StandIns, browser: Browser) -> None:
        await browser.open(PATH)
        page = await browser.submit(f"{PATH}/counts", counted=["口罩", "测温枪"], **{"count-0": "1800", "count-1": ""})
        assert 'href="#count-1"' in page.text
        assert 'value="1800"' in page.text
        assert not services.sent("POST", COUNTS)


class TestChecklist:
    async def test_is_uploaded_as_it_is(self, services: StandIns, browser: Browser) -> None:
        await browser.open(PATH)
        page = await browser.upload(f"{PATH}/checklists", PDF)
        assert "复工检查表已上传" in page.text
        (sent,) = services.sent("POST", CHECKLISTS)
        assert (PDF[1], "application/pdf") == (sent.content, sent.headers["Content-Type"])
        assert sent.headers["Idempotency-Key"]

    async def test_comes_after_the_first_submit(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", CONTROL] = (200, NEVER_SUBMITTED)
        page = (await browser.open(PATH)).text
        assert 'type="file"' not in page
        assert "提交后可以上传建筑工地复工检查表" in page

    @pytest.mark.parametrize(
        ("content", "media_type"),
        [(PDF[1], "application/pdf"), (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png")],
    )
    async def test_tells_by_its_content_what_the_file_is(
        self, services: StandIns, browser: Browser, content: bytes, media_type: str
    ) -> None:
        await browser.open(PATH)
        await browser.upload(f"{PATH}/checklists", ("检查表", content, "application/octet-stream"))
        (sent,) = services.sent("POST", CHECKLISTS)
        assert (content, media_type) == (sent.content, sent.headers["Content-Type"])

    async def test_of_anything_else_is_told_so_whatever_the_browser_takes_it_for(
        self, services: StandIns, browser: Browser
    ) -> None:
        await browser.open(PATH)
        page = await browser.upload(f"{PATH}/checklists", ("检查表.pdf", b"GIF89a", "application/pdf"))
        assert (422, True) == (page.status_code, "请上传 PDF、JPEG 或 PNG 文件" in page.text)
        assert 'href="#file"' in page.text
        assert not services.sent("POST", CHECKLISTS)

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (refusal(422, "checklist-is-not-recognised", "无法识别该文件"), "无法识别该文件"),
            ((503, {}), "请再次选择文件并上传"),
        ],
    )
    async def test_says_why_it_was_not_taken(self, services: StandIns, browser: Browser, answer: Any, words: str) -> None:
        services.answers["POST", CHECKLISTS] = answer
        await browser.open(PATH)
        page = await browser.upload(f"{PATH}/checklists", PDF)
        assert words in page.text
        assert 'href="#file"' in page.text

    async def test_of_nothing_is_told_so(self, services: StandIns, browser: Browser) -> None:
        await browser.open(PATH)
        assert "请选择文件" in (await browser.upload(f"{PATH}/checklists", ("", b"", "application/octet-stream"))).text
        assert not services.sent("POST", CHECKLISTS)

    async def test_that_is_too_large_is_refused(self, services: StandIns, browser: Browser) -> None:
        await browser.open(PATH)
        file = ("a.pdf", bytes(10 * 1024 * 1024 + 5_000), "application/pdf")
        assert 413 == (await browser.upload(f"{PATH}/checklists", file)).status_code
        assert not services.sent("POST", CHECKLISTS)

    async def test_needs_the_form_of_this_browser(self, services: StandIns, browser: Browser) -> None:
        await browser.open(PATH)
        assert 403 == (await browser.upload(f"{PATH}/checklists", PDF, form_token="0" * 64)).status_code
        assert not services.sent("POST", CHECKLISTS)

    async def test_is_fetched_to_be_saved(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", f"{CHECKLISTS}/1"] = (200, {})
        page = await browser.open(f"{PATH}/checklists/1")
        assert (200, "nosniff") == (page.status_code, page.headers["X-Content-Type-Options"])


class TestHeaviestPage:
    async def test_stays_light(self, services: StandIns, browser: Browser) -> None:
        supplies = [
            {"item": f"防疫物资{n:02}" * 3, "unit": "箱", "quantity": 10**8, "used_per_100_people_daily": 99} for n in range(50)
        ]
        team = [{"name": "赵一", "duty": "职责" * 25, "phone": "13800000021"}] * 20
        counted = [{"item": each["item"], "unit": "箱", "quantity": 10**8} for each in supplies]
        services.answers["GET", CONTROL] = (200, {**EPIDEMIC_CONTROL, "team": team, "supplies": supplies})
        services.answers["GET", COUNTS] = (
            200,
            {
                "head_count": 1,
                "cover": [{**each, "days": 1} for each in counted],
                "items": [{"told": "counted", "counted_at": EPIDEMIC_CONTROL["submitted_at"], "supplies": counted}] * 4,
                "next": 3,
            },
        )
        assert len((await browser.open(PATH)).content) < 100_000
