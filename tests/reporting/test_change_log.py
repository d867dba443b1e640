"""Somebody's own record: who changed what is known of him, whichever service tells it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.access import Role
from contracts.event import Actor
from contracts.gatekeeper import EntryKind, Outcome
from contracts.healthcloud_bridge import DeclarationReceived
from contracts.registration import DeclarationAwaited, FamilyMemberPreRegistered
from tests.in_process import Caller
from tests.journeys.sites import somebody
from tests.journeys.worlds import example_of
from tests.reporting import facts
from tests.reporting.city import City, on_new_site

OPERATOR, SUPERVISION = Actor("site_operator", "user:wu"), Actor("supervision_lead", "user:jian")


def path(person_id: UUID) -> str:
    return f"/v1/people/{person_id}/change-log"


async def changes(caller: Caller, person_id: UUID, **query: Any) -> list[dict[str, Any]]:
    response = await caller.get(path(person_id), **query)
    assert 200 == response.status_code, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def change_of(city: City, person_id: UUID, kind: str) -> dict[str, Any]:
    [change] = [each for each in await changes(city.caller(), person_id) if each["kind"] == kind]
    return change


@pytest.fixture
async def site(city: City) -> str:
    return await on_new_site(city)


@pytest.fixture
async def person_id(city: City, site: str) -> UUID:
    return await city.knows(somebody(), facts.pre_registered(contract_no=site), actor=OPERATOR)


class TestChangeLog:
    async def test_says_who_changed_what_whichever_service_tells_it(self, city: City, site: str, person_id: UUID) -> None:
        await city.tell(example_of(DeclarationReceived, person_id=person_id), actor=OPERATOR)
        await city.tell(facts.disposed().model_copy(update={"person_id": person_id, "contract_no": site}), actor=SUPERVISION)
        await city.tell(facts.attempted(contract_no=site).model_copy(update={"person_id": person_id}), actor=OPERATOR)
        told = {
            (each["service"], each["kind"], each["role"], each["account"], each["contract_no"])
            for each in await changes(city.caller(), person_id)
        }
        assert told == {
            ("registration", "person-pre-registered", *OPERATOR, site),
            ("healthcloud-bridge", "declaration-received", *OPERATOR, None),
            ("health", "disposition-changed", *SUPERVISION, site),
            ("gatekeeper", "entry-attempted", *OPERATOR, site),
        }

    async def test_says_of_what_two_decided_who_proposed_it(self, city: City, person_id: UUID) -> None:
        decided = facts.disposed().model_copy(update={"person_id": person_id, "decided_by": ("user:first", SUPERVISION.account)})
        await city.tell(decided, actor=SUPERVISION)
        change = await change_of(city, person_id, "disposition-changed")
        assert ("user:first", SUPERVISION.account) == (change["proposed_by"], change["account"])

    async def test_names_nobody_where_nobody_did_it(self, city: City, site: str) -> None:
        taken_up = await city.knows(somebody(), facts.pre_registered(contract_no=site))
        [change] = await changes(city.caller(), taken_up)
        assert (None, None) == (change["account"], change["role"])

    async def test_names_whom_an_older_fact_names_itself(self, city: City, person_id: UUID) -> None:
        await city.tell(facts.disposed().model_copy(update={"person_id": person_id, "decided_by": ("user:before",)}))
        change = await change_of(city, person_id, "disposition-changed")
        assert ("user:before", None) == (change["account"], change["role"])

    @pytest.mark.parametrize(
        "asked", [{"kind": EntryKind.GATE_PASS}, {"outcome": Outcome.REFUSED}], ids=["a-gate-pass", "a-refused-entry"]
    )
    async def test_leaves_out_what_changes_nothing(self, city: City, site: str, person_id: UUID, asked: dict[str, Any]) -> None:
        await city.tell(facts.attempted(contract_no=site, **asked).model_copy(update={"person_id": person_id}))
        assert ["person-pre-registered"] == [each["kind"] for each in await changes(city.caller(), person_id)]

    async def test_is_given_a_page_at_a_time(self, city: City, person_id: UUID) -> None:
        for _ in range(3):
            await city.tell(facts.disposed().model_copy(update={"person_id": person_id}), actor=SUPERVISION)
        everything = await changes(city.caller(), person_id)
        first = (await city.caller().get(path(person_id), limit=3)).json()
        rest = (await city.caller().get(path(person_id), limit=3, after=first["next"])).json()
        assert 4 == len(everything)
        assert everything == first["items"] + rest["items"]
        assert rest["next"] is None

    async def test_is_read_where_somebody_comes_along_as_family(self, city: City, site: str) -> None:
        child = await city.knows(somebody(), example_of(FamilyMemberPreRegistered, contract_no=site), actor=OPERATOR)
        officer = city.caller(Role.STATION_OFFICER, stations=frozenset({"虹口"}))
        assert ["family-member-pre-registered"] == [each["kind"] for each in await changes(officer, child)]

    async def test_of_whoever_is_out_of_reach_answers_like_of_nobody(self, city: City, site: str, person_id: UUID) -> None:
        waiting = await city.knows(somebody(), example_of(DeclarationAwaited, contract_no=site), actor=OPERATOR)
        elsewhere = city.caller(Role.STATION_OFFICER, stations=frozenset({"浦东"}))
        here = city.caller(Role.STATION_OFFICER, stations=frozenset({"虹口"}))
        answers = [await elsewhere.get(path(person_id)), await here.get(path(waiting)), await here.get(path(uuid4()))]
        assert [404, 404, 404] == [each.status_code for each in answers]
        assert 1 == len({str(each.json() | {"trace_id": ""}) for each in answers})
