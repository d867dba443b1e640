"""已分配实名制权限: whom a project lead lets act signs in and chooses the contract, as long as the lead lets him."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from chassis.auth import Principal
from contracts.access import Role
from portal.operators import SiteGrant
from portal.session import Session
from portal.wired import Portal
from tests.portal.browsing import Browser
from tests.portal.granted import AWAY, Granted
from tests.portal.test_login import asked_for_code, browser, portal, sent_to, signs_in, somebody

__all__ = ["browser", "portal", "somebody"]  # fixtures

HERE, THERE, FIRM = "W2019010100011", "W2017050130174", "91310109MA1A00002C"
TURNSTILE = f"/contracts/{HERE}/turnstile/opening"
"""A page of whoever may admit that asks no service."""
OTHER_MOBILE = "13900000000"


async def session_of(portal: Portal, browser: Browser) -> Session:
    cookie = f"__Host-session={browser.client.cookies['__Host-session']}"
    session = await portal.sessions.of(Request({"type": "http", "headers": [(b"cookie", cookie.encode())]}))
    assert session is not None
    return session


def reached(session: Session) -> list[tuple[str, Role]]:
    return [(each.contract_no, each.role) for each in session.grants]


@pytest.fixture
def number(somebody: dict[str, str]) -> str:
    return somebody["document_number"]


@pytest.fixture
def mobile(somebody: dict[str, str]) -> str:
    return somebody["mobile"]


class TestOperator:
    async def test_signs_in_and_acts_on_the_contract(
        self, portal: Portal, browser: Browser, somebody: dict[str, str], number: str, mobile: str, granted: Granted
    ) -> None:
        granted.grant(number, mobile, HERE)
        granted.grant(number, mobile, THERE, "employer_registrar", FIRM)
        await signs_in(portal, browser, somebody)
        session = await session_of(portal, browser)
        assert [(THERE, Role.EMPLOYER_REGISTRAR), (HERE, Role.SITE_OPERATOR)] == reached(session)
        there = session.on(THERE)
        assert there == Principal(f"user:{session.user_id}", Role.EMPLOYER_REGISTRAR, frozenset({THERE}), employer_credit_code=FIRM)
        assert 200 == (await browser.open(TURNSTILE)).status_code
        assert {"portal"} == granted.asked_by

    async def test_is_nobody_with_another_mobile(
        self, portal: Portal, browser: Browser, somebody: dict[str, str], number: str, mobile: str, granted: Granted
    ) -> None:
        granted.grant(number, mobile, HERE)
        await asked_for_code(browser, {**somebody, "mobile": OTHER_MOBILE})
        assert sent_to(portal, OTHER_MOBILE) is None

    async def test_reaches_nothing_of_whoever_has_his_number_and_another_mobile(
        self, portal: Portal, app: FastAPI, somebody: dict[str, str], number: str, mobile: str, granted: Granted
    ) -> None:
        await portal.users.put_site_user(document_number=number, mobile=mobile, grants=[SiteGrant(THERE, Role.PROJECT_LEAD)])
        granted.grant(number, OTHER_MOBILE, HERE)
        for phone, contract_no in ((mobile, THERE), (OTHER_MOBILE, HERE)):
            browser = Browser(app)
            await portal.users._pool.execute("DELETE FROM login_code")
            await signs_in(portal, browser, {**somebody, "mobile": phone})
            assert [contract_no] == [each for each, _ in reached(await session_of(portal, browser))]

    async def test_that_is_withdrawn_reaches_it_no_more(
        self, portal: Portal, browser: Browser, somebody: dict[str, str], number: str, mobile: str, granted: Granted
    ) -> None:
        granted.grant(number, mobile, HERE)
        await signs_in(portal, browser, somebody)
        assert 200 == (await browser.open(TURNSTILE)).status_code
        granted.withdraw(number, HERE)
        assert 404 == (await browser.open(TURNSTILE)).status_code
        assert (await session_of(portal, browser)).anywhere is None

    async def test_that_is_granted_meanwhile_reaches_it_at_once(
        self, portal: Portal, browser: Browser, somebody: dict[str, str], number: str, mobile: str, granted: Granted
    ) -> None:
        granted.grant(number, mobile, THERE)
        await signs_in(portal, browser, somebody)
        assert 404 == (await browser.open(TURNSTILE)).status_code
        granted.grant(number, mobile, HERE)
        assert 200 == (await browser.open(TURNSTILE)).status_code

    @pytest.mark.parametrize(
        ("role", "is_then", "keeps"),
        [(Role.SITE_OPERATOR, Role.EMPLOYER_REGISTRAR, False), (Role.PROJECT_LEAD, Role.PROJECT_LEAD, True)],
    )
    async def test_whom_the_portal_knows_too_is_what_a_lead_says_where_a_lead_can_say_it(
        self, portal: Portal, browser: Browser, somebody: dict[str, str], granted: Granted, role: Role, is_then: Role, keeps: bool
    ) -> None:
        number, mobile = somebody["document_number"], somebody["mobile"]
        await portal.users.put_site_user(document_number=number, mobile=mobile, grants=[SiteGrant(HERE, role)])
        granted.grant(number, mobile, HERE, "employer_registrar", FIRM)
        await signs_in(portal, browser, somebody)
        assert [(HERE, is_then)] == reached(await session_of(portal, browser)), "one thing on one contract"
        granted.withdraw(number, HERE)
        assert keeps is bool(reached(await session_of(portal, browser)))

    async def test_is_not_let_in_while_nobody_can_tell(
        self, portal: Portal, browser: Browser, somebody: dict[str, str], number: str, mobile: str, granted: Granted
    ) -> None:
        granted.grant(number, mobile, HERE)
        await signs_in(portal, browser, somebody)
        portal.calls.urls["registration"] = f"http://127.0.0.1:{AWAY}"  # type: ignore[index]
        page: httpx2.Response = await browser.open(TURNSTILE)
        assert (503, "5") == (page.status_code, page.headers["retry-after"])
        await portal.users._pool.execute("DELETE FROM login_code")
        await browser.open("/login")
        assert 503 == (await browser.submit("/login/code", **somebody)).status_code
