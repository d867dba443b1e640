"""The gate's tablet with its script: on a slow line, on none, and never with the last person's answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import httpx2
import pytest
from playwright.async_api import Browser, Request, Route, ViewportSize, expect

from tests.browser.conftest import served
from tests.browser.desk import PC, PHONE, WAIT_MS_MAX, Desk
from tests.journeys.sites import Site
from tests.portal.stand_ins import CONTRACT, REASONS, SITE, STALE, StandIns, attempt, turnstile

PATH = f"{SITE}/turnstile"
GATE_PASSES = f"/v1/contracts/{CONTRACT}/gate-passes"
ADMITTED, REFUSED = "310109198001011014", "420106199007250153"


class Gate(StandIns):
    """Knows one who may pass, unless it cannot know anything."""

    is_stale = False

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == GATE_PASSES:
            is_admitted = json.loads(request.content)["document"]["number"] == ADMITTED
            known = attempt("admitted", []) if is_admitted else attempt("refused", REASONS)
            self.answers["POST", GATE_PASSES] = (200, attempt("refused", [STALE]) if self.is_stale else known)
        return super().answer(request)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def url(gate: Gate) -> AsyncIterator[str]:
    async for each in served(gate, turnstile):
        yield each


async def scan(desk: Desk, number: str) -> None:
    """As a scanner does: it types wherever the focus is, and ends with Enter."""
    await desk.page.keyboard.type(number)
    await desk.page.keyboard.press("Enter")


FALL_ASLEEP = """() => {
    Object.defineProperty(document, 'hidden', {value: true});
    document.dispatchEvent(new Event('visibilitychange'));
}"""


@dataclass
class Line:
    """Between the tablet, whose time stands still, and the portal: each question waits here."""

    desk: Desk
    waiting: asyncio.Queue[Route] = field(default_factory=lambda: asyncio.Queue(maxsize=10))

    async def takes(self, ms: int) -> None:
        """So long until the next answer comes."""
        question = await self._next()
        await self.desk.page.clock.run_for(ms)
        await question.continue_()

    async def breaks(self) -> None:
        await (await self._next()).abort("connectionfailed")

    async def _next(self) -> Route:
        async with asyncio.timeout(WAIT_MS_MAX / 1000):
            return await self.waiting.get()


@asynccontextmanager
async def held(desk: Desk) -> AsyncIterator[Line]:
    line = Line(desk)
    await desk.page.clock.install()
    await desk.page.goto(PATH)
    await desk.page.clock.pause_at(datetime.now(UTC) + timedelta(hours=1))
    await desk.page.route(f"**{PATH}", line.waiting.put)
    yield line


class TestEveryPageOfTheTurnstile:
    @pytest.mark.parametrize("size", [PC, PHONE], ids=["pc", "phone"])
    async def test_is_for_everybody_in_every_state(self, url: str, gate: Gate, chromium: Browser, size: ViewportSize) -> None:
        async with Desk.opened(url, chromium, size=size) as desk:
            await desk.page.goto(PATH)
            await desk.is_as_it_should_be("turnstile-waiting", size)
            for number, words, name in ((ADMITTED, "可以通过", "admitted"), (REFUSED, "不能通过", "refused")):
                await scan(desk, number)
                await desk.sees(words)
                await desk.is_as_it_should_be(f"turnstile-{name}", size)
            gate.is_away = True
            await scan(desk, ADMITTED)
            await desk.sees("无法确认,请勿放行")
            await desk.is_as_it_should_be("turnstile-unknown", size)


async def test_a_turnstile_whose_line_is_cut_says_so_and_goes_on_where_the_gate_is_real(site: Site, chromium: Browser) -> None:
    arrived = await site.arrives()
    assert "admitted" == (await site.enters(arrived))["outcome"]
    async with Desk.opened(site.stack.url("portal"), chromium, keeps=False) as desk:
        await desk.signs_in(site.stack)
        await desk.page.goto(f"/contracts/{site.contract_no}/turnstile/opening")
        await desk.clicks("在本机开始查验")
        await desk.sees("请刷证件")
        await desk.page.wait_for_load_state()  # what is typed before goes to the form as it is without JavaScript
        await scan(desk, arrived.person.number)
        await desk.sees("可以通过")
        await desk.page.context.set_offline(True)
        await desk.sees("没有网络连接")
        await scan(desk, arrived.person.number)
        await expect(desk.page.locator("#answer")).not_to_contain_text("可以通过")
        await desk.page.context.set_offline(False)
        await site.is_banned(arrived)
        await scan(desk, arrived.person.number)
        await desk.sees("不能通过")
        await desk.is_as_it_should_be("turnstile-real", PC)


class TestTurnstile:
    async def test_takes_the_answer_away_with_the_next_character(self, url: str, chromium: Browser) -> None:
        async with Desk.opened(url, chromium) as desk:
            await desk.page.goto(PATH)
            await scan(desk, ADMITTED)
            await desk.sees("可以通过")
            await desk.page.locator("h1").click()  # the focus is elsewhere: a scanner does not mind
            await desk.page.keyboard.type("4")
            await expect(desk.page.locator("#answer")).not_to_contain_text("可以通过")
            await expect(desk.page.get_by_label("证件号码")).to_have_value("4")

    async def test_shows_no_late_answer_to_whoever_came_next(self, url: str, chromium: Browser) -> None:
        async with Desk.opened(url, chromium) as desk:
            first_is_asked, second_is_answered = asyncio.Event(), asyncio.Event()

            async def hold_the_first(route: Route) -> None:
                if not first_is_asked.is_set():
                    first_is_asked.set()
                    await second_is_answered.wait()
                await route.continue_()

            await desk.page.goto(PATH)
            await desk.page.route(f"**{PATH}", hold_the_first)
            await scan(desk, ADMITTED)
            await first_is_asked.wait()
            await scan(desk, REFUSED)
            await desk.sees("不能通过")
            second_is_answered.set()
            await expect(desk.page.locator("#answer")).to_contain_text("不能通过")
            await expect(desk.page.locator("#answer")).not_to_contain_text("可以通过")

    @pytest.mark.parametrize("under_way_ms", [0, 3_000])
    async def test_forgets_a_grant_when_it_ends_however_long_its_answer_took(
        self, url: str, chromium: Browser, under_way_ms: int
    ) -> None:
        async with Desk.opened(url, chromium) as desk, held(desk) as line:
            await scan(desk, ADMITTED)
            await line.takes(under_way_ms)
            await desk.sees("可以通过")
            await desk.page.clock.run_for(4_999 - under_way_ms)
            await desk.sees("可以通过")
            await desk.page.clock.run_for(1)
            await desk.sees("请刷证件")

    async def test_never_shows_a_grant_that_is_over(self, url: str, chromium: Browser) -> None:
        async with Desk.opened(url, chromium) as desk, held(desk) as line:
            await scan(desk, ADMITTED)
            await line.takes(5_000)
            await desk.sees("应答来得太迟")
            await expect(desk.page.locator("#answer")).not_to_contain_text("可以通过")

    async def test_counts_a_grant_from_the_first_question_where_its_answer_got_lost(
        self, url: str, gate: Gate, chromium: Browser
    ) -> None:
        async with Desk.opened(url, chromium) as desk, held(desk) as line:
            await scan(desk, ADMITTED)
            await line.breaks()
            await desk.sees("无法确认,请勿放行")
            await desk.page.clock.run_for(5_000)
            await desk.clicks("查验")
            await line.takes(0)
            await line.takes(2_000)  # what was granted then is over: it is asked anew
            await desk.sees("可以通过")
            first, anew = (each.headers["Idempotency-Key"] for each in gate.sent("POST", GATE_PASSES))
            assert first != anew
            await desk.page.clock.run_for(3_000)
            await desk.sees("请刷证件")

    async def test_shows_nothing_of_before_it_slept_or_was_loaded_again(self, url: str, chromium: Browser) -> None:
        async with Desk.opened(url, chromium) as desk:
            await desk.page.goto(PATH)
            await scan(desk, ADMITTED)
            await desk.sees("可以通过")
            await desk.page.evaluate(FALL_ASLEEP)
            await desk.sees("请刷证件")
            await desk.page.get_by_label("证件号码").fill(ADMITTED)
            async with desk.page.expect_navigation():
                await desk.page.evaluate("document.getElementById('turnstile').submit()")  # before the script was there
            await desk.sees("可以通过")
            await desk.page.reload()
            await desk.sees("请刷证件")

    async def test_without_a_line_says_so_and_asks_again_as_the_same_attempt(self, url: str, gate: Gate, chromium: Browser) -> None:
        async with Desk.opened(url, chromium) as desk:
            await desk.page.goto(PATH)
            sent = list[str]()

            def note(request: Request) -> None:
                if request.method == "POST":
                    sent.append(parse_qs(request.post_data or "")["key"][0])

            desk.page.on("request", note)
            await desk.page.route(f"**{PATH}", lambda route: route.abort("connectionfailed"))
            await scan(desk, ADMITTED)
            await desk.sees("无法确认,请勿放行")
            await desk.page.unroute(f"**{PATH}")
            await desk.clicks("查验")
            await desk.sees("可以通过")
            assert sent[0] == sent[1]
            await scan(desk, ADMITTED)
            await desk.sees("可以通过")
            assert sent[1] != sent[2], "the next passage is another one"
            await desk.page.context.set_offline(True)
            await desk.sees("没有网络连接")
            await expect(desk.page.locator("#answer")).not_to_contain_text("可以通过")

    async def test_asks_anew_after_the_gate_said_that_it_cannot_know(self, url: str, gate: Gate, chromium: Browser) -> None:
        async with Desk.opened(url, chromium) as desk:
            await desk.page.goto(PATH)
            gate.is_stale = True
            await scan(desk, ADMITTED)
            await desk.sees("系统暂时无法确认最新状态")
            gate.is_stale = False
            await desk.clicks("查验")
            await desk.sees("可以通过")
            stale, fresh = (each.headers["Idempotency-Key"] for each in gate.sent("POST", GATE_PASSES))
            assert stale != fresh, "under its key the gate gives the answer again that it gave before"

    async def test_keeps_nobody_s_type_of_document_for_the_next(self, url: str, gate: Gate, chromium: Browser) -> None:
        async with Desk.opened(url, chromium) as desk:
            await desk.page.goto(PATH)
            type_of_document = desk.page.get_by_label("证件类型")
            await type_of_document.select_option("passport")
            await desk.page.get_by_label("证件号码").fill(ADMITTED)
            await desk.clicks("查验")
            await desk.sees("可以通过")
            await expect(type_of_document).to_have_value("citizen_id")
            await type_of_document.select_option("passport")
            await expect(desk.page.locator("#answer")).not_to_contain_text("可以通过")
            gate.is_stale = True
            await desk.page.get_by_label("证件号码").fill(ADMITTED)
            await desk.clicks("查验")
            await desk.sees("系统暂时无法确认最新状态")
            await expect(type_of_document).to_have_value("passport")  # it may be asked again
            await scan(desk, REFUSED)
            await desk.sees("系统暂时无法确认最新状态")
            types = [json.loads(each.content)["document"]["type"] for each in gate.sent("POST", GATE_PASSES)]
            assert ["passport", "passport", "citizen_id"] == types

    async def test_says_that_it_was_signed_out(self, url: str, chromium: Browser) -> None:
        async with Desk.opened(url, chromium) as desk:
            await desk.page.goto(PATH)
            await desk.page.context.clear_cookies()
            await scan(desk, ADMITTED)
            await desk.sees("本机已退出登录")

    async def test_works_without_its_script(self, url: str, chromium: Browser) -> None:
        async with Desk.opened(url, chromium, javascript=False) as desk:
            await desk.page.goto(PATH)
            await desk.page.get_by_label("证件号码").fill(ADMITTED)
            await desk.clicks("查验")
            await desk.sees("可以通过")
            content = await desk.page.locator("noscript meta, meta[http-equiv]").first.get_attribute("content") or ""
            assert 0 < int(content.split(";")[0]) < 5, "what the portal waited for counts"
