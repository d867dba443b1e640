"""Entry, gate pass and exit, as a site sees them; over HTTP only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from chassis.testing.wait import eventually
from contracts.times import shanghai_date
from tests.journeys.sites import WITHIN_S, Arrived, Site, somebody
from tests.journeys.stack import JourneyStack


def codes(answer: dict[str, Any]) -> list[str]:
    return [each["code"] for each in answer["reasons"]]


async def listed(site: Site, what: str, count: int, **query: Any) -> list[dict[str, Any]]:
    """The items of a list of the gate, as soon as there are so many."""

    async def items() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await site.get("supervision_operator", "gatekeeper", what, **query))["items"]
        return found

    async def are_there() -> bool:
        return len(await items()) == count

    await eventually(are_there, within_s=WITHIN_S)
    return await items()


class TestWorker:
    async def test_enters_passes_and_leaves(self, site: Site) -> None:
        worker = await site.arrives()
        assert ["not_entered"] == codes(await site.passes(worker))[-1:], "the turnstile wants an open entry"
        assert ("admitted", []) == ((entered := await site.enters(worker))["outcome"], codes(entered))
        assert ["already_entered"] == codes(await site.enters(worker))
        await self.is_reminded_until_he_is_measured(site, worker)

        [member] = await listed(site, "roster", 1, on_site=True)
        assert (worker.person_id, "worker", "020") == (member["person_id"], member["person_kind"], member["trade"])
        await site.post("site_operator", "gatekeeper", "exits", {"document": worker.person.document})
        await listed(site, "roster", 0, on_site=True)
        assert ["not_pre_registered"] == await site.reasons(worker), "to come back takes a new pre-registration"
        refused = await site.post("site_operator", "gatekeeper", "exits", {"document": worker.person.document}, expect=(409,))
        assert "person-is-not-on-site" == refused.json()["code"]

        attempts = await listed(site, "attempts", 5)
        assert ["admitted", "admitted", "refused", "admitted", "refused"] == [each["outcome"] for each in attempts]
        assert {worker.person_id} == {each["person_id"] for each in attempts}

    async def is_reminded_until_he_is_measured(self, site: Site, worker: Arrived) -> None:
        passed = await site.passes(worker)
        assert ("admitted", ["no_report_today"]) == (passed["outcome"], codes(passed))
        await site.is_measured(worker)

        async def is_known() -> bool:
            return "no_report_today" not in codes(
                await site.get("site_operator", "gatekeeper", f"clearances/{worker.person_id}", kind="gate_pass")
            )

        await eventually(is_known, within_s=WITHIN_S)
        passed = await site.passes(worker)
        assert ("admitted", []) == (passed["outcome"], codes(passed))

    async def test_comes_back_on_a_declaration_made_since_he_left(self, site: Site) -> None:
        worker = await site.arrives()
        assert "admitted" == (await site.enters(worker))["outcome"]
        left = await site.post("site_operator", "gatekeeper", "exits", {"person_id": worker.person_id})
        seen = left.headers["Consistency-Token"]
        refused = await site.hands_in(worker.person, seen=seen, expect=(409,))
        assert "declaration-missing" == refused.json()["code"], "that he declared when he first came says nothing of now"
        assert "awaiting" == await self.state(site, worker, seen=refused.headers["Consistency-Token"])

        await site.declares(worker.person, days_ago=0)

        async def is_expected() -> bool:
            return await self.state(site, worker) == "open"

        await eventually(is_expected, within_s=WITHIN_S)
        await eventually(lambda: site.is_judged(worker), within_s=WITHIN_S)
        assert "admitted" == (await site.enters(worker))["outcome"]

    async def state(self, site: Site, worker: Arrived, *, seen: str = "") -> str:
        found = await site.get("site_operator", "registration", f"pre-registrations/{worker.person_id}", seen=seen)
        return str(found["state"])

    async def test_of_a_key_area_hears_every_reason_and_the_day_that_clears_them(self, site: Site) -> None:
        worker = await site.arrives(days_ago=4, from_hubei=True)
        await site.is_measured(worker, celsius=38.0)

        async def has_a_fever() -> bool:
            return "fever" in await site.reasons(worker)

        await eventually(has_a_fever, within_s=WITHIN_S)
        refused = await site.enters(worker)
        day = (shanghai_date(datetime.now(UTC)) + timedelta(days=10)).isoformat()
        assert ["isolation_not_completed", "fever"] == codes(refused)
        assert [("end_of_isolation", day), ("normal_reading", None)] == [(r["clears"], r["earliest"]) for r in refused["reasons"]]
        assert day == refused["earliest"]

    async def test_hears_of_every_ban_by_its_name(self, site: Site) -> None:
        worker = await site.arrives()
        for disposition in ("quarantine_required", "suspected", "confirmed"):
            await site.is_banned(worker, disposition)
            assert ("refused", [disposition]) == ((refused := await site.enters(worker))["outcome"], codes(refused))

    async def test_is_reminded_that_he_is_on_site_elsewhere(
        self, installation: JourneyStack, client: httpx2.AsyncClient, site: Site
    ) -> None:
        elsewhere = await Site.reported(installation, client)
        worker = await site.arrives()
        await elsewhere.pre_registers(worker.person)
        assert ("admitted", []) == ((entered := await site.enters(worker))["outcome"], codes(entered))
        assert ("admitted", ["on_site_elsewhere"]) == ((entered := await elsewhere.enters(worker))["outcome"], codes(entered))

    async def test_who_is_banned_on_site_stands_on_a_list_until_he_has_left(self, site: Site) -> None:
        worker, other = await site.arrives(), await site.arrives()
        for each in (worker, other):
            assert "admitted" == (await site.enters(each))["outcome"]
        await site.is_banned(worker)
        assert "suspected" in codes(await site.passes(worker))
        [banned] = await listed(site, "roster", 1, on_site=True, banned=True)
        assert (worker.person_id, "suspected") == (banned["person_id"], banned["disposition"])
        await site.post("site_operator", "gatekeeper", "exits", {"person_id": worker.person_id})
        await listed(site, "roster", 0, on_site=True, banned=True)


class TestPaper:
    async def test_is_judged_by_what_was_true_when_he_went_in(self, site: Site) -> None:
        worker = await site.arrives()
        before = datetime.now(UTC)
        await site.is_banned(worker)
        after = datetime.now(UTC)
        assert [] == codes(await self.on_paper(site, worker, before))
        assert ["suspected"] == codes(await self.on_paper(site, worker, after))

        [to_review] = await listed(site, "attempts", 1, needs_review=True)
        assert (after, 2) == (datetime.fromisoformat(to_review["attempted_at"]), len(to_review["decided_by"]))
        [member] = await listed(site, "roster", 1)
        assert member["on_site"], "it has happened, whatever the rules say"
        assert "refused" == (await site.passes(worker))["outcome"]
        await self.is_settled_by_the_station(site, to_review)

    async def is_settled_by_the_station(self, site: Site, entry: dict[str, Any]) -> None:
        path = f"/v1/paper-entries/{entry['person_id']}/settlements"
        body = {"attempt_id": entry["attempt_id"], "finding": "against_the_rules", "measure": "person_isolated"}

        async def is_on_its_list() -> bool:
            told = await site.ask("station_officer", "GET", "gatekeeper", "/v1/paper-entries", is_settled="false")
            return [entry["attempt_id"]] == [each["attempt_id"] for each in told.json()["items"]]

        await eventually(is_on_its_list, within_s=WITHIN_S)
        seen = (await site.ask("station_officer", "POST", "gatekeeper", path, body, expect=(201,))).headers["Consistency-Token"]
        open_ones = await site.ask("station_officer", "GET", "gatekeeper", "/v1/paper-entries", seen=seen, is_settled="false")
        assert (0, []) == (open_ones.json()["total"], open_ones.json()["items"])
        assert [] == (await site.get("supervision_operator", "gatekeeper", "attempts", needs_review="true"))["items"]
        [settled] = [each for each in await listed(site, "attempts", 3) if each["settled"]]
        assert (entry["attempt_id"], "person_isolated") == (settled["attempt_id"], settled["settled"]["measure"])
        changes = f"/v1/people/{entry['person_id']}/change-log"
        record = (await site.ask("station_officer", "GET", "reporting", changes, seen=seen)).json()["items"]
        assert "station_officer" == next(each["role"] for each in record if each["kind"] == "paper-entry-settled")

    async def on_paper(self, site: Site, worker: Arrived, entered_at: datetime) -> dict[str, Any]:
        two = [{"document": somebody().document} for _ in range(2)]
        body = {"document": worker.person.document, "decided_by": two, "entered_at": entered_at.isoformat()}

        async def is_certain() -> dict[str, Any] | None:
            """Not marked as recorded too early: the gate knows what was true then."""
            view = await site.get("site_operator", "gatekeeper", f"clearances/{worker.person_id}")
            return view if view["as_of"] and datetime.fromisoformat(view["as_of"]) >= entered_at else None

        await eventually(is_certain, within_s=WITHIN_S)
        recorded: dict[str, Any] = (await site.post("site_operator", "gatekeeper", "paper-entries", body)).json()
        return recorded
