"""Of many people at once two decide; and whoever is banned while on site is looked for until he has left; over HTTP only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from chassis.testing.wait import eventually
from contracts.times import shanghai_date
from tests.journeys.sites import WITHIN_S, Site, somebody
from tests.journeys.test_imports import CSV, counts, hand_in, row
from tests.registration.sheets import as_csv

MORE_THAN_ONE_MAY = 21


async def imported_on_site(site: Site, count: int) -> list[str]:
    """People of the old roster, all of them on site."""
    members = [somebody() for _ in range(count)]
    content = as_csv([row(each, 在场="是") for each in members])
    assert {"applied": count} == counts(await hand_in(site, "roster-imports", content, CSV))
    found = [
        await site.ask("site_operator", "POST", "registration", "/v1/person-lookups", {"document": each.document})
        for each in members
    ]
    return [each.json()["person_id"] for each in found]


async def have_to_leave(site: Site) -> list[str]:
    """On the list of the station that supervises the site."""
    items: list[dict[str, Any]] = (await site.ask("station_officer", "GET", "gatekeeper", "/v1/banned-on-site", limit=200)).json()[
        "items"
    ]
    return [each["person_id"] for each in items]


async def test_many_are_banned_by_two_and_looked_for_until_they_have_left(site: Site) -> None:
    people = await imported_on_site(site, MORE_THAN_ONE_MAY)
    ban = {
        "contract_no": site.contract_no,
        "person_ids": people,
        "disposition": "suspected",
        "isolation_from": shanghai_date(datetime.now(UTC)).isoformat(),
        "method": "hospital",
        "reason_code": "contact_of_a_case",
        "evidence": "电话通知",
    }

    async def are_known() -> bool:
        proposed = await site.ask("site_operator", "POST", "health", "/v1/disposition-batches", ban, expect=(201, 404))
        return proposed.status_code == 201

    await eventually(are_known, within_s=WITHIN_S)
    proposed = (await site.ask("site_operator", "POST", "health", "/v1/disposition-batches", ban)).json()
    assert (True, []) == (proposed["waits"], proposed["people"])
    approval = f"/v1/disposition-batches/{proposed['batch_id']}/approval"
    refused = await site.ask("site_operator", "POST", "health", approval, expect=(409,))
    assert "second-person-is-the-first" == refused.json()["code"]
    approved = (await site.ask("supervision_lead", "POST", "health", approval)).json()
    assert ["done"] * len(people) == [each["outcome"] for each in approved["people"]]

    async def are_listed() -> bool:
        return sorted(people) == await have_to_leave(site)

    await eventually(are_listed, within_s=WITHIN_S)
    for person_id in people:
        await site.post("site_operator", "gatekeeper", "exits", {"person_id": person_id})

    async def have_left() -> bool:
        return [] == await have_to_leave(site)

    await eventually(have_left, within_s=WITHIN_S)


async def test_a_ban_that_somebody_objects_to_is_on_the_stations_list_until_it_is_looked_at(site: Site) -> None:
    banned = await site.arrives()
    await site.is_banned(banned)
    path = f"/v1/people/{banned.person_id}/dispositions"
    note = {"contract_no": site.contract_no, "note": "本人未接触病例"}
    noted = await site.ask("employer_registrar", "POST", "health", f"{path}/objections", note)
    assert [banned.person_id] == await are_to_be_looked_at(site, seen=noted.headers["Consistency-Token"])
    evidence = {"contract_no": site.contract_no, "evidence": "流调报告"}
    read = await site.ask("supervision_lead", "GET", "health", f"{path}/objections")
    looked_at = await site.ask("supervision_lead", "POST", "health", f"{path}/reviews", evidence, based_on=read.headers["ETag"])
    assert [] == await are_to_be_looked_at(site, seen=looked_at.headers["Consistency-Token"])
    assert ["suspected"] == await site.reasons(banned)


async def are_to_be_looked_at(site: Site, *, seen: str) -> list[str]:
    """On the list of the station that supervises the site."""
    listed = (await site.ask("station_officer", "GET", "health", "/v1/ban-reviews", seen=seen)).json()
    return [each["person_id"] for each in listed["items"]]
