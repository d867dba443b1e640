"""已分配实名制权限: a project lead says who may act on the contract, and who may not any more; over HTTP only."""

from __future__ import annotations

from tests.journeys.browser import Browser, granted
from tests.journeys.sites import EMPLOYER, Site, somebody


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
    for role in ("project_lead", "station_officer"):
        changes = (await site.get(role, "registration", "operator-grants/changes"))["items"]
        assert [(None, "已调离本项目"), ("employer_registrar", None), ("site_operator", None)] == [
            (each["role"], each["grounds"]) for each in changes
        ]


async def test_who_was_granted_the_contract_chooses_it_until_that_is_withdrawn(site: Site) -> None:
    operator, browser = somebody(), Browser(site.client, site.stack.url("portal"))
    operator_id = await granted(site, operator)
    contract = f"/contracts/{site.contract_no}/pre-registrations"

    assert await browser.signs_in(operator)
    assert site.contract_no in browser.page, "选择合同"
    assert 200 == await browser.open(contract)

    path = f"operator-grants/{operator_id}/withdrawal"
    await site.post("project_lead", "registration", path, {"reason": "已调离本项目"}, expect=(204,))
    assert [404, 404] == [await browser.open(each) for each in (contract, "/contracts")], "at once"
