"""工地疫情防控信息, over HTTP: submitted, counted against who is on site, and the checklist that follows."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from chassis.testing.wait import eventually
from tests.journeys.sites import WITHIN_S, Site

CONTROL = {
    "team": [{"name": "王小二", "duty": "组长", "phone": "13800000012"}],
    "designated_hospital": "虹口区测试医院",
    "supplies": [{"item": "口罩", "unit": "只", "quantity": 600, "used_per_100_people_daily": 200}],
}


async def submit(site: Site, version: int) -> Any:
    headers = {"Authorization": f"Bearer {await site.token('project_lead')}", "If-Match": f'"{version}"'}
    url = f"{site.stack.url('registration')}/v1/contracts/{site.contract_no}/epidemic-control"
    return await site.client.put(url, json=CONTROL, headers=headers)


class TestSupplies:
    async def test_last_for_whoever_is_on_site(self, site: Site) -> None:
        count = {"supplies": [{"item": "口罩", "quantity": 7}]}
        early = await site.post("site_operator", "registration", "supply-counts", count, expect=(409,))
        assert "请先提交工地疫情防控信息" == early.json()["title"]
        assert [200, 412, 200] == [(await submit(site, version)).status_code for version in (0, 0, 1)]
        counted = await site.post("site_operator", "registration", "supply-counts", count)
        entered = await site.enters(await site.arrives())
        assert "admitted" == entered["outcome"]

        async def are_counted_for_one() -> bool:
            seen = counted.headers["Consistency-Token"]
            listed = await site.get("supervision_operator", "registration", "supply-counts", seen=seen)
            return (1, 3) == (listed["head_count"], listed["cover"][0]["days"])

        await eventually(are_counted_for_one, within_s=WITHIN_S)
        listed = await site.get("site_operator", "registration", "supply-counts")
        assert ["counted", "submitted", "submitted"] == [each["told"] for each in listed["items"]]

    async def test_of_another_site_are_not_found(self, site: Site) -> None:
        path = f"/v1/contracts/W{uuid4().hex[:10]}/supply-counts"
        await site.ask("site_operator", "GET", "registration", path, expect=(404,))


class TestResumptionChecklist:
    async def test_follows_the_first_submission_and_comes_back_as_it_was(self, site: Site) -> None:
        scan = b"%PDF-1.4\n" + uuid4().bytes + b"\n%%EOF"
        assert 409 == (await upload(site, scan)).status_code
        assert 200 == (await submit(site, 0)).status_code
        uploaded = await upload(site, scan)
        assert (201, 1) == (uploaded.status_code, uploaded.json()["version"])
        path = f"/v1/contracts/{site.contract_no}/resumption-checklists/1"
        fetched = await site.ask("supervision_operator", "GET", "registration", path)
        assert (scan, "application/pdf") == (fetched.content, fetched.headers["content-type"])
        assert fetched.headers["content-disposition"].startswith("attachment")
        assert "nosniff" == fetched.headers["x-content-type-options"]


async def upload(site: Site, content: bytes) -> Any:
    headers = {
        "Authorization": f"Bearer {await site.token('site_operator')}",
        "Content-Type": "application/pdf",
        "Idempotency-Key": uuid4().hex,
    }
    url = f"{site.stack.url('registration')}/v1/contracts/{site.contract_no}/resumption-checklists"
    return await site.client.post(url, content=content, headers=headers)
