"""An authority drafts a policy and adopts it; arrivals and gates follow it. Over HTTP only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from chassis.testing.wait import eventually
from contracts.policy import SHIPPED
from contracts.times import shanghai_date
from tests.journeys.sites import WITHIN_S, Site
from tests.journeys.stack import JourneyStack

DRAFTS = "/v1/policies/drafts"
NANTONG = {"code_prefix": "3206", "name": "南通市", "since": "2020-01-01"}


def today() -> str:
    return shanghai_date(datetime.now(UTC)).isoformat()


@pytest.fixture
async def elsewhere(installation: JourneyStack, client: httpx2.AsyncClient) -> Site:
    """In a district where no other journey goes on."""
    return await Site.reported(installation, client, district="310151")


async def adopt(site: Site, role: str, terms: dict[str, Any]) -> httpx2.Response:
    draft = (await site.ask(role, "POST", "health", DRAFTS, {"terms": terms})).json()
    reference = {"reference": "崇建委〔2020〕3号"}
    return await site.ask(role, "POST", "health", f"{DRAFTS}/{draft['draft_id']}/activation", reference)


async def test_what_a_district_adds_keeps_its_arrivals_out_and_nobody_elses(site: Site, elsewhere: Site) -> None:
    before = await elsewhere.arrives(days_ago=3)
    terms = {"authority": "district", "district": "310151", "valid_from": today(), "valid_until": today(), "key_areas": [NANTONG]}
    version = (await adopt(elsewhere, "district_supervisor", terms)).json()["version"]
    # Each process knows it within a second or so; whoever arrives then is judged by it.

    async def an_arrival_is_judged_by_it() -> bool:
        arrived = await elsewhere.arrives(days_ago=3)
        path = f"/v1/people/{arrived.person_id}/isolation-orders"
        orders = (await elsewhere.ask("site_operator", "GET", "health", path)).json()["items"]
        return [version] == [each["policy_version"] for each in orders] and ["isolation_not_completed"] == await elsewhere.reasons(
            arrived
        )

    await eventually(an_arrival_is_judged_by_it, within_s=WITHIN_S)
    assert [] == await elsewhere.reasons(before), "who was judged is not judged again"
    assert [] == await site.reasons(await site.arrives(days_ago=3))


async def test_a_draft_tells_beforehand_whom_it_would_keep_out(installation: JourneyStack, client: httpx2.AsyncClient) -> None:
    site = await Site.reported(installation, client, district="310120")
    arrived = await site.arrives(days_ago=3)
    of_site = {"authority": "site", "district": site.district, "contract_no": site.contract_no}
    terms = {**of_site, "valid_from": today(), "valid_until": today(), "key_areas": [NANTONG]}
    draft = (await site.ask("district_supervisor", "POST", "health", DRAFTS, {"terms": terms})).json()
    told = (await site.ask("district_supervisor", "POST", "health", f"{DRAFTS}/{draft['draft_id']}/rehearsal")).json()
    free_on = (shanghai_date(datetime.now(UTC)) + timedelta(days=11)).isoformat()
    assert [(arrived.person_id, None, free_on)] == [
        (each["person_id"], each["now"]["admissible_on"], each["then"]["admissible_on"]) for each in told["items"]
    ]
    assert [] == await site.reasons(arrived), "nothing is adopted"


async def test_gates_weigh_by_what_the_city_adopted_and_say_so(site: Site) -> None:
    worker = await site.arrives()
    # As shipped, so that no other journey is judged otherwise.
    terms = SHIPPED.model_dump(mode="json", exclude_none=True) | {"valid_from": today(), "valid_until": today()}
    version = (await adopt(site, "city_supervisor", terms)).json()["version"]

    async def it_counts() -> bool:
        told: dict[str, Any] = await site.get("site_operator", "gatekeeper", f"clearances/{worker.person_id}")
        return bool(told["policy_version"] >= version)

    await eventually(it_counts, within_s=WITHIN_S)
    assert (await site.enters(worker))["policy_version"] >= version
    listed = (await site.ask("station_officer", "GET", "health", "/v1/policies")).json()["items"]
    assert [True] == [each["in_force"] for each in listed if each["version"] == version]
