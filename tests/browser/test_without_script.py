"""The manual's forms in a browser that runs no script: an old one, or one whose line lost it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import served
from tests.browser.desk import Desk
from tests.browser.test_sending import filled_in, keeps_what_was_typed
from tests.portal.stand_ins import CONTRACT, PERSON, SITE, StandIns, operator

OF_CONTRACT, OF_PERSON = f"/v1/contracts/{CONTRACT}", f"/v1/people/{PERSON}"


@pytest.fixture
def site() -> StandIns:
    return StandIns()


@pytest.fixture
async def desk(site: StandIns, chromium: Browser) -> AsyncIterator[Desk]:
    async for url in served(site, operator):
        async with Desk.opened(url, chromium, javascript=False) as desk:
            yield desk


class TestFormWithoutScript:
    async def test_of_whoever_is_expected_fetches_what_he_declared_and_is_sent(self, site: StandIns, desk: Desk) -> None:
        await filled_in(desk)
        await desk.clicks("获取健康云信息")
        await desk.sees("健康云返回信息")
        await keeps_what_was_typed(desk.page)
        await desk.clicks("提交")
        await desk.sees("预登记已完成")
        assert 1 == len(site.sent("POST", f"{OF_CONTRACT}/pre-registrations"))

    async def test_that_is_wrong_says_so_beside_the_field_and_keeps_what_was_typed(self, site: StandIns, desk: Desk) -> None:
        await desk.page.goto(f"{SITE}/people/{PERSON}/health-reports/new")
        await desk.page.get_by_label("体温测量").fill("热")
        await desk.clicks("提交")
        await desk.sees("请更正以下内容")
        field = desk.page.get_by_label("体温测量")
        await expect(field).to_have_value("热")
        await expect(field).to_have_attribute("aria-invalid", "true")
        await desk.page.locator('.summary a[href="#reading_celsius"]').click()
        await desk.page.wait_for_url("**#reading_celsius")
        await field.fill("365")
        await desk.page.get_by_label("无上述异常症状").check()
        await desk.clicks("提交")
        await desk.sees("健康状况已登记")
        assert ["none"] == site.body_of("POST", f"{OF_PERSON}/health-reports")["symptoms"]

    async def test_of_a_team_reports_a_round(self, site: StandIns, desk: Desk) -> None:
        await desk.page.goto(f"{SITE}/morning-round")
        await desk.page.locator(".round input").first.fill("365")
        await desk.page.get_by_label("填写体温的人员均为").check()
        await desk.clicks("提交")
        await desk.sees("已登记 1 人")
        assert 36.5 == site.body_of("POST", f"{OF_CONTRACT}/health-rounds")["people"][0]["reading_celsius"]

    async def test_bans(self, site: StandIns, desk: Desk) -> None:
        await desk.page.goto(f"{SITE}/people/{PERSON}/dispositions")
        await desk.page.get_by_label("疑似", exact=True).check()
        await desk.page.get_by_label("理由").select_option(label="发现症状")
        await desk.page.get_by_label("隔离/就医方式").select_option(label="定点医院就医")
        await desk.clicks("提交")
        await desk.sees("并已在全市所有工地的闸机生效")
        assert "suspected" == site.body_of("POST", f"{OF_PERSON}/dispositions")["disposition"]

    async def test_of_the_site_takes_another_row_and_is_sent(self, site: StandIns, desk: Desk) -> None:
        await desk.page.goto(f"{SITE}/epidemic-control")
        rows = desk.page.get_by_label("物资名称")
        before = await rows.count()
        await desk.clicks("增加一行 防疫物资")
        await expect(rows).not_to_have_count(before)
        await desk.page.get_by_role("button", name="提交", exact=True).last.click()
        await desk.sees("工地疫情防控信息已提交")
        assert 1 == len(site.sent("PUT", f"{OF_CONTRACT}/epidemic-control"))

    async def test_asks_for_entry_and_registers_who_left(self, site: StandIns, desk: Desk) -> None:
        await desk.page.goto(f"{SITE}/entries")
        await desk.page.get_by_label("身份证号").fill("420106199007250153")
        await desk.page.locator("main").get_by_role("button", name="进场登记").click()
        await desk.sees("不能进场的原因")
        await desk.page.goto(f"{SITE}/exits")
        await desk.page.get_by_role("button", name="退场登记").first.click()
        await desk.sees("退场已登记")
        assert 1 == len(site.sent("POST", f"{OF_CONTRACT}/exits"))


async def test_supervision_without_script_is_shown_somebody_and_takes_a_table(pages_of_supervision: str, chromium: Browser) -> None:
    async with Desk.opened(pages_of_supervision, chromium, javascript=False) as desk:
        await desk.page.goto("/supervision/contracts?station=虹口")
        await expect(desk.page.get_by_role("button", name="打印")).to_be_hidden()
        async with desk.page.expect_download() as taken:
            await desk.clicks("导出")
        assert (await taken.value).suggested_filename.startswith("合同查询-")
        await desk.page.goto(f"/supervision/people/{PERSON}")
        await desk.page.get_by_label("查看理由").select_option(label="现场检查")
        await desk.clicks("显示完整信息")
        await desk.sees("本次查看已记录")
