"""A browser without a screen, in front of the portal of an installation."""

from __future__ import annotations

import re
from html import unescape

import httpx2

from chassis.testing.wait import eventually
from devstack.story.cast import Person
from tests.journeys.sites import WITHIN_S, Site

HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


class Browser:
    """Somebody in front of the portal's pages. Cookies that are for https only it gives back by itself."""

    def __init__(self, client: httpx2.AsyncClient, portal: str) -> None:
        """`portal`: its URL."""
        self._client = client
        self._portal = portal
        self._cookies: dict[str, str] = {}
        self.page = self.path = ""
        self.trace_id = ""
        """Of what was sent last."""

    async def open(self, path: str) -> int:
        return await self._go("GET", path)

    async def submit(self, path: str, **fields: str) -> int:
        hidden = {name: unescape(value) for name, value in HIDDEN.findall(self.page)}
        return await self._go("POST", path, data=hidden | fields)

    async def signs_in(self, person: Person) -> bool:
        """By the code that the page of a local stack shows to whoever asks; nobody's code opens anything."""
        typed = {"document_number": person.number, "mobile": person.mobile}
        await self.open("/login")
        await self.submit("/login/code", **typed)
        [code] = re.findall(r'id="shown-code">([0-9]{6})<', self.page)
        return await self.submit("/login", **typed, code=code) == 200 and "/contracts" == self.path

    async def _go(self, method: str, path: str, **more: object) -> int:
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        response = await self._client.request(method, self._portal + path, headers={"Cookie": cookie}, **more)  # type: ignore[arg-type]
        for each in response.headers.get_list("set-cookie"):
            name, _, value = each.partition(";")[0].partition("=")
            self._cookies[name] = value
        if method == "POST":
            self.trace_id = response.headers["traceparent"].split("-")[1]
        if response.status_code == 303:
            return await self._go("GET", response.headers["location"])
        self.page, self.path = response.text, path
        return response.status_code


async def granted(site: Site, operator: Person) -> str:
    """He may act on the contract, and sign in. The operator's id."""
    grant = {"document": operator.document, "name": operator.name, "mobile": operator.mobile, "role": "site_operator"}
    operator_id: str = (await site.post("project_lead", "registration", "operator-grants", grant)).json()["operator_id"]

    async def is_known() -> bool:
        asked = {"document": operator.document, "mobile": operator.mobile}
        answer = await site.ask("portal", "POST", "registration", "/v1/operator-lookups", asked)
        return bool(answer.json()["items"])

    await eventually(is_known, within_s=WITHIN_S)
    return operator_id
