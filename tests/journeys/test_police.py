"""The police of a district without Kafka: the feed, receipts, and the daily reconciliation; over HTTP only."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from contracts.times import shanghai_date
from tests.journeys.sites import Site, somebody
from tests.journeys.stack import JourneyStack

DISTRICT, ANOTHER = "310117", "310116"
"""Of no other journey: its police hears of nobody else."""
SHARED, CORRECTED, WITHDRAWN = (f"gatehouse.police.arrival-{each}.v1" for each in ("shared", "corrected", "withdrawn"))
WAIT_S = 5
MINIMUM = {
    *("person_id", "kind", "contract_no", "district", "document", "document_type", "name", "mobile", "shared_at"),
    *("origin_code", "origin", "travel", "arrival_date", "stay_address", "accompanies"),
}
"""Whatever may be told of an arrival: nothing about temperature or disposition."""


@pytest.fixture
async def site(installation: JourneyStack, client: httpx2.AsyncClient) -> Site:
    return await Site.reported(installation, client, district=DISTRICT)


@dataclass
class Feed:
    """The police of the site's district, which reads on where it stopped."""

    site: Site
    next: str = "/v1/arrivals?limit=100"

    async def news(self, *, wait_s: int | None = None) -> list[dict[str, Any]]:
        """What came since."""
        headers = {"Authorization": f"Bearer {await self.site.token('police_subscriber')}"}
        headers |= {} if wait_s is None else {"Prefer": f"wait={wait_s}"}
        page = await self.site.client.get(self.site.stack.url("police_bridge") + self.next, headers=headers)
        assert page.is_success, page.text
        self.next = page.headers["Link"].partition(">")[0].removeprefix("<")
        found: list[dict[str, Any]] = page.json()
        return found

    async def everything(self) -> list[dict[str, Any]]:
        """All there is by now."""
        found: list[dict[str, Any]] = []
        while page := await self.news():
            found += page
        return found

    async def comes_to_tell(self, count: int) -> list[dict[str, Any]]:
        """So many messages, as they come: each time the police asks, it waits for news."""
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(30):
            while len(found) < count:
                found += await self.news(wait_s=WAIT_S)
        return found


async def receipts_of(site: Site, ids: Sequence[str]) -> dict[str, Any]:
    path = "/v1/receipts"
    told: dict[str, Any] = (await site.ask("police_subscriber", "POST", "police_bridge", path, {"message_ids": list(ids)})).json()
    return told


async def counted(site: Site, messages: Sequence[dict[str, Any]]) -> dict[date, Any]:
    """What police-bridge counts of the days of these messages."""
    path = "/v1/reconciliations"
    answers = {day: await site.ask("police_subscriber", "GET", "police_bridge", f"{path}/{day}") for day in by_day(messages)}
    return {day: answer.json()["districts"] for day, answer in answers.items()}


def by_day(messages: Sequence[dict[str, Any]]) -> dict[date, list[str]]:
    """The ids of each day in Shanghai."""
    found: dict[date, list[str]] = {}
    for each in messages:
        found.setdefault(shanghai_date(datetime.fromisoformat(each["time"])), []).append(each["id"])
    return found


def as_the_police_counts(ids: Sequence[str]) -> list[dict[str, Any]]:
    """The same of a day, from what the police has and has acknowledged: docs/police says how."""
    digest = hashlib.sha256("".join(f"{each}\n" for each in sorted(ids)).encode()).hexdigest()
    return [{"district": DISTRICT, "messages": len(ids), "receipts": len(ids), "digest": digest}]


