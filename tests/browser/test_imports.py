"""An import that is followed while the portal comes and goes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from playwright.async_api import Browser

from tests.browser.conftest import served
from tests.browser.desk import Desk
from tests.portal.stand_ins import IMPORT, SITE, StandIns, operator

THERE = f"/v1/imports/{IMPORT['import_id']}"
PAGE = f"{SITE}/imports/{IMPORT['import_id']}"
RUNNING = IMPORT | {"state": "running", "waiting": 3, "finished_at": None}
IMPATIENT = "const later = window.setTimeout; window.setTimeout = (act, ms) => later(act, ms / 100);"


class Recovering(StandIns):
    """Shows the import, is away when it is followed, and is back with its end when the page is asked for again."""

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == THERE:
            asked = len(self.sent("GET", THERE))
            self.answers["GET", THERE] = ((200, RUNNING), (503, {}), (503, {}), (200, IMPORT))[min(asked, 3)]
        return super().answer(request)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async for each in served(Recovering(), operator):
        yield each


async def test_is_shown_anew_after_the_portal_refused_to_tell_of_it(url: str, chromium: Browser) -> None:
    refused = list[int]()
    async with Desk.opened(url, chromium) as desk:
        desk.page.on("response", lambda answer: refused.append(answer.status) if answer.status >= 500 else None)
        await desk.page.add_init_script(IMPATIENT)
        await desk.page.goto(PAGE)
        await desk.sees("试运行完成")
        assert [503, 503] == refused
