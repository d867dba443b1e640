"""Somebody without a mouse, who walks through a page by Tab, uses what he comes to, sends what can be sent, and walks back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.async_api import Error, FileChooser, FilePayload, Page, Request, Route
from playwright.async_api import TimeoutError as NothingCame

WALK = (Path(__file__).parent / "keyboard.js").read_text()
STOPS_MAX = 400
"""Of one page: whoever has not left it by then is caught in it."""
SENT_WITHIN_MS = 5_000
FILE: FilePayload = {"name": "1.csv", "mimeType": "text/csv", "buffer": b"1"}
KEYS = {"tick": "Space", "choose": "ArrowDown", "pick": "ArrowDown", "date": "ArrowUp", "press": "Enter"}
"""Year, month and day of a date are a stop each."""
Stop = dict[str, Any]


@dataclass
class Walk:
    """Through one page. Its faults are collected: one that has any has often several."""

    page: Page
    through: Literal["main", "body"] = "main"
    """The content, to which the first link leads; or everything, with the header and the menu."""
    faults: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    """To which addresses."""
    held: list[Route] = field(default_factory=list)

    async def there_and_back(self) -> None:
        """Nothing that is sent arrives, so the page stays as it is."""
        await self.page.evaluate(f"({WALK})('{self.through}')")
        await self.page.route("**", self._holds)
        self.page.on("filechooser", _is_awaited)
        if self.through == "main":
            await self._skips_what_is_on_every_page()
        there = await self._goes("Tab", uses=True)
        expected: Sequence[tuple[int, str]] = await self.page.evaluate("() => walk.stops()")
        self._compares("there", dict(expected), there)
        forms: Sequence[str] = await self.page.evaluate("() => walk.forms()")
        self.faults += [f"nothing is sent to {path}" for path in forms if path not in self.sent]
        used = await self.page.evaluate("() => walk.used()")
        self.faults += [f"keys do nothing at {each['told']}" for each in there if each["kind"] != "pass" and each["id"] not in used]
        back = await self._goes("Shift+Tab", uses=False)
        self._compares("back", dict(reversed(expected)), back)
        await self._gives_up_what_waits()

    async def _skips_what_is_on_every_page(self) -> None:
        await self.page.locator(".skip").focus()
        await self.page.keyboard.press("Enter")
        if not await self.page.evaluate("() => document.activeElement.id === 'content'"):
            self.faults.append("the first link does not lead to the content")

    async def _goes(self, key: Literal["Tab", "Shift+Tab"], *, uses: bool) -> Sequence[Stop]:
        """Where he came by first, until he is out of it."""
        passed, last = dict[int, Stop](), 0
        for _ in range(STOPS_MAX):
            await self.page.keyboard.press(key)
            at: Stop | None = await self.page.evaluate("looks => walk.at(looks)", uses)
            if at is None:
                return list(passed.values())
            is_known, last = at["id"] in passed and at["id"] != last, at["id"]
            if is_known:
                continue  # The page led him back, as the gate's does for the next person.
            passed.setdefault(last, at)
            if uses:
                self.faults += [] if at["isSeen"] else [f"nobody sees that he is at {at['told']}"]
                self.faults += [] if at["isAfter"] else [f"one jumps up to {at['told']}"]
                await self._uses(at)
        self.faults.append(f"{key} leads round and round {[each['told'] for each in passed.values()]}")
        return list(passed.values())

    async def _uses(self, at: Stop) -> None:
        match at["kind"]:
            case "type":
                await self.page.keyboard.type("1")
            case "pick" if at["isLast"]:
                await self.page.keyboard.press("ArrowUp")
            case "file":
                async with self.page.expect_file_chooser(timeout=SENT_WITHIN_MS) as opened:
                    await self.page.keyboard.press("Enter")
                await (await opened.value).set_files(FILE)
            case "send":
                await self._sends(at)
            case kind if kind in KEYS:
                await self.page.keyboard.press(KEYS[kind])

    async def _sends(self, at: Stop) -> None:
        form = at["form"]
        path = urlsplit(form["action"]).path

        def is_it(request: Request) -> bool:
            return (form["method"], path) == (request.method, urlsplit(request.url).path)

        try:
            async with self.page.expect_request(is_it, timeout=SENT_WITHIN_MS) as asked:
                await self.page.keyboard.press("Enter")
            request = await asked.value
        except NothingCame:
            self.faults.append(f"nothing is sent by {at['told']}")
            return
        self.sent.append(path)
        content = (request.post_data_buffer or b"").decode(errors="replace") + request.url
        self.faults += [f"{at['told']} leaves out {name}" for name in form["names"] if name not in content]
        await self.page.evaluate("() => dispatchEvent(new Event('pageshow'))")  # as if back: the form can be sent again

    def _compares(self, way: str, expected: dict[int, str], passed: Sequence[Stop]) -> None:
        """In this order, each once."""
        came_by = {each["id"]: each["told"] for each in passed}
        missed = [told for stop, told in expected.items() if stop not in came_by]
        if missed:
            self.faults.append(f"{way} one does not come to {missed}")
        elif list(expected) != list(came_by):
            differs = next(pair for pair in zip_longest(expected.items(), came_by.items()) if pair[0] is None or pair[0] != pair[1])
            self.faults.append(f"{way} one comes to {differs[1]} instead of {differs[0]}")

    async def _holds(self, route: Route) -> None:
        """Of a page that is asked for, the browser hears that there is none; of anything else, nothing."""
        if route.request.is_navigation_request():
            await route.fulfill(status=204)
        else:
            self.held.append(route)

    async def _gives_up_what_waits(self) -> None:
        self.page.remove_listener("filechooser", _is_awaited)
        await self.page.goto("about:blank")
        for each in self.held:
            with suppress(Error):
                await each.abort()
        await self.page.unroute("**")


def _is_awaited(_: FileChooser) -> None:
    """While somebody listens no window of the system opens."""
