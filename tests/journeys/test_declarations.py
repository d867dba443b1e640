"""健康云 as a site relies on it; over HTTP only."""

from __future__ import annotations

import httpx2

from chassis.testing.wait import eventually
from tests.journeys.sites import EMPLOYER, WITHIN_S, Arrived, Site
from tests.journeys.stack import JourneyStack


async def is_refused_with_the_first_declaration(site: Site, arrived: Arrived) -> bool:
    """Whether the site hears that what it was shown is no longer the latest."""
    form = {
        "document": arrived.person.document,
        "name": arrived.person.name,
        "person_kind": "worker",
        "trade": "020",
        "employer_credit_code": EMPLOYER["credit_code"],
        "origin": {"code": "320600", "text": "江苏省南通市"},
        "declaration_version": 1,
    }
    answer = await site.post("site_operator", "registration", "pre-registrations", form, expect=(201, 409))
    return answer.status_code == 409 and answer.json()["code"] == "declaration-has-changed"


async def test_a_further_declaration_is_noticed_without_anybody_s_act(
    installation: JourneyStack, client: httpx2.AsyncClient, site: Site
) -> None:
    arrived = await site.arrives()
    await site.declares(arrived.person, days_ago=1, from_hubei=True)

    async def is_noticed() -> bool:
        # On a site of its own each time: one that has pre-registered him hears no more of it here.
        elsewhere = await Site.reported(installation, client)
        return await is_refused_with_the_first_declaration(elsewhere, arrived)

    assert await eventually(is_noticed, within_s=WITHIN_S)


async def test_fever_that_is_declared_after_the_pre_registration_keeps_him_out_until_he_is_measured(site: Site) -> None:
    arrived = await site.arrives()
    await site.declares(arrived.person, days_ago=0, 体温="38.2")

    async def is_kept_out() -> bool:
        return ["fever"] == await site.reasons(arrived)

    assert await eventually(is_kept_out, within_s=WITHIN_S)
    await site.is_measured(arrived, celsius=36.6)

    async def is_free() -> bool:
        return [] == await site.reasons(arrived)

    assert await eventually(is_free, within_s=WITHIN_S)
