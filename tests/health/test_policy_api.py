"""How an authority drafts and adopts a policy, and that people are judged by it from then on."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx2
import pytest

from chassis.auth import Principal
from chassis.testing.wait import eventually
from contracts.access import Role
from contracts.health import HealthHoldPlaced, PolicyAdopted
from contracts.policy import SHIPPED
from contracts.streams import POLICY_STREAM
from contracts.times import shanghai_date
from tests.chassis.bad_requests import Good, bad_requests, check, send
from tests.health.facts import pre_registered, pre_registration_withdrawn
from tests.health.service import Running, token_of
from tests.in_process import Caller

DRAFTS = "/v1/policies/drafts"
REFERENCE = {"reference": "沪建质安〔2020〕28号"}
HONGKOU, PUDONG, XUHUI = "310109", "310115", "310104"


def day(ahead: int = 0) -> str:
    return (shanghai_date(datetime.now(UTC)) + timedelta(days=ahead)).isoformat()


def city(**changes: Any) -> dict[str, Any]:
    """The shipped terms, for a day that no other test asks about."""
    return SHIPPED.model_dump(mode="json") | {"valid_from": day(400), "valid_until": day(400)} | changes


def district(**changes: Any) -> dict[str, Any]:
    return {"authority": "district", "district": HONGKOU, "valid_from": day(400), "isolation_days": 21} | changes


def problem(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@pytest.fixture
def city_officer(running: Running) -> Caller:
    return running.caller(Role.CITY_SUPERVISOR)


@pytest.fixture
def officer(running: Running) -> Caller:
    return officer_of(running, HONGKOU)


def officer_of(running: Running, of: str) -> Caller:
    """Of one district."""
    return running.service.caller(Principal(f"officer-{uuid4()}", Role.DISTRICT_SUPERVISOR, districts=frozenset({of})))


async def drafted(caller: Caller, terms: dict[str, Any]) -> str:
    response = await caller.post(DRAFTS, {"terms": terms})
    assert 201 == response.status_code, response.text
    return str(response.json()["draft_id"])


async def activated(caller: Caller, draft_id: str, **more: Any) -> httpx2.Response:
    return await caller.post(f"{DRAFTS}/{draft_id}/activation", REFERENCE, **more)


async def adoptions_of(running: Running, draft_id: str) -> list[PolicyAdopted]:
    facts = await running.facts(POLICY_STREAM)
    return [each for each in facts if isinstance(each, PolicyAdopted) and each.draft_id == UUID(draft_id)]


class TestDraftPolicy:
    async def test_keeps_the_terms_and_judges_nobody(self, running: Running, city_officer: Caller) -> None:
        draft_id = await drafted(city_officer, city())
        assert [] == await adoptions_of(running, draft_id)
        [fact] = await running.recorded(UUID(draft_id))
        assert fact.type.endswith("policy-drafted.v1")

    async def test_sent_twice_with_a_key_is_one_draft(self, city_officer: Caller) -> None:
        first, again = [await city_officer.post(DRAFTS, {"terms": city()}, key="one") for _ in range(2)]
        assert (201, first.json()) == (again.status_code, again.json())

    async def test_says_what_is_wrong_and_where(self, city_officer: Caller) -> None:
        area = {"code_prefix": "4", "name": "甲", "since": "2020-01-01"}
        response = await city_officer.post(DRAFTS, {"terms": city(key_areas=[area])})
        assert (422, "invalid-request") == problem(response)
        assert "/terms/key_areas/0/code_prefix" in response.text
        response = await city_officer.post(DRAFTS, {"terms": city(fever=None)})
        assert "policy_incomplete" in response.text

    async def test_is_for_the_own_authority_only(self, running: Running, officer: Caller, city_officer: Caller) -> None:
        for caller, terms in (
            (officer, city()),
            (officer, district(district=PUDONG)),
            (city_officer, district()),
        ):
            assert (404, "not-found") == problem(await caller.post(DRAFTS, {"terms": terms}))
        assert (403, "forbidden") == problem(await running.caller(Role.STATION_OFFICER).post(DRAFTS, {"terms": district()}))


class TestActivateDraft:
    async def test_judges_by_it_from_its_first_day_on(
        self, running: Running, city_officer: Caller, person_id: UUID, contract_no: str
    ) -> None:
        low = city()["fever"] | {"threshold_celsius": 36.0}
        draft_id = await drafted(city_officer, city(valid_from=day(), valid_until=day(1), fever=low))
        response = await activated(city_officer, draft_id)
        version = response.json()["version"]
        assert (201, f'"{version - 1}"') == (response.status_code, response.headers["etag"])
        site = running.caller(Role.SITE_OPERATOR, contract_no)
        registered = running.registration.tell(pre_registered(person_id, contract_no=contract_no))
        path = f"/v1/people/{person_id}/health-reports"

        async def is_known() -> bool:
            return (await site.get(path, seen=registered)).status_code == 200

        await eventually(is_known)
        reading = {"contract_no": contract_no, "read_at": datetime.now(UTC).isoformat(), "reading_celsius": 36.5}
        reported = await site.post(path, reading | {"symptoms": ["none"]}, seen=response.headers["consistency-token"])
        assert ["fever"] == reported.json()["holds"]
        [held] = [each for each in await running.facts(person_id) if isinstance(each, HealthHoldPlaced)]
        assert version == held.policy_version

    async def test_adopts_once_however_often_it_is_sent(self, running: Running, officer: Caller) -> None:
        draft_id = await drafted(officer, district())
        answers = [await activated(officer, draft_id, key=key) for key in ("one", "one", "two")]
        assert {201} == {each.status_code for each in answers}
        [adopted] = await adoptions_of(running, draft_id)
        assert {adopted.version} == {each.json()["version"] for each in answers}
        assert 1 == len({each.headers["consistency-token"] for each in answers})
        assert REFERENCE["reference"] == adopted.reference

    async def test_is_refused_for_a_day_that_is_over(self, running: Running, city_officer: Caller) -> None:
        draft_id = await drafted(city_officer, city(valid_from=day(-1), valid_until=None))
        assert (409, "policy-begins-in-the-past") == problem(await activated(city_officer, draft_id))
        assert [] == await adoptions_of(running, draft_id)

    async def test_is_refused_where_the_city_forbids_extras(self, city_officer: Caller, officer: Caller) -> None:
        closed = city(valid_from=day(500), valid_until=day(500), allows_extras=False)
        assert 201 == (await activated(city_officer, await drafted(city_officer, closed))).status_code
        draft_id = await drafted(officer, district(valid_from=day(500)))
        assert (409, "extras-are-forbidden") == problem(await activated(officer, draft_id))

    async def test_does_not_find_the_draft_of_another_authority(self, officer: Caller, city_officer: Caller) -> None:
        for caller, draft_id in (
            (officer, await drafted(city_officer, city())),
            (city_officer, await drafted(officer, district())),
            (officer, str(uuid4())),
            (officer, str(POLICY_STREAM)),
        ):
            assert (404, "not-found") == problem(await activated(caller, draft_id))


class TestListPolicies:
    async def test_shows_the_shipped_one_and_every_adopted_one(self, running: Running) -> None:
        # Of a district in which no other test judges anybody.
        officer = officer_of(running, XUHUI)
        done = await activated(officer, await drafted(officer, district(district=XUHUI, valid_from=day(), valid_until=day())))
        viewer = running.caller(Role.EMPLOYER_REGISTRAR)
        items = (await viewer.get("/v1/policies", seen=done.headers["consistency-token"])).json()["items"]
        first, *_, last = items
        assert (1, None, "2020-02-01") == (first["version"], first["reference"], first["terms"]["valid_from"])
        assert (done.json()["version"], REFERENCE["reference"], True) == (last["version"], last["reference"], last["in_force"])
        assert [*range(1, len(items) + 1)] == [each["version"] for each in items]

    async def test_goes_on_page_by_page(self, officer: Caller) -> None:
        await activated(officer, await drafted(officer, district()))
        whole = (await officer.get("/v1/policies")).json()["items"]
        pages: list[Any] = []
        after: int | None = 0
        while after is not None:
            page: dict[str, Any] = (await officer.get("/v1/policies", limit=1, after=after)).json()
            pages += page["items"]
            after = page["next"]
        assert whole == pages


async def site_of(running: Running, *people: UUID) -> str:
    """A contract on which these arrived today from Nantong."""
    contract_no = f"W{uuid4().hex[:12]}"
    arrived = date.fromisoformat(day())
    seen = running.registration.tell(*(pre_registered(each, contract_no=contract_no, arrival_date=arrived) for each in people))
    caller = running.caller(Role.SITE_OPERATOR, contract_no)

    async def is_judged(person_id: UUID) -> bool:
        return (await caller.get(f"/v1/people/{person_id}/assessments", seen=seen)).status_code == 200

    for each in people:
        await eventually(partial(is_judged, each))
    return contract_no


def of_site(contract_no: str) -> dict[str, Any]:
    """What a site may decide: that arrivals from Nantong isolate."""
    nantong = {"code_prefix": "3206", "name": "南通市", "since": "2020-01-01"}
    return {"authority": "site", "district": HONGKOU, "contract_no": contract_no, "valid_from": day(), "key_areas": [nantong]}


class TestRehearseDraft:
    async def rehearsed(self, caller: Caller, draft_id: str, **query: Any) -> dict[str, Any]:
        response = await caller.post(f"{DRAFTS}/{draft_id}/rehearsal?{urlencode(query)}", None)
        assert 200 == response.status_code, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def test_lists_who_would_change_and_stores_nothing(self, running: Running, officer: Caller) -> None:
        people = [uuid4() for _ in range(3)]
        draft_id = await drafted(officer, of_site(await site_of(running, *people)))
        before = [await running.facts(each) for each in people]
        answer = await self.rehearsed(officer, draft_id)
        nothing = {"fever": None, "symptoms": None, "admissible_on": None}
        assert [
            {"person_id": str(each), "now": nothing, "then": nothing | {"admissible_on": day(14)}} for each in sorted(people)
        ] == answer["items"]
        assert (day(), None, [], 0) == (answer["day"], answer["next"], answer["switched"], answer["told_in_part"])
        assert answer["looked_at"] >= 3
        assert before == [await running.facts(each) for each in people]
        assert [] == await adoptions_of(running, draft_id)

    async def test_goes_on_page_by_page_whatever_ends_the_page(
        self, running: Running, officer: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("health.rehearsing.PEOPLE_AT_ONCE", 2)
        monkeypatch.setattr("health.rehearsing.PEOPLE_MAX", 3)
        people = [uuid4() for _ in range(7)]
        draft_id = await drafted(officer, of_site(await site_of(running, *people)))
        found: list[str] = []
        after: str | None = str(UUID(int=0))
        while after:
            answer = await self.rehearsed(officer, draft_id, after=after, limit=2)
            assert len(answer["items"]) <= 2
            assert answer["looked_at"] <= 3
            found += [each["person_id"] for each in answer["items"]]
            after = answer["next"]
        assert [str(each) for each in sorted(people)] == found

    async def test_leaves_out_whom_no_contract_knows_any_more(self, running: Running, officer: Caller) -> None:
        gone = uuid4()
        contract_no = await site_of(running, gone)
        draft_id = await drafted(officer, of_site(contract_no))
        assert 1 == len((await self.rehearsed(officer, draft_id))["items"])
        running.registration.tell(pre_registration_withdrawn(gone, contract_no=contract_no))

        async def is_left_out() -> bool:
            answer = await self.rehearsed(officer, draft_id)
            return len(answer["items"]) == 0

        await eventually(is_left_out)

    async def test_has_its_turn_or_is_told_to_come_again(self, running: Running, officer: Caller) -> None:
        draft_id = await drafted(officer, district())
        people = running.application.state["wired"].people
        async with people.turns, people.turns:
            response = await officer.post(f"{DRAFTS}/{draft_id}/rehearsal", None)
        assert (503, "1") == (response.status_code, response.headers["retry-after"])
        await self.rehearsed(officer, draft_id)

    async def test_says_which_rules_would_be_switched(self, city_officer: Caller) -> None:
        stricter = city()["switches"] | {"no_report_today": "forbid"}
        draft_id = await drafted(city_officer, city(valid_from=day(600), valid_until=day(600), switches=stricter))
        answer = await self.rehearsed(city_officer, draft_id)
        assert [{"rule": "no_report_today", "now": "remind", "then": "forbid"}] == answer["switched"]
        assert (day(600), []) == (answer["day"], answer["items"])

    async def test_does_not_find_the_draft_of_another_authority(self, officer: Caller, city_officer: Caller) -> None:
        draft_id = await drafted(city_officer, city())
        assert (404, "not-found") == problem(await officer.post(f"{DRAFTS}/{draft_id}/rehearsal", None))


class TestListProposals:
    async def proposed(self, caller: Caller, *people: UUID, **query: Any) -> dict[str, tuple[str | None, str | None]]:
        """Of these people, what is proposed: until when was ordered, and until when it would be."""
        found: dict[str, tuple[str | None, str | None]] = {}
        after: str | None = str(UUID(int=0))
        while after:
            answer = (await caller.get("/v1/policies/proposals", after=after, **query)).json()
            found |= {each["person_id"]: (each["ordered"], each["proposed"]) for each in answer["items"]}
            after = answer["next"]
        return {person_id: days for person_id, days in found.items() if UUID(person_id) in people}

    async def test_names_who_was_judged_before_and_changes_nothing(self, running: Running, officer: Caller) -> None:
        people = [uuid4() for _ in range(2)]
        contract_no = await site_of(running, *people)
        assert {} == await self.proposed(officer, *people)
        before = [await running.facts(each) for each in people]
        await activated(officer, await drafted(officer, of_site(contract_no)))
        assert {str(each): (None, day(14)) for each in people} == await self.proposed(officer, *people, limit=1)
        assert before == [await running.facts(each) for each in people]

    async def test_is_for_those_of_the_own_district(self, running: Running, officer: Caller, city_officer: Caller) -> None:
        person_id = uuid4()
        await activated(officer, await drafted(officer, of_site(await site_of(running, person_id))))
        assert {} == await self.proposed(officer_of(running, PUDONG), person_id)
        assert {str(person_id)} == (await self.proposed(city_officer, person_id)).keys()


async def test_bad_requests_are_refused_and_change_nothing(running: Running, officer: Caller) -> None:
    draft_id = await drafted(officer, district())
    good = {
        "draft_policy": Good(body={"terms": district()}),
        "activate_draft": Good({"draft_id": draft_id}, body=REFERENCE),
        "list_proposals": Good(query={"limit": "5"}),
        "read_draft": Good({"draft_id": draft_id}),
        "rehearse_draft": Good({"draft_id": draft_id}, query={"limit": "5"}),
        "list_policies": Good(query={"limit": "5"}),
    }
    document = await running.openapi()
    of_policies = {path: operations for path, operations in document["paths"].items() if "/policies" in path}
    for bad in bad_requests({**document, "paths": of_policies}, good, token=token_of(officer)):
        check(bad, await send(running.client, bad))
    assert [] == await adoptions_of(running, draft_id)
