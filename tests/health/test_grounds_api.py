"""Why somebody was banned, and why something was put right: who reads it, over HTTP, on real PostgreSQL and key server."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from contracts.access import Role
from contracts.health import Disposition
from contracts.same_person import PersonLinked
from health import grounds_api
from health.read_models.known_people import TOLD_ON
from tests.health.facts import EMPLOYER, HUBEI, NOW, declaration, dispose, pre_registered, pre_registration_withdrawn
from tests.health.service import Running
from tests.health.test_ban_reviews import authority, ban_body, looks_at, supervised
from tests.in_process import Caller


@pytest.fixture
async def operator(running: Running, person_id: UUID, contract_no: str) -> Caller:
    """Of a contract on which somebody from Hubei is expected, who does not say where his stop-over was."""
    caller = running.caller(Role.SITE_OPERATOR, contract_no)
    pinned = declaration(stopover=True)
    seen = running.registration.tell(pre_registered(person_id, contract_no=contract_no, origin_code=HUBEI, declaration=pinned))
    assert 200 == (await caller.get(f"/v1/people/{person_id}/assessments", seen=seen)).status_code
    return caller


@pytest.fixture
async def put_right(running: Running, operator: Caller, person_id: UUID, contract_no: str) -> Caller:
    """A report, a question and an order, by somebody of the site's supervision."""
    person, on = f"/v1/people/{person_id}", {"contract_no": contract_no}
    reading = {**on, "read_at": datetime.now(UTC).isoformat(), "symptoms": ["none"]}
    wrong = (await operator.post(f"{person}/health-reports", {**reading, "reading_celsius": 38.6})).json()["report_id"]
    [order] = (await operator.get(f"{person}/isolation-orders")).json()["items"]
    withdrawal = f"{person}/isolation-orders/{order['order_id']}/withdrawal"
    supervision = running.caller(Role.SUPERVISION_LEAD, contract_no)
    for path, body in (
        (f"{person}/health-reports/{wrong}/corrections", {**reading, "reading_celsius": 36.8, "reason": "把36.8录成38.6"}),
        (f"{person}/assessments/1/answers", {**on, "stopover_code": "340100", "evidence": "车票"}),
        (withdrawal, {**on, "reason_code": "wrong_origin", "evidence": "居住证明"}),
    ):
        assert (await supervision.post(path, body)).is_success
    return supervision


def words(page: Any) -> list[tuple[str, str | None]]:
    return [(each["kind"], each["grounds"]) for each in page["items"]]


ALL = [("isolation_order", "居住证明"), ("travel", "车票"), ("report", "把36.8录成38.6")]


class TestCorrections:
    async def test_say_what_was_put_right_by_whom_and_why(self, operator: Caller, person_id: UUID, put_right: Caller) -> None:
        page = (await operator.get(f"/v1/people/{person_id}/corrections")).json()
        assert (ALL, None) == (words(page), page["next_before"])
        withdrawn, clarified, corrected = page["items"]
        assert {put_right.principal.subject} == {each["corrected_by"] for each in page["items"]}
        [order] = (await operator.get(f"/v1/people/{person_id}/isolation-orders")).json()["items"]
        _, wrong = (await operator.get(f"/v1/people/{person_id}/health-reports")).json()["items"]
        assert (order["order_id"], "wrong_origin") == (withdrawn["order_id"], withdrawn["reason_code"])
        assert (1, "340100") == (clarified["declaration_version"], clarified["stopover_code"])
        assert wrong["report_id"] == corrected["report_id"]

    async def test_come_a_page_at_a_time(self, operator: Caller, person_id: UUID, put_right: Caller) -> None:
        path = f"/v1/people/{person_id}/corrections"
        newest = (await operator.get(path, limit=2)).json()
        rest = (await operator.get(path, limit=2, before=newest["next_before"])).json()
        assert ALL == words(newest) + words(rest)
        assert None is rest["next_before"]

    async def test_are_none_where_nothing_was_put_right(self, running: Running, operator: Caller, person_id: UUID) -> None:
        before = await looks_at(running, person_id)
        assert [] == (await operator.get(f"/v1/people/{person_id}/corrections")).json()["items"]
        assert before == await looks_at(running, person_id), "there was nothing to open"

    async def test_are_read_by_nobody_once_the_person_is_erased(
        self, running: Running, operator: Caller, person_id: UUID, put_right: Caller
    ) -> None:
        owner = await asyncpg.connect(running.keys.owner_dsn)
        await owner.execute("SELECT destroy_key($1)", person_id)
        await owner.close()
        page = (await operator.get(f"/v1/people/{person_id}/corrections")).json()
        assert [(kind, None) for kind, _ in ALL] == words(page)

    async def test_are_not_for_the_firm(self, running: Running, operator: Caller, person_id: UUID, contract_no: str) -> None:
        registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=EMPLOYER)
        assert 403 == (await registrar.get(f"/v1/people/{person_id}/corrections")).status_code


