"""What a browser does with pages by itself: going back, printing, keeping nothing."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.browser.desk import Desk
from tests.portal.stand_ins import SITE


class TestBack:
    async def test_leads_to_the_list_with_its_filter(self, pages_of_a_site: str, chromium: Browser) -> None:
        async with Desk.opened(pages_of_a_site, chromium) as desk:
            await desk.page.goto(f"{SITE}/pre-registrations")
            await desk.page.get_by_label("状态").select_option("open")
            await desk.clicks("查询")
            await desk.page.wait_for_url("**/pre-registrations?state=open")
            await desk.page.get_by_role("link", name="查看").first.click()
            await desk.page.get_by_role("heading", name="预登记信息").wait_for()
            await desk.page.go_back()
            await expect(desk.page.get_by_label("状态")).to_have_value("open")

    async def test_after_a_form_sends_nothing_again(self, pages_of_a_site: str, chromium: Browser) -> None:
        async with Desk.opened(pages_of_a_site, chromium) as desk:
            await desk.page.goto(f"{SITE}/exits")
            await desk.page.get_by_role("button", name="退场登记").first.click()
            await desk.sees("退场已登记")
            sent = list[str]()
            desk.page.on("request", lambda request: sent.append(request.method))
            await desk.page.go_back()
            await desk.page.go_forward()
            await desk.page.reload()
            assert {"GET"} == set(sent)


@pytest.mark.parametrize("path", ["contracts", "employments", "people?counted=registered"])
async def test_a_table_is_printed_without_what_is_for_the_screen(pages_of_supervision: str, chromium: Browser, path: str) -> None:
    async with Desk.opened(pages_of_supervision, chromium) as desk:
        await desk.page.goto(f"/supervision/{path}")
        await expect(desk.page.locator("nav")).to_be_visible()
        await desk.page.emulate_media(media="print")
        for gone in ("nav", ".choices", "footer"):
            await expect(desk.page.locator(gone).first).to_be_hidden()
        await expect(desk.page.locator("main table")).to_be_visible()
        heading = desk.page.locator("thead").first
        assert "table-header-group" == await heading.evaluate("each => getComputedStyle(each).display"), "on every sheet"
        assert (await desk.page.pdf(format="A4", landscape=True)).startswith(b"%PDF")


@pytest.mark.parametrize(
    "path", ["today", "pre-registrations", "exits?counted=registered", "review-items", "awaiting-forms", "isolation-ends"]
)
async def test_a_list_of_a_site_is_printed_from_its_button(pages_of_a_site: str, chromium: Browser, path: str) -> None:
    async with Desk.opened(pages_of_a_site, chromium) as desk:
        await desk.page.goto(f"{SITE}/{path}")
        await expect(desk.page.get_by_role("button", name="打印")).to_be_visible()
        await desk.page.emulate_media(media="print")
        for gone in await desk.page.locator("nav, footer, button, a.button, form.card, td .links, .tasks li > a").all():
            await expect(gone).to_be_hidden()
