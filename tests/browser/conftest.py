"""Chromium in front of the portal. A pytest process of its own: `make test` runs it apart, `make test ARGS="-n0 tests/browser"`
runs it alone. What is missing on the machine is installed, or named.

How pages look is tested with stand-ins for the services; that they work, on one installation of all of them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable

import httpx2
import pytest
from playwright.async_api import Browser, async_playwright
from pydantic import SecretStr

from chassis.database import create_pool
from chassis.server import serve
from chassis.settings import key_bytes
from contracts.access import Role
from devstack import demo, doctor
from devstack.missing import MissingPart
from devstack.parts import Parts
from devstack.ports import HOST, free_port
from devstack.processes import Process
from devstack.state import State
from portal.digests import Digests, UserKeys
from portal.operators import SiteGrant
from portal.session import Session
from portal.users import Users
from tests.journeys.sites import Site
from tests.journeys.stack import JourneyStack, journey_stack
from tests.portal.stand_ins import StandIns, app_of, lead, of_operations, operator, supervisor

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"]
IN_CHINESE: dict[str, str | float | bool] = {**os.environ, "LANGUAGE": "zh_CN"}
"""What the browser itself says, as in the field of a date or a file: a context's locale is what pages are told alone."""


@pytest.fixture(scope="session")
async def chromium_path() -> str:
    """Skips, and says how to install it, where we may not do it ourselves."""
    try:
        await doctor.provide(doctor.survey_browser(), print)
    except MissingPart as missing:
        pytest.skip(str(missing))
    found = next(each.found for each in doctor.survey_browser() if each.part == "Chromium")
    assert found
    return found


@pytest.fixture(scope="session")
async def chromium(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=FLAGS, env=IN_CHINESE)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
async def pages_of_a_site() -> AsyncIterator[str]:
    """Where pages are served to a site operator, with stand-ins behind them."""
    async for url in served(StandIns(), operator):
        yield url


@pytest.fixture(scope="session")
async def pages_of_a_lead() -> AsyncIterator[str]:
    """The same, to the project lead."""
    async for url in served(StandIns(), lead):
        yield url


@pytest.fixture(scope="session")
async def pages_of_supervision() -> AsyncIterator[str]:
    """The same, to a supervisor."""
    async for url in served(StandIns(), supervisor):
        yield url


@pytest.fixture(scope="session")
async def pages_of_operations() -> AsyncIterator[str]:
    """The same, to whoever operates the services."""
    async for url in served(StandIns(), of_operations):
        yield url


@pytest.fixture(scope="session")
async def installed(real_parts: Parts, state: State) -> AsyncIterator[tuple[JourneyStack, list[Process]]]:
    """Every service, with the demo's accounts, and the processes."""
    async with journey_stack(real_parts, state) as (stack, processes):
        await demo.put_accounts(stack)
        yield stack, processes


@pytest.fixture(scope="session")
async def installation(installed: tuple[JourneyStack, list[Process]]) -> JourneyStack:
    """Every service, with the demo's accounts."""
    return installed[0]


@pytest.fixture
async def site(installation: JourneyStack) -> AsyncIterator[Site]:
    """A contract that no other test has. The operator and the project lead of the demo work there, and the station of the demo
    supervises it."""
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
        site = await Site.reported(installation, client, station="虹口")
        await grant(installation, site.contract_no)
        yield site


async def grant(stack: JourneyStack, contract_no: str) -> None:
    async with await create_pool(stack.databases["portal"].app_dsn, application_name="test", size_max=1) as pool:
        users = Users(pool, Digests(UserKeys(key_bytes(SecretStr(stack.state.key("user-key"))))))
        for each in (each for each in demo.SITE_ACCOUNTS if each.role in (Role.SITE_OPERATOR, Role.PROJECT_LEAD)):
            grants = [SiteGrant(contract_no, each.role)]
            await users.put_site_user(document_number=each.number, mobile=each.mobile, grants=grants)


async def served(stand_ins: StandIns, session: Callable[[], Session]) -> AsyncIterator[str]:
    """Where these pages are, to whoever has that session."""
    port = free_port()
    server = serve(app_of(stand_ins, session), host=HOST, port=port)
    serving = asyncio.create_task(server.serve())
    yield f"http://{HOST}:{port}"
    server.should_exit = True
    await serving
