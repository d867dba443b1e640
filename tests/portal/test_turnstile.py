"""The gate's tablet, and what is recorded afterwards of the time when the gate could not know."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from joserfc import jwt

from portal.session import Session
from portal.wiring import signing_key
from tests.portal.browsing import Browser
from tests.portal.stand_ins import (
    CONTRACT,
    PERSON,
    REASONS,
    SITE,
    STALE,
    StandIns,
    app_of,
    attempt,
    operator,
    refusal,
    supervisor,
    turnstile,
)

NUMBER, ANOTHER_NUMBER = "420106199007250153", "310109198001011014"
GATE_PASSES, PAPER_ENTRIES = f"/v1/contracts/{CONTRACT}/gate-passes", f"/v1/contracts/{CONTRACT}/paper-entries"
REMINDER = {"code": "no_report_today", "effect": "remind", "clears": "health_report_today"}


class TestTurnstile:
    PATH = f"{SITE}/turnstile"

    @pytest.fixture
    def browser(self, services: StandIns) -> Browser:
        return Browser(app_of(services, turnstile))

    async def test_is_green_for_as_long_as_the_grant_holds(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", GATE_PASSES] = (200, attempt("admitted", [REMINDER]))
        await browser.open(self.PATH)
        page = await browser.submit(self.PATH, document_number=NUMBER)
        for words in ("可以通过", "0153", 'data-seconds="5"', "今天还没有健康登记"):
            assert words in page.text
        assert 'content="4; url=' in page.text, "without the script: what the portal waited for counts"
        assert NUMBER not in page.text
        assert {"document": {"type": "citizen_id", "number": NUMBER}} == services.body_of("POST", GATE_PASSES)

    async def test_is_not_green_where_the_grant_is_over_before_the_page_is_sent(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", GATE_PASSES] = (200, {**attempt("admitted", []), "valid_until": "2020-02-18T07:44:36Z"})
        await browser.open(self.PATH)
        page = (await browser.submit(self.PATH, document_number=NUMBER)).text
        assert "应答来得太迟" in page
        assert 'data-state="good"' not in page

    async def test_tells_every_reason_what_clears_it_and_the_earliest_date(self, browser: Browser) -> None:
        await browser.open(self.PATH)
        page = (await browser.submit(self.PATH, document_number=NUMBER)).text
        for words in ("不能通过", "隔离期未满", "体温达到发热标准", "重新测量", "2020-02-28"):
            assert words in page

    async def test_says_that_it_cannot_know(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", GATE_PASSES] = (200, attempt("refused", [STALE]))
        await browser.open(self.PATH)
        page = (await browser.submit(self.PATH, document_number=NUMBER)).text
        assert 'data-state="unknown" data-answered' in page
        assert "系统暂时无法确认最新状态" in page
        assert 'data-state="bad"' not in page

    async def test_refuses_where_a_rule_forbids_and_it_cannot_know_more(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", GATE_PASSES] = (200, attempt("refused", [*REASONS, STALE]))
        await browser.open(self.PATH)
        assert 'data-state="bad"' in (await browser.submit(self.PATH, document_number=NUMBER)).text

    async def test_keeps_number_and_key_while_nobody_answered(self, services: StandIns, browser: Browser) -> None:
        await browser.open(self.PATH)
        services.answers["POST", GATE_PASSES] = (503, {})
        for _ in range(2):
            page = await browser.submit(self.PATH, document_number=NUMBER)
            assert 503 == page.status_code
            assert 'data-state="unknown" data-seconds' in page.text
            assert f'value="{NUMBER}"' in page.text
        assert 1 == len({each.headers["Idempotency-Key"] for each in services.asked})

    async def test_tells_a_number_that_is_none_from_a_refusal(self, services: StandIns, browser: Browser) -> None:
        services.answers["POST", GATE_PASSES] = refusal(422, "invalid-request", "有误", ("/document", "citizen-id-check"))
        await browser.open(self.PATH)
        page = await browser.submit(self.PATH, document_number="1")
        assert (422, True) == (page.status_code, 'data-state="wrong"' in page.text)

    async def test_asks_as_a_turnstile_of_this_gate(self, services: StandIns, browser: Browser) -> None:
        await browser.open(self.PATH)
        await browser.submit(self.PATH, document_number=NUMBER)
        token = services.asked[-1].headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, signing_key(bytes(32)), algorithms=["Ed25519"]).claims
        assert ("gate_device", [CONTRACT]) == (claims["role"], list(claims["contracts"]))
        assert {} == services.remembered, "nobody waits for what the one before him did"

    @pytest.mark.parametrize(
        "path",
        [f"{SITE}/pre-registrations", f"{SITE}/entries", f"{SITE}/turnstile/opening", "/contracts", "/supervision/contracts"],
    )
    async def test_opens_nothing_else(self, services: StandIns, browser: Browser, path: str) -> None:
        assert (await browser.open(path)).status_code in (403, 404)
        assert [] == services.asked

    @pytest.mark.parametrize(("session", "status"), [(operator, 403), (supervisor, 404)])
    async def test_is_nobody_else_s(self, services: StandIns, session: Callable[[], Session], status: int) -> None:
        assert status == (await Browser(app_of(services, session)).open(self.PATH)).status_code


class TestPaperEntry:
    PATH = f"{SITE}/paper-entries"
    TYPED = {  # noqa: RUF012 - never changed
        "document_number": NUMBER,
        "entered_at": "2020-02-18T06:05:00",
        "first_number": ANOTHER_NUMBER,
        "second_number": "310109198001011022",
    }

    async def test_names_two_people_and_tells_what_the_rules_say(self, services: StandIns, browser: Browser) -> None:
        assert "隔离期未满" in (await browser.open(self.PATH)).text, "what has still to be reviewed"
        page = await browser.submit(self.PATH, **self.TYPED)
        for words in ("列入待核", "隔离期未满", "吴*江"):
            assert words in page.text
        sent = services.body_of("POST", PAPER_ENTRIES)
        assert [ANOTHER_NUMBER, self.TYPED["second_number"]] == [each["document"]["number"] for each in sent["decided_by"]]
        assert datetime(2020, 2, 17, 22, 5, tzinfo=UTC) == datetime.fromisoformat(sent["entered_at"])

    @pytest.mark.parametrize("field", TYPED)
    async def test_needs_to_be_complete(self, services: StandIns, browser: Browser, field: str) -> None:
        await browser.open(self.PATH)
        page = await browser.submit(self.PATH, **{**self.TYPED, field: ""})
        assert f'href="#{field}"' in page.text
        assert not [each for each in services.asked if each.method == "POST"]

    @pytest.mark.parametrize(
        ("answer", "field"),
        [
            (refusal(422, "paper-entry-needs-two-people", "两名"), "first_number"),
            (refusal(409, "paper-entry-is-too-old", "72小时"), "entered_at"),
            (refusal(422, "invalid-request", "有误", ("/decided_by/1/document/number", "x")), "second_number"),
        ],
    )
    async def test_says_at_the_field_what_was_not_taken(
        self, services: StandIns, browser: Browser, answer: tuple[int, object], field: str
    ) -> None:
        services.answers["POST", PAPER_ENTRIES] = answer
        await browser.open(self.PATH)
        page = await browser.submit(self.PATH, **self.TYPED)
        assert f'href="#{field}"' in page.text
        assert f'value="{NUMBER}"' in page.text, "what was typed is kept"

    async def test_names_nobody_whom_it_does_not_know(self, services: StandIns, browser: Browser) -> None:
        services.answers["GET", f"/v1/contracts/{CONTRACT}/people"] = (200, {"items": []})
        services.answers["GET", f"/v1/contracts/{CONTRACT}/pre-registrations/{PERSON}"] = refusal(404, "not-found", "x")
        await browser.open(self.PATH)
        assert "吴*江" not in (await browser.submit(self.PATH, **self.TYPED)).text
