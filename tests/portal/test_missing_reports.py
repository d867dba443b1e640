"""未填报 for supervision: by contract, and who that is."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from chassis.auth import Principal
from contracts.access import Role
from portal.languages import CHINESE
from portal.upstream.calls import Caller
from portal.upstream.health import PAGE_ROWS, SUPERVISED_ROWS
from portal.upstream.reporting import PEOPLE_ASKED_MAX, ROWS_ASKED_MAX, Reporting
from reporting import query_api
from tests.portal.browsing import Browser
from tests.portal.stand_ins import CONTRACT, PAGE_BYTES_MAX, PEOPLE_ROW, PERSON, TABLE, StandIns, app_of, supervisor

TODAY, LIST = "/supervision/today", "/supervision/missing-reports"
PEOPLE = f"{LIST}/{CONTRACT}"
FOLLOWED = f"{PEOPLE}/followed"
BY_CONTRACT, OF_CONTRACT = "/v1/missing-reports", f"/v1/missing-reports/{CONTRACT}"
EMPLOYMENTS = "/v1/supervision/employments"


def by_contract(count: int, **changes: object) -> dict[str, object]:
    items = [{"contract_no": f"W{number:013}", "followed": 500, "missing": 2} for number in range(count)]
    return {"date": "2020-02-18", "items": items, "next": None, **changes}


@pytest.fixture
def browser(services: StandIns) -> Browser:
    return Browser(app_of(services, supervisor))


class TestMissingReports:
    @pytest.mark.parametrize("path", [TODAY, LIST])
    async def test_are_counted_by_contract_and_every_number_opens_its_list(self, browser: Browser, path: str) -> None:
        page = (await browser.open(path)).text
        opened = (f'href="{FOLLOWED}">13<', f'href="{PEOPLE}">3<', f'href="/supervision/contracts/{CONTRACT}"')
        for words in ("今天还没有健康登记", *opened):
            assert words in page

    async def test_come_second_after_whoever_has_to_leave(self, browser: Browser) -> None:
        page = (await browser.open(TODAY)).text
        sections = ("禁止进场,人还在场", "今天还没有健康登记", "今天隔离期满", "待复核的禁止进场", "走势")
        assert sorted(sections, key=page.index) == list(sections)

    async def test_go_on_behind_the_page_also_where_nobody_is_missing_yet(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", BY_CONTRACT] = (200, by_contract(0, next=CONTRACT))
        page = (await browser.open(TODAY)).text
        assert (">0+<" in page, "今天所有人都已登记" in page) == (True, False)
        assert f"{LIST}?after={CONTRACT}" in (await browser.open(LIST)).text
        await browser.open(f"{LIST}?after={CONTRACT}")
        assert CONTRACT == services.sent("GET", BY_CONTRACT)[-1].url.params["after"]

    async def test_are_counted_on_as_many_contracts_as_are_shown(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", BY_CONTRACT] = (200, by_contract(SUPERVISED_ROWS, next=CONTRACT))
        page = (await browser.open(TODAY)).text
        assert (">30+<" in page, page.count(">500<"), f'href="{LIST}"' in page) == (True, SUPERVISED_ROWS, True)
        assert SUPERVISED_ROWS == (await browser.open(LIST)).text.count(">500<")
        assert [{"limit": str(SUPERVISED_ROWS)}] * 2 == [dict(each.url.params) for each in services.sent("GET", BY_CONTRACT)]

    async def test_that_are_all_there_are_told_so(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", BY_CONTRACT] = (200, by_contract(0))
        assert "今天所有人都已登记健康状况。" in (await browser.open(TODAY)).text

    async def test_are_of_people_masked_as_the_contract_knows_them(self, services: StandIns, browser: Browser) -> None:
        page = (await browser.open(PEOPLE)).text
        for words in (PEOPLE_ROW["name"], PEOPLE_ROW["document_number"], f'href="/supervision/people/{PERSON}"', "可能为携带家属"):
            assert str(words) in page
        assert {(CONTRACT,)} == {tuple(each.url.params.get_list("of_contract")) for each in services.sent("GET", EMPLOYMENTS)}

    async def test_open_with_those_who_are_reported_where_all_are_counted(self, services: StandIns, browser: Browser) -> None:
        page = (await browser.open(FOLLOWED)).text
        for words in (PEOPLE_ROW["name"], "今天已登记", f'href="/supervision/people/{PERSON}"', "可能为携带家属"):
            assert str(words) in page
        assert ["good", "warn"] == re.findall(r'<span class="tag (good|warn)">[是否]<', page), "one is reported, one is not"
        assert {(CONTRACT,)} == {tuple(each.url.params.get_list("of_contract")) for each in services.sent("GET", EMPLOYMENTS)}

    @pytest.mark.parametrize(
        ("path", "number", "other"),
        [
            (PEOPLE, "未登记人数(3)", f'<a href="{FOLLOWED}">应登记人数(13)</a>'),
            (FOLLOWED, "应登记人数(13)", f'<a href="{PEOPLE}">未登记人数(3)</a>'),
        ],
    )
    async def test_are_headed_by_the_number_that_was_opened_and_lead_to_the_other(
        self, browser: Browser, path: str, number: str, other: str
    ) -> None:
        page = (await browser.open(path)).text
        assert ([number], True) == (re.findall("<h1[^>]*>([^<]+)</h1>", page), other in page)

    async def test_go_on_with_the_next_of_all_who_are_counted(self, services: StandIns, browser: Browser) -> None:
        of_all = f"{OF_CONTRACT}/followed"
        _, told = services.answers["GET", of_all]
        services.answers["GET", of_all] = (200, told | {"next": str(PERSON)})
        assert f'href="{FOLLOWED}?after={PERSON}"' in (await browser.open(FOLLOWED)).text
        await browser.open(f"{FOLLOWED}?after={PERSON}")
        assert str(PERSON) == services.sent("GET", of_all)[-1].url.params["after"]

    async def test_stay_light_on_the_heaviest_page(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", BY_CONTRACT] = (200, by_contract(SUPERVISED_ROWS, next=CONTRACT))
        team = [str(UUID(int=1_000 + number)) for number in range(PAGE_ROWS)]
        services.answers["GET", OF_CONTRACT] = (200, {"date": "2020-02-18", "items": team, "next": team[-1]})
        counted = [{"person_id": each, "reported": False} for each in team]
        told = {"date": "2020-02-18", "items": counted, "followed": 500, "missing": 500, "next": team[-1]}
        services.answers["GET", f"{OF_CONTRACT}/followed"] = (200, told)
        rows = [PEOPLE_ROW | {"person_id": each, "name": "阿卜杜热合曼·*"} for each in team]
        services.answers["GET", EMPLOYMENTS] = (200, {**TABLE, "rows": rows, "total": len(rows)})
        for path in (TODAY, LIST, PEOPLE, FOLLOWED):
            assert len((await browser.open(path)).content) < PAGE_BYTES_MAX, path


class TestPeopleOf:
    @pytest.fixture
    def reporting(self, services: StandIns) -> Reporting:
        async def remember(service: str, token: str) -> None:
            raise AssertionError("nothing is done")

        return Reporting(
            app_of(services).state.portal.calls, Caller(Principal("city", Role.CITY_SUPERVISOR), {}, CHINESE, remember)
        )

    async def test_asks_of_as_many_at_once_as_reporting_takes(self, services: StandIns, reporting: Reporting) -> None:
        people = [UUID(int=number) for number in range(2 * PEOPLE_ASKED_MAX + 20)]
        await reporting.people_of([*people, *people])
        asked = [each.url.params.get_list("person_id") for each in services.sent("GET", EMPLOYMENTS)]
        assert [PEOPLE_ASKED_MAX, PEOPLE_ASKED_MAX, 20] == [len(each) for each in asked]
        assert [str(each) for each in people] == [each for some in asked for each in some]
        assert (query_api.PEOPLE_ASKED_MAX, query_api.ROWS_MAX) == (PEOPLE_ASKED_MAX, ROWS_ASKED_MAX)
        assert {str(ROWS_ASKED_MAX)} == {each.url.params["limit"] for each in services.sent("GET", EMPLOYMENTS)}

    async def test_turns_the_pages_of_those_with_several_contracts(self, services: StandIns, reporting: Reporting) -> None:
        services.answers["GET", EMPLOYMENTS] = (200, {**TABLE, "rows": [PEOPLE_ROW], "total": 100, "pages": 7})
        assert [PERSON] == list(await reporting.people_of([PERSON]))
        assert [str(number) for number in range(1, 8)] == [each.url.params["page"] for each in services.sent("GET", EMPLOYMENTS)]

    async def test_of_nobody_asks_nothing(self, services: StandIns, reporting: Reporting) -> None:
        assert {} == await reporting.people_of([])
        assert [] == services.asked
