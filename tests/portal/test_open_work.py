"""What is open: forms that wait, review items, entries on paper, isolation that ends; of a site and of all that is supervised."""

from __future__ import annotations

from uuid import UUID

import pytest

from tests.portal.browsing import Browser
from tests.portal.stand_ins import (
    AWAITING_FORMS,
    CONTRACT,
    DIFFERS,
    PAGE_BYTES_MAX,
    PEOPLE_ROW,
    PERSON,
    REVIEWED,
    SITE,
    TABLE,
    WAITING,
    WAITING_CHILD,
    StandIns,
    app_of,
    here,
    registrar,
    supervisor,
)

TODAY, SUPERVISED = f"{SITE}/today", "/supervision/today"
FORMS, ITEMS, ENTRIES = "/v1/awaiting-forms", "/v1/review-items", "/v1/paper-entries"
OF_SITE = f"/v1/contracts/{CONTRACT}/awaiting-forms"
EMPLOYMENTS = "/v1/supervision/employments"
PER_PAGE = 15


@pytest.fixture
def supervised(services: StandIns) -> Browser:
    return Browser(app_of(services, supervisor))


class TestFormsThatWaitOnASite:
    @pytest.mark.parametrize("path", [TODAY, f"{SITE}/awaiting-forms"])
    async def test_are_of_people_and_of_family_and_each_opens(self, browser: Browser, path: str) -> None:
        page = (await browser.open(path)).text
        for words in (
            *("郑*海", f'href="{SITE}/pre-registrations/{WAITING}"'),
            *("郑*兰", f'href="{SITE}/pre-registrations/{PERSON}/family-members/{WAITING_CHILD}"', "携带家属"),
        ):
            assert words in page

    async def test_are_as_many_as_the_number_says(self, services: StandIns, browser: Browser) -> None:
        assert '等待健康云登记 <span class="tag warn">2</span>' in (await browser.open(TODAY)).text
        services.answers["GET", OF_SITE] = (200, {"items": AWAITING_FORMS, "next": "1_0_1"})
        assert '等待健康云登记 <span class="tag warn">2+</span>' in (await browser.open(TODAY)).text
        assert f'href="{SITE}/awaiting-forms?after=1_0_1"' in (await browser.open(f"{SITE}/awaiting-forms")).text

    async def test_say_who_handed_them_in(self, browser: Browser) -> None:
        assert "用工单位登记管理人员" in (await browser.open(f"{SITE}/awaiting-forms")).text

    async def test_are_shown_to_an_employer_s_registrar(self, services: StandIns) -> None:
        assert "郑*兰" in (await Browser(app_of(services, registrar)).open(f"{SITE}/awaiting-forms")).text


