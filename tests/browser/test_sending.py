"""A form on a bad morning: the line breaks, the session ends, the finger slips. Never two facts, never a lost input."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import httpx2
import pytest
from playwright.async_api import Browser, Page, Route, expect

from portal.session import Session
from tests.browser.conftest import served
from tests.browser.desk import Desk
from tests.portal.stand_ins import CONTRACT, EMPLOYER, PERSON, SITE, StandIns, operator

PRE_REGISTRATIONS, FORM = f"/v1/contracts/{CONTRACT}/pre-registrations", f"{SITE}/pre-registrations"
NAME = "吴远江"


class Site(StandIns):
    """Somebody may be signed out meanwhile."""

    is_signed_out = False

    def session(self) -> Session:
        # What a cookie that names no session is answered with.
        return cast(Session, None if self.is_signed_out else operator())

    def handed_in(self) -> list[httpx2.Request]:
        return [each for each in self.asked if (each.method, each.url.path) == ("POST", PRE_REGISTRATIONS)]


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
async def url(site: Site) -> AsyncIterator[str]:
    async for each in served(site, site.session):
        yield each


async def filled_in(desk: Desk) -> None:
    await desk.page.goto(f"{FORM}/new")
    await desk.page.get_by_label("身份证号").fill("420106199007250153")
    await desk.page.get_by_label("姓名").fill(NAME)
    await desk.page.get_by_label("出发地", exact=False).first.select_option("420000")
    await desk.page.get_by_label("用人单位").select_option(EMPLOYER)


async def keeps_what_was_typed(page: Page) -> None:
    await expect(page.get_by_label("姓名")).to_have_value(NAME)
    await expect(page.get_by_label("用人单位")).to_have_value(EMPLOYER)


class TestForm:
    async def test_whose_answer_is_lost_is_sent_again_as_the_same(self, url: str, site: Site, chromium: Browser) -> None:
        async with Desk.opened(url, chromium) as desk:
            await filled_in(desk)

            async def loses_the_answer(route: Route) -> None:
                await route.fetch(max_redirects=0)
                await route.abort("connectionreset")

            await desk.page.route(f"**{FORM}", loses_the_answer, times=1)
            await desk.clicks("提交")
            await desk.sees("您填写的内容都在")
            await keeps_what_was_typed(desk.page)
            await desk.clicks("提交")
            await desk.sees("预登记已完成")
            assert 2 == len(site.handed_in())
            assert 1 == len({each.headers["Idempotency-Key"] for each in site.handed_in()})

    async def test_without_a_line_is_kept(self, url: str, site: Site, chromium: Browser) -> None:
        async with Desk.opened(url, chromium) as desk:
            await filled_in(desk)
            await desk.page.context.set_offline(True)
            await desk.clicks("提交")
            await desk.sees("没有网络连接")
            await keeps_what_was_typed(desk.page)
            assert [] == site.handed_in()

    async def test_after_the_session_ended_is_kept_until_somebody_signs_in(self, url: str, site: Site, chromium: Browser) -> None:
        async with Desk.opened(url, chromium) as desk:
            await filled_in(desk)
            site.is_signed_out = True
            await desk.clicks("提交")
            await desk.sees("登录已结束")
            await keeps_what_was_typed(desk.page)
            site.is_signed_out = False
            await desk.clicks("提交")
            await desk.sees("预登记已完成")

    async def test_clicked_twice_is_sent_once(self, url: str, site: Site, chromium: Browser) -> None:
        async with Desk.opened(url, chromium) as desk:
            await filled_in(desk)
            is_clicked_twice = asyncio.Event()

            async def hold(route: Route) -> None:
                await is_clicked_twice.wait()
                await route.continue_()

            await desk.page.route(f"**{FORM}", hold)
            await desk.page.get_by_role("button", name="提交", exact=True).dblclick()
            is_clicked_twice.set()
            await desk.sees("预登记已完成")
            assert 1 == len(site.handed_in())

    async def test_that_is_wrong_leads_to_the_summary_and_from_there_to_the_field(self, url: str, chromium: Browser) -> None:
        async with Desk.opened(url, chromium) as desk:
            await desk.page.goto(f"{SITE}/people/{PERSON}/health-reports/new")
            await desk.clicks("提交")
            await expect(desk.page.locator("#errors")).to_be_focused()
            await desk.page.keyboard.press("Tab")
            await desk.page.keyboard.press("Enter")
            await expect(desk.page.get_by_label("发热")).to_be_focused()


class TestKeyboard:
    async def test_alone_reports_somebodys_health(self, url: str, site: Site, chromium: Browser) -> None:
        async with Desk.opened(url, chromium) as desk:
            page, keyboard = desk.page, desk.page.keyboard
            await page.goto(f"{SITE}/people/{PERSON}/health-reports/new")
            await keyboard.press("Tab")
            await expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
            await keyboard.press("Enter")
            await page.get_by_label("日期").focus()
            for _ in range(30):
                await keyboard.press("Tab")
                if await page.get_by_label("无上述异常症状").evaluate("each => each === document.activeElement"):
                    break
            await keyboard.press("Space")
            await keyboard.press("Tab")
            await keyboard.type("365")
            await keyboard.press("Enter")
            await desk.sees("健康状况已登记")
            assert ["none"] == site.body_of("POST", f"/v1/people/{PERSON}/health-reports")["symptoms"]