class TestFeed:
    async def test_answers_whoever_waits_as_soon_as_somebody_is_expected(self, site: Site) -> None:
        feed = Feed(site)
        await feed.everything()
        waiting = asyncio.create_task(feed.news(wait_s=WAIT_S))
        worker = await site.arrives()
        [told] = await waiting or await feed.comes_to_tell(1)
        assert (SHARED, worker.person_id) == (told["type"], told["subject"])
        data = told["data"]
        assert ("worker", site.contract_no, DISTRICT) == (data["kind"], data["contract_no"], data["district"])
        assert (worker.person.number, worker.person.name, worker.person.mobile) == (data["document"], data["name"], data["mobile"])
        assert data.keys() <= MINIMUM

    async def test_tells_of_correction_family_and_withdrawal_each_in_its_place(self, site: Site) -> None:
        feed = Feed(site)
        await feed.everything()
        worker, child = await site.arrives(), somebody()
        await site.declares(child)
        form = f"pre-registrations/{worker.person_id}"
        await site.post(
            "site_operator", "registration", f"{form}/corrections", {"arrival_date": "2020-02-03", "reason": "录入错误"}
        )
        lookup = {"document": child.document, "name": child.name, "purpose": "family"}
        found = await site.ask("site_operator", "POST", "healthcloud_bridge", "/v1/declaration-lookups", lookup)
        member = {"document": child.document, "name": child.name, "relation": "女儿"}
        seen = found.headers["Consistency-Token"]
        await site.post("site_operator", "registration", f"{form}/family-members", member, seen=seen)
        await site.post("site_operator", "registration", f"{form}/withdrawal", {"reason": "不来沪"})

        told = await feed.comes_to_tell(4)
        of_worker = [each for each in told if each["subject"] == worker.person_id]
        assert [SHARED, CORRECTED, WITHDRAWN] == [each["type"] for each in of_worker]
        assert ["1", "2", "3"] == [each["streamversion"] for each in of_worker]
        assert "2020-02-03" == of_worker[1]["data"]["arrival_date"]
        family = next(each["data"] for each in told if each["subject"] != worker.person_id)
        assert ("family", worker.person_id) == (family["kind"], family["accompanies"])
        assert told == (await Feed(site).everything())[-len(told) :], "told again from the beginning, with the same ids"

    async def test_tells_nothing_to_the_police_of_another_district(
        self, installation: JourneyStack, client: httpx2.AsyncClient, site: Site
    ) -> None:
        elsewhere = await Site.reported(installation, client, district=ANOTHER)
        await site.arrives()
        assert [] == await Feed(elsewhere).news(wait_s=1)


class TestReceipts:
    async def test_are_counted_once_and_both_sides_come_to_the_same(self, site: Site) -> None:
        await site.arrives()
        messages = await Feed(site).everything()
        ids = [each["id"] for each in messages]
        unknown = str(uuid4())
        assert {"received": len(ids), "unknown": [unknown]} == await receipts_of(site, [*ids, unknown])
        once = await counted(site, messages)
        assert {"received": len(ids), "unknown": []} == await receipts_of(site, ids), "said twice"
        assert {"received": 1, "unknown": []} == await receipts_of(site, ids[:1]), "and in other company"
        assert once == await counted(site, messages), "is said once"
        assert {day: as_the_police_counts(of_day) for day, of_day in by_day(messages).items()} == once

    async def test_of_another_district_s_messages_are_none(
        self, installation: JourneyStack, client: httpx2.AsyncClient, site: Site
    ) -> None:
        elsewhere = await Site.reported(installation, client, district=ANOTHER)
        await site.arrives()
        messages = await Feed(site).everything()
        ids = sorted(each["id"] for each in messages)
        before = await counted(site, messages)
        assert {"received": 0, "unknown": ids} == await receipts_of(elsewhere, ids)
        assert before == await counted(site, messages)


class TestReconciliation:
    async def test_of_a_day_without_messages_says_that_there_are_none(self, site: Site) -> None:
        answer = (await site.ask("police_subscriber", "GET", "police_bridge", "/v1/reconciliations/2020-01-01")).json()
        assert {"date": "2020-01-01", "districts": as_the_police_counts([])} == answer

    async def test_stays_as_it_was_when_somebody_is_erased(self, site: Site) -> None:
        gone = await site.arrives()
        messages = await Feed(site).everything()
        await site.ask("city_supervisor", "DELETE", "registration", f"/v1/people/{gone.person_id}/personal-data")
        feed = Feed(site)
        erased = f"gatehouse.police.arrival-erased.v1 {gone.person_id}"
        while not any(f"{each['type']} {each['subject']}" == erased for each in await feed.comes_to_tell(1)):
            pass
        after = await Feed(site).everything()
        assert gone.person.number not in str(after)
        assert [each["id"] for each in messages] == [each["id"] for each in after[: len(messages)]]
