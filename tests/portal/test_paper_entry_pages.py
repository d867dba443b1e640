"""纸面放行, as an authority looks at it: what stood against whoever was let in, what was found, what was done."""

from __future__ import annotations

import pytest

from gatekeeper.domain.settling import Finding, Measure
from portal import labels
from tests.portal.browsing import Browser
from tests.portal.stand_ins import (
    CONTRACT,
    ENTRY,
    PERSON,
    REVIEWED,
    SETTLED,
    SITE,
    StandIns,
    app_of,
    operator,
    refusal,
    supervisor,
)

ENTRIES = "/v1/paper-entries"
SETTLEMENTS = f"{ENTRIES}/{PERSON}/settlements"
LIST = "/supervision/paper-entries"
PATH = f"{LIST}/{PERSON}/{ENTRY}"
FOUND = {"finding": "against_the_rules", "measure": "site_instructed"}


@pytest.fixture
def supervised(services: StandIns) -> Browser:
    return Browser(app_of(services, supervisor))


def settled(services: StandIns) -> None:
    entry = {**REVIEWED, "contract_no": CONTRACT, "settled": SETTLED}
    services.answers["GET", ENTRIES] = (200, {"total": 1, "items": [entry], "next": "1_2_3"})


class TestList:
    async def test_is_of_those_that_nobody_has_looked_at_and_each_opens(self, services: StandIns, supervised: Browser) -> None:
        for path in (LIST, "/supervision/today"):
            assert f'href="{PATH}"' in (await supervised.open(path)).text
            assert "false" == services.sent("GET", ENTRIES)[-1].url.params["is_settled"]

    async def test_of_the_others_says_what_was_found_and_done(self, services: StandIns, supervised: Browser) -> None:
        settled(services)
        page = (await supervised.open(f"{LIST}?state=settled")).text
        for words in ("违反规定放行", "已责令工地整改", f'href="{LIST}?state=settled&amp;after=1_2_3"'):
            assert words in page
        assert "true" == services.sent("GET", ENTRIES)[-1].url.params["is_settled"]


class TestEntry:
    async def test_shows_what_stood_against_him(self, services: StandIns, supervised: Browser) -> None:
        page = (await supervised.open(PATH)).text
        for words in ("隔离期未满", "体温达到发热标准", "放行负责人(一)", CONTRACT, "核实结论"):
            assert words in page
        assert str(PERSON) == services.sent("GET", ENTRIES)[-1].url.params["person_id"]

    async def test_that_was_settled_says_by_whom_and_asks_nothing(self, services: StandIns, supervised: Browser) -> None:
        settled(services)
        page = (await supervised.open(PATH)).text
        for words in ("违反规定放行", "已责令工地整改", "hongkou"):
            assert words in page
        assert "确认已核实" not in page

    async def test_that_is_not_there_is_not_found(self, services: StandIns, supervised: Browser) -> None:
        services.answers["GET", ENTRIES] = (200, {"total": 0, "items": [], "next": None})
        assert 404 == (await supervised.open(PATH)).status_code

    async def test_is_not_for_the_site_that_let_him_in(self, services: StandIns) -> None:
        browser = Browser(app_of(services, operator))
        await browser.open(f"{SITE}/paper-entries")
        assert 403 == (await browser.open(PATH)).status_code
        assert 403 == (await browser.submit(f"{PATH}/settlement", **FOUND)).status_code
        assert [] == services.sent("POST", SETTLEMENTS)


class TestSettle:
    async def test_says_what_was_found_and_done(self, services: StandIns, supervised: Browser) -> None:
        await supervised.open(PATH)
        assert "已核实。" in (await supervised.submit(f"{PATH}/settlement", **FOUND)).text
        assert {"attempt_id": str(ENTRY), **FOUND} == services.body_of("POST", SETTLEMENTS)

    @pytest.mark.parametrize("field", ["finding", "measure"])
    @pytest.mark.parametrize("typed", ["", "odd"])
    async def test_says_at_the_field_what_was_not_chosen(
        self, services: StandIns, supervised: Browser, field: str, typed: str
    ) -> None:
        await supervised.open(PATH)
        page = await supervised.submit(f"{PATH}/settlement", **{**FOUND, field: typed})
        assert (422, True) == (page.status_code, f'href="#{field}"' in page.text)
        assert [] == services.sent("POST", SETTLEMENTS)

    async def test_says_why_it_was_refused_and_keeps_what_was_chosen(self, services: StandIns, supervised: Browser) -> None:
        services.answers["POST", SETTLEMENTS] = refusal(422, "measure-is-missing", "须说明处理措施")
        await supervised.open(PATH)
        page = (await supervised.submit(f"{PATH}/settlement", finding="against_the_rules", measure="none")).text
        for words in ('href="#measure"', "须说明处理措施", '<option value="against_the_rules" selected>'):
            assert words in page

    async def test_keeps_its_key_while_nobody_knows_what_became_of_it(self, services: StandIns, supervised: Browser) -> None:
        services.answers["POST", SETTLEMENTS] = (503, {})
        await supervised.open(PATH)
        for _ in range(2):
            assert "再次提交" in (await supervised.submit(f"{PATH}/settlement", **FOUND)).text
        assert 1 == len({each.headers["Idempotency-Key"] for each in services.sent("POST", SETTLEMENTS)})


class TestWords:
    def test_are_there_for_every_code_that_the_gate_takes(self) -> None:
        assert (set(Finding), set(Measure)) == (set(labels.PAPER_FINDINGS), set(labels.PAPER_MEASURES))


class TestHistory:
    async def test_on_the_site_says_what_supervision_found(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", f"/v1/contracts/{CONTRACT}/attempts"] = (
            200,
            {"items": [{**REVIEWED, "settled": SETTLED}], "next": None},
        )
        page = (await browser.open(f"{SITE}/people/{PERSON}/history")).text
        for words in ("监督站核实", "违反规定放行", "已责令工地整改", "经办</span>&nbsp;hongkou"):
            assert words in page
