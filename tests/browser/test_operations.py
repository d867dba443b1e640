"""运行状态 in a browser: what is parked on real services is retried from the page, and the page keeps itself fresh."""

from __future__ import annotations

import asyncpg
import httpx2
from playwright.async_api import Browser, expect

from devstack.processes import Process
from tests.browser.desk import PC, Desk
from tests.journeys.sites import Site
from tests.journeys.stack import JourneyStack

STATION = "坏表测试站"
NOBODY_THERE = f"ALTER TABLE contract_place_v1 ADD CONSTRAINT nobody_there CHECK (station_name <> '{STATION}')"
SOMEBODY_THERE = "ALTER TABLE contract_place_v1 DROP CONSTRAINT IF EXISTS nobody_there"
REFRESH_MS = 5_000
WITHIN_MS = 15_000
"""Two refreshes, and what a service may take to answer."""


class TestRealServices:
    async def test_park_show_and_are_told_to_retry(self, installation: JourneyStack, chromium: Browser) -> None:
        owner = await asyncpg.connect(installation.databases["gatekeeper"].owner_dsn)
        await owner.execute(NOBODY_THERE)
        async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
            await Site.reported(installation, client, station=STATION)
        async with Desk.opened(installation.url("portal"), chromium) as desk:
            await desk.signs_in_as_supervisor(installation, "ops")
            await desk.sees("contract_place_v1/registration/")  # It came by itself, or will.
            for language in ("en", "zh-CN"):
                await desk.speaks(language)
                await desk.is_as_it_should_be(f"operations-{language}-en", PC)
            await desk.clicks("全部重试", exact=False)
            await desk.sees("已重试,仍有 1 个数据流等待处理")
            await desk.sees("CheckViolationError 23514 nobody_there")

            await owner.execute(SOMEBODY_THERE)
            await owner.close()
            await desk.clicks("全部重试", exact=False)
            await desk.sees("已重试,等待的事件已按顺序处理。")
            await expect(desk.page.get_by_text("contract_place_v1/registration/")).to_have_count(0)

    async def test_that_are_stopped_are_told_so_and_come_back(
        self, installed: tuple[JourneyStack, list[Process]], chromium: Browser
    ) -> None:
        stack, processes = installed
        police = next(each for each in processes if each.name.endswith("police_bridge"))
        async with Desk.opened(stack.url("portal"), chromium) as desk:
            await desk.signs_in_as_supervisor(stack, "ops")
            theirs = desk.page.locator(".doors section", has_text="police-bridge")
            await expect(theirs).to_contain_text("正常", timeout=WITHIN_MS)
            await police.stop()
            await expect(theirs).to_contain_text("没有应答", timeout=WITHIN_MS)
            await expect(theirs).to_contain_text("docs/runbooks/process-down.md", timeout=WITHIN_MS)
            await expect(desk.page.locator(".doors section", has_text="registration")).to_contain_text("租约", timeout=WITHIN_MS)
            await police.restart()
            await expect(theirs).to_contain_text("正常", timeout=WITHIN_MS)


class TestFreshness:
    async def test_comes_by_itself_and_disturbs_nobody_who_is_in_it(self, pages_of_operations: str, chromium: Browser) -> None:
        async with Desk.opened(pages_of_operations, chromium) as desk:
            await desk.page.clock.install()
            await desk.page.goto("/ops")
            await desk.page.wait_for_function("() => window.htmx")
            state = desk.page.locator("#state")
            await state.evaluate("each => each.dataset.seen = 'before'")
            await desk.page.get_by_role("button", name="全部重试").first.focus()
            await desk.page.clock.run_for(3 * REFRESH_MS)
            assert 1 == asked_for("/ops", desk), "somebody is in it"
            await expect(state).to_have_attribute("data-seen", "before")
            await expect(desk.page.get_by_role("button", name="全部重试").first).to_be_focused()

            await desk.page.get_by_role("link", name="防疫规则").first.focus()
            await desk.page.clock.run_for(REFRESH_MS)
            await expect(state).not_to_have_attribute("data-seen", "before")
            await expect(desk.page.get_by_role("link", name="防疫规则").first).to_be_focused()

    async def test_needs_no_script(self, pages_of_operations: str, chromium: Browser) -> None:
        async with Desk.opened(pages_of_operations, chromium, javascript=False) as desk:
            await desk.page.goto("/ops")
            await desk.clicks("刷新")
            assert 2 == asked_for("/ops", desk)
            await desk.clicks("全部重试", exact=False)
            await desk.sees("可能已由他人重试或放弃")


def asked_for(path: str, desk: Desk) -> int:
    return sum(address == f"{desk.url}{path}" for address in desk.addresses)
