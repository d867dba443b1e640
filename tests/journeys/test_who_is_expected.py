"""进场预登记 put right: what was typed wrongly reaches everybody who relies on it; over HTTP only."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.testing.wait import eventually
from contracts.times import shanghai_date
from tests.journeys.sites import WITHIN_S, Arrived, Site, somebody
from tests.journeys.test_daily_health import misses
from tests.journeys.test_own_record import record


async def told_to_the_police(site: Site, person_id: str, *, seen: str = "") -> list[dict[str, Any]]:
    """Every message about somebody, in order: type without its frame, and data."""
    after: dict[str, Any] = {}
    found: list[dict[str, Any]] = []
    while True:
        page = await site.ask("police_subscriber", "GET", "police_bridge", "/v1/arrivals", seen=seen, **after)
        messages = page.json()
        found += [
            {**each["data"], "what": each["type"].split(".")[2]} for each in messages if each["data"]["person_id"] == person_id
        ]
        if len(messages) < 100:
            return found
        after = {"after": page.headers["link"].partition("after=")[2].partition("&")[0]}


async def correct(site: Site, arrived: Arrived, **wrong: Any) -> str:
    """The consistency token."""
    body = {**wrong, "reason": "登记错误"}
    corrected = await site.post("site_operator", "registration", f"pre-registrations/{arrived.person_id}/corrections", body)
    return corrected.headers["Consistency-Token"]


async def test_a_corrected_origin_keeps_somebody_out_and_the_police_learns_of_it(site: Site) -> None:
    arrived = await site.arrives()
    assert [] == await site.reasons(arrived)
    today = shanghai_date(datetime.now(UTC))
    wuhan = {"code": "420100", "text": "湖北省武汉市"}
    seen = await correct(site, arrived, origin=wuhan, arrival_date=(today - timedelta(days=3)).isoformat())

    async def is_kept_out() -> bool:
        return ["isolation_not_completed"] == await site.reasons(arrived)

    await eventually(is_kept_out, within_s=WITHIN_S)
    shared, corrected = await told_to_the_police(site, arrived.person_id, seen=seen)
    assert ("arrival-shared", "320600") == (shared["what"], shared["origin_code"])
    assert ("arrival-corrected", "420100", "湖北省武汉市") == (corrected["what"], corrected["origin_code"], corrected["origin"])
    assert (shared["name"], shared["document"]) == (corrected["name"], corrected["document"])


async def test_a_corrected_mobile_keeps_nobody_out(site: Site) -> None:
    arrived = await site.arrives()
    seen = await correct(site, arrived, mobile="13900000022")
    await eventually(lambda: site.is_judged(arrived), within_s=WITHIN_S)
    assert "admitted" == (await site.enters(arrived))["outcome"]
    shared, corrected = await told_to_the_police(site, arrived.person_id, seen=seen)
    assert ("13800000011", "13900000022") == (shared["mobile"], corrected["mobile"])


async def test_why_somebody_was_corrected_and_withdrawn_is_read_by_those_who_supervise_it(site: Site) -> None:
    arrived = await site.arrives()
    await correct(site, arrived, mobile="13900000022")
    registered = f"pre-registrations/{arrived.person_id}"
    await site.post("site_operator", "registration", f"{registered}/withdrawal", {"reason": "不来沪"})
    for role in ("site_operator", "supervision_lead", "station_officer", "district_supervisor", "city_supervisor"):
        found = (await site.get(role, "registration", f"{registered}/corrections"))["items"]
        assert [("pre-registration-withdrawn", "不来沪"), ("person-details-corrected", "登记错误")] == [
            (each["kind"], each["grounds"]) for each in found
        ]
    for role in ("employer_registrar", "gate_device", "police_subscriber"):
        await site.get(role, "registration", f"{registered}/corrections", expect=(403,))

    async def is_recorded() -> bool:
        looks = await record(site, arrived.person_id, "access-log")
        return 5 == sum(("registration", "process") == (each["service"], each["purpose"]) for each in looks)

    await eventually(is_recorded, within_s=WITHIN_S)


async def test_a_name_that_differs_keeps_a_form_waiting_until_health_cloud_says_it_too(site: Site) -> None:
    person = somebody()
    await site.declares(replace(person, name="陈平安"))
    asked = {"document": person.document, "name": person.name, "purpose": "pre_registration"}
    await site.ask("site_operator", "POST", "healthcloud_bridge", "/v1/declaration-lookups", asked, expect=(404,))

    async def is_refused_for_the_name() -> bool:
        refused = await site.hands_in(person, seen="", expect=(409,))
        assert "陈平安" not in refused.text
        return bool("name-differs-from-declaration" == refused.json()["code"])

    await eventually(is_refused_for_the_name, within_s=WITHIN_S)
    await site.declares(person)
    await eventually(lambda: is_in_state(site, "open", 1), within_s=WITHIN_S)
    assert [True] == [each["taken_up"] for each in (await site.get(*LIST, state="open"))["items"]]


async def test_a_form_that_waits_is_withdrawn_and_taken_up_by_nothing(site: Site) -> None:
    person, other = somebody(), somebody()
    seen = ""
    for each in (person, other):
        seen = (await site.hands_in(each, seen="", expect=(409,))).headers["Consistency-Token"]
    lookup = await site.ask("site_operator", "POST", "registration", "/v1/person-lookups", {"document": person.document})
    await site.post(
        "site_operator",
        "registration",
        f"pre-registrations/{lookup.json()['person_id']}/withdrawal",
        {"reason": "不来沪"},
        seen=seen,
    )
    for each in (person, other):
        await site.declares(each)
    await eventually(lambda: is_in_state(site, "open", 1), within_s=WITHIN_S)
    assert await is_in_state(site, "withdrawn", 1)


LIST = ("site_operator", "registration", "pre-registrations")


async def is_in_state(site: Site, state: str, count: int) -> bool:
    """Whether so many are."""
    return count == len((await site.get(*LIST, state=state))["items"])


async def test_a_newer_declaration_that_differs_is_looked_at_by_somebody(site: Site) -> None:
    arrived = await site.arrives()
    await site.declares(arrived.person, days_ago=1, from_hubei=True)

    async def differs() -> list[dict[str, Any]]:
        found = (await site.get("supervision_operator", "registration", "review-items", is_settled="false"))["items"]
        return [each for each in found if each["kind"] == "declaration_differs"]

    [item] = await eventually(differs, within_s=WITHIN_S)
    assert (arrived.person_id, True) == (item["person_id"], "from_hubei" in item["codes"])
    looked = {"kind": item["kind"], "declaration_version": item["declaration_version"], "note": "已电话核实"}
    settlements = f"review-items/{arrived.person_id}/settlements"
    settled = await site.post("supervision_operator", "registration", settlements, looked)
    seen = settled.headers["Consistency-Token"]
    found = await site.get("site_operator", "registration", settlements, seen=seen)
    assert "已电话核实" in [each["note"] for each in found]


async def test_family_is_told_to_the_police_and_followed_and_never_admitted(site: Site) -> None:
    arrived, child = await site.arrives(), somebody()
    form = {"document": child.document, "name": child.name, "relation": "女儿"}
    family = f"pre-registrations/{arrived.person_id}/family-members"
    refused = await site.post("site_operator", "registration", family, form, expect=(409,))
    assert "declaration-missing" == refused.json()["code"]
    await site.declares(child, days_ago=3, from_hubei=True)

    async def comes_along() -> list[str]:
        found = await site.get("site_operator", "registration", family)
        return [each["person_id"] for each in found["items"] if each["state"] == "open"]

    [taken_up] = await eventually(comes_along, within_s=WITHIN_S)
    member = Arrived(child, taken_up)

    async def is_shared() -> list[dict[str, Any]]:
        return await told_to_the_police(site, member.person_id)

    [shared] = await eventually(is_shared, within_s=WITHIN_S)
    assert ("arrival-shared", "family", arrived.person_id) == (shared["what"], shared["kind"], shared["accompanies"])

    async def is_kept_out() -> bool:
        refused = await site.enters(member)
        return {"not_pre_registered", "isolation_not_completed"} <= {each["code"] for each in refused["reasons"]}

    await eventually(is_kept_out, within_s=WITHIN_S)
    await misses(site, arrived, member)
    await site.is_measured(member)
    await misses(site, arrived)
    wrong = {"relation": "儿子", "reason": "登记错误"}
    await site.post("site_operator", "registration", f"{family}/{member.person_id}/corrections", wrong)
    withdrawn = await site.post("site_operator", "registration", f"{family}/{member.person_id}/withdrawal", {"reason": "不来沪"})
    told = await told_to_the_police(site, member.person_id, seen=withdrawn.headers["Consistency-Token"])
    assert ["arrival-shared", "arrival-corrected", "arrival-withdrawn"] == [each["what"] for each in told]
