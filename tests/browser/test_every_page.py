"""Every page, in both languages and on both screens, for everybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from playwright.async_api import Browser, ViewportSize

from contracts.access import Role
from tests.browser.desk import BETWEEN, PC, PHONE, Desk
from tests.browser.everything import WHY_CORRECTED, everything
from tests.journeys.sites import Site
from tests.portal.operated import PLACE
from tests.portal.stand_ins import CHILD, CONTRACT, DRAFT, ENTRY, IMPORT, OPERATOR, PERSON, SITE, WAITING, WAITING_CHILD

OF_SITES = {
    "home": "/",
    "help": "/help",
    "services": "/services",
    "login": "/login?ended=true",
    "supervisor-login": "/supervision/login",
    "contracts": "/contracts",
    "pre-registrations": f"{SITE}/pre-registrations?done=pre_registered",
    "pre-registration-form": f"{SITE}/pre-registrations/new",
    "pre-registration": f"{SITE}/pre-registrations/{PERSON}",
    "pre-registration-awaiting": f"{SITE}/pre-registrations/{WAITING}",
    "correction": f"{SITE}/pre-registrations/{PERSON}/corrections",
    "history": f"{SITE}/people/{PERSON}/history",
    "family-members": f"{SITE}/pre-registrations/{PERSON}/family-members?done=pre_registered",
    "family-form": f"{SITE}/pre-registrations/{PERSON}/family-members/new",
    "family-member": f"{SITE}/pre-registrations/{PERSON}/family-members/{CHILD}",
    "family-member-awaiting": f"{SITE}/pre-registrations/{PERSON}/family-members/{WAITING_CHILD}",
    "family-correction": f"{SITE}/pre-registrations/{PERSON}/family-members/{CHILD}/corrections",
    "site-information": f"{SITE}/epidemic-control?done=submitted",
    "health-reports": f"{SITE}/people/{PERSON}/health-reports",
    "health-form": f"{SITE}/people/{PERSON}/health-reports/new",
    "dispositions": f"{SITE}/people/{PERSON}/dispositions?done=in_force",
    "ban-reviews": f"{SITE}/ban-reviews",
    "ban-review": f"{SITE}/people/{PERSON}/ban-review",
    "morning-round": f"{SITE}/morning-round?done=12",
    "today": f"{SITE}/today",
    "awaiting-forms": f"{SITE}/awaiting-forms",
    "isolation-ends": f"{SITE}/isolation-ends",
    "review-items": f"{SITE}/review-items?done=settled",
    "review-item": f"{SITE}/review-items/{PERSON}/declaration_differs/2",
    "review-item-settled": f"{SITE}/review-items/{PERSON}/declaration_contradicts/1",
    "imports": f"{SITE}/imports",
    "import": f"{SITE}/imports/{IMPORT['import_id']}",
    "entry": f"{SITE}/entries",
    "entry-of-one": f"{SITE}/entries?person={PERSON}",
    "exits": f"{SITE}/exits",
    "turnstile-opening": f"{SITE}/turnstile/opening",
    "paper-entries": f"{SITE}/paper-entries",
    "not-found": "/contracts/W1/entries",
}
OF_LEADS = {
    "operators": f"{SITE}/operators?done=granted",
    "operator": f"{SITE}/operators/{OPERATOR}",
}
OF_SUPERVISION = {
    "supervision-contracts": "/supervision/contracts",
    "supervision-contract": f"/supervision/contracts/{CONTRACT}",
    "supervision-employments": "/supervision/employments",
    "supervision-people": "/supervision/people?counted=pre_registered",
    "supervision-person": f"/supervision/people/{PERSON}",
    "supervision-today": "/supervision/today",
    "supervision-day": "/supervision/days/2020-02-28?counted=pre_registered",
    "supervision-missing-reports": "/supervision/missing-reports",
    "supervision-missing-people": f"/supervision/missing-reports/{CONTRACT}",
    "supervision-followed-people": f"/supervision/missing-reports/{CONTRACT}/followed",
    "supervision-ban-reviews": "/supervision/ban-reviews",
    "supervision-awaiting-forms": "/supervision/awaiting-forms",
    "supervision-awaiting-of": f"/supervision/awaiting-forms/{CONTRACT}",
    "supervision-review-items": "/supervision/review-items",
    "supervision-review-items-of": f"/supervision/review-items/{CONTRACT}",
    "supervision-paper-entries": "/supervision/paper-entries",
    "supervision-paper-entry": f"/supervision/paper-entries/{PERSON}/{ENTRY}",
    "supervision-isolation-ends": "/supervision/isolation-ends",
    "policies": "/supervision/policies",
    "policy-form": "/supervision/policies/drafts/new",
    "policy-draft": f"/supervision/policies/drafts/{DRAFT['draft_id']}",
    "policy-proposals": "/supervision/policies/proposals",
    "supervision-search": "/supervision/search",
    "supervision-firms": "/supervision/firms?kind=employer",
}
OF_OPERATIONS = {
    "operations": "/ops",
    "operation": "/ops/services/gatekeeper?done=stuck&left=1",
    "operation-rebuilt": "/ops/services/reporting",
    "operation-discard": f"/ops/services/gatekeeper/discard?event={PLACE}",
}


@pytest.fixture
def pages_of_everybody(
    pages_of_a_site: str, pages_of_a_lead: str, pages_of_supervision: str, pages_of_operations: str
) -> Sequence[tuple[str, Mapping[str, str]]]:
    """Where they are, and which."""
    return (
        (pages_of_a_site, OF_SITES),
        (pages_of_a_lead, OF_LEADS),
        (pages_of_supervision, OF_SUPERVISION),
        (pages_of_operations, OF_OPERATIONS),
    )


SIZES = pytest.mark.parametrize("size", [PC, PHONE], ids=["pc", "phone"])


@SIZES
class TestEveryPage:
    async def test_of_sites_is_for_everybody(self, pages_of_a_site: str, chromium: Browser, size: ViewportSize) -> None:
        async with Desk.opened(pages_of_a_site, chromium, size=size) as desk:
            await looks_at(desk, OF_SITES, size)

    async def test_of_leads_is_for_everybody(self, pages_of_a_lead: str, chromium: Browser, size: ViewportSize) -> None:
        async with Desk.opened(pages_of_a_lead, chromium, size=size) as desk:
            await looks_at(desk, OF_LEADS, size)
            await shows_changes_of_rights(desk, OF_LEADS["operators"], "operators-shown", size)
            await desk.sees("已调离本工地")

    async def test_of_supervision_is_for_everybody(self, pages_of_supervision: str, chromium: Browser, size: ViewportSize) -> None:
        async with Desk.opened(pages_of_supervision, chromium, size=size) as desk:
            await looks_at(desk, OF_SUPERVISION, size)
            await shows_changes_of_rights(desk, OF_SUPERVISION["supervision-contract"], "supervision-operators", size)
            await desk.sees("已调离本工地")

    async def test_of_operations_is_for_everybody(self, pages_of_operations: str, chromium: Browser, size: ViewportSize) -> None:
        async with Desk.opened(pages_of_operations, chromium, size=size) as desk:
            await looks_at(desk, OF_OPERATIONS, size)

    async def test_that_answers_a_form_is_for_everybody(self, pages_of_a_site: str, chromium: Browser, size: ViewportSize) -> None:
        async with Desk.opened(pages_of_a_site, chromium, size=size) as desk:
            await desk.page.goto(OF_SITES["pre-registration-form"])
            await desk.clicks("获取健康云信息")
            await desk.sees("健康云返回信息")
            await desk.is_as_it_should_be("pre-registration-declared", size)
            await desk.page.goto(OF_SITES["health-form"])
            await desk.page.get_by_label("发热").check()
            await desk.page.get_by_label("无上述异常症状").check()
            assert not await desk.page.get_by_label("发热").is_checked(), "none excludes all others"
            await desk.clicks("提交")
            await desk.sees("请更正以下内容")
            await desk.is_as_it_should_be("health-form-wrong", size)
            await desk.page.goto(OF_SITES["entry"])
            await desk.page.get_by_label("身份证号").fill("1")
            await desk.page.locator("main").get_by_role("button", name="进场登记").click()
            await desk.sees("不能进场的原因")
            await desk.is_as_it_should_be("verdict", size)
            await desk.page.goto(OF_SITES["paper-entries"])
            for number in range(3):
                await desk.page.get_by_label("证件号码").nth(number).fill("1")
            await desk.page.get_by_label("进场时间").fill("2020-02-18T15:00:00")
            await desk.page.locator("main").get_by_role("button", name="提交").click()
            await desk.sees("已补录")
            await desk.is_as_it_should_be("paper-entry", size)

    async def test_that_shows_what_is_sealed_is_for_everybody(
        self, pages_of_a_site: str, pages_of_supervision: str, chromium: Browser, size: ViewportSize
    ) -> None:
        async with Desk.opened(pages_of_a_site, chromium, size=size) as desk:
            for page, words, name in (
                ("ban-review", "显示处置依据", "ban-review-grounds"),
                ("ban-review", "显示申诉内容", "ban-review-objections"),
                ("review-item-settled", "显示核实情况", "review-item-settled-shown"),
                ("history", "显示更正与理由", "history-shown"),
            ):
                await desk.page.goto(OF_SITES[page])
                await desk.clicks(words)
                await desk.page.get_by_role("button", name=words).wait_for(state="detached")
                await desk.is_as_it_should_be(name, size)
        async with Desk.opened(pages_of_supervision, chromium, size=size) as desk:
            await desk.page.goto(OF_SUPERVISION["supervision-person"])
            await desk.page.get_by_label("查看理由").select_option(label="现场检查")
            await desk.clicks("显示完整信息")
            await desk.sees("本次查看已记录")
            await desk.is_as_it_should_be("supervision-person-revealed", size)
            await desk.clicks("显示处置依据")
            await desk.page.get_by_role("button", name="显示处置依据").wait_for(state="detached")
            await desk.is_as_it_should_be("supervision-person-shown", size)

    async def test_in_large_type_sticks_out_nowhere(
        self, pages_of_everybody: Sequence[tuple[str, Mapping[str, str]]], chromium: Browser, size: ViewportSize
    ) -> None:
        for url, pages in pages_of_everybody:
            async with Desk.opened(url, chromium, size=size) as desk:
                await desk.page.goto("/help")
                await desk.clicks("大字")
                await desk.page.locator("html.large").wait_for()
                for name, path in pages.items():
                    await desk.page.goto(path)
                    await desk.page.locator("html.large").wait_for()
                    await desk.fits(f"{name} in large type", size)
                    if name == "pre-registrations":
                        await desk.is_as_it_should_be("large-type", size)


async def test_every_page_fits_an_old_pc_and_a_tablet(
    pages_of_everybody: Sequence[tuple[str, Mapping[str, str]]], chromium: Browser
) -> None:
    for url, pages in pages_of_everybody:
        async with Desk.opened(url, chromium) as desk:
            for name, path in pages.items():
                await desk.page.goto(path)
                for size in BETWEEN:
                    await desk.fits(name, size)


async def test_every_page_of_real_services_is_for_everybody(site: Site, chromium: Browser) -> None:
    there = await everything(site)
    portal = site.stack.url("portal")
    async with Desk.opened(portal, chromium, keeps=False) as desk:
        await desk.signs_in(site.stack)
        pages = named(OF_SITES, there)
        await looks_at(desk, pages, PC)
        await desk.page.goto(pages["history"])
        await desk.clicks("显示更正与理由")
        await desk.sees(WHY_CORRECTED)
        await desk.is_as_it_should_be("history-shown", PC)
    async with Desk.opened(portal, chromium, keeps=False) as desk:
        await desk.signs_in(site.stack, Role.PROJECT_LEAD)
        pages = named(OF_LEADS, there)
        await looks_at(desk, pages, PC)
        await shows_changes_of_rights(desk, pages["operators"], "operators-shown", PC)
    async with Desk.opened(portal, chromium, keeps=False) as desk:
        await desk.signs_in_as_supervisor(site.stack, "city")
        pages = named(OF_SUPERVISION, there)
        await looks_at(desk, pages, PC)
        await shows_changes_of_rights(desk, pages["supervision-contract"], "supervision-operators", PC)
    async with Desk.opened(portal, chromium, keeps=False) as desk:
        await desk.signs_in_as_supervisor(site.stack, "ops")
        await looks_at(desk, named(OF_OPERATIONS, there), PC)


def named(pages: Mapping[str, str], there: Mapping[str, str]) -> dict[str, str]:
    """The same pages of what is there. Nothing is parked, so nothing can be discarded."""
    found = dict(pages)
    found.pop("operation-discard", None)
    for stand_in, real in there.items():
        found = {name: path.replace(stand_in, real) for name, path in found.items()}
    return found


async def looks_at(desk: Desk, pages: Mapping[str, str], size: ViewportSize) -> None:
    for name, path in pages.items():
        for language in ("en", "zh-CN"):
            await desk.speaks(language)
            answer = await desk.page.goto(path)
            assert answer
            assert (200 if name != "not-found" else 404) == answer.status, name
            assert "no-store" == answer.headers["cache-control"], name
            assert language == await desk.page.locator("html").get_attribute("lang")
            await desk.is_as_it_should_be(name if language == "zh-CN" else f"{name}-en", size)


async def shows_changes_of_rights(desk: Desk, path: str, name: str, size: ViewportSize) -> None:
    """In the answer to a form, for that it was read is recorded."""
    await desk.page.goto(path)
    await desk.clicks("显示权限变更记录")
    await desk.page.get_by_role("button", name="显示权限变更记录").wait_for(state="detached")
    assert 0 < await desk.page.locator(".tasks li").count(), name
    await desk.is_as_it_should_be(name, size)
