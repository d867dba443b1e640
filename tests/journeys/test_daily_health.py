"""每日健康 as a site keeps up with it; over HTTP only."""

from __future__ import annotations

from datetime import UTC, datetime

from chassis.testing.wait import eventually
from tests.journeys.sites import WITHIN_S, Arrived, Site


async def misses(site: Site, *people: Arrived) -> None:
    """The site's list of those without a report of today comes to hold exactly these."""

    async def are_listed() -> bool:
        listed: list[str] = (await site.get("employer_registrar", "health", "missing-reports"))["items"]
        return sorted(each.person_id for each in people) == listed

    await eventually(are_listed, within_s=WITHIN_S)


async def test_whoever_is_expected_or_on_site_is_missed_until_he_is_measured_or_has_left(site: Site) -> None:
    expected, on_site = await site.arrives(), await site.arrives()
    assert "admitted" == (await site.enters(on_site))["outcome"]
    await misses(site, expected, on_site)
    await site.is_measured(expected)
    await misses(site, on_site)
    await site.is_measured(expected, celsius=36.8)  # Several readings a day are normal.
    await misses(site, on_site)
    await site.post("site_operator", "gatekeeper", "exits", {"person_id": on_site.person_id})
    await misses(site)


async def test_a_team_is_measured_in_one_round_and_the_gate_knows_whom_that_keeps_out(site: Site) -> None:
    well, hot = await site.arrives(), await site.arrives()
    team = [
        {"person_id": well.person_id, "reading_celsius": 36.5},
        {"person_id": hot.person_id, "reading_celsius": 38.1, "symptoms": ["fever", "cough"]},
    ]
    body = {"read_at": datetime.now(UTC).isoformat(), "method": "forehead", "people": team}
    answered = (await site.post("employer_registrar", "health", "health-rounds", body)).json()
    assert [[], ["fever", "symptoms"]] == [each["holds"] for each in answered["people"]]
    await misses(site)

    async def is_kept_out() -> bool:
        return {"fever", "symptoms"} <= {*await site.reasons(hot)}

    await eventually(is_kept_out, within_s=WITHIN_S)
    assert "admitted" == (await site.enters(well))["outcome"]


async def test_a_mistyped_fever_is_corrected_and_the_gate_lets_him_in(site: Site) -> None:
    well = await site.arrives()
    reports = f"/v1/people/{well.person_id}/health-reports"
    reading = {"contract_no": site.contract_no, "read_at": datetime.now(UTC).isoformat(), "symptoms": ["none"]}
    wrong = (await site.ask("employer_registrar", "POST", "health", reports, reading | {"reading_celsius": 38.6})).json()

    async def is_kept_out() -> bool:
        return ["fever"] == await site.reasons(well)

    await eventually(is_kept_out, within_s=WITHIN_S)
    correction = f"{reports}/{wrong['report_id']}/corrections"
    await site.ask("site_operator", "POST", "health", correction, reading | {"reading_celsius": 36.8, "reason": "录入错误"})

    async def is_free() -> bool:
        return [] == await site.reasons(well)

    await eventually(is_free, within_s=WITHIN_S)
    assert "admitted" == (await site.enters(well))["outcome"]
    await misses(site)
