"""Every page without a mouse: by keys to every control, each form is sent, nothing holds whoever walks on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from playwright.async_api import Browser, expect

from tests.browser.conftest import served
from tests.browser.desk import Desk
from tests.browser.keyboard import Walk
from tests.browser.test_every_page import OF_LEADS, OF_OPERATIONS, OF_SITES, OF_SUPERVISION
from tests.portal.stand_ins import SITE, StandIns, turnstile


class TestKeyboardAlone:
    async def test_does_all_that_can_be_done_on_a_site(self, pages_of_a_site: str, chromium: Browser) -> None:
        assert {} == await faults_of(pages_of_a_site, OF_SITES, chromium)

    async def test_grants_and_withdraws(self, pages_of_a_lead: str, chromium: Browser) -> None:
        assert {} == await faults_of(pages_of_a_lead, OF_LEADS, chromium)

    async def test_supervises(self, pages_of_supervision: str, chromium: Browser) -> None:
        assert {} == await faults_of(pages_of_supervision, OF_SUPERVISION, chromium)

    async def test_operates_the_services(self, pages_of_operations: str, chromium: Browser) -> None:
        assert {} == await faults_of(pages_of_operations, OF_OPERATIONS, chromium)

    async def test_passes_people_at_the_gate(self, chromium: Browser) -> None:
        async for url in served(StandIns(), turnstile):
            async with Desk.opened(url, chromium) as desk:
                await desk.page.goto(f"{SITE}/turnstile")
                walk = Walk(desk.page)
                await walk.there_and_back()
                assert [] == walk.faults

    async def test_goes_on_with_what_health_cloud_answered(self, pages_of_a_site: str, chromium: Browser) -> None:
        async with Desk.opened(pages_of_a_site, chromium) as desk:
            await desk.page.goto(OF_SITES["pre-registration-form"])
            await desk.clicks("获取健康云信息")
            await desk.sees("健康云返回信息")
            walk = Walk(desk.page)
            await walk.there_and_back()
            assert [] == walk.faults

    async def test_comes_to_what_was_asked_for(self, pages_of_a_lead: str, chromium: Browser) -> None:
        async with Desk.opened(pages_of_a_lead, chromium) as desk:
            await desk.page.goto(OF_LEADS["operators"])
            await desk.page.get_by_role("button", name="显示权限变更记录").press("Enter")
            await expect(desk.page.get_by_role("heading", name="权限变更记录")).to_be_focused()

    async def test_comes_by_what_is_on_every_page(self, pages_of_a_site: str, pages_of_supervision: str, chromium: Browser) -> None:
        for url, path in ((pages_of_a_site, OF_SITES["today"]), (pages_of_supervision, OF_SUPERVISION["supervision-today"])):
            async with Desk.opened(url, chromium) as desk:
                await desk.page.goto(path)
                walk = Walk(desk.page, through="body")
                await walk.there_and_back()
                assert [] == walk.faults


async def faults_of(url: str, pages: Mapping[str, str], chromium: Browser) -> Mapping[str, Sequence[str]]:
    faults = dict[str, Sequence[str]]()
    async with Desk.opened(url, chromium) as desk:
        for name, path in pages.items():
            await desk.page.goto(path)
            walk = Walk(desk.page)
            await walk.there_and_back()
            faults[name] = walk.faults
    return {name: told for name, told in faults.items() if told}
