"""已分配实名制权限: a project lead says who may act on the contract, and who may not any more; over HTTP only."""

from __future__ import annotations

import re
from html import unescape

from chassis.testing.wait import eventually
from devstack.story.cast import Person
from tests.journeys.sites import EMPLOYER, WITHIN_S, Site, somebody

HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


class Browser:
    """Somebody in front of the portal's pages. Cookies that are for https only it gives back by itself."""

    def __init__(self, site: Site) -> None:
        self._portal = site.stack.url("portal")
        self._client = site.client
        self._cookies: dict[str, str] = {}
        self.page = ""

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
        return await self.submit("/login", **typed, code=code) == 200 and "/contracts" == self._path

    async def _go(self, method: str, path: str, **more: object) -> int:
        cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        response = await self._client.request(method, self._portal + path, headers={"Cookie": cookie}, **more)  # type: ignore[arg-type]
        for each in response.headers.get_list("set-cookie"):
            name, _, value = each.partition(";")[0].partition("=")
            self._cookies[name] = value
        if response.status_code == 303:
            return await self._go("GET", response.headers["location"])
        self.page, self._path = response.text, path
        return response.status_code


async def test_a_project_lead_grants_and_withdraws_what_others_may_do(site: Site) -> None:
    operator, registrar = somebody(), somebody()
    grants = [
        {"document": operator.document, "name": operator.name, "mobile": operator.mobile, "role": "site_operator"},
        {
            "document": registrar.document,
            "name": registrar.name,
            "mobile": registrar.mobile,
            "role": "employer_registrar",
            "employer_credit_code": EMPLOYER["credit_code"],
        },
    ]
    first, _ = [(await site.post("project_lead", "registration", "operator-grants", each, expect=(201,))).json() for each in grants]
    await site.post("project_lead", "registration", "operator-grants", grants[0], expect=(200,))
    await site.post("site_operator", "registration", "operator-grants", grants[0], expect=(403,))
    listed = (await site.get("project_lead", "registration", "operator-grants"))["items"]
    assert ["site_operator", "employer_registrar"] == [each["role"] for each in listed]
    assert operator.number not in str(listed), "masked"

    path = f"operator-grants/{first['operator_id']}/withdrawal"
    await site.post("project_lead", "registration", path, {"reason": "已调离本项目"}, expect=(204,))
    listed = (await site.get("project_lead", "registration", "operator-grants"))["items"]
    assert ["employer_registrar"] == [each["role"] for each in listed]


async def test_who_was_granted_the_contract_chooses_it_until_that_is_withdrawn(site: Site) -> None:
    operator, browser = somebody(), Browser(site)
    grant = {"document": operator.document, "name": operator.name, "mobile": operator.mobile, "role": "site_operator"}
    granted = (await site.post("project_lead", "registration", "operator-grants", grant)).json()
    contract = f"/contracts/{site.contract_no}/pre-registrations"

    async def is_known() -> bool:
        asked = {"document": operator.document, "mobile": operator.mobile}
        answer = await site.ask("portal", "POST", "registration", "/v1/operator-lookups", asked)
        return bool(answer.json()["items"])

    await eventually(is_known, within_s=WITHIN_S)
    assert await browser.signs_in(operator)
    assert site.contract_no in browser.page, "选择合同"
    assert 200 == await browser.open(contract)

    path = f"operator-grants/{granted['operator_id']}/withdrawal"
    await site.post("project_lead", "registration", path, {"reason": "已调离本项目"}, expect=(204,))
    assert [404, 404] == [await browser.open(each) for each in (contract, "/contracts")], "at once"
