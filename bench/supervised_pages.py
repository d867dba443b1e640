"""The portal's pages for supervision, in front of a million people: what a browser waits for."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import httpx2

from devstack import demo
from devstack.services import Stack
from portal.session import SESSION_COOKIE, VISITOR_COOKIE

PATHS = (
    "/supervision/contracts?page={}",
    "/supervision/contracts?order_by=project_name&page={}",
    "/supervision/firms?kind=employer&page={}",
    "/supervision/firms?kind=general_contractor&page={}",
)
"""Lists of people are not among them: nothing was sealed that could be unsealed to be masked."""
FORM_TOKEN = re.compile(r'name="form_token" value="([0-9a-f]+)"')
ACCOUNT = "city"


async def requests(stack: Stack, *, pages: int) -> list[bytes]:
    """Each list page after page, as whoever supervises the whole city."""
    cookies, host = await _signed_in(stack), urlsplit(stack.url("portal")).netloc
    paths = [path.format(number + 1) for number in range(pages) for path in PATHS]
    return ["\r\n".join((f"GET {path} HTTP/1.1", f"Host: {host}", f"Cookie: {cookies}", "", "")).encode() for path in paths]


async def _signed_in(stack: Stack) -> str:
    """The cookies that a browser would have then. They are Secure, so no client sends them by itself here."""
    await demo.put_accounts(stack)
    async with httpx2.AsyncClient(base_url=stack.url("portal"), trust_env=False) as client:
        form = await client.get("/supervision/login")
        visitor, found = form.cookies[VISITOR_COOKIE], FORM_TOKEN.search(form.text)
        typed = {
            "form_token": found[1] if found else "",
            "account": ACCOUNT,
            "password": stack.state.password(f"portal-{ACCOUNT}"),
            "code": demo.one_time_password(stack.state, ACCOUNT),
        }
        answered = await client.post("/supervision/login", data=typed, headers={"Cookie": f"{VISITOR_COOKIE}={visitor}"})
        return f"{VISITOR_COOKIE}={visitor}; {SESSION_COOKIE}={answered.cookies[SESSION_COOKIE]}"