class TestAuthority:
    """Whoever supervises those who decide: bans have been abused."""

    @pytest.mark.parametrize("what", ["corrections", "dispositions/grounds", "dispositions/objections"])
    async def test_reads_the_words_where_it_supervises_and_it_is_recorded(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str, put_right: Caller, what: str
    ) -> None:
        person = f"/v1/people/{person_id}"
        assert (await operator.post(f"{person}/dispositions", ban_body(contract_no))).is_success
        objection = {"contract_no": contract_no, "note": "本人未接触病例"}
        assert (await operator.post(f"{person}/dispositions/objections", objection)).is_success
        station = frozenset({await supervised(running, contract_no)})
        before = await looks_at(running, person_id)
        readers = (
            authority(running, Role.STATION_OFFICER, stations=station),
            authority(running, Role.DISTRICT_SUPERVISOR, districts=frozenset({"310151"})),
            authority(running, Role.CITY_SUPERVISOR),
        )
        for each in readers:
            read = await each.get(f"{person}/{what}")
            assert read.json() == (await operator.get(f"{person}/{what}")).json()
            assert read.json()["items"]
        site = operator.principal.subject
        assert [*before, *(who for each in readers for who in (each.principal.subject, site))] == await looks_at(running, person_id)

        elsewhere = (
            authority(running, Role.STATION_OFFICER, stations=frozenset({"浦东"})),
            authority(running, Role.DISTRICT_SUPERVISOR, districts=frozenset({"310115"})),
        )
        assert [404, 404] == [(await each.get(f"{person}/{what}")).status_code for each in elsewhere]
        police = authority(running, Role.POLICE_SUBSCRIBER, districts=frozenset({"310151"}))
        assert 403 == (await police.get(f"{person}/{what}")).status_code

    async def test_is_looked_up_by_an_index_however_long_the_log_is(self, running: Running, person_id: UUID) -> None:
        async with running.parts.pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL enable_seqscan = off")
            plan = [line for (line,) in await connection.fetch(f"EXPLAIN (COSTS off) {TOLD_ON}", person_id)]
        assert [] == [line for line in plan if "Seq Scan" in line]
        assert any("event_stream_id_version_key" in line for line in plan), plan

    async def test_reads_on_when_nobody_expects_the_person_any_more(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        path = f"/v1/people/{person_id}/dispositions"
        assert (await operator.post(path, ban_body(contract_no))).is_success
        free = {"contract_no": contract_no, "disposition": "admissible", "reason_code": "contact_ruled_out"}
        released = await operator.post(path, {**free, "release_document": "沪疾控解字1号"})
        seen = running.registration.tell(pre_registration_withdrawn(person_id, contract_no=contract_no))
        assert 404 in [
            (await operator.get(f"{path}/grounds", seen=each)).status_code for each in (released.headers["consistency-token"], seen)
        ], "the site has nothing to do with him any more"
        station = frozenset({await supervised(running, contract_no)})
        for each in (
            authority(running, Role.STATION_OFFICER, stations=station),
            authority(running, Role.DISTRICT_SUPERVISOR, districts=frozenset({"310151"})),
            authority(running, Role.CITY_SUPERVISOR),
        ):
            lifted, banned = (await each.get(f"{path}/grounds")).json()["items"]
            assert ("沪疾控解字1号", "电话通知") == (lifted["release_document"], banned["evidence"])
        await self.is_nobody_to_others(running, person_id)

    async def test_of_the_city_reads_why_somebody_is_banned_whom_no_contract_knows(self, running: Running, person_id: UUID) -> None:
        sealer = await running.parts.sealing.sealer_for([person_id])
        of_before = {"contract_no": None, "evidence": sealer.seal(person_id, "evidence", "电话通知")}
        ban = dispose(Disposition.SUSPECTED, person_id=person_id, **of_before)
        await running.application.state["wired"].handler.handle(person_id, ban)
        city = authority(running, Role.CITY_SUPERVISOR)
        (banned,) = (await city.get(f"/v1/people/{person_id}/dispositions/grounds")).json()["items"]
        assert (None, "电话通知") == (banned["contract_no"], banned["evidence"])
        assert [city.principal.subject] == await looks_at(running, person_id)
        await self.is_nobody_to_others(running, person_id)

    async def is_nobody_to_others(self, running: Running, person_id: UUID) -> None:
        """Nor is anybody of whom nothing was told to the city."""
        others = (
            authority(running, Role.STATION_OFFICER, stations=frozenset({"浦东"})),
            authority(running, Role.DISTRICT_SUPERVISOR, districts=frozenset({"310115"})),
            running.caller(Role.SITE_OPERATOR, "W2017050130174"),
        )
        absent = await authority(running, Role.CITY_SUPERVISOR).get(f"/v1/people/{uuid4()}/dispositions/grounds")
        for each in others:
            foreign = await each.get(f"/v1/people/{person_id}/dispositions/grounds")
            assert (404, absent.json()["code"]) == (foreign.status_code, foreign.json()["code"])

    async def test_reads_then_nothing_that_was_told_elsewhere(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str, put_right: Caller
    ) -> None:
        await is_banned_and_released(operator, person_id, contract_no, "电话通知")
        elsewhere = f"{contract_no}-2"
        withdrawn = pre_registration_withdrawn(person_id, contract_no=contract_no)
        seen = running.registration.tell(withdrawn, pre_registered(person_id, contract_no=elsewhere, declaration=declaration(2)))
        another = running.caller(Role.SITE_OPERATOR, elsewhere)
        assert 200 == (await another.get(f"/v1/people/{person_id}/assessments", seen=seen)).status_code
        await is_banned_and_released(another, person_id, elsewhere, "别处的依据")
        await mistypes_a_report(another, person_id, elsewhere, "别处的更正")

        officer = authority(running, Role.STATION_OFFICER, stations=frozenset({await supervised(running, contract_no)}))
        city = authority(running, Role.CITY_SUPERVISOR)
        assert (["电话通知"], ["电话通知", "别处的依据"]) == (
            await said_of(officer, person_id),
            sorted(await said_of(city, person_id), reverse=True),
        )
        corrections = f"/v1/people/{person_id}/corrections"
        assert (ALL, [("report", "别处的更正"), *ALL]) == (
            words((await officer.get(corrections)).json()),
            words((await city.get(corrections)).json()),
        )

    async def test_reads_then_all_of_it_however_much_was_told_since(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(grounds_api, "TOLD_AT_ONCE", 2)
        for said in ("第一次", "第二次"):
            await is_banned_and_released(operator, person_id, contract_no, said)
        seen = running.registration.tell(pre_registration_withdrawn(person_id, contract_no=contract_no))
        officer = authority(running, Role.STATION_OFFICER, stations=frozenset({await supervised(running, contract_no)}))
        assert 200 == (await officer.get(f"/v1/people/{person_id}/corrections", seen=seen)).status_code
        assert ["第二次", "第一次"] == await said_of(officer, person_id)

    async def test_is_asked_for_a_person_under_any_of_his_documents(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        await is_banned_and_released(operator, person_id, contract_no, "电话通知")
        officer = authority(running, Role.STATION_OFFICER, stations=frozenset({await supervised(running, contract_no)}))
        other = uuid4()
        path = f"/v1/people/{other}/dispositions/grounds"
        seen = running.registration.tell(pre_registration_withdrawn(person_id, contract_no=contract_no))
        assert 404 == (await officer.get(path, seen=seen)).status_code
        pairs = ((person_id, other), (other, person_id))
        seen = running.registration.tell(*(PersonLinked(person_id=one, same_as=(two,), linked_at=NOW) for one, two in pairs))
        asked = await officer.get(path, seen=seen)
        assert (200, []) == (asked.status_code, asked.json()["items"])
        assert ["电话通知"] == await said_of(officer, person_id)

    async def test_decides_nothing(self, running: Running, operator: Caller, person_id: UUID, contract_no: str) -> None:
        officer = authority(running, Role.STATION_OFFICER, stations=frozenset({await supervised(running, contract_no)}))
        assert 403 == (await officer.post(f"/v1/people/{person_id}/dispositions", ban_body(contract_no))).status_code


async def is_banned_and_released(caller: Caller, person_id: UUID, contract_no: str, said: str) -> None:
    """The same words for the ban, the objection and the review after it."""
    on, path = {"contract_no": contract_no}, f"/v1/people/{person_id}/dispositions"
    assert (await caller.post(path, {**ban_body(contract_no), "evidence": said})).is_success
    objected = await caller.post(f"{path}/objections", on | {"note": said})
    based_on = {"If-Match": objected.headers["etag"]}
    assert (await caller.post(f"{path}/reviews", on | {"evidence": said}, **based_on)).is_success
    free = {"disposition": "admissible", "reason_code": "contact_ruled_out", "release_document": said}
    assert (await caller.post(path, on | free)).is_success


async def said_of(caller: Caller, person_id: UUID) -> list[str]:
    """What of that the caller reads: all of it, each once."""
    path = f"/v1/people/{person_id}/dispositions"
    objections = [each["note"] for each in (await caller.get(f"{path}/objections")).json()["items"]]
    grounds = (await caller.get(f"{path}/grounds")).json()["items"]
    banned, released = grounds[1::2], grounds[::2]
    looks = [look["evidence"] for each in banned for look in each["reviews"]]
    assert objections == looks == [each["evidence"] for each in banned] == [each["release_document"] for each in released]
    assert not any(each["reviews"] for each in released)
    return objections


async def mistypes_a_report(caller: Caller, person_id: UUID, contract_no: str, why: str) -> None:
    path = f"/v1/people/{person_id}/health-reports"
    reading = {"contract_no": contract_no, "read_at": datetime.now(UTC).isoformat(), "symptoms": ["none"]}
    wrong = (await caller.post(path, {**reading, "reading_celsius": 38.6})).json()["report_id"]
    correction = {**reading, "reading_celsius": 36.8, "reason": why}
    assert (await caller.post(f"{path}/{wrong}/corrections", correction)).is_success
