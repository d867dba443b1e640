"""A person's own record: who saw and who changed what, in whichever service, over HTTP only."""

from __future__ import annotations

from typing import Any

from chassis.testing.wait import eventually
from tests.journeys.sites import WITHIN_S, Site, somebody
from tests.journeys.test_imports import CSV, columns, followed, row
from tests.journeys.test_supervision import OFFICER
from tests.registration.sheets import as_csv

OPERATOR, SUPERVISION = "site_operator", "supervision_operator"


async def record(site: Site, person_id: str, what: str) -> list[dict[str, Any]]:
    """All of it, the last first."""
    answer = await site.ask(OFFICER, "GET", "reporting", f"/v1/people/{person_id}/{what}", expect=(200, 404), limit=100)
    items: list[dict[str, Any]] = answer.json().get("items", [])
    return items


async def acts(site: Site, person_id: str) -> set[tuple[str, str, str | None]]:
    """Service, kind and role of every change."""
    return {(each["service"], each["kind"], each["role"]) for each in await record(site, person_id, "change-log")}


async def test_a_person_s_own_record_says_who_changed_what_in_every_service(site: Site) -> None:
    worker = await site.arrives()
    assert "admitted" == (await site.enters(worker))["outcome"]
    await site.is_measured(worker)
    await site.is_banned(worker)
    done = {
        ("healthcloud-bridge", "declaration-received", OPERATOR),
        ("registration", "person-pre-registered", OPERATOR),
        ("gatekeeper", "entry-attempted", OPERATOR),
        ("health", "health-reported", OPERATOR),
        ("health", "disposition-changed", SUPERVISION),
        ("health", "arrival-assessed", None),
    }

    async def stands_there() -> bool:
        return done <= await acts(site, worker.person_id)

    await eventually(stands_there, within_s=WITHIN_S)
    changes = await record(site, worker.person_id, "change-log")
    accounts = {each["role"]: each["account"] for each in changes}
    assert accounts[None] is None
    assert {OPERATOR, SUPERVISION} == {role for role in accounts if role}
    assert all(site.contract_no == each["contract_no"] for each in changes if each["kind"] == "disposition-changed")
    assert worker.person.number not in str(changes), "accounts and codes, nothing of the person"
    assert changes == sorted(changes, key=lambda each: each["at"], reverse=True)

    looks = await record(site, worker.person_id, "access-log")
    assert accounts[OPERATOR] in {each["actor"] for each in looks if each["purpose"] == "reveal"}, "who looked him up"


async def test_of_whoever_stands_in_a_file_says_who_handed_it_in(site: Site) -> None:
    await followed(
        site,
        "project_lead",
        f"/v1/contracts/{site.contract_no}/roster-imports",
        as_csv([row(somebody(), 在场="是")], await columns(site, "roster")),
        CSV,
    )

    async def stands_there() -> bool:
        roster = (await site.get(OPERATOR, "gatekeeper", "roster"))["items"]
        imported = ("registration", "roster-member-imported", "project_lead")
        return bool(roster) and imported in await acts(site, roster[0]["person_id"])

    await eventually(stands_there, within_s=WITHIN_S)
