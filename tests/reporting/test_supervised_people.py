"""Who is behind every number: exactly those, masked; revealed with a reason; found by document or by name."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from contracts.access import Role
from contracts.health import Disposition
from contracts.same_person import PersonLinked, PersonUnlinked
from devstack.databases import Database
from reporting.query_api import PEOPLE_ASKED_MAX
from tests.journeys.sites import somebody
from tests.reporting import facts
from tests.reporting.city import CONTRACTS, City, named, on_new_site
from tests.reporting.facts import EMPLOYER, HONGKOU, NOW, OTHER_EMPLOYER, PUDONG

PEOPLE, EMPLOYMENTS, FIRMS = ("/v1/supervision/people", "/v1/supervision/employments", "/v1/supervision/firms")
SEARCHES, REVEALS = ("/v1/supervision/person-searches", "/v1/reveals")


@pytest.fixture(scope="module")
async def moved(city: City) -> None:
    """Two hundred things happen to fifty people on two contracts."""
    chance = random.Random(11)
    people = [somebody() for _ in range(50)]
    for n in range(200):
        person, contract_no = people[n % 50], chance.choice([HONGKOU, PUDONG])
        at = NOW + timedelta(minutes=n)
        event = chance.choice(
            [
                facts.pre_registered(contract_no=contract_no),
                facts.withdrawn(contract_no=contract_no),
                facts.imported(contract_no=contract_no, on_site=chance.random() < 0.3, at=at),
                facts.attempted(contract_no=contract_no).model_copy(update={"employer_credit_code": EMPLOYER}),
                facts.left(contract_no=contract_no, at=at),
                facts.disposed(disposition=chance.choice(list(Disposition))),
            ]
        )
        await city.knows(person, event)


class TestEveryNumber:
    FILTERS: Sequence[dict[str, Any]] = (
        {},
        {"station": "浦东"},
        {"general_contractor": "上海"},
        {"project_name": "御桥"},
        {"of_contract": HONGKOU},
        {"station": "没有的站"},
    )

    @pytest.mark.parametrize("query", FILTERS)
    async def test_opens_to_exactly_what_it_counts(self, city: City, moved: None, query: dict[str, Any]) -> None:
        table = (await city.caller().get(CONTRACTS, **query)).json()
        header, rows = table["header"], table["rows"]
        for number in ("registered", "on_site"):
            people = await city.rows(PEOPLE, set=number, **query)
            assert header[number] == len({(each["person_id"], each["contract_no"]) for each in people}) == len(people)
            assert sum(row[number] for row in rows) == header[number]
        assert all(each["on_site"] for each in await city.rows(PEOPLE, set="on_site", **query))
        banned = await city.rows(EMPLOYMENTS, on_site=True, banned=True, **query)
        assert header["banned_on_site"] == sum(row["banned_on_site"] for row in rows) == len(banned)
        for kind, number in (("general_contractor", "general_contractors"), ("employer", "employers")):
            found = await city.rows(FIRMS, kind=kind, **query)
            assert header[number] == len({each["credit_code"] for each in found}) == len(found)
        for row in rows:
            for number in ("pre_registered", "registered", "on_site"):
                opened = await city.rows(PEOPLE, set=number, of_contract=row["contract_no"])
                assert row[number] == len(opened)
                assert all(row["contract_no"] == each["contract_no"] for each in opened)
            assert row["employers"] == len(await city.rows(FIRMS, kind="employer", of_contract=row["contract_no"]))

    @pytest.mark.parametrize("query", FILTERS)
    async def test_of_employments_is_told_alike_by_counters_and_by_counting(
        self, city: City, moved: None, query: dict[str, Any]
    ) -> None:
        everybody = await city.rows(EMPLOYMENTS, **query)
        parts = [await city.rows(EMPLOYMENTS, on_site=on_site, **query) for on_site in (True, False)]
        assert sorted(map(str, everybody)) == sorted(map(str, [*parts[0], *parts[1]]))

    async def test_moved_enough_to_tell_something(self, city: City, moved: None) -> None:
        header = (await city.caller().get(CONTRACTS)).json()["header"]
        assert header["registered"] > header["on_site"] > 5

    async def test_is_opened_within_reach_only(self, city: City, moved: None) -> None:
        officer = city.caller(Role.STATION_OFFICER, stations=frozenset({"浦东"}))
        for path, query in ((PEOPLE, {"set": "registered"}), (EMPLOYMENTS, {}), (FIRMS, {"kind": "employer"})):
            own = (await officer.get(path, **query)).json()
            assert own["total"] == (await city.caller().get(path, station="浦东", **query)).json()["total"]
            assert 0 == (await officer.get(path, of_contract=HONGKOU, **query)).json()["total"]


class TestFirms:
    async def test_stand_in_chinese_order_each_once(self, city: City) -> None:
        found = await city.rows(FIRMS, kind="general_contractor", contract_no="W20")
        assert ["江苏南通三建集团股份有限公司", "上海建工集团股份有限公司"] == [each["name"] for each in found]
        assert [1, 1] == [each["contracts"] for each in found]


class TestEmployments:
    async def test_tell_a_person_s_way_masked(self, city: City) -> None:
        site = await on_new_site(city)
        person = named("张小三")
        entry = facts.attempted(contract_no=site).model_copy(update={"employer_credit_code": EMPLOYER})
        await city.knows(person, facts.pre_registered(contract_no=site), entry, facts.disposed(disposition=Disposition.CONFIRMED))
        [row] = await city.rows(EMPLOYMENTS, of_contract=site)
        hidden = person.number[:3] + "*" * 11 + person.number[-4:]
        assert ("张*三", "citizen_id", hidden) == (row["name"], row["document_type"], row["document_number"])
        assert ("worker", "020", EMPLOYER, "测试劳务有限公司") == (
            row["person_kind"],
            row["trade"],
            row["employer_credit_code"],
            row["employer"],
        )
        assert (True, "confirmed", None) == (row["on_site"], row["disposition"], row["left_at"])
        assert None not in (row["pre_registered_at"], row["entered_at"])
        await city.knows(person, facts.left(contract_no=site))
        [row] = await city.rows(EMPLOYMENTS, of_contract=site)
        assert (False, True) == (row["on_site"], row["left_at"] is not None)

    async def test_of_some_people_are_theirs_alone(self, city: City) -> None:
        site, names = await on_new_site(city), ("孟小川", "孟大川", "孟川")
        people = [str(await city.knows(named(name), facts.pre_registered(contract_no=site))) for name in names]
        for asked in (people[:1], people[1:]):
            assert {*asked} == {row["person_id"] for row in await city.rows(EMPLOYMENTS, person_id=asked)}

    async def test_may_be_asked_for_of_as_many_people_as_the_document_says_beside_every_other_filter(self, city: City) -> None:
        people, beside = [str(uuid4()) for _ in range(PEOPLE_ASKED_MAX)], {"of_contract": HONGKOU, "on_site": True, "limit": 200}
        assert [] == await city.rows(EMPLOYMENTS, person_id=people, **beside)
        assert 422 == (await city.caller().get(EMPLOYMENTS, person_id=[*people, str(uuid4())])).status_code

    async def test_come_on_pages_as_long_as_is_asked(self, city: City) -> None:
        site = await on_new_site(city)
        for _ in range(3):
            await city.knows(somebody(), facts.pre_registered(contract_no=site))
        told = [(await city.caller().get(EMPLOYMENTS, of_contract=site, limit=2, page=page)).json() for page in (1, 2)]
        assert ["共2页 显示1到2,共3记录", "共2页 显示3到3,共3记录"] == [each["page_text"] for each in told]
        assert (2, 3) == (told[0]["pages"], len({row["person_id"] for each in told for row in each["rows"]}))

    async def test_have_a_row_for_each_employer(self, city: City) -> None:
        site, person = await on_new_site(city), somebody()
        of_other = facts.pre_registered(contract_no=site).model_copy(update={"employer_credit_code": OTHER_EMPLOYER})
        entry = facts.attempted(contract_no=site).model_copy(update={"employer_credit_code": OTHER_EMPLOYER})
        await city.knows(person, facts.imported(contract_no=site), of_other, entry)
        rows = await city.rows(EMPLOYMENTS, of_contract=site)
        assert {EMPLOYER: False, OTHER_EMPLOYER: True} == {row["employer_credit_code"]: row["on_site"] for row in rows}

    async def test_forget_a_form_that_was_withdrawn(self, city: City) -> None:
        site = await on_new_site(city)
        await city.knows(somebody(), facts.pre_registered(contract_no=site), facts.withdrawn(contract_no=site))
        assert [] == await city.rows(EMPLOYMENTS, of_contract=site)

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ({}, 3),
            ({"on_site": True}, 1),
            ({"on_site": False}, 2),
            ({"disposition": "suspected"}, 1),
            ({"disposition": "suspected", "on_site": True}, 1),
            ({"disposition": "admissible"}, 2),
            ({"banned": True}, 1),
            ({"banned": True, "on_site": True}, 1),
            ({"banned": False}, 2),
            ({"employer": EMPLOYER}, 3),
            ({"employer": OTHER_EMPLOYER}, 0),
            ({"person_kind": "manager"}, 0),
            ({"trade": "020", "person_kind": "worker"}, 3),
        ],
    )
    async def test_are_filtered(self, city: City, query: dict[str, Any], count: int) -> None:
        site = await on_new_site(city)
        await city.knows(somebody(), facts.imported(contract_no=site, on_site=True), facts.disposed())
        for _ in range(2):
            await city.knows(somebody(), facts.pre_registered(contract_no=site))
        assert count == len(await city.rows(EMPLOYMENTS, of_contract=site, **query))

    async def test_show_nothing_of_whoever_was_erased(self, city: City) -> None:
        site = await on_new_site(city)
        person_id = await city.knows(somebody(), facts.imported(contract_no=site))
        await city.sealing.destroy(person_id)
        [row] = await city.rows(EMPLOYMENTS, of_contract=site)
        assert (str(person_id), None, None) == (row["person_id"], row["name"], row["document_number"])

    async def test_are_told_though_nobody_expected_him(self, city: City) -> None:
        site = await on_new_site(city)
        await city.tell(facts.on_paper(77, contract_no=site))
        [row] = await city.rows(EMPLOYMENTS, of_contract=site)
        assert (None, None, True) == (row["employer_credit_code"], row["name"], row["on_site"])


class TestSearch:
    async def test_finds_a_document_on_every_contract_within_reach(self, city: City) -> None:
        here, there, person = await on_new_site(city), await on_new_site(city, station="浦东"), somebody()
        await city.knows(person, facts.imported(contract_no=here), facts.pre_registered(contract_no=there))
        body = {"document": person.document}
        found = (await city.caller().post(SEARCHES, body)).json()
        assert {here, there} == {row["contract_no"] for row in found["rows"]}
        officer = city.caller(Role.STATION_OFFICER, stations=frozenset({"浦东"}))
        assert [there] == [row["contract_no"] for row in (await officer.post(SEARCHES, body)).json()["rows"]]

    async def test_for_a_document_that_nobody_has_finds_and_makes_nobody(self, city: City) -> None:
        body = {"document": somebody().document}
        assert 0 == (await city.caller().post(SEARCHES, body)).json()["total"]
        assert 0 == (await city.caller().post(SEARCHES, body)).json()["total"]

    async def test_finds_a_part_of_a_name_on_one_contract(self, city: City) -> None:
        here, there = await on_new_site(city), await on_new_site(city)
        for name in ("买买提·艾力", "买买提江", "陈安平"):
            await city.knows(named(name), facts.imported(contract_no=here))
        await city.knows(named("买买提"), facts.imported(contract_no=there))
        for name, count in (("买买提", 2), ("提•艾", 1), ("安", 1), ("没有", 0)):
            found = (await city.caller().post(SEARCHES, {"name": name, "contract_no": here})).json()
            assert (count, True) == (found["total"], found["is_complete"]), name
            assert {here} >= {row["contract_no"] for row in found["rows"]}

    @pytest.mark.parametrize(
        "body", [{}, {"name": "张"}, {"contract_no": HONGKOU}, {"name": "张", "document": somebody().document}]
    )
    async def test_by_name_takes_a_contract(self, city: City, body: dict[str, Any]) -> None:
        assert 422 == (await city.caller().post(SEARCHES, body)).status_code

    async def test_of_a_foreign_contract_is_answered_as_of_none(self, city: City) -> None:
        officer = city.caller(Role.STATION_OFFICER, stations=frozenset({"浦东"}))
        for contract_no in (HONGKOU, "W0"):
            assert 404 == (await officer.post(SEARCHES, {"name": "张", "contract_no": contract_no})).status_code


class TestSeveralDocuments:
    async def test_of_one_person_are_counted_once_in_every_number(self, city: City) -> None:
        contract_no = await on_new_site(city)
        pre_registered, imported = facts.pre_registered(contract_no=contract_no), facts.imported(contract_no=contract_no)
        records = [await city.knows(somebody(), pre_registered, imported) for _ in range(3)]
        await self._link(city, records[0], records[2])
        assert (
            (2, 2)
            == await self._counted(city, contract_no, "pre_registered")
            == await self._counted(city, contract_no, "registered")
        )
        await city.tell(facts.withdrawn(contract_no=contract_no).model_copy(update={"person_id": records[0]}))
        assert (2, 2) == await self._counted(city, contract_no, "pre_registered")
        await city.tell(facts.withdrawn(contract_no=contract_no).model_copy(update={"person_id": records[2]}))
        assert (1, 1) == await self._counted(city, contract_no, "pre_registered")

    async def test_are_two_people_again_once_unlinked(self, city: City) -> None:
        contract_no = await on_new_site(city)
        told = facts.pre_registered(contract_no=contract_no)
        one, two = [await city.knows(somebody(), told) for _ in range(2)]
        await self._link(city, one, two)
        assert (1, 1) == await self._counted(city, contract_no, "pre_registered")
        for each, other in ((one, two), (two, one)):
            await city.tell(PersonUnlinked(person_id=each, not_the_same=(other,), same_as=(), reason=facts.SEALED, unlinked_at=NOW))
        assert (2, 2) == await self._counted(city, contract_no, "pre_registered")

    async def _link(self, city: City, one: UUID, two: UUID) -> None:
        for each, other in ((one, two), (two, one)):
            await city.tell(PersonLinked(person_id=each, same_as=(other,), linked_at=NOW))

    async def _counted(self, city: City, contract_no: str, number: str) -> tuple[int, int]:
        """In the table, and behind it."""
        [row] = (await city.caller().get(CONTRACTS, of_contract=contract_no)).json()["rows"]
        return row[number], len(await city.rows(PEOPLE, set=number, of_contract=contract_no))


class TestReveal:
    async def test_shows_a_person_after_it_was_recorded_who_saw_whom_and_why(self, city: City) -> None:
        site, person = await on_new_site(city), named("张小三")
        person_id = await city.knows(person, facts.pre_registered(contract_no=site))
        officer = city.caller(Role.STATION_OFFICER, stations=frozenset({"虹口"}))
        body = {"person_id": str(person_id), "contract_no": site, "reason": "case_investigation", "reference": "2020-117"}
        shown = (await officer.post(REVEALS, body)).json()
        assert ("张小三", person.number, person.mobile) == (shown["name"], shown["document_number"], shown["mobile"])
        told = "SELECT actor, role, reason_code, reference, contract_no FROM reveal WHERE person_id = $1"
        who = (officer.principal.subject, "station_officer", "case_investigation", "2020-117", site)
        assert [who] == await stored(city.database, told, person_id)
        accessed = "SELECT actor FROM access WHERE purpose = 'reveal' AND stream_ids = ARRAY[$1::uuid]"
        assert [(officer.principal.subject,)] == await stored(city.keys, accessed, person_id)

    async def test_takes_a_reason_and_somebody_within_reach(self, city: City) -> None:
        site = await on_new_site(city)
        person_id = await city.knows(somebody(), facts.pre_registered(contract_no=site))
        body = {"person_id": str(person_id), "contract_no": site, "reason": "complaint"}
        foreign = city.caller(Role.STATION_OFFICER, stations=frozenset({"浦东"}))
        assert 404 == (await foreign.post(REVEALS, body)).status_code
        assert 404 == (await city.caller().post(REVEALS, {**body, "contract_no": HONGKOU})).status_code
        assert 422 == (await city.caller().post(REVEALS, {**body, "reason": "curiosity"})).status_code
        assert 422 == (await city.caller().post(REVEALS, {**body, "reference": "张小三"})).status_code
        assert [] == await stored(city.database, "SELECT 1 FROM reveal WHERE person_id = $1", person_id)


async def stored(database: Database, query: str, person_id: UUID) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(database.owner_dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query, person_id)]
    finally:
        await connection.close()
