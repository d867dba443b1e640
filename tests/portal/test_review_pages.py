"""待核事项."""

from __future__ import annotations

from typing import Any

import pytest

from tests.portal.browsing import Browser
from tests.portal.stand_ins import (
    CONTRACT,
    CONTRADICTS,
    DECLARED,
    DIFFERS,
    NEWER,
    PERSON,
    SITE,
    StandIns,
    app_of,
    refusal,
    registrar,
)

PATH = f"{SITE}/review-items"
ITEMS = f"/v1/contracts/{CONTRACT}/review-items"
SETTLEMENTS, CORRECTIONS = f"{ITEMS}/{PERSON}/settlements", f"/v1/contracts/{CONTRACT}/pre-registrations/{PERSON}/corrections"
DIFFERENT, CONTRADICTORY = f"{PATH}/{PERSON}/declaration_differs/2", f"{PATH}/{PERSON}/declaration_contradicts/1"


class TestToday:
    async def test_names_what_nobody_has_looked_at(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", ITEMS] = (200, {"items": [DIFFERS], "next": None})
        page = (await browser.open(f"{SITE}/today")).text
        for words in ("待核事项", "健康云有新登记,行程不同", DIFFERENT):
            assert words in page
        assert "false" == next(each.url.params["is_settled"] for each in services.asked if each.url.path == ITEMS)

    async def test_says_that_there_is_more(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", ITEMS] = (200, {"items": [DIFFERS], "next": str(PERSON)})
        assert ">1+<" in (await browser.open(f"{SITE}/today")).text


class TestReviewItem:
    async def test_shows_what_is_relied_on_beside_what_was_declared_since(self, browser: Browser) -> None:
        page = (await browser.open(DIFFERENT)).text
        for words in ("第 1 次上报", "第 2 次上报", "预登记依据", "湖北省 420100", "36.5 ℃"):
            assert words in page
        assert 3 == page.count("不同</span>")

    async def test_shows_a_third_declaration_that_came_later(self, services: StandIns, browser: Browser) -> None:
        third = NEWER | {"declaration_version": 3, "from_hubei": False}
        services.answers["GET", ITEMS] = (200, {"items": [DIFFERS | {"latest": third}], "next": None})
        page = (await browser.open(DIFFERENT)).text
        assert 3 == page.count("次上报</th>") + page.count("次上报 <span")
        assert 'name="latest" value="3"' in page

    async def test_that_was_put_right_since_is_not_there(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", ITEMS] = (200, {"items": [], "next": None})
        assert 404 == (await browser.open(DIFFERENT)).status_code

    async def test_of_an_entry_compares_nothing(self, services: StandIns, browser: Browser) -> None:
        crossed = DIFFERS | {"kind": "entered_though_withdrawn", "declaration_version": 1, "codes": [], "declared": DECLARED}
        services.answers["GET", ITEMS] = (200, {"items": [crossed], "next": None})
        page = (await browser.open(f"{PATH}/{PERSON}/entered_though_withdrawn/1")).text
        assert "以进场为准" in page
        assert "健康云登记对照" not in page
        assert "改以最新登记为依据" not in page


class TestSettle:
    async def test_says_what_was_found(self, services: StandIns, browser: Browser) -> None:
        await browser.open(DIFFERENT)
        assert "已核实。" in (await browser.submit(f"{DIFFERENT}/settlement", note="已电话核实")).text
        looked = {"kind": "declaration_differs", "declaration_version": 2, "note": "已电话核实"}
        assert looked == services.body_of("POST", SETTLEMENTS)

    async def test_by_somebody_else_meanwhile_says_so_and_keeps_what_was_typed(self, services: StandIns, browser: Browser) -> None:
        await browser.open(DIFFERENT)
        settled = DIFFERS | {"settled": {"settled_by": "user:4", "settled_at": "2020-02-18T09:00:00Z"}}
        services.answers["GET", ITEMS] = (200, {"items": [settled], "next": None})
        services.answers["POST", SETTLEMENTS] = (200, {})
        page = (await browser.submit(f"{DIFFERENT}/settlement", note="已电话核实")).text
        for words in ("没有保存", "已电话核实", "user:4", "2020-02-18 17:00:00"):
            assert words in page

    async def test_keeps_its_key_while_nobody_knows_what_became_of_it(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", SETTLEMENTS] = (503, {})
        await browser.open(DIFFERENT)
        for _ in range(2):
            assert 'value="已电话核实"' in (await browser.submit(f"{DIFFERENT}/settlement", note="已电话核实")).text
        assert 1 == len({each.headers["Idempotency-Key"] for each in services.asked if each.method == "POST"})

    async def test_says_at_the_field_what_was_not_taken(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", SETTLEMENTS] = refusal(422, "invalid-request", "有误", ("/note", "missing"))
        await browser.open(DIFFERENT)
        assert 'href="#note"' in (await browser.submit(f"{DIFFERENT}/settlement", note="")).text

    async def test_is_not_for_an_employer_s_registrar(self, services: StandIns) -> None:
        browser = Browser(app_of(services, registrar))
        assert "核实情况" not in (await browser.open(DIFFERENT)).text
        for path in ("settlement", "note"):
            assert 403 == (await browser.submit(f"{DIFFERENT}/{path}", note="x")).status_code
        assert not [each for each in services.asked if "settlements" in each.url.path]


class TestNote:
    async def test_is_read_only_when_it_is_asked_for(self, services: StandIns, browser: Browser) -> None:
        page = (await browser.open(CONTRADICTORY)).text
        assert "谁查看过,会记录" in page
        assert not [each for each in services.asked if each.url.path == SETTLEMENTS]
        assert "已电话核实" in (await browser.submit(f"{CONTRADICTORY}/note")).text

    async def test_is_a_dash_where_the_person_was_erased(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", SETTLEMENTS] = (200, [{"kind": "declaration_contradicts", "declaration_version": 1, "note": None}])
        await browser.open(CONTRADICTORY)
        assert ">—</strong>" in (await browser.submit(f"{CONTRADICTORY}/note")).text


class TestRelyOnLatest:
    async def test_corrects_the_pre_registration(self, services: StandIns, browser: Browser) -> None:
        await browser.open(DIFFERENT)
        assert "更正已登记" in (await browser.submit(f"{DIFFERENT}/correction", reason="本人重新申报")).text
        assert {"declaration_version": 2, "reason": "本人重新申报"} == services.body_of("POST", CORRECTIONS)

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (refusal(409, "declaration-has-changed", "健康云登记已更新"), "健康云登记已更新"),
            (refusal(422, "invalid-request", "有误", ("/reason", "missing")), 'href="#reason"'),
        ],
    )
    async def test_says_why_not(self, services: StandIns, browser: Browser, answer: Any, words: str) -> None:
        services.answers["POST", CORRECTIONS] = answer
        await browser.open(DIFFERENT)
        assert words in (await browser.submit(f"{DIFFERENT}/correction", reason="")).text


class TestList:
    @pytest.mark.parametrize(("state", "is_settled"), [("", "false"), ("?state=settled", "true"), ("?state=odd", "false")])
    async def test_is_of_those_that_are_open_or_settled(
        self, services: StandIns, browser: Browser, state: str, is_settled: str
    ) -> None:
        services.answers["GET", ITEMS] = (200, {"items": [CONTRADICTS], "next": str(PERSON)})
        page = (await browser.open(f"{PATH}{state}")).text
        assert "体温达到发热标准" in page
        assert f"after={PERSON}" in page
        assert is_settled == services.asked[-1].url.params["is_settled"]
