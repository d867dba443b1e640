"""A site with something of everything, by real services: so that every page of it has something to show."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.testing.wait import eventually
from contracts.policy import SHIPPED
from tests.journeys.sites import WITHIN_S, Arrived, Site, somebody
from tests.journeys.test_imports import CSV, row
from tests.journeys.test_policy import DRAFTS, today
from tests.portal.stand_ins import CHILD, CONTRACT, DRAFT, ENTRY, IMPORT, PERSON, WAITING, WAITING_CHILD
from tests.portal.stand_ins import OPERATOR as STAND_IN
from tests.registration.sheets import FORMS, as_csv

OPERATOR, STATION = "site_operator", "station_officer"
WHY_CORRECTED = "到沪日期录入错误"


async def everything(site: Site) -> Mapping[str, str]:
    """What stand-ins call it → what is there."""
    arrived = await site.arrives()
    child, waiting_child = await comes_along(site, arrived, declares=True), await comes_along(site, arrived, declares=False)
    await site.is_measured(arrived)
    correction = {"arrival_date": "2020-02-03", "reason": WHY_CORRECTED}
    await site.post(OPERATOR, "registration", f"pre-registrations/{arrived.person_id}/corrections", correction)
    entry = await was_let_in_on_paper(site, arrived)
    await declares_otherwise(site, arrived)
    await is_banned_and_objects(site, arrived)
    return {
        CONTRACT: site.contract_no,
        str(PERSON): arrived.person_id,
        str(CHILD): child,
        str(WAITING_CHILD): waiting_child,
        str(WAITING): await waits(site),
        str(ENTRY): entry,
        str(STAND_IN): await is_granted(site),
        IMPORT["import_id"]: await hands_in_a_file(site),
        DRAFT["draft_id"]: await drafts(site),
    }


async def comes_along(site: Site, arrived: Arrived, *, declares: bool) -> str:
    """携带家属, who waits without a declaration."""
    child, family = somebody(), f"pre-registrations/{arrived.person_id}/family-members"
    seen = ""
    if declares:
        await site.declares(child)
        seen = await site.looks_up(child)
    form = {"document": child.document, "name": child.name, "relation": "女儿"}
    told = await site.post(OPERATOR, "registration", family, form, seen=seen, expect=(201,) if declares else (409,))
    if declares:
        return str(told.json()["person_id"])
    found = await site.get(OPERATOR, "registration", family, seen=told.headers["Consistency-Token"])
    return next(str(each["person_id"]) for each in found["items"] if each["state"] == "awaiting")


async def is_granted(site: Site) -> str:
    """Somebody whom the project lead lets act."""
    person = somebody()
    who = {"document": person.document, "name": person.name, "mobile": person.mobile, "role": "site_operator"}
    return str((await site.post("project_lead", "registration", "operator-grants", who)).json()["operator_id"])


async def waits(site: Site) -> str:
    """A form without a declaration."""
    person = somebody()
    await site.hands_in(person, seen="", expect=(409,))
    found = await site.ask(OPERATOR, "POST", "registration", "/v1/person-lookups", {"document": person.document})
    return str(found.json()["person_id"])


async def was_let_in_on_paper(site: Site, arrived: Arrived) -> str:
    """Two hours ago, when nobody expected him."""
    two = [{"document": somebody().document} for _ in range(2)]
    entered_at = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    body = {"document": arrived.person.document, "decided_by": two, "entered_at": entered_at}
    recorded = await site.post(OPERATOR, "gatekeeper", "paper-entries", body)
    seen = recorded.headers["Consistency-Token"]
    for service, path in (("gatekeeper", "/v1/paper-entries"), ("reporting", "/v1/supervision/contracts")):
        await site.ask(STATION, "GET", service, path, seen=seen)
    return str(recorded.json()["attempt_id"])


async def declares_otherwise(site: Site, arrived: Arrived) -> None:
    """A newer declaration differs, and that the first contradicts itself was looked at."""
    await site.declares(arrived.person, days_ago=1, from_hubei=True)
    seen = await site.looks_up(arrived.person)
    looked = {"kind": "declaration_contradicts", "declaration_version": 1, "note": "已电话核实"}
    settlements = f"review-items/{arrived.person_id}/settlements"
    await site.post("supervision_operator", "registration", settlements, looked, seen=seen)

    async def differs() -> bool:
        found = (await site.get(OPERATOR, "registration", "review-items", is_settled="false"))["items"]
        return "declaration_differs" in {each["kind"] for each in found}

    await eventually(differs, within_s=WITHIN_S)


async def is_banned_and_objects(site: Site, arrived: Arrived) -> None:
    await site.is_banned(arrived)
    path = f"/v1/people/{arrived.person_id}/dispositions/objections"
    said = {"contract_no": site.contract_no, "note": "未接触病例"}
    objected = await site.ask("supervision_operator", "POST", "health", path, said)
    seen = objected.headers["Consistency-Token"]
    for service, path in (("health", "/v1/ban-reviews"), ("reporting", "/v1/supervision/contracts")):
        await site.ask(STATION, "GET", service, path, seen=seen)


async def hands_in_a_file(site: Site) -> str:
    """批量导入, tried: one row of two is wrong."""
    one, other = somebody(), somebody()
    content = as_csv([row(one), row(other, 身份证号=other.number[:-2])], FORMS)
    path = f"/v1/contracts/{site.contract_no}/pre-registration-imports"
    handed_in = await site.upload(OPERATOR, "registration", path, content, CSV, dry_run="true")
    assert 202 == handed_in.status_code, handed_in.text
    import_id = str(handed_in.json()["import_id"])

    async def is_finished() -> bool:
        told = await site.ask(OPERATOR, "GET", "registration", f"/v1/imports/{import_id}")
        return bool(told.json()["state"] == "finished")

    await eventually(is_finished, within_s=WITHIN_S)
    return import_id


async def drafts(site: Site) -> str:
    terms: dict[str, Any] = SHIPPED.model_dump(mode="json", exclude_none=True) | {"valid_from": today(), "valid_until": today()}
    return str((await site.ask("city_supervisor", "POST", "health", DRAFTS, {"terms": terms})).json()["draft_id"])
