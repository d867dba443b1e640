"""走势 on supervision's 今日待办, and the contracts behind each of its numbers."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

from tests.portal.browsing import Browser
from tests.portal.stand_ins import CONTRACT, NOW, PAGE_BYTES_MAX, StandIns, app_of, supervisor

TODAY, DAY = "/supervision/today", "/supervision/days/2020-02-28"
DAYS, OF_DAY = "/v1/supervision/days", "/v1/supervision/days/2020-02-28"


@pytest.fixture
def browser(services: StandIns) -> Browser:
    return Browser(app_of(services, supervisor))


def course(*days: tuple[str, int, int, int, int]) -> dict[str, object]:
    names = ("day", "pre_registered", "entered", "refused", "exited")
    return {"as_of": NOW, "days": [dict(zip(names, each, strict=True)) for each in days]}


class TestNumber:
    async def test_of_a_day_opens_its_contracts_under_the_same_filter(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", DAYS] = (200, course(("2020-02-28", 3, 5, 7, 9)))
        page = (await browser.open(f"{TODAY}?station=虹口&days=30")).text
        opened = re.findall(r'<td class="number"><a href="(days/[^"]+)">(\d)</a></td>', page)
        of_station = "counted={}&amp;station=%E8%99%B9%E5%8F%A3&amp;days=30"
        counted = zip(("pre_registered", "entered", "refused", "exited"), "3579", strict=True)
        assert [(f"days/2020-02-28?{of_station.format(each)}", number) for each, number in counted] == opened

    async def test_that_is_none_opens_nothing(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", DAYS] = (200, course(("2020-02-28", 0, 0, 0, 1)))
        assert 1 == (await browser.open(TODAY)).text.count('href="days/')

    async def test_of_ninety_days_leaves_the_page_light(self, services: StandIns, browser: Browser) -> None:
        first = date(2020, 2, 1)
        days = [(str(first + timedelta(days=n)), 98_765, 98_765, 98_765, 98_765) for n in range(90)]
        services.answers["GET", DAYS] = (200, course(*days))
        page = await browser.open(f"{TODAY}?station=浦东新区&days=90")
        assert 360 == page.text.count('href="days/')
        assert len(page.content) < PAGE_BYTES_MAX, len(page.content)


class TestContractsOfDay:
    async def test_are_listed_with_how_often_it_happened(self, services: StandIns, browser: Browser) -> None:
        page = (await browser.open(f"{DAY}?counted=refused&station=虹口&days=30")).text
        for words in ("拒绝进场(3)", "2020-02-28", "所在监督站 虹口", f'href="/supervision/contracts/{CONTRACT}"', ">3</td>"):
            assert words in page
        (asked,) = services.sent("GET", OF_DAY)
        assert {"counted": "refused", "station": "虹口", "page": "1"} == dict(asked.url.params)
        assert 'href="/supervision/today?station=%E8%99%B9%E5%8F%A3&amp;days=30">返回<' in page

    async def test_go_on_with_the_next_page_of_the_same_number(self, services: StandIns, browser: Browser) -> None:
        _, told = services.answers["GET", OF_DAY]
        services.answers["GET", OF_DAY] = (200, told | {"pages": 2})
        assert f'href="{DAY}?counted=exited&amp;page=2"' in (await browser.open(f"{DAY}?counted=exited")).text

    @pytest.mark.parametrize("counted", ["banned", ""])
    async def test_are_those_of_a_number_that_is_counted(self, browser: Browser, counted: str) -> None:
        assert 404 == (await browser.open(f"{DAY}?counted={counted}")).status_code

    @pytest.mark.parametrize("days", [0, 91])
    async def test_lead_back_to_as_many_days_as_are_shown(self, browser: Browser, days: int) -> None:
        opened = [(await browser.open(path)).status_code for path in (f"{DAY}?counted=entered&days={days}", f"{TODAY}?days={days}")]
        assert [422, 422] == opened
