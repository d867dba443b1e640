"""Signing in and out, over HTTP, on a real database."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import asyncpg
import httpx2
import pyotp
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from contracts.access import Role
from contracts.citizen_id import check_character
from devstack.databases import Database
from portal import login_codes, users, wiring
from portal.message_gateway import Message
from portal.operators import SiteGrant
from portal.throttle import Throttle
from portal.users import Supervisor
from portal.wired import Portal
from tests.portal.browsing import Browser

CONTRACT = "W2019010100011"
PASSWORD = "an invented password"
_orders = count(101)


class Gateway:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    async def send(self, message: Message) -> None:
        self.sent.append(message)


@pytest.fixture
def portal(app: FastAPI) -> Portal:
    found: Portal = app.state.portal
    return found


@pytest.fixture
def browser(app: FastAPI) -> Browser:
    return Browser(app)


@pytest.fixture
def somebody() -> dict[str, str]:
    """Whom no other test signs in."""
    seventeen = f"31010919800101{next(_orders)}"
    return {"document_number": seventeen + check_character(seventeen), "mobile": f"1380000{seventeen[-4:]}"}


async def put(portal: Portal, somebody: dict[str, str]) -> None:
    grants = [SiteGrant(CONTRACT, Role.SITE_OPERATOR)]
    await portal.users.put_site_user(document_number=somebody["document_number"], mobile=somebody["mobile"], grants=grants)


def sent_to(portal: Portal, mobile: str) -> str | None:
    """The code that waits in the outbox for this mobile."""
    code = None
    while not portal.outbox._waiting.empty():
        message = portal.outbox._waiting.get_nowait()
        if message is not None and message.mobile == mobile:
            found = re.search(r"[0-9]{6}", message.text)
            code = found[0] if found else None
    return code


async def asked_for_code(browser: Browser, somebody: dict[str, str]) -> httpx2.Response:
    await browser.open("/login")
    return await browser.submit("/login/code", **somebody)


class TestLogIn:
    async def test_takes_number_mobile_and_code(self, portal: Portal, browser: Browser, somebody: dict[str, str]) -> None:
        await put(portal, somebody)
        page = await asked_for_code(browser, somebody)
        assert f'value="{somebody["document_number"]}"' in page.text, "what was typed is kept"
        code = sent_to(portal, somebody["mobile"])
        answer = await browser.client.post("/login", data={**_hidden(browser), **somebody, "code": code}, follow_redirects=False)
        assert (303, "/contracts") == (answer.status_code, answer.headers["location"])
        cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith("__Host-session="))
        for attribute in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
            assert attribute in cookie

    async def test_opens_once(self, portal: Portal, browser: Browser, somebody: dict[str, str], app: FastAPI) -> None:
        await put(portal, somebody)
        await asked_for_code(browser, somebody)
        typed = {**somebody, "code": sent_to(portal, somebody["mobile"])}
        hidden = _hidden(browser)
        assert 303 == (await browser.client.post("/login", data={**hidden, **typed})).status_code
        assert 422 == (await browser.client.post("/login", data={**hidden, **typed})).status_code

    async def test_answers_alike_who_has_no_account(self, portal: Portal, app: FastAPI, somebody: dict[str, str]) -> None:
        await put(portal, somebody)
        strangers = [somebody, {**somebody, "mobile": "13900000000"}]
        pages = []
        for each in strangers:
            visitor = Browser(app)
            await _forget_codes(portal)
            page = await asked_for_code(visitor, each)
            pages.append(_without_secrets(page.text).replace(each["mobile"], ""))
        assert pages[0] == pages[1]
        assert sent_to(portal, "13900000000") is None

    async def test_takes_five_guesses(self, portal: Portal, browser: Browser, somebody: dict[str, str]) -> None:
        await put(portal, somebody)
        await asked_for_code(browser, somebody)
        code = sent_to(portal, somebody["mobile"])
        for _ in range(login_codes.FAILURES_MAX):
            assert 422 == (await browser.submit("/login", **somebody, code="000000" if code != "000000" else "1")).status_code
        assert 422 == (await browser.submit("/login", **somebody, code=code)).status_code

    async def test_sends_few_codes(self, portal: Portal, browser: Browser, somebody: dict[str, str]) -> None:
        assert 200 == (await asked_for_code(browser, somebody)).status_code
        answer = await asked_for_code(browser, somebody)
        assert 429 == answer.status_code
        assert 0 < int(answer.headers["retry-after"]) <= login_codes.PAUSE_S

    async def test_says_at_the_field_what_is_wrong(self, browser: Browser) -> None:
        await browser.open("/login")
        page = await browser.submit("/login/code", document_number="310109198001011234", mobile="1")
        assert 422 == page.status_code
        assert 'href="#document_number"' in page.text
        assert 'id="mobile-error"' in page.text
        assert 'value="310109198001011234"' in page.text

    async def test_does_not_confuse_those_behind_a_proxy(self, app: FastAPI, portal: Portal, somebody: dict[str, str]) -> None:
        settings = portal.settings.model_copy(update={"trusted_proxies": "192.0.2.0/24"})
        app.state.portal = replace(portal, settings=settings)
        for _ in range(wiring.FAILURES_MAX):
            portal.guessing.note_failure("198.51.100.7")
        for address, status in (("198.51.100.7", 429), ("198.51.100.8", 200)):
            browser = Browser(app, address="192.0.2.7")
            browser.client.headers["X-Forwarded-For"] = address
            assert status == (await asked_for_code(browser, somebody)).status_code

    async def test_turns_away_an_address_that_guesses(self, app: FastAPI, portal: Portal, somebody: dict[str, str]) -> None:
        browser = Browser(app, address="192.0.2.7")
        for _ in range(wiring.FAILURES_MAX):
            portal.guessing.note_failure("192.0.2.7")
        assert 429 == (await asked_for_code(browser, somebody)).status_code


class TestForm:
    async def test_of_another_browser_is_refused(self, browser: Browser, app: FastAPI, somebody: dict[str, str]) -> None:
        other = Browser(app)
        await other.open("/login")
        await browser.open("/login")
        answer = await browser.client.post("/login/code", data={**_hidden(other), **somebody})
        assert 403 == answer.status_code

    async def test_without_its_token_is_refused(self, browser: Browser) -> None:
        await browser.open("/login")
        assert 403 == (await browser.client.post("/logout", data={"back": "/"})).status_code

    @pytest.mark.parametrize(
        ("content", "media_type", "status"),
        [
            (b"{}", "application/json", 415),
            (b"a=%ff", "application/x-www-form-urlencoded", 400),
            (b"a=%00", "application/x-www-form-urlencoded", 400),
            (b"a=1&" * 1001, "application/x-www-form-urlencoded", 400),
        ],
    )
    async def test_that_is_none_is_refused(self, browser: Browser, content: bytes, media_type: str, status: int) -> None:
        answer = await browser.client.post("/login", content=content, headers={"Content-Type": media_type})
        assert status == answer.status_code


class TestSession:
    async def test_is_asked_for(self, browser: Browser) -> None:
        assert "/login" == (await browser.open("/contracts")).url.path

    async def test_ends_here_and_not_only_in_the_browser(
        self, portal: Portal, browser: Browser, somebody: dict[str, str], portal_database: Database
    ) -> None:
        await _signed_in(portal, browser, somebody)
        kept = dict(browser.client.cookies)
        await browser.submit("/logout")
        browser.client.cookies.update(kept)
        assert "/login" == (await browser.open("/contracts")).url.path

    async def test_grows_idle_though_its_page_asks_by_itself(
        self, portal: Portal, browser: Browser, somebody: dict[str, str]
    ) -> None:
        await _signed_in(portal, browser, somebody)
        await portal.users._pool.execute("UPDATE session SET used_at = used_at - interval '119 minutes'")
        asked = await browser.client.get("/contracts", headers={"HX-Request": "true"}, follow_redirects=True)
        assert "/contracts" == asked.url.path
        await portal.users._pool.execute("UPDATE session SET used_at = used_at - interval '2 minutes'")
        assert "/login" == (await browser.open("/contracts")).url.path

    async def test_is_over_after_a_shift(self, portal: Portal, browser: Browser, somebody: dict[str, str]) -> None:
        await _signed_in(portal, browser, somebody)
        await portal.users._pool.execute("UPDATE session SET began_at = began_at - interval '12 hours 1 second'")
        assert "/login" == (await browser.open("/contracts")).url.path

    async def test_loses_a_contract_that_is_withdrawn(self, portal: Portal, browser: Browser, somebody: dict[str, str]) -> None:
        await _signed_in(portal, browser, somebody)
        await portal.users.put_site_user(**somebody, grants=[])
        assert 404 == (await browser.open("/contracts")).status_code

    async def test_knows_in_which_order_things_were_done(self, portal: Portal, browser: Browser, somebody: dict[str, str]) -> None:
        await _signed_in(portal, browser, somebody)
        cookie = f"__Host-session={browser.client.cookies['__Host-session']}"
        request = Request({"type": "http", "headers": [(b"cookie", cookie.encode())]})
        session = await portal.sessions.of(request)
        assert session
        for service in ("registration", "health", "registration"):
            await portal.sessions.remember(session, service, f"{service}/1/1:1")
        again = await portal.sessions.of(request)
        assert again
        assert ["health", "registration"] == list(again.seen)

    async def test_says_that_a_service_is_away(self, portal: Portal, browser: Browser, somebody: dict[str, str]) -> None:
        await _signed_in(portal, browser, somebody)
        portal.calls.urls["registration"] = "http://127.0.0.1:1"  # type: ignore[index]
        page = await browser.open("/contracts")
        assert (503, "5") == (page.status_code, page.headers["retry-after"])


class TestTurnstile:
    PATH = f"/contracts/{CONTRACT}/turnstile"

    async def opened(self, portal: Portal, browser: Browser, somebody: dict[str, str]) -> httpx2.Response:
        await _signed_in(portal, browser, somebody)
        await browser.open(f"{self.PATH}/opening")
        return await browser.submit(f"{self.PATH}/opening")

    async def test_takes_the_place_of_the_session_that_opened_it(
        self, portal: Portal, browser: Browser, somebody: dict[str, str]
    ) -> None:
        await _signed_in(portal, browser, somebody)
        of_the_operator = dict(browser.client.cookies)
        await browser.open(f"{self.PATH}/opening")
        assert "请刷证件" in (await browser.submit(f"{self.PATH}/opening")).text
        browser.client.cookies.clear()
        browser.client.cookies.update(of_the_operator)
        assert "/login" == (await browser.open(f"{self.PATH}/opening")).url.path

    async def test_is_never_idle_and_closes_after_a_shift(self, portal: Portal, browser: Browser, somebody: dict[str, str]) -> None:
        await self.opened(portal, browser, somebody)
        await portal.users._pool.execute("UPDATE session SET used_at = used_at - interval '3 hours'")
        assert "请刷证件" in (await browser.open(self.PATH)).text
        await portal.users._pool.execute("UPDATE session SET began_at = began_at - interval '12 hours 1 second'")
        assert "/login" == (await browser.open(self.PATH)).url.path

    async def test_closes_when_its_operator_loses_the_right(
        self, portal: Portal, browser: Browser, somebody: dict[str, str]
    ) -> None:
        await self.opened(portal, browser, somebody)
        await portal.users.put_site_user(**somebody, grants=[SiteGrant(CONTRACT, Role.SUPERVISION_LEAD)])
        assert 404 == (await browser.open(self.PATH)).status_code


class TestSupervisor:
    SECRET = pyotp.random_base32()

    async def put(self, portal: Portal, account: str) -> None:
        supervisor = Supervisor(account, Role.STATION_OFFICER, stations=["虹口"])
        await portal.users.put_supervisor(supervisor, password=PASSWORD, totp_secret=self.SECRET)

    async def try_to(self, browser: Browser, account: str, password: str = PASSWORD, code: str | None = None) -> int:
        await browser.open("/supervision/login")
        typed = {"account": account, "password": password, "code": code or pyotp.TOTP(self.SECRET).now()}
        answer = await browser.client.post("/supervision/login", data={**_hidden(browser), **typed})
        return answer.status_code

    async def test_signs_in_with_all_three(self, portal: Portal, browser: Browser) -> None:
        await self.put(portal, "station-1")
        assert 303 == await self.try_to(browser, "station-1")

    async def test_of_operations_is_led_to_how_it_runs(self, portal: Portal, browser: Browser) -> None:
        await portal.users.put_supervisor(Supervisor("ops-1", Role.OPS), password=PASSWORD, totp_secret=self.SECRET)
        await browser.open("/supervision/login")
        typed = {"account": "ops-1", "password": PASSWORD, "code": pyotp.TOTP(self.SECRET).now()}
        answer = await browser.client.post("/supervision/login", data={**_hidden(browser), **typed})
        assert (303, "/ops") == (answer.status_code, answer.headers["Location"])

    async def test_may_use_a_code_once(self, portal: Portal, browser: Browser) -> None:
        await self.put(portal, "station-2")
        code = pyotp.TOTP(self.SECRET).now()
        assert [303, 422] == [await self.try_to(browser, "station-2", code=code) for _ in range(2)]

    async def test_is_refused_for_whatever_is_wrong(self, portal: Portal, browser: Browser) -> None:
        await self.put(portal, "station-3")
        assert 422 == await self.try_to(browser, "station-3", password="wrong")
        assert 422 == await self.try_to(
            browser, "station-3", code=pyotp.TOTP(self.SECRET).at(datetime.now(UTC) - timedelta(hours=1))
        )
        assert 422 == await self.try_to(browser, "nobody")

    async def test_is_locked_after_five_failures_for_a_while(self, portal: Portal, browser: Browser) -> None:
        await self.put(portal, "station-4")
        for _ in range(users.FAILURES_MAX):
            assert 422 == await self.try_to(browser, "station-4", password="wrong")
        assert 422 == await self.try_to(browser, "station-4")
        await portal.users._pool.execute("UPDATE supervisor SET locked_until = locked_until - interval '15 minutes'")
        assert 303 == await self.try_to(browser, "station-4")

    async def test_comes_from_inside(self, app: FastAPI) -> None:
        page = await Browser(app, address="203.0.113.9").open("/supervision/login")
        assert 403 == page.status_code
        assert "内网" in page.text

    async def test_needs_a_password_worth_the_name(self, portal: Portal) -> None:
        with pytest.raises(ValueError, match="12 to 200"):
            await portal.users.put_supervisor(Supervisor("x", Role.CITY_SUPERVISOR), password="short", totp_secret=self.SECRET)


class TestPreferences:
    async def test_switch_the_language_and_stay(self, browser: Browser) -> None:
        await browser.open("/supervision/login")
        page = await browser.submit("/preferences", language="en")
        assert 'lang="en"' in page.text
        assert "/supervision/login" == page.url.path

    async def test_lead_nowhere_else(self, browser: Browser) -> None:
        await browser.open("/login")
        for elsewhere in ("https://example.org/", "//example.org", "/\\example.org"):
            answer = await browser.client.post("/preferences", data={**_hidden(browser), "back": elsewhere})
            assert "/" == answer.headers["location"]

    async def test_enlarge(self, browser: Browser) -> None:
        await browser.open("/login")
        assert 'class="large"' in (await browser.submit("/preferences", type="large")).text


async def test_the_database_keeps_nothing_of_whoever_signs_in(
    portal: Portal, browser: Browser, somebody: dict[str, str], portal_database: Database
) -> None:
    await _signed_in(portal, browser, somebody)
    connection = await asyncpg.connect(portal_database.app_dsn)
    kept = ""
    for table in ("site_user", "site_grant", "login_code", "session", "supervisor"):
        kept += str(await connection.fetch(f"SELECT {table}::text FROM {table}"))
    await connection.close()
    assert CONTRACT in kept
    for value in (*somebody.values(), browser.client.cookies["__Host-session"], PASSWORD, TestSupervisor.SECRET):
        assert value not in kept
        assert value.encode().hex() not in kept


class TestThrottle:
    def test_forgets(self) -> None:
        throttle = Throttle(1, within_s=0.0)
        throttle.note_failure("somebody")
        throttle.let_through("somebody")


async def _signed_in(portal: Portal, browser: Browser, somebody: dict[str, str]) -> None:
    await put(portal, somebody)
    await signs_in(portal, browser, somebody)


async def signs_in(portal: Portal, browser: Browser, somebody: dict[str, str]) -> None:
    await asked_for_code(browser, somebody)
    code = sent_to(portal, somebody["mobile"])
    answer = await browser.client.post("/login", data={**_hidden(browser), **somebody, "code": code})
    assert 303 == answer.status_code


async def _forget_codes(portal: Portal) -> None:
    await portal.users._pool.execute("DELETE FROM login_code")


def _hidden(browser: Browser) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', browser.page.text))


def _without_secrets(page: str) -> str:
    return re.sub(r'name="(form_token|key|challenge)" value="[^"]*"', "", page)
