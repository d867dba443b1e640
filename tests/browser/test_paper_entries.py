"""Somebody is let in on paper against the rules: recorded on the site, looked at by its station; real services, a real browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from playwright.async_api import Browser, expect

from chassis.testing.wait import eventually
from contracts.times import SHANGHAI
from tests.browser.conftest import grant
from tests.browser.desk import PC, Desk
from tests.journeys.sites import WITHIN_S, Arrived, Site, somebody


async def test_an_entry_on_paper_is_recorded_by_the_site_and_settled_by_its_station(site: Site, chromium: Browser) -> None:
    arrived = await site.arrives()
    portal = site.stack.url("portal")
    async with Desk.opened(portal, chromium, keeps=False) as desk:
        await desk.signs_in(site.stack)
        await is_recorded(desk, site, arrived)
    async with Desk.opened(portal, chromium, keeps=False) as desk:
        await desk.signs_in_as_supervisor(site.stack, "station")
        await is_settled(desk, site)
    await grant(site.stack, site.contract_no)  # Whoever signs in as a supervisor has all accounts made anew.
    async with Desk.opened(portal, chromium, keeps=False) as desk:
        await desk.signs_in(site.stack)
        await is_told_to_the_site(desk, site, arrived)


async def is_recorded(desk: Desk, site: Site, arrived: Arrived) -> None:
    """纸面放行补录: he went in two hours ago, when nobody expected him."""
    page = desk.page
    await page.goto(f"/contracts/{site.contract_no}/paper-entries")
    for number, person in enumerate((arrived.person, somebody(), somebody())):
        await page.get_by_label("证件号码").nth(number).fill(person.number)
    then = datetime.now(UTC).astimezone(SHANGHAI) - timedelta(hours=2)
    await page.get_by_label("进场时间").fill(f"{then:%Y-%m-%dT%H:%M:%S}")
    await page.locator("main").get_by_role("button", name="提交").click()
    await desk.sees("已补录,列入待核")
    await desk.sees("未在本合同预登记")
    await desk.is_as_it_should_be("paper-entry", PC)


async def is_settled(desk: Desk, site: Site) -> None:
    """今日待办 → 待核 → 核实."""
    page, row = desk.page, desk.page.locator("tr", has_text=site.contract_no)

    async def is_open() -> bool:
        await page.goto("/supervision/paper-entries")
        return bool(await row.count())

    await eventually(is_open, within_s=WITHIN_S)
    await row.get_by_role("link", name="核实").click()
    await desk.sees("未在本合同预登记")
    await page.get_by_label("核实结论").select_option(label="违反规定放行")
    await page.get_by_label("处理措施").select_option(label="无需处理")
    await desk.clicks("确认已核实")
    await desk.sees("违反规定放行的,须说明处理措施")
    await desk.is_as_it_should_be("supervision-paper-entry-wrong", PC)
    await page.get_by_label("处理措施").select_option(label="已责令工地整改")
    await desk.clicks("确认已核实")
    await desk.sees("已核实。")
    assert not await row.count(), "it is open no more"
    await desk.clicks("已核实")
    await desk.is_as_it_should_be("supervision-paper-entries-settled", PC)
    await row.get_by_role("link", name="查看").last.click()
    await desk.sees("已责令工地整改")
    await desk.is_as_it_should_be("supervision-paper-entry-settled", PC)


async def is_told_to_the_site(desk: Desk, site: Site, arrived: Arrived) -> None:
    """全部记录."""
    for path, words in (("paper-entries", "没有待核的纸面放行。"), (f"people/{arrived.person_id}/history", "监督站核实")):
        await desk.page.goto(f"/contracts/{site.contract_no}/{path}")
        await expect(desk.page.locator("main")).to_contain_text(words)
