"""Attempts and roster of a contract, over HTTP: what was answered is listed, and who is on site."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID, uuid4

import httpx2
import pytest

from chassis.auth import Principal
from chassis.migrations import KEYS
from contracts.access import Role
from contracts.health import Disposition
from contracts.registration import ContractReported
from devstack.fresh_databases import FreshDatabases
from devstack.services import SERVICES
from gatekeeper.domain.commands import RelevantFact
from gatekeeper.read_models.banned_on_site import count_banned_on_site, count_bans
from gatekeeper.wiring import SERVICE
from tests.gatekeeper.conftest import stamp
from tests.gatekeeper.facts import EMPLOYER, assessed, disposed, imported, pre_registered
from tests.health.service import Running, running_service
from tests.in_process import Caller
from tests.journeys.worlds import example_of
from tests.measured import measured


@pytest.fixture(scope="module")
async def running(fresh_databases: FreshDatabases, fresh_keys_databases: FreshDatabases) -> AsyncIterator[Running]:
    database = await fresh_databases.make("gatekeeper", SERVICE.migrations)
    keys = await fresh_keys_databases.make_keys([each.package for each in SERVICES], [KEYS])
    async with running_service(SERVICE, database, keys["gatekeeper"]) as service:
        yield service


@dataclass
class Site:
    """A contract that no other test has."""

    running: Running
    contract_no: str
    operator: Caller
    turnstile: Caller
    seen: set[str] = field(default_factory=set)
    """What a list must show: tokens of the gate and of those whom it reads."""

    async def expects(self, *facts: RelevantFact) -> str:
        """Somebody new of whom registration and health told this."""
        person_id = uuid4()
        for fact in facts:
            await self.knows(person_id, fact)
        return str(person_id)

    async def knows(self, person_id: UUID | str, fact: RelevantFact) -> None:
        source = self.running.service.told[fact.TYPE.split(".")[1]]
        on_this = {"contract_no": self.contract_no} if hasattr(fact, "contract_no") else {}
        told = source.tell(fact.model_copy(update={"person_id": UUID(str(person_id)), **on_this}))
        assert (await self.operator.get(self.path(f"clearances/{person_id}"), seen=told)).status_code in (200, 404)
        self.seen.add(str(told))

    def path(self, what: str) -> str:
        return f"/v1/contracts/{self.contract_no}/{what}"

    async def do(self, what: str, person_id: str, *, by: Caller | None = None, expect: int = 200, **more: Any) -> dict[str, Any]:
        """Ask the gate, whose view is fresh."""
        await stamp(self.running.parts.pool, self.running.application.state["wired"].gate.freshness)
        answered = await (by or self.operator).post(self.path(what), {"person_id": person_id, **more})
        assert expect == answered.status_code, answered.text
        if "consistency-token" in answered.headers:
            self.seen.add(answered.headers["consistency-token"])
        body: dict[str, Any] = answered.json()
        return body

    async def list(self, what: str, **query: Any) -> dict[str, Any]:
        while self.seen:
            answered = await self.operator.get(self.path("roster"), seen=self.seen.pop())
            assert 200 == answered.status_code, answered.text
        answered = await self.operator.get(self.path(what), **query)
        assert 200 == answered.status_code, answered.text
        body: dict[str, Any] = answered.json()
        return body

    async def admits(self) -> str:
        """Somebody whom nothing keeps out, and who went in."""
        person_id = await self.expects(pre_registered())
        form = (await self.running.facts(UUID(person_id)))[-1].clearance.pre_registrations[0]  # type: ignore[attr-defined]
        judged = assessed().model_copy(update={"pre_registration_id": form.pre_registration_id})
        await self.knows(person_id, judged)
        assert "admitted" == (await self.do("entries", person_id))["outcome"]
        return person_id


@pytest.fixture
def site(running: Running) -> Site:
    contract_no = f"W{uuid4().hex[:12]}"
    return Site(
        running, contract_no, running.caller(Role.SITE_OPERATOR, contract_no), running.caller(Role.GATE_DEVICE, contract_no)
    )


class TestAttempts:
    async def test_are_told_as_they_were_answered_the_latest_first(self, site: Site) -> None:
        person_id = await site.expects()
        answered = [await site.do("entries", person_id), await site.do("gate-passes", person_id, by=site.turnstile)]
        listed = (await site.list("attempts"))["items"]
        assert [each["attempt_id"] for each in reversed(answered)] == [each["attempt_id"] for each in listed]
        accounts = [each.principal.subject for each in (site.turnstile, site.operator)]
        assert accounts == [each["recorded_by"] for each in listed]
        told = ("kind", "outcome", "reasons", "earliest", "clearance_version", "policy_version", "fresh_as_of", "attempted_at")
        assert [{name: each[name] for name in told} for each in reversed(answered)] == [
            {name: each[name] for name in told} for each in listed
        ]

    async def test_are_filtered_and_paged(self, site: Site) -> None:
        inside, outside = await site.admits(), await site.expects()
        for _ in range(3):
            await site.do("entries", outside)
        await site.do("gate-passes", inside, by=site.turnstile)
        assert ["entry"] == [each["kind"] for each in (await site.list("attempts", outcome="admitted", kind="entry"))["items"]]
        assert {inside} == {each["person_id"] for each in (await site.list("attempts", person_id=inside))["items"]}
        first = await site.list("attempts", outcome="refused", limit=2)
        second = await site.list("attempts", outcome="refused", limit=2, after=first["next"])
        assert (2, 1, None) == (len(first["items"]), len(second["items"]), second["next"])
        times = [each["attempted_at"] for each in first["items"] + second["items"]]
        assert sorted(times, reverse=True) == times

    async def test_have_what_was_decided_on_paper_until_somebody_looks(self, site: Site) -> None:
        person_id, two = await site.expects(), [str(uuid4()), str(uuid4())]
        entered_at = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
        answered = await paper(site, person_id, two, entered_at)
        assert (True, ["not_pre_registered"]) == (answered["needs_review"], [each["code"] for each in answered["reasons"]])
        await site.do("entries", await site.expects())
        [listed] = (await site.list("attempts", needs_review=True))["items"]
        assert (answered["attempt_id"], two, "admitted") == (listed["attempt_id"], listed["decided_by"], listed["outcome"])
        assert 1 == len((await site.list("attempts", needs_review=False))["items"])

    async def test_on_paper_against_the_rules_are_told_whoever_supervises_the_site(self, site: Site) -> None:
        station, two = f"测试{site.contract_no}", [str(uuid4()), str(uuid4())]
        reported = example_of(ContractReported, contract_no=site.contract_no, station_name=station, district="310151")
        site.seen.add(str(site.running.registration.tell(reported, stream_id=uuid4())))
        for hours in (3, 1, 2):
            await paper(site, await site.expects(), two, (datetime.now(UTC) - timedelta(hours=hours)).isoformat())
        of_site = (await site.list("attempts", needs_review=True))["items"]

        def officer(**granted: Any) -> Caller:
            role = Role.STATION_OFFICER if "stations" in granted else Role.DISTRICT_SUPERVISOR
            return site.running.service.caller(Principal(f"{role}-{uuid4()}", role, **granted))

        first = (await officer(stations=frozenset({station})).get("/v1/paper-entries", limit=2)).json()
        second = (await officer(stations=frozenset({station})).get("/v1/paper-entries", limit=2, after=first["next"])).json()
        assert (3, 3, None) == (first["total"], second["total"], second["next"])
        assert [{**each, "contract_no": site.contract_no} for each in of_site] == first["items"] + second["items"]
        of_district = (await officer(districts=frozenset({"310151"})).get("/v1/paper-entries", limit=200)).json()["items"]
        assert {each["attempt_id"] for each in of_site} <= {each["attempt_id"] for each in of_district}
        elsewhere = (await officer(stations=frozenset({"浦东"})).get("/v1/paper-entries")).json()
        assert (0, []) == (elsewhere["total"], elsewhere["items"])
        assert 403 == (await site.operator.get("/v1/paper-entries")).status_code

    async def test_are_shown_to_nobody_of_another_contract(self, site: Site) -> None:
        for what in ("attempts", "roster"):
            foreign = await site.running.caller(Role.SITE_OPERATOR, "W2017050130174").get(site.path(what))
            assert 404 == foreign.status_code


async def paper(site: Site, person_id: str, two: list[str], entered_at: str, *, expect: int = 201) -> dict[str, Any]:
    decided_by = [{"person_id": each} for each in two]
    return await site.do("paper-entries", person_id, decided_by=decided_by, entered_at=entered_at, expect=expect)


class TestPaperEntry:
    async def test_is_recorded_once_however_often_it_is_sent(self, site: Site) -> None:
        person_id = await site.expects()
        body = {
            "person_id": person_id,
            "decided_by": [{"person_id": str(uuid4())} for _ in range(2)],
            "entered_at": datetime.now(UTC).isoformat(),
        }
        answers: list[httpx2.Response] = [await site.operator.post(site.path("paper-entries"), body, key="one") for _ in range(2)]
        assert [201, 201] == [each.status_code for each in answers]
        assert answers[0].json() == answers[1].json()
        assert 1 == len(await site.running.facts(UUID(person_id)))

    async def test_is_refused_with_one_person_twice(self, site: Site) -> None:
        one = str(uuid4())
        refused = await paper(site, await site.expects(), [one, one], datetime.now(UTC).isoformat(), expect=422)
        assert "paper-entry-needs-two-people" == refused["code"]

    async def test_lets_nobody_pass_the_turnstile_against_a_ban(self, site: Site) -> None:
        person_id = await site.expects(disposed(Disposition.SUSPECTED))
        await paper(site, person_id, [str(uuid4()), str(uuid4())], datetime.now(UTC).isoformat())
        passed = await site.do("gate-passes", person_id, by=site.turnstile)
        assert "refused" == passed["outcome"]
        assert "suspected" in [each["code"] for each in passed["reasons"]]


class TestSettlement:
    """核实: what an authority says of an entry on paper against the rules."""

    FOUND: ClassVar = {"finding": "against_the_rules", "measure": "site_instructed"}

    async def officer(self, site: Site) -> Caller:
        """Of the station that supervises the site, and no other."""
        station = f"测试{site.contract_no}"
        reported = example_of(ContractReported, contract_no=site.contract_no, station_name=station, district="310151")
        site.seen.add(str(site.running.registration.tell(reported, stream_id=uuid4())))
        return site.running.service.caller(Principal(f"officer-{uuid4()}", Role.STATION_OFFICER, stations=frozenset({station})))

    async def against_the_rules(self, site: Site) -> dict[str, Any]:
        entered_at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        recorded = await paper(site, await site.expects(), [str(uuid4()), str(uuid4())], entered_at)
        await site.list("attempts")
        return recorded

    async def settle(self, officer: Caller, entry: dict[str, Any], **changes: Any) -> httpx2.Response:
        body = {"attempt_id": entry["attempt_id"], **self.FOUND, **changes}
        return await officer.post(f"/v1/paper-entries/{entry['person_id']}/settlements", body)

    async def test_takes_it_off_what_is_open_and_stays_in_what_was(self, site: Site) -> None:
        officer, entry, other = await self.officer(site), await self.against_the_rules(site), await self.against_the_rules(site)
        answered = await self.settle(officer, entry)
        assert (201, self.FOUND) == (answered.status_code, {each: answered.json()[each] for each in self.FOUND})
        site.seen.add(seen := answered.headers["consistency-token"])

        listed = (await officer.get("/v1/paper-entries", seen=seen, is_settled=False)).json()
        assert (1, [other["attempt_id"]]) == (listed["total"], [each["attempt_id"] for each in listed["items"]])
        [settled] = (await officer.get("/v1/paper-entries", is_settled=True)).json()["items"]
        assert (entry["attempt_id"], False) == (settled["attempt_id"], settled["needs_review"])
        assert {**self.FOUND, "settled_by": settled["settled"]["settled_by"]}.items() <= settled["settled"].items()
        assert settled["settled"]["settled_by"].startswith("officer-")
        [of_person] = (await officer.get("/v1/paper-entries", person_id=entry["person_id"])).json()["items"]
        assert of_person == settled
        assert 2 == (await officer.get("/v1/paper-entries")).json()["total"]

        assert [other["attempt_id"]] == [each["attempt_id"] for each in (await site.list("attempts", needs_review=True))["items"]]
        history = (await site.list("attempts", needs_review=False))["items"]
        assert [(entry["attempt_id"], self.FOUND["finding"])] == [
            (each["attempt_id"], each["settled"]["finding"]) for each in history
        ]

    async def test_is_said_once(self, site: Site) -> None:
        officer, entry = await self.officer(site), await self.against_the_rules(site)
        assert [201, 200] == [(await self.settle(officer, entry)).status_code for _ in range(2)]
        otherwise = await self.settle(officer, entry, finding="emergency")
        assert (409, "paper-entry-is-settled") == (otherwise.status_code, otherwise.json()["code"])
        assert 2 == len(await site.running.facts(UUID(entry["person_id"])))

    async def test_against_the_rules_takes_what_was_done(self, site: Site) -> None:
        officer, entry = await self.officer(site), await self.against_the_rules(site)
        refused = await self.settle(officer, entry, measure="none")
        assert (422, "measure-is-missing") == (refused.status_code, refused.json()["code"])

    async def test_is_of_an_entry_that_is_there_to_whoever_supervises_it(self, site: Site) -> None:
        officer, entry = await self.officer(site), await self.against_the_rules(site)
        person_id = await site.admits()
        allowed = await paper(site, person_id, [str(uuid4()), str(uuid4())], datetime.now(UTC).isoformat())
        assert not allowed["needs_review"]
        elsewhere = site.running.service.caller(Principal("elsewhere", Role.STATION_OFFICER, stations=frozenset({"浦东"})))
        for caller, asked in (
            (officer, {**entry, "attempt_id": str(uuid4())}),
            (officer, {**entry, "person_id": person_id}),
            (officer, allowed),
            (elsewhere, entry),
        ):
            unknown = await self.settle(caller, asked)
            assert (404, "paper-entry-is-unknown") == (unknown.status_code, unknown.json()["code"])
        assert 403 == (await self.settle(site.operator, entry)).status_code
        assert 1 == len(await site.running.facts(UUID(entry["person_id"])))


class TestExits:
    async def test_are_told_of_one_person_and_site_with_who_registered_them(self, site: Site) -> None:
        person_id = await site.expects(imported(on_site=True))
        exited_at = (await site.do("exits", person_id))["exited_at"]
        await site.do("exits", await site.admits())
        told = await site.list("exits", person_id=person_id)
        [left] = told["items"]
        assert (exited_at, site.operator.principal.subject) == (left["exited_at"], left["recorded_by"])
        assert told["next_before"] is None
        elsewhere = f"W{uuid4().hex[:12]}"
        other = site.running.caller(Role.SITE_OPERATOR, elsewhere)
        answered = await other.get(f"/v1/contracts/{elsewhere}/exits", person_id=person_id)
        assert (200, []) == (answered.status_code, answered.json()["items"])


class TestRoster:
    async def test_has_whoever_was_imported_or_entered_and_who_of_them_is_there(self, site: Site) -> None:
        off, on = await site.expects(imported(on_site=False)), await site.expects(imported(on_site=True))
        inside, left = await site.admits(), await site.admits()
        await site.do("exits", left)
        await site.expects(pre_registered())
        roster = await site.list("roster")
        assert (4, 2) == (roster["registered"], roster["on_site"])
        assert {off: False, on: True, inside: True, left: False} == {each["person_id"]: each["on_site"] for each in roster["items"]}
        there = await site.list("roster", on_site=True)
        assert {on, inside} == {each["person_id"] for each in there["items"]}
        assert {EMPLOYER} == {each["employer_credit_code"] for each in roster["items"]}
        [gone] = [each for each in roster["items"] if each["person_id"] == left]
        assert gone["entered_at"] < gone["left_at"]

    async def test_says_who_of_it_is_banned_while_on_site_until_he_has_left(self, site: Site) -> None:
        inside, banned = await site.admits(), await site.admits()
        await site.knows(banned, disposed(Disposition.CONFIRMED))
        await site.do("entries", inside)
        told = await site.list("roster", on_site=True, banned=True)
        [found] = told["items"]
        assert (banned, "confirmed", 1) == (found["person_id"], found["disposition"], told["banned_on_site"])
        await site.do("exits", banned)
        told = await site.list("roster", on_site=True, banned=True)
        assert ([], 0) == (told["items"], told["banned_on_site"])
        await site.knows(banned, disposed(Disposition.ADMISSIBLE))
        assert [] == (await site.list("roster", banned=True))["items"]

    async def test_tells_whoever_supervises_it_who_has_to_leave(self, site: Site) -> None:
        station, pool = f"测试{site.contract_no}", site.running.parts.pool
        reported = example_of(ContractReported, contract_no=site.contract_no, station_name=station, district="310151")
        site.seen.add(str(site.running.registration.tell(reported, stream_id=uuid4())))
        inside, banned, absent = await site.admits(), await site.admits(), await site.expects(disposed(Disposition.CONFIRMED))
        await site.knows(banned, disposed(Disposition.SUSPECTED))
        await site.list("roster")

        async def who_has_to_leave(role: Role, **granted: Any) -> dict[str, Any]:
            caller = site.running.service.caller(Principal(f"{role}-{uuid4()}", role, **granted))
            items = (await caller.get("/v1/banned-on-site", limit=200)).json()["items"]
            return {each["person_id"]: each for each in items if each["person_id"] in {inside, banned, absent}}

        officer = {"stations": frozenset({station})}
        told = await who_has_to_leave(Role.STATION_OFFICER, **officer)
        assert [banned] == list(told)
        assert ([site.contract_no], "suspected") == (told[banned]["contracts"], told[banned]["disposition"])
        assert [banned] == list(await who_has_to_leave(Role.DISTRICT_SUPERVISOR, districts=frozenset({"310151"})))
        assert [banned] == list(await who_has_to_leave(Role.CITY_SUPERVISOR))
        assert {} == await who_has_to_leave(Role.STATION_OFFICER, stations=frozenset({"浦东"}))
        assert 403 == (await site.operator.get("/v1/banned-on-site")).status_code
        await count_bans(pool)
        before = await count_banned_on_site(pool)
        assert before == measured("gatehouse_banned_on_site")
        where = {"district": "310151", "station": station}
        assert 1 == measured("gatehouse_station_banned_on_site", **where)
        assert 1 <= (measured("gatehouse_banned_people", disposition="suspected") or 0)
        await site.do("exits", banned)
        await site.list("roster")
        assert ({}, before - 1) == (await who_has_to_leave(Role.STATION_OFFICER, **officer), await count_banned_on_site(pool))
        await count_bans(pool)
        assert 0 == measured("gatehouse_station_banned_on_site", **where)

    async def test_is_paged(self, site: Site) -> None:
        people = {await site.expects(imported(on_site=False)) for _ in range(3)}
        first = await site.list("roster", limit=2)
        second = await site.list("roster", limit=2, after=first["next"])
        assert people == {each["person_id"] for each in first["items"] + second["items"]}
        assert second["next"] is None


class TestClearance:
    @pytest.mark.parametrize("fact", [imported(on_site=False), pre_registered()])
    async def test_is_told_of_whoever_is_known_here(self, site: Site, fact: RelevantFact) -> None:
        person_id = await site.expects(fact)
        assert (await site.list(f"clearances/{person_id}"))["policy_version"] == 1

    async def test_is_told_of_whoever_left(self, site: Site) -> None:
        person_id = await site.admits()
        await site.do("exits", person_id)
        told = await site.list(f"clearances/{person_id}")
        assert (False, ["not_pre_registered"]) == (told["on_site"], [each["code"] for each in told["reasons"]])
