"""A person in front of a browser, who looks for words and not for elements."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import pyotp
from playwright.async_api import Browser, Page, ViewportSize

from contracts.access import Role
from devstack import demo
from devstack.settings import REPOSITORY
from tests.browser.screens import small_png
from tests.journeys.stack import JourneyStack
from tests.portal.stand_ins import PAGE_BYTES_MAX

PC: ViewportSize = {"width": 1366, "height": 768}
PHONE: ViewportSize = {"width": 390, "height": 844}
BETWEEN: list[ViewportSize] = [{"width": 1024, "height": 768}, {"width": 768, "height": 1024}]
"""An old PC, and a tablet."""
WAIT_MS_MAX = 15_000
ROLES: tuple[Literal["link", "button"], ...] = ("link", "button")
AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text()
SCREENS = REPOSITORY / "docs" / "screens" if os.environ.get("GATEHOUSE_SCREENS") else None
"""Where screenshots of every page go: `GATEHOUSE_SCREENS=1 make test ARGS="-n0 tests/browser"`."""
TAKEN: set[str] = set()
"""Names of this run's pictures, whether they are kept or not."""

UNLABELLED = """() => [...document.querySelectorAll('input:not([type=hidden]), select, textarea')]
    .filter(each => ![...(each.labels || [])].some(label => label.textContent.trim()))
    .map(each => each.outerHTML)"""

BROKEN = """word => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        for (let at = text.data.indexOf(word); at >= 0; at = text.data.indexOf(word, at + 1)) {
            const range = document.createRange();
            range.setStart(text, at);
            range.setEnd(text, at + word.length);
            if (new Set([...range.getClientRects()].map(each => each.top)).size > 1) found.push(text.data.trim());
        }
    }
    return found;
}"""
"""Where a word stands on two lines. Chinese breaks anywhere; before a name of an account it looks like a mistake."""

PARTED = """word => [...document.querySelectorAll('span')].filter(each => each.textContent === word).filter(each => {
    const range = document.createRange(), next = each.nextSibling;
    range.setStart(next, next.data.search(/\\S/));
    range.setEnd(next, range.startOffset + 1);
    const { top, height } = each.getBoundingClientRect();
    return range.getBoundingClientRect().top > top + height / 2;
}).map(each => each.parentElement.textContent.trim())"""
"""Where a word stands alone at the end of a line, without what it tells of."""


@dataclass
class Desk:
    url: str
    """Of the portal."""
    page: Page
    complaints: list[str] = field(default_factory=list)
    """What the browser's console said: a blocked script, a missing file."""
    addresses: list[str] = field(default_factory=list)
    """Whatever it asked for, as it stands in histories and logs."""
    keeps: bool = True
    """Whether its pictures are to be kept, if any are: of real services each is another one every time."""

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, url: str, chromium: Browser, *, size: ViewportSize = PC, javascript: bool = True, keeps: bool = True
    ) -> AsyncIterator[Desk]:
        context = await chromium.new_context(
            base_url=url,
            viewport=size,
            locale="zh-CN",
            java_script_enabled=javascript,
        )
        context.set_default_timeout(WAIT_MS_MAX)
        desk = cls(url, await context.new_page(), keeps=keeps)
        desk.page.on("console", lambda message: desk.complaints.append(message.text) if message.type == "error" else None)
        desk.page.on("pageerror", lambda error: desk.complaints.append(str(error)))
        desk.page.on("request", lambda request: desk.addresses.append(unquote(request.url)))
        yield desk
        await context.close()

    async def signs_in(self, stack: JourneyStack, role: Role = Role.SITE_OPERATOR) -> None:
        """With the code that a stack on one's own machine shows on the page."""
        account = next(each for each in demo.SITE_ACCOUNTS if each.role is role)
        await demo.forget_codes(stack)
        await self.page.goto("/login")
        await self.page.get_by_label("个人身份证号").fill(account.number)
        await self.page.get_by_label("手机号").fill(account.mobile)
        await self.page.get_by_role("button", name="获取验证码").click()
        code = await self.page.locator("#shown-code").inner_text()
        await self.page.get_by_label("验证码", exact=False).last.fill(code)
        await self.page.get_by_role("button", name="登录", exact=True).click()
        await self.page.get_by_role("heading", name="选择合同").wait_for()

    async def signs_in_as_supervisor(self, stack: JourneyStack, account: str) -> None:
        await demo.forget_codes(stack)
        await self.page.goto("/supervision/login")
        await self.page.get_by_label("账号").fill(account)
        await self.page.get_by_label("密码").fill(stack.state.password(f"portal-{account}"))
        await self.page.get_by_label("动态口令").fill(pyotp.TOTP(demo.totp_secret(stack.state, account)).now())
        await self.page.get_by_role("button", name="登录", exact=True).click()
        first = "运行状态" if account == "ops" else "实名制作业人员信息查询"
        await self.page.get_by_role("heading", name=first).wait_for()

    async def speaks(self, language: str) -> None:
        """Switch, if need be, as a user does."""
        if self.page.url == "about:blank":
            await self.page.goto("/login")
        if language != await self.page.locator("html").get_attribute("lang"):
            await self.page.locator(f'button[name="language"][value="{language}"]').click()
            await self.page.locator(f'html[lang="{language}"]').wait_for()

    async def clicks(self, words: str, *, exact: bool = True) -> None:
        """The link or button of these words."""
        page = self.page
        await (
            page.get_by_role("link", name=words, exact=exact).or_(page.get_by_role("button", name=words, exact=exact)).first.click()
        )

    async def sees(self, words: str) -> None:
        await self.page.get_by_text(words).first.wait_for()

    async def is_as_it_should_be(self, name: str, size: ViewportSize) -> None:
        """For everybody: axe finds nothing, every control has a label, nothing sticks out, and it is not heavy."""
        await self._keep(name, size)
        await self.page.evaluate(AXE)
        found: dict[str, Any] = await self.page.evaluate(
            "() => axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
        )
        violations = {each["id"]: [node["html"] for node in each["nodes"]] for each in found["violations"]}
        assert {} == violations, name
        assert [] == await self.page.evaluate(UNLABELLED), name
        await self.fits(name, size)
        assert len((await self.page.content()).encode()) < PAGE_BYTES_MAX, name
        assert [] == [each for each in self.complaints if "Failed to load resource" not in each], name

    async def fits(self, name: str, size: ViewportSize) -> None:
        """Nothing sticks out at this width, and who did something is told in one line."""
        await self.page.set_viewport_size(size)
        widest = await self.page.evaluate("() => document.documentElement.scrollWidth")
        assert widest <= size["width"], f"{name}: {widest} px of {size['width']}"
        assert [] == await self.page.evaluate(BROKEN, "经办"), name
        assert [] == await self.page.evaluate(PARTED, "经办"), name

    async def _keep(self, name: str, size: ViewportSize) -> None:
        """A screenshot, where they are wanted; of English pages none."""
        if not self.keeps or name.endswith("-en"):
            return
        name += "-phone" if size["width"] < PC["width"] else ""
        assert name not in TAKEN, f"{name}: two pictures of one name, of which only the last would be kept"
        TAKEN.add(name)
        if SCREENS is not None:
            SCREENS.mkdir(parents=True, exist_ok=True)
            blank = await self.page.context.new_page()
            picture = await small_png(await self.page.screenshot(full_page=True), blank=blank)
            await blank.close()
            (SCREENS / f"{name}.png").write_bytes(picture)
