"""After the epidemic nobody can tell any more who somebody was, and every count still stands; over HTTP only."""

from __future__ import annotations

import json
from typing import Any

from chassis.testing.wait import eventually
from tests.journeys.sites import WITHIN_S, Arrived, Site
from tests.journeys.test_supervision import table

HEADER = "合同(1)个 总包单位(1)个 用工单位(1)个 总登记人数(2) 在场人数(2)"


async def erase(site: Site, person: Arrived, role: str = "city_supervisor", *, expect: tuple[int, ...] = (204,)) -> str:
    """Where the erasure stands, if there was one."""
    path = f"/v1/people/{person.person_id}/personal-data"
    response = await site.ask(role, "DELETE", "registration", path, expect=expect)
    return response.headers.get("Consistency-Token", "")


async def everything_shown(site: Site, person: Arrived) -> dict[str, Any]:
    """Whatever shows who somebody is, by where it was asked."""
    reveal = {"person_id": person.person_id, "contract_no": site.contract_no, "reason": "complaint"}
    arrivals = (await site.ask("police_subscriber", "GET", "police_bridge", "/v1/arrivals", limit=100)).json()
    roster = await site.get("site_operator", "gatekeeper", "roster")
    employments = (await site.ask("station_officer", "GET", "reporting", "/v1/supervision/employments")).json()
    return {
        "registration": await site.get("site_operator", "registration", f"pre-registrations/{person.person_id}"),
        "roster": [each for each in roster["items"] if each["person_id"] == person.person_id],
        "reports": (await site.ask("site_operator", "GET", "health", f"/v1/people/{person.person_id}/health-reports")).json(),
        "employments": [each for each in employments["rows"] if each["person_id"] == person.person_id],
        "reveal": (await site.ask("station_officer", "POST", "reporting", "/v1/reveals", reveal)).json(),
        "police": [each for each in arrivals if each["subject"] == person.person_id],
    }


class TestErasure:
    async def test_leaves_the_counts_and_nobody_s_name(self, site: Site) -> None:
        gone, other = await site.arrives(), await site.arrives()
        for each in (gone, other):
            assert "admitted" == (await site.enters(each))["outcome"]
            await site.is_measured(each)
        before = await table(site, HEADER)
        shown = await everything_shown(site, gone)
        assert gone.person.number in json.dumps(shown["reveal"]), "what is looked for below is there before"
        assert gone.person.number in json.dumps(shown["police"])

        await erase(site, gone, "site_operator", expect=(403,))
        seen = await erase(site, gone)
        await erase(site, gone)

        assert all(shown.values()), "everybody shows him"
        told = json.dumps(await everything_shown(site, gone), ensure_ascii=False)
        for text in (gone.person.number, gone.person.number[:3] + "***", gone.person.mobile, gone.person.name, "陈*平"):
            assert text not in told, text
        after = await table(site, HEADER)
        assert before["rows"] == after["rows"]
        await self.is_a_stranger(site, gone, seen)
        assert "already_entered" in [each["code"] for each in (await site.enters(other))["reasons"]]

    async def is_a_stranger(self, site: Site, gone: Arrived, seen: str) -> None:
        """Who shows that document again is somebody else, of whom nothing is known; the old one can still be let out."""
        asked = {"document": gone.person.document}
        found = await site.ask("site_operator", "POST", "registration", "/v1/person-lookups", asked, seen=seen)
        assert gone.person_id != found.json()["person_id"]
        assert ["not_pre_registered"] == [each["code"] for each in (await site.enters(gone))["reasons"]]
        await site.post("site_operator", "gatekeeper", "exits", {"person_id": gone.person_id})
        await table(site, HEADER.replace("在场人数(2)", "在场人数(1)"))
        await site.post("site_operator", "gatekeeper", "entries", {"person_id": gone.person_id})
        expected = await site.get("site_operator", "registration", "pre-registrations", state="open")
        assert 2 == len(expected["items"]), "he is counted still"

        async def is_expected() -> bool:
            site_row = (await table(site, HEADER.replace("在场人数(2)", "在场人数(1)")))["rows"][0]
            return bool(2 == site_row["pre_registered"])

        await eventually(is_expected, within_s=WITHIN_S)
