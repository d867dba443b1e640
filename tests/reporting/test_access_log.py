"""Somebody's own record: who saw him, through what, and why."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.access import Role
from tests.in_process import Caller
from tests.journeys.sites import somebody
from tests.reporting import facts
from tests.reporting.city import City, on_new_site

EMPLOYMENTS, REVEALS = "/v1/supervision/employments", "/v1/reveals"


def path(person_id: UUID) -> str:
    return f"/v1/people/{person_id}/access-log"


async def accesses(caller: Caller, person_id: UUID, **query: Any) -> list[dict[str, Any]]:
    response = await caller.get(path(person_id), **query)
    assert 200 == response.status_code, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def reveal(caller: Caller, person_id: UUID, contract_no: str, *, reason: str, reference: str | None = None) -> None:
    body = {"person_id": str(person_id), "contract_no": contract_no, "reason": reason, "reference": reference}
    assert 200 == (await caller.post(REVEALS, body)).status_code


@pytest.fixture
async def site(city: City) -> str:
    return await on_new_site(city)


@pytest.fixture
async def person_id(city: City, site: str) -> UUID:
    return await city.knows(somebody(), facts.pre_registered(contract_no=site))


class TestAccessLog:
    async def test_says_who_saw_somebody_and_why_newest_first(self, city: City, site: str, person_id: UUID) -> None:
        reader, officer = city.caller(), city.caller(Role.STATION_OFFICER, stations=frozenset({"虹口"}))
        await reader.get(EMPLOYMENTS, of_contract=site)
        await reveal(officer, person_id, site, reason="complaint")
        await reveal(officer, person_id, site, reason="case_investigation", reference="2020-117")
        told = [
            (each["service"], each["actor"], each["purpose"], each["reason_code"], each["reference"], each["contract_no"])
            for each in await accesses(officer, person_id)
        ]
        by_officer = ("reporting", officer.principal.subject, "reveal")
        assert told == [
            (*by_officer, "case_investigation", "2020-117", site),
            (*by_officer, "complaint", None, site),
            ("reporting", reader.principal.subject, "masked_page", None, None, None),
        ]

    async def test_is_of_one_person(self, city: City, site: str, person_id: UUID) -> None:
        other = await city.knows(somebody(), facts.pre_registered(contract_no=site))
        await reveal(city.caller(), other, site, reason="complaint")
        assert [] == await accesses(city.caller(), person_id)

    async def test_is_not_added_to_by_reading_it(self, city: City, person_id: UUID) -> None:
        assert [] == await accesses(city.caller(), person_id)
        assert [] == await accesses(city.caller(), person_id)

    async def test_is_given_a_page_at_a_time(self, city: City, site: str, person_id: UUID) -> None:
        for _ in range(3):
            await reveal(city.caller(), person_id, site, reason="complaint")
        everything = await accesses(city.caller(), person_id)
        first = (await city.caller().get(path(person_id), limit=2)).json()
        rest = (await city.caller().get(path(person_id), limit=2, before=first["next_before"])).json()
        assert everything == first["items"] + rest["items"]
        assert rest["next_before"] is None

    async def test_of_somebody_out_of_reach_answers_like_of_nobody(self, city: City, person_id: UUID) -> None:
        elsewhere = city.caller(Role.STATION_OFFICER, stations=frozenset({"浦东"}))
        foreign, unknown = [await elsewhere.get(path(each)) for each in (person_id, uuid4())]
        assert (404, 404) == (foreign.status_code, unknown.status_code)
        assert foreign.json() | {"trace_id": ""} == unknown.json() | {"trace_id": ""}
