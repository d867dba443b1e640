"""Forms with a file: nothing is read of whoever may not hand one in, and only so many are in memory at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import httpx2
import pytest

from contracts.access import Role
from portal.forms import UPLOADS_AT_ONCE_MAX
from portal.operators import SiteGrant
from portal.session import Session
from tests.portal.browsing import Browser
from tests.portal.stand_ins import CONTRACT, SITE, StandIns, app_of, operator

CHECKLISTS = f"{SITE}/epidemic-control/checklists"
BOUNDARY = "b"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@dataclass
class Body:
    """A form with a file, and how far it was read."""

    form_token: str = ""
    is_read: asyncio.Event = field(default_factory=asyncio.Event)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def pieces(self) -> AsyncIterator[bytes]:
        self.is_read.set()
        yield _part('name="form_token"', self.form_token.encode()) + _part('name="key"', b"1")
        await self.goes_on.wait()
        yield _part('name="file"; filename="a.pdf"', b"%PDF-1.7") + f"--{BOUNDARY}--\r\n".encode()


def _part(disposition: str, content: bytes) -> bytes:
    return f"--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode() + content + b"\r\n"


async def hand_in(browser: Browser, body: Body, path: str = CHECKLISTS) -> httpx2.Response:
    return await browser.client.post(path, content=body.pieces(), headers=MULTIPART, follow_redirects=False)


def looking() -> Session:
    """May see what he may not submit."""
    return Session(b"", operator().user_id, None, (SiteGrant(CONTRACT, Role.SUPERVISION_LEAD),), {})


class TestWhoMayNotHandIn:
    @pytest.mark.parametrize(
        ("session", "path", "status"),
        [
            (lambda: None, CHECKLISTS, 303),
            (operator, CHECKLISTS.replace(CONTRACT, "W1"), 404),
            (looking, CHECKLISTS, 403),
            (looking, f"{SITE}/imports", 403),
        ],
        ids=["signed out", "another contract", "another role", "another role, an import"],
    )
    async def test_is_not_read(self, services: StandIns, session: Callable[[], Session], path: str, status: int) -> None:
        body = Body()
        body.goes_on.set()
        answer = await hand_in(Browser(app_of(services, session)), body, path)
        assert (status, False) == (answer.status_code, body.is_read.is_set())

    async def test_where_no_file_belongs_is_refused(self, browser: Browser) -> None:
        body = Body()
        body.goes_on.set()
        assert 415 == (await hand_in(browser, body, f"{SITE}/exits")).status_code


class TestMemory:
    async def test_holds_few_files_and_turns_away_who_comes_beyond(self, services: StandIns, browser: Browser) -> None:
        await browser.open(f"{SITE}/epidemic-control")
        bodies = [Body(browser._hidden()["form_token"]) for _ in range(UPLOADS_AT_ONCE_MAX + 2)]
        *first, beyond, after = bodies
        beyond.goes_on.set()  # if it were read, it would be to its end
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(hand_in(browser, each)) for each in first]
            for each in first:
                await each.is_read.wait()
            turned_away = await hand_in(browser, beyond)
            for each in bodies:
                each.goes_on.set()
        assert (503, "5", False) == (turned_away.status_code, turned_away.headers["Retry-After"], beyond.is_read.is_set())
        assert {303} == {each.result().status_code for each in answers}
        assert 303 == (await hand_in(browser, after)).status_code, "who went left his place"
