"""Chromium in front of the portal. A pytest process of its own: `make test` runs it apart, `make test ARGS="-n0 tests/browser"`
runs it alone. What is missing on the machine is installed, or named.

How pages look is tested with stand-ins for the services.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from playwright.async_api import Browser, async_playwright

from chassis.server import serve
from devstack import doctor
from devstack.missing import MissingPart
from devstack.ports import HOST, free_port
from portal.session import Session
from tests.portal.stand_ins import StandIns, app_of, operator, supervisor

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"]


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
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
async def pages_of_a_site() -> AsyncIterator[str]:
    """Where pages are served to a site operator, with stand-ins behind them."""
    async for url in served(StandIns(), operator):
        yield url


@pytest.fixture(scope="session")
async def pages_of_supervision() -> AsyncIterator[str]:
    """The same, to a supervisor."""
    async for url in served(StandIns(), supervisor):
        yield url


async def served(stand_ins: StandIns, session: Callable[[], Session]) -> AsyncIterator[str]:
    """Where these pages are, to whoever has that session."""
    port = free_port()
    server = serve(app_of(stand_ins, session), host=HOST, port=port)
    serving = asyncio.create_task(server.serve())
    yield f"http://{HOST}:{port}"
    server.should_exit = True
    await serving
