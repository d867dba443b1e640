"""实名制作业人员信息查询, as a station sees it; over HTTP only."""

from __future__ import annotations

from typing import Any

from chassis.testing.wait import eventually
from tests.journeys.sites import CONTRACTOR, EMPLOYER, WITHIN_S, Site

OFFICER = "station_officer"


async def ask(site: Site, what: str, **query: Any) -> dict[str, Any]:
    """Of everything that the station supervises, which is this one site."""
    answer: dict[str, Any] = (await site.ask(OFFICER, "GET", "reporting", f"/v1/supervision/{what}", **query)).json()
    return answer


async def table(site: Site, header: str) -> dict[str, Any]:
    """合同查询, as soon as its header says this."""

    async def says_so() -> bool:
        return bool(header == (await ask(site, "contracts"))["header_text"])

    await eventually(says_so, within_s=WITHIN_S)
    return await ask(site, "contracts")


class TestStation:
    async def test_sees_how_many_they_are_and_who(self, site: Site) -> None:
        inside, outside = await site.arrives(), await site.arrives()
        assert "admitted" == (await site.enters(inside))["outcome"]
        shown = await table(site, "合同(1)个 总包单位(1)个 用工单位(1)个 总登记人数(1) 在场人数(1)")
        [row] = shown["rows"]
        assert (2, 1, 1) == (row["pre_registered"], row["registered"], row["on_site"])
        assert "共1页 显示1到1,共1记录" == shown["page_text"]

        expected = await ask(site, "people", set="pre_registered")
        assert {inside.person_id, outside.person_id} == {each["person_id"] for each in expected["rows"]}
        [present] = (await ask(site, "people", set="on_site"))["rows"]
        number = inside.person.number
        assert ("陈*平", number[:3] + "*" * 11 + number[-4:]) == (present["name"], present["document_number"])
        assert [CONTRACTOR["name"]] == [each["name"] for each in (await ask(site, "firms", kind="general_contractor"))["rows"]]
        assert [EMPLOYER["name"]] == [each["name"] for each in (await ask(site, "firms", kind="employer"))["rows"]]

        await site.is_banned(inside)

        async def banned_on_site() -> list[str]:
            found = await ask(site, "employments", on_site=True, banned=True)
            return [each["person_id"] for each in found["rows"]]

        assert [inside.person_id] == await eventually(banned_on_site, within_s=WITHIN_S)
        assert 1 == (await ask(site, "contracts"))["header"]["banned_on_site"]
        await site.post("site_operator", "gatekeeper", "exits", {"person_id": inside.person_id})
        await table(site, "合同(1)个 总包单位(1)个 用工单位(1)个 总登记人数(1) 在场人数(0)")
        assert [] == await banned_on_site()

    async def test_finds_somebody_and_sees_him_unmasked_for_a_reason(self, site: Site) -> None:
        worker = await site.arrives()

        async def by_document() -> list[str]:
            found = await site.ask(
                OFFICER, "POST", "reporting", "/v1/supervision/person-searches", {"document": worker.person.document}
            )
            return [each["person_id"] for each in found.json()["rows"]]

        assert [worker.person_id] == await eventually(by_document, within_s=WITHIN_S)
        by_name = {"name": "安平", "contract_no": site.contract_no}
        found = await site.ask(OFFICER, "POST", "reporting", "/v1/supervision/person-searches", by_name)
        assert [worker.person_id] == [each["person_id"] for each in found.json()["rows"]]

        why = {"person_id": worker.person_id, "contract_no": site.contract_no, "reason": "on_site_inspection"}
        shown = (await site.ask(OFFICER, "POST", "reporting", "/v1/reveals", why)).json()
        assert (worker.person.name, worker.person.number) == (shown["name"], shown["document_number"])
        await site.ask("site_operator", "POST", "reporting", "/v1/reveals", why, expect=(403,))
