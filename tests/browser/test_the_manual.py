"""The manual from the door to the police, in Chinese, by the words on the screen: real services, a real browser."""

from __future__ import annotations

import re

from playwright.async_api import Browser, Locator, Page

from chassis.testing.wait import eventually
from tests.browser.desk import Desk
from tests.journeys.sites import WITHIN_S, Arrived, Site, somebody
from tests.journeys.test_who_is_expected import told_to_the_police

PERSON_ID = re.compile(r"/people/([0-9a-f-]{36})/")


async def test_the_manual_from_login_to_the_police(site: Site, chromium: Browser) -> None:
    person = somebody()
    async with Desk.opened(site.stack.url("portal"), chromium) as desk:
        await chooses_the_contract(desk, site)
        await tells_of_the_site(desk)
        await site.declares(person)
        arrived = Arrived(person, await pre_registers(desk, person.number, person.name))
        await reports_health(desk)
        await bans(desk)
        await eventually(lambda: _is_judged(site, arrived), within_s=WITHIN_S)
        await asks_for_entry(desk, person.number)
        await desk.sees("需隔离")
        await readmits(desk, site, arrived.person_id)
        await eventually(lambda: _nothing_forbids(site, arrived), within_s=WITHIN_S)
        await asks_for_entry(desk, person.number)
        await desk.sees("可以进场,已登记")
        assert [] == desk.complaints
        addresses = desk.addresses
    async with Desk.opened(site.stack.url("portal"), chromium) as desk:
        await counts_as_the_station_sees(desk, site)
        assert [] == desk.complaints
        addresses += desk.addresses
    assert [] == [each for each in addresses if any(personal in each for personal in (person.number, person.name, person.mobile))]
    # 预登记信息交换共享给公安.
    [told] = await told_to_the_police(site, arrived.person_id)
    assert (person.number, person.name, site.contract_no) == (told["document"], told["name"], told["contract_no"])


async def _is_judged(site: Site, arrived: Arrived) -> bool:
    return await site.reasons(arrived) == ["quarantine_required"]


async def _nothing_forbids(site: Site, arrived: Arrived) -> bool:
    return await site.reasons(arrived) == []


def main(page: Page) -> Locator:
    """What stands beside the menu."""
    return page.locator("main")


async def chooses_the_contract(desk: Desk, site: Site) -> None:
    """建设管理服务 → 作业人员进退场登记 → 登录 → 选择合同."""
    await desk.page.goto("/")
    await desk.clicks("作业人员进退场登记")
    await desk.page.get_by_role("heading", name="建设工程现场用户统一登录平台").wait_for()
    await desk.signs_in(site.stack)
    await main(desk.page).get_by_role("link", name=site.contract_no).click()
    await desk.sees("没有符合条件的预登记人员。")


async def tells_of_the_site(desk: Desk) -> None:
    """工地疫情防控信息: 疫情防控小组, 对口医院, 防疫物资."""
    await desk.clicks("工地疫情防控信息")
    page = main(desk.page)
    for words, text in (("姓名", "王安"), ("职责", "组长"), ("联系电话", "13800000012"), ("对口医院", "第四人民医院")):
        await page.get_by_label(words).first.fill(text)
    for words, text in (("物资名称", "口罩"), ("单位", "只"), ("数量", "2000")):
        await page.get_by_label(words, exact=True).first.fill(text)
    await page.get_by_role("button", name="提交", exact=True).last.click()
    await desk.sees("工地疫情防控信息已提交。")


async def pre_registers(desk: Desk, number: str, name: str) -> str:
    """进场预登记, with 获取健康云信息. The `person_id`."""
    await desk.clicks("进场预登记")
    page = main(desk.page)
    await page.get_by_role("link", name="进场预登记").click()
    await page.get_by_label("身份证号").fill(number)
    await page.get_by_label("姓名").fill(name)
    await page.get_by_role("button", name="获取健康云信息").click()
    await page.get_by_role("heading", name="健康云返回信息").wait_for()
    await page.get_by_label("出发地", exact=False).first.select_option(label="江苏省")
    await page.get_by_label("用人单位").select_option(index=1)
    await page.get_by_label("工种").select_option(value="020")
    await page.get_by_role("button", name="提交").click()
    await desk.sees("预登记已完成。")
    await page.get_by_role("link", name="每日健康").click()
    await page.get_by_role("link", name="新增健康状态").wait_for()
    found = PERSON_ID.search(desk.page.url)
    assert found
    return found[1]


async def reports_health(desk: Desk) -> None:
    """每日健康 → 新增健康状态."""
    page = main(desk.page)
    await page.get_by_role("link", name="新增健康状态").click()
    await page.get_by_label("无上述异常症状").check()
    await page.get_by_label("体温测量").fill("365")
    await page.get_by_role("button", name="提交").click()
    await desk.sees("健康状况已登记。")


async def bans(desk: Desk) -> None:
    """处置方式: 需隔离."""
    page = main(desk.page)
    await page.get_by_role("link", name="返回").click()
    await page.get_by_role("link", name="处置方式").click()
    await page.get_by_label("需隔离", exact=True).check()
    await page.get_by_label("理由").select_option(label="与病例有接触")
    await page.get_by_label("处置依据").fill("电话通知")
    await page.get_by_label("隔离/就医方式").select_option(label="集中隔离")
    await page.get_by_role("button", name="提交").click()
    await desk.sees("处置方式已保存")


async def readmits(desk: Desk, site: Site, person_id: str) -> None:
    """处置方式: back to 可进场."""
    await desk.page.goto(f"/contracts/{site.contract_no}/people/{person_id}/dispositions")
    page = main(desk.page)
    await page.get_by_label("可进场", exact=True).check()
    await page.get_by_label("理由").select_option(label="已排除接触")
    await page.get_by_role("button", name="提交").click()
    await desk.sees("处置方式已保存")


async def asks_for_entry(desk: Desk, number: str) -> None:
    """进场登记."""
    await desk.clicks("进场登记")
    await main(desk.page).get_by_label("身份证号").fill(number)
    await main(desk.page).get_by_role("button", name="进场登记").click()
    await desk.page.get_by_role("link", name="登记下一位").wait_for()


async def counts_as_the_station_sees(desk: Desk, site: Site) -> None:
    """实名制作业人员信息查询: the contract's numbers, and who is behind them."""
    await desk.signs_in_as_supervisor(site.stack, "station")

    async def is_counted() -> bool:
        await desk.page.goto(f"/supervision/contracts?contract_no={site.contract_no}")
        return "总登记人数(1)" in await desk.page.locator(".statistics").inner_text()

    await eventually(is_counted, within_s=WITHIN_S)
    await desk.sees("在场人数(1)")
    await desk.sees("共1页 显示1到1,共1记录")
    await desk.page.get_by_role("link", name="预登记人 1").click()
    await main(desk.page).get_by_role("link", name="陈*平").click()
    await desk.page.get_by_label("查看理由").select_option(label="现场检查")
    await main(desk.page).get_by_role("button", name="显示完整信息").click()
    await desk.sees("陈安平")