class TestIsolationThatEndsOnASite:
    ENDS = f"/v1/contracts/{CONTRACT}/isolation-ends"

    @pytest.mark.parametrize("path", [TODAY, f"{SITE}/isolation-ends"])
    async def test_names_who_may_come_in_and_opens_his_entry(self, browser: Browser, path: str) -> None:
        page = (await browser.open(path)).text
        for words in ("吴*江", "起算日 2020-02-04", f'href="{SITE}/entries?person={PERSON}"'):
            assert words in page

    @pytest.mark.parametrize("path", [TODAY, f"{SITE}/isolation-ends"])
    async def test_opens_no_entry_of_family(self, services: StandIns, browser: Browser, path: str) -> None:
        services.answers["GET", f"/v1/contracts/{CONTRACT}/people"] = (200, {"items": [here(PERSON, "family")]})
        page = (await browser.open(path)).text
        assert ("起算日 2020-02-04" in page, "/entries?person=" in page) == (True, False)

    async def test_names_all_on_pages_that_go_on(self, services: StandIns, browser: Browser) -> None:
        assert f'href="{SITE}/isolation-ends"' in (await browser.open(TODAY)).text
        status, body = services.answers["GET", self.ENDS]
        services.answers["GET", self.ENDS] = (status, {**body, "next": str(PERSON)})
        assert f'href="{SITE}/isolation-ends?after={PERSON}"' in (await browser.open(f"{SITE}/isolation-ends")).text
        await browser.open(f"{SITE}/isolation-ends?after={PERSON}")
        assert str(PERSON) == services.sent("GET", self.ENDS)[-1].url.params["after"]

    async def test_says_where_it_is_nobody_s(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", self.ENDS] = (200, {"date": "2020-02-18", "items": [], "next": None})
        assert '<p class="empty">没有。</p>' in (await browser.open(f"{SITE}/isolation-ends")).text


class TestWhoRegistered:
    @pytest.mark.parametrize(("path", "by"), [("", "user:7"), ("?", None)])
    async def test_stands_on_the_list_and_on_the_page_of_one(self, browser: Browser, path: str, by: str | None) -> None:
        where = f"{SITE}/pre-registrations/{PERSON}" if by else f"{SITE}/pre-registrations"
        page = (await browser.open(where)).text
        assert "用工单位登记管理人员" in page
        assert by is None or by in page

    async def test_stands_in_the_history(self, browser: Browser) -> None:
        assert "经办</span>&nbsp;user:7" in (await browser.open(f"{SITE}/people/{PERSON}/history")).text


class TestSupervisedWork:
    async def test_is_counted_and_every_number_opens_its_list(self, supervised: Browser) -> None:
        page = (await supervised.open(SUPERVISED)).text
        for path, count in (("awaiting-forms", 2), ("review-items", 1)):
            assert f'href="/supervision/{path}/{CONTRACT}">{count}<' in page
            assert f'href="/supervision/{path}"' in page
        assert 'href="/supervision/paper-entries"' in page
        assert "禁止进场" in page

    async def test_comes_before_the_course_of_the_last_days(self, supervised: Browser) -> None:
        page = (await supervised.open(SUPERVISED)).text
        sections = ("待复核的禁止进场", "等待健康云登记", "待核事项", "待核:书面放行但当时不应进场", "天走势")
        assert sorted(sections, key=page.index) == list(sections)

    @pytest.mark.parametrize(
        ("path", "asked", "words"),
        [
            ("/supervision/awaiting-forms", FORMS, "共 2 份"),
            (f"/supervision/awaiting-forms/{CONTRACT}", f"{FORMS}/{CONTRACT}", "郑*兰"),
            ("/supervision/review-items", ITEMS, "共 1 项"),
            (f"/supervision/review-items/{CONTRACT}", f"{ITEMS}/{CONTRACT}", "健康云有新登记,行程不同"),
            ("/supervision/paper-entries", ENTRIES, "共 1 次"),
            ("/supervision/isolation-ends", "/v1/isolation-ends", "起算日"),
        ],
    )
    async def test_has_pages_that_go_on(self, services: StandIns, supervised: Browser, path: str, asked: str, words: str) -> None:
        status, body = services.answers["GET", asked]
        after = str(PERSON)
        services.answers["GET", asked] = (status, {**body, "next": after})
        page = (await supervised.open(path)).text
        assert words in page
        assert f'href="{path}?after={after}"' in page
        await supervised.open(f"{path}?after={after}")
        assert after == services.sent("GET", asked)[-1].url.params["after"]

    async def test_asks_for_what_nobody_has_looked_at(self, services: StandIns, supervised: Browser) -> None:
        await supervised.open(f"/supervision/review-items/{CONTRACT}")
        assert "false" == services.sent("GET", f"{ITEMS}/{CONTRACT}")[-1].url.params["is_settled"]

    async def test_that_is_none_is_told_so(self, services: StandIns, supervised: Browser) -> None:
        for path in (FORMS, ITEMS, ENTRIES):
            services.answers["GET", path] = (200, {"total": 0, "items": [], "next": None})
        page = (await supervised.open(SUPERVISED)).text
        assert 3 <= page.count('<span class="tag good">0</span>')
        for path, words in (
            ("awaiting-forms", "没有等待健康云登记的表单。"),
            ("review-items", "没有待核的事项。"),
            ("paper-entries", "没有待核的纸面放行。"),
        ):
            assert words in (await supervised.open(f"/supervision/{path}")).text

    async def test_stays_light_where_much_is_open(self, services: StandIns, supervised: Browser) -> None:
        contracts = [f"W{number:013}" for number in range(PER_PAGE)]
        many = [str(UUID(int=1_000 + number)) for number in range(50)]
        status, banned = services.answers["GET", "/v1/banned-on-site"]
        services.answers["GET", "/v1/banned-on-site"] = (
            status,
            {"items": [{**banned["items"][0], "person_id": each, "contracts": contracts[:2]} for each in many], "next": many[-1]},
        )
        forms = [{"contract_no": each, "people": 100, "family_members": 100} for each in contracts]
        services.answers["GET", FORMS] = (200, {"total": 9_999, "items": forms, "next": contracts[-1]})
        items = [{"contract_no": each, "items": 100} for each in contracts]
        services.answers["GET", ITEMS] = (200, {"total": 9_999, "items": items, "next": contracts[-1]})
        entries = [{**REVIEWED, "contract_no": CONTRACT, "person_id": each} for each in many[:PER_PAGE]]
        services.answers["GET", ENTRIES] = (200, {"total": 99, "items": entries, "next": "1_2_3"})
        missing = [{"contract_no": each, "followed": 500, "missing": 499} for each in contracts]
        services.answers["GET", "/v1/missing-reports"] = (
            200,
            {"date": "2020-02-18", "items": [*missing, *missing, *missing], "next": contracts[-1]},
        )
        rows = [PEOPLE_ROW | {"person_id": each, "name": "阿卜杜热合曼·*"} for each in many]
        services.answers["GET", EMPLOYMENTS] = (200, {**TABLE, "rows": rows, "total": len(rows)})
        page = await supervised.open(SUPERVISED)
        assert len(page.content) < PAGE_BYTES_MAX
        assert 'href="/supervision/employments?on_site=true&amp;banned=true"' in page.text
        services.answers["GET", f"{FORMS}/{CONTRACT}"] = (200, {"items": [*AWAITING_FORMS] * 25, "next": "1_0_1"})
        services.answers["GET", f"{ITEMS}/{CONTRACT}"] = (200, {"items": [DIFFERS] * 100, "next": str(PERSON)})
        for path in (f"awaiting-forms/{CONTRACT}", f"review-items/{CONTRACT}"):
            assert len((await supervised.open(f"/supervision/{path}")).content) < PAGE_BYTES_MAX, path

    async def test_asks_no_more_of_services_the_more_is_open(self, services: StandIns, supervised: Browser) -> None:
        await supervised.open(SUPERVISED)
        before = len(services.asked)
        many = [str(UUID(int=1_000 + number)) for number in range(50)]
        status, banned = services.answers["GET", "/v1/banned-on-site"]
        services.answers["GET", "/v1/banned-on-site"] = (
            status,
            {"items": [{**banned["items"][0], "person_id": each} for each in many], "next": many[-1]},
        )
        await supervised.open(SUPERVISED)
        assert len(services.asked) - before <= before + 1
