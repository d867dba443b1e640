"""Status, body and new facts of every endpoint, on the real app with real PostgreSQL and key server."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from chassis.consistency import ConsistencyToken
from chassis.key_server import Purpose
from chassis.sealing import ERASED
from chassis.testing.wait import eventually
from contracts.access import Role
from contracts.event import shard_of
from contracts.gatekeeper import Outcome
from contracts.registration import DeclarationAwaited, PersonPreRegistered
from contracts.streams import contract_stream, station_stream
from tests.in_process import Caller
from tests.registration.asking import citizen, contract_body, declare, form, number, path, person_id, report
from tests.registration.facts import EMPLOYER, OTHER_EMPLOYER, entry_attempted
from tests.registration.importing import import_roster
from tests.registration.service import Running
from tests.registration.sheets import member

NO_DECLARATION = "请先去“健康云 APP”进行登记后再进行预进场登记"
NO_EMPLOYER = "请先去“合同报送系统”进行合同登记"


def problem(response: httpx2.Response) -> tuple[int, str]:
    assert "application/problem+json" == response.headers["content-type"]
    return response.status_code, response.json()["code"]


class TestReportContract:
    async def test_makes_contract_and_station_known(self, running: Running) -> None:
        body = contract_body(number(), station={"name": number(), "district": "310115"})
        response = await running.caller(Role.CONTRACT_SYSTEM).post("/v1/contracts", body)
        assert (201, '"1"', body["contract_no"]) == (
            response.status_code,
            response.headers["etag"],
            response.json()["contract_no"],
        )
        assert ["station-registered", "contract-reported"] == await running.facts()

    async def test_covers_both_facts_with_the_token(self, running: Running) -> None:
        body = contract_body(number(), station={"name": number(), "district": "310115"})
        response = await running.caller(Role.CONTRACT_SYSTEM).post("/v1/contracts", body)
        covered = ConsistencyToken.parse(response.headers["consistency-token"]).positions
        streams = contract_stream(body["contract_no"]), station_stream(body["station"]["name"])
        heads = await running.heads()
        assert {shard_of(stream): heads[shard_of(stream)] for stream in streams} == covered

    async def test_of_a_known_station_makes_one_fact(self, running: Running, contract_no: str) -> None:
        before = len(await running.facts())
        await running.caller(Role.CONTRACT_SYSTEM).post("/v1/contracts", contract_body(number()))
        assert ["contract-reported"] == (await running.facts())[before:]

    async def test_repeated_changes_nothing(self, running: Running) -> None:
        system, body = running.caller(Role.CONTRACT_SYSTEM), contract_body(number())
        first, again, anew = [await system.post("/v1/contracts", body, key=key) for key in ("one", "one", "two")]
        assert [201, 201, 200] == [first.status_code, again.status_code, anew.status_code]
        assert first.headers["consistency-token"] == again.headers["consistency-token"] == anew.headers["consistency-token"]
        assert 1 == (await running.facts()).count("contract-reported")

    async def test_with_other_details_changes_nothing(self, running: Running, contract_no: str) -> None:
        system = running.caller(Role.CONTRACT_SYSTEM)
        other = contract_body(contract_no, station={"name": number(), "district": "310115"})
        elsewhere = contract_body(number(), station={"name": "虹口", "district": "310115"})
        before = await running.facts()
        assert (409, "contract-is-reported-otherwise") == problem(await system.post("/v1/contracts", other))
        assert (409, "station-works-elsewhere") == problem(await system.post("/v1/contracts", elsewhere))
        assert before == await running.facts()

    async def test_with_a_key_of_another_request_is_refused(self, running: Running) -> None:
        system = running.caller(Role.CONTRACT_SYSTEM)
        first, second = [await system.post("/v1/contracts", contract_body(number()), key="one") for _ in range(2)]
        assert 201 == first.status_code
        assert (422, "idempotency-key-reused") == problem(second)

    async def test_is_the_contract_system_s_alone(self, running: Running) -> None:
        body = contract_body(number())
        lead = running.caller(Role.PROJECT_LEAD, body["contract_no"])
        assert (403, "forbidden") == problem(await lead.post("/v1/contracts", body))
        assert [] == await running.facts()


class TestAddEmployer:
    async def test_can_then_be_chosen(self, running: Running, contract_no: str, operator: Caller) -> None:
        path = f"/v1/contracts/{contract_no}/employers"
        other = {"credit_code": OTHER_EMPLOYER, "name": "南通测试劳务有限公司", "sub_contract_no": "F001"}
        added = await running.caller(Role.CONTRACT_SYSTEM).post(path, other)
        assert (201, '"3"') == (added.status_code, added.headers["etag"])
        listed = (await operator.get(path)).json()["items"]
        assert [(EMPLOYER, None), (OTHER_EMPLOYER, "F001")] == [(each["credit_code"], each["sub_contract_no"]) for each in listed]

    async def test_of_an_unknown_contract_is_refused(self, running: Running) -> None:
        system = running.caller(Role.CONTRACT_SYSTEM)
        response = await system.post("/v1/contracts/W404/employers", {"credit_code": EMPLOYER, "name": "某公司"})
        assert (404, "contract-is-not-reported") == problem(response)


class TestContracts:
    async def test_are_the_caller_s_own(self, running: Running) -> None:
        mine, other = await report(running), await report(running)
        operator = running.caller(Role.SITE_OPERATOR, mine, "W-not-reported")
        assert [mine] == [each["contract_no"] for each in (await operator.get("/v1/contracts")).json()["items"]]
        assert {"name": "虹口", "district": "310109"} == (await operator.get(f"/v1/contracts/{mine}")).json()["station"]
        foreign, absent = await operator.get(f"/v1/contracts/{other}"), await operator.get("/v1/contracts/W404")
        assert (404, "not-found") == problem(foreign) == problem(absent)


class TestPreRegister:
    async def test_pins_the_declaration_that_was_seen(self, running: Running, contract_no: str, operator: Caller) -> None:
        seen = await declare(running, declaration_version=2, from_hubei=True)
        response = await operator.post(path(contract_no), form(declaration_version=2), seen=seen)
        person = await person_id(running)
        assert 201 == response.status_code
        assert {"person_id": str(person), "contract_no": contract_no, "declaration_version": 2} == response.json()
        (opened,) = await events_of(running, person)
        assert isinstance(opened, PersonPreRegistered)
        assert ("310109", False, True, 2) == (
            opened.district,
            opened.taken_up,
            opened.declaration.from_hubei,
            opened.declaration.version,
        )

    async def test_seals_everything_personal_under_the_person_s_key(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        await operator.post(path(contract_no), form(), seen=await declare(running))
        person = await person_id(running)
        (opened,) = await events_of(running, person)
        assert isinstance(opened, PersonPreRegistered)
        unsealer = await running.wired.sealing.unwrap([person], actor="test", purpose=Purpose.PROCESS)
        fields = {name: unsealer.unseal(person, name, getattr(opened, name)) for name in ("document", "name", "mobile", "origin")}
        expected = {"document": citizen(0)["number"], "name": "张小三", "mobile": "13800000011", "origin": "江苏省南通市"}
        assert expected == fields
        assert "火车G13333" == unsealer.unseal(person, "travel", str(opened.declaration.travel))

    async def test_repeated_changes_nothing(self, running: Running, contract_no: str, operator: Caller) -> None:
        seen = await declare(running)
        first = await operator.post(path(contract_no), form(), key="one", seen=seen)
        again = await operator.post(path(contract_no), form(), key="one", seen=seen)
        anew = await operator.post(path(contract_no), form(), key="two", seen=seen)
        assert [201, 201, 200] == [first.status_code, again.status_code, anew.status_code]
        assert first.json() == again.json() == anew.json()
        assert first.headers["consistency-token"] == anew.headers["consistency-token"]
        assert 1 == (await running.facts()).count("person-pre-registered")

    async def test_for_a_firm_that_the_contract_does_not_name_is_refused(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        refused = await operator.post(path(contract_no), form(employer_credit_code=OTHER_EMPLOYER), seen=await declare(running))
        assert (409, "employer-is-missing", NO_EMPLOYER) == (*problem(refused), refused.json()["title"])

    @pytest.mark.parametrize(
        ("told", "changed", "code"),
        [
            ({"mobile": None}, {}, "mobile-is-missing"),
            ({"declaration_version": 2}, {"declaration_version": 1}, "declaration-has-changed"),
        ],
    )
    async def test_is_refused_where_form_and_declaration_disagree(
        self, running: Running, contract_no: str, operator: Caller, told: dict[str, Any], changed: dict[str, Any], code: str
    ) -> None:
        seen = await declare(running, **told)
        before = await running.facts()
        assert (409, code) == problem(await operator.post(path(contract_no), form(**changed), seen=seen))
        assert before == await running.facts()

    async def test_waits_for_the_declaration_that_the_client_has_seen(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        person = await person_id(running)
        not_told_yet = running.service.told["healthcloud-bridge"].next_of(person)
        asked = asyncio.create_task(operator.post(path(contract_no), form(), seen=not_told_yet))
        await declare(running)
        assert 201 == (await asked).status_code

    async def test_says_so_when_the_declaration_does_not_come(self, running: Running, contract_no: str, operator: Caller) -> None:
        never = ConsistencyToken(service="healthcloud-bridge", epoch=1, positions={0: 99})
        response = await operator.post(path(contract_no), form(), seen=never)
        assert (503, "unavailable") == problem(response)
        assert "1" == response.headers["retry-after"]

    async def test_of_a_foreign_contract_is_not_found(self, running: Running, operator: Caller) -> None:
        assert (404, "not-found") == problem(await operator.post(path(await report(running)), form()))

    async def test_is_not_for_supervision(self, running: Running, contract_no: str) -> None:
        supervision = running.caller(Role.SUPERVISION_LEAD, contract_no)
        assert (403, "forbidden") == problem(await supervision.post(path(contract_no), form()))

    async def test_by_an_employer_s_registrar_is_for_its_own_people(self, running: Running, contract_no: str) -> None:
        seen = await declare(running)
        stranger = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=OTHER_EMPLOYER)
        own = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=EMPLOYER)
        assert (409, "employer-is-missing") == problem(await stranger.post(path(contract_no), form(), seen=seen))
        assert 201 == (await own.post(path(contract_no), form(), seen=seen)).status_code

    @pytest.mark.parametrize(
        "changed",
        [
            {"document": {"type": "citizen_id", "number": "310115198001010000"}},
            {"name": "张\u202e三"},
            {"person_kind": "manager"},
            {"trade": "999"},
            {"mobile": "12"},
            {"origin": {"code": "320600"}},
            {"unknown": 1},
            {"declaration_version": 0},
        ],
    )
    async def test_of_a_form_that_cannot_be_read_is_refused(
        self, running: Running, contract_no: str, operator: Caller, changed: dict[str, Any]
    ) -> None:
        before = await running.facts()
        assert (422, "invalid-request") == problem(await operator.post(path(contract_no), form(**changed)))
        assert before == await running.facts()


class TestDeclarationMissing:
    async def test_keeps_the_form_and_tells_the_way(self, running: Running, contract_no: str, operator: Caller) -> None:
        refused = await operator.post(path(contract_no), form())
        assert (409, "declaration-missing", NO_DECLARATION) == (*problem(refused), refused.json()["title"])
        assert all(step in refused.json()["detail"] for step in ("上海", "来沪人员健康登记", "上海健康云"))
        (kept,) = await events_of(running, await person_id(running))
        assert isinstance(kept, DeclarationAwaited)
        listed = await operator.get(path(contract_no), state="awaiting", seen=refused.headers["consistency-token"])
        found = [(each["name"], each["declaration_version"], each["waits_for"]) for each in listed.json()["items"]]
        assert [("张*三", None, "declaration")] == found

    async def test_speaks_english_to_who_asks_for_it(self, contract_no: str, operator: Caller) -> None:
        refused = await operator.post(path(contract_no), form(), **{"Accept-Language": "en"})
        assert "en" == refused.headers["content-language"]
        assert refused.json()["detail"].startswith("In the app")

    async def test_repeated_keeps_it_once(self, running: Running, contract_no: str, operator: Caller) -> None:
        first = await operator.post(path(contract_no), form(), key="one")
        again = await operator.post(path(contract_no), form(), key="one")
        anew = await operator.post(path(contract_no), form(), key="two")
        for response in (first, again, anew):
            assert (409, "declaration-missing") == problem(response)
            assert first.headers["consistency-token"] == response.headers["consistency-token"]
        assert 1 == (await running.facts()).count("declaration-awaited")

    async def test_is_taken_up_by_itself_once_he_declares(self, running: Running, contract_no: str, operator: Caller) -> None:
        await operator.post(path(contract_no), form())
        await declare(running)
        await eventually(lambda: opened(operator, contract_no))
        (found,) = (await operator.get(path(contract_no), state="open")).json()["items"]
        assert (True, 1, "138****0011") == (found["taken_up"], found["declaration_version"], found["mobile"])
        assert [] == (await operator.get(path(contract_no), state="awaiting")).json()["items"]

    async def test_stays_open_work_under_another_name(self, running: Running, contract_no: str, operator: Caller) -> None:
        await operator.post(path(contract_no), form())
        seen = await declare(running, name="李四")
        listed = await operator.get(path(contract_no), state="awaiting", seen=seen)
        assert 1 == len(listed.json()["items"])
        assert 0 == (await running.facts()).count("person-pre-registered")


class TestNameDiffers:
    async def test_keeps_the_form_and_says_no_more_than_that(self, running: Running, contract_no: str, operator: Caller) -> None:
        seen = await declare(running, name="李四")
        refused = await operator.post(path(contract_no), form(), seen=seen)
        assert (409, "name-differs-from-declaration") == problem(refused)
        assert "李" not in refused.text
        listed = await operator.get(path(contract_no), state="awaiting", seen=refused.headers["consistency-token"])
        assert ["agreeing_name"] == [each["waits_for"] for each in listed.json()["items"]]

    async def test_repeated_is_answered_alike(self, running: Running, contract_no: str, operator: Caller) -> None:
        seen = await declare(running, name="李四")
        answers = [await operator.post(path(contract_no), form(), key=key, seen=seen) for key in ("one", "one", "two")]
        assert [(409, "name-differs-from-declaration")] * 3 == [problem(each) for each in answers]
        assert 1 == (await running.facts()).count("declaration-awaited")

    async def test_repeated_while_the_form_is_withdrawn_is_to_be_tried_again(
        self, running: Running, contract_no: str, operator: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = await declare(running, name="李四")
        await operator.post(path(contract_no), form(), seen=seen)
        who, people = await person_id(running), type(running.wired.people)
        handle = people.handle

        async def handle_and_be_overtaken(self: Any, *arguments: Any, **options: Any) -> Any:
            outcome = await handle(self, *arguments, **options)
            monkeypatch.setattr(people, "handle", handle)
            assert 204 == (await operator.post(f"{path(contract_no)}/{who}/withdrawal", {"reason": "重复"})).status_code
            return outcome

        monkeypatch.setattr(people, "handle", handle_and_be_overtaken)
        assert (409, "version-conflict") == problem(await operator.post(path(contract_no), form(), seen=seen))

    async def test_ends_with_the_right_name_on_the_form(self, running: Running, contract_no: str, operator: Caller) -> None:
        seen = await declare(running)
        assert 409 == (await operator.post(path(contract_no), form(name="李四"), seen=seen)).status_code
        assert 201 == (await operator.post(path(contract_no), form(), seen=seen)).status_code

    async def test_ends_with_the_right_name_in_health_cloud(self, running: Running, contract_no: str, operator: Caller) -> None:
        seen = await declare(running, name="李四")
        await operator.post(path(contract_no), form(), seen=seen)
        await declare(running, declaration_version=2)
        await eventually(lambda: opened(operator, contract_no))


class TestListPreRegistrations:
    async def test_pages_with_a_cursor(self, running: Running, contract_no: str, operator: Caller) -> None:
        for n in range(3):
            refused = await operator.post(path(contract_no), form(n))
            await operator.get(path(contract_no), seen=refused.headers["consistency-token"])
        first = (await operator.get(path(contract_no), limit=2)).json()
        second = (await operator.get(path(contract_no), limit=2, after=first["next"])).json()
        assert [2, 1, None] == [len(first["items"]), len(second["items"]), second["next"]]
        assert 3 == len({each["person_id"] for each in first["items"] + second["items"]})

    async def test_masks_everybody_and_records_one_reading(self, running: Running, contract_no: str, operator: Caller) -> None:
        seen = await declare(running)
        opened = await operator.post(path(contract_no), form(), seen=seen)
        listed = await operator.get(path(contract_no), seen=opened.headers["consistency-token"])
        (found,) = listed.json()["items"]
        document = citizen(0)["number"]
        assert ("张*三", f"320***********{document[-4:]}", "138****0011") == (
            found["name"],
            found["document_number"],
            found["mobile"],
        )
        assert "张小三" not in listed.text
        assert document not in listed.text
        one = await operator.get(f"{path(contract_no)}/{found['person_id']}")
        assert found == one.json()

    async def test_shows_an_employer_s_registrar_its_own_people(self, running: Running, contract_no: str, operator: Caller) -> None:
        refused = await operator.post(path(contract_no), form())
        seen = refused.headers["consistency-token"]
        for employer, count in ((EMPLOYER, 1), (OTHER_EMPLOYER, 0), (None, 0)):
            registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=employer)
            assert count == len((await registrar.get(path(contract_no), seen=seen)).json()["items"])

    @pytest.mark.parametrize("query", [{"state": "gone"}, {"after": "nonsense"}, {"limit": 0}, {"limit": 201}, {"stat": "open"}])
    async def test_refuses_a_query_that_it_does_not_know(self, contract_no: str, operator: Caller, query: dict[str, Any]) -> None:
        assert (422, "invalid-request") == problem(await operator.get(path(contract_no), **query))

    async def test_knows_nobody_of_another_contract(self, running: Running, contract_no: str, operator: Caller) -> None:
        refused = await operator.post(path(contract_no), form())
        other = await report(running)
        person = await person_id(running)
        both = running.caller(Role.SITE_OPERATOR, contract_no, other)
        found = await both.get(f"{path(other)}/{person}", seen=refused.headers["consistency-token"])
        assert (404, "not-found") == problem(found)


class TestCorrect:
    async def test_puts_right_what_was_typed_once(self, running: Running, contract_no: str, operator: Caller) -> None:
        person = await pre_registered(running, contract_no, operator)
        body = {"mobile": "13900000022", "origin": {"code": "420100", "text": "湖北省武汉市"}, "reason": "登记错误"}
        corrections = f"{path(contract_no)}/{person}/corrections"
        corrected, again = [await operator.post(corrections, body, key="one") for _ in range(2)]
        assert [(201, '"2"')] * 2 == [(each.status_code, each.headers["etag"]) for each in (corrected, again)]
        shown = (await operator.get(f"{path(contract_no)}/{person}", seen=corrected.headers["consistency-token"])).json()
        found = (shown["mobile"], shown["origin_code"], shown["name"], shown["state"])
        assert ("139****0022", "420100", "张*三", "open") == found
        assert 1 == (await running.facts()).count("person-details-corrected")

    async def test_of_what_holds_already_changes_nothing(self, running: Running, contract_no: str, operator: Caller) -> None:
        person = await pre_registered(running, contract_no, operator)
        body = {"person_kind": "worker", "trade": "020", "reason": "登记错误"}
        assert 200 == (await operator.post(f"{path(contract_no)}/{person}/corrections", body)).status_code
        assert 0 == (await running.facts()).count("person-details-corrected")

    async def test_can_rely_on_a_newer_declaration(self, running: Running, contract_no: str, operator: Caller) -> None:
        person = await pre_registered(running, contract_no, operator)
        seen = await declare(running, declaration_version=2)
        body = {"declaration_version": 2, "reason": "重新申报"}
        corrected = await operator.post(f"{path(contract_no)}/{person}/corrections", body, seen=seen)
        assert (201, 2) == (corrected.status_code, corrected.json()["declaration_version"])

    async def test_by_an_employer_s_registrar_is_for_its_own_people(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        person = await pre_registered(running, contract_no, operator)
        corrections = f"{path(contract_no)}/{person}/corrections"
        stranger = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=OTHER_EMPLOYER)
        own = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=EMPLOYER)
        other = {"employer_credit_code": OTHER_EMPLOYER, "reason": "登记错误"}
        assert (404, "person-is-not-pre-registered") == problem(await stranger.post(corrections, other))
        assert (409, "employer-is-missing") == problem(await own.post(corrections, other))
        assert (409, "employer-is-missing") == problem(await operator.post(corrections, other))

    @pytest.mark.parametrize(
        "body",
        [
            {"reason": "登记错误"},
            {"mobile": "13900000022"},
            {"trade": "020", "reason": "登记错误"},
            {"person_kind": "manager", "trade": "020", "reason": "登记错误"},
            {"document": citizen(1), "reason": "登记错误"},
        ],
    )
    async def test_that_cannot_be_read_changes_nothing(
        self, running: Running, contract_no: str, operator: Caller, body: dict[str, Any]
    ) -> None:
        person = await pre_registered(running, contract_no, operator)
        refused = await operator.post(f"{path(contract_no)}/{person}/corrections", body)
        assert (422, "invalid-request") == problem(refused)
        assert 0 == (await running.facts()).count("person-details-corrected")


class TestFamily:
    async def test_comes_along_with_who_is_expected(self, running: Running, contract_no: str, operator: Caller) -> None:
        person = await pre_registered(running, contract_no, operator)
        family, seen = f"{path(contract_no)}/{person}/family-members", await declare(running, 1, name="张小四")
        body = {"document": citizen(1), "name": "张小四", "relation": "女儿"}
        first = await operator.post(family, body, key="one", seen=seen)
        again = await operator.post(family, body, key="one")
        anew = await operator.post(family, body, key="two")
        assert [201, 201, 200] == [first.status_code, again.status_code, anew.status_code]
        assert {str(person)} == {each.json()["accompanies"] for each in (first, again, anew)}
        (listed,) = (await operator.get(family, seen=first.headers["consistency-token"])).json()["items"]
        shown = (listed["name"], listed["relation"], listed["mobile"], listed["state"])
        assert ("张*四", "女儿", "138****0011", "open") == shown
        assert str(await person_id(running, 1)) == listed["person_id"]
        assert 1 == (await running.facts()).count("family-member-pre-registered")

    async def test_stays_away_once_withdrawn(self, running: Running, contract_no: str, operator: Caller) -> None:
        person = await pre_registered(running, contract_no, operator)
        family, seen = f"{path(contract_no)}/{person}/family-members", await declare(running, 1)
        member = (await operator.post(family, {"document": citizen(1), "name": "张小三"}, seen=seen)).json()["person_id"]
        withdrawn, again = [await operator.post(f"{family}/{member}/withdrawal", {"reason": "不来沪"}) for _ in range(2)]
        assert [204, 204] == [withdrawn.status_code, again.status_code]
        listed = (await operator.get(family, seen=withdrawn.headers["consistency-token"])).json()["items"]
        assert ["withdrawn"] == [each["state"] for each in listed]
        nobody = await operator.post(f"{family}/{uuid4()}/withdrawal", {"reason": "不来沪"})
        assert (404, "family-member-is-unknown") == problem(nobody)
        assert 1 == (await running.facts()).count("family-member-withdrawn")

    async def test_is_put_right_once(self, running: Running, contract_no: str, operator: Caller) -> None:
        person = await pre_registered(running, contract_no, operator)
        family, seen = f"{path(contract_no)}/{person}/family-members", await declare(running, 1, mobile=None)
        body = {"document": citizen(1), "name": "张小三", "relation": "女儿", "mobile": "13800000012"}
        member = (await operator.post(family, body, seen=seen)).json()["person_id"]
        wrong = {"relation": "儿子", "mobile": "13900000033", "reason": "录入错误"}
        first, again = [await operator.post(f"{family}/{member}/corrections", wrong, key="one") for _ in range(2)]
        assert [201, 201] == [first.status_code, again.status_code]
        assert first.json() == again.json()
        (listed,) = (await operator.get(family, seen=first.headers["consistency-token"])).json()["items"]
        assert ("儿子", "139****0033", "open") == (listed["relation"], listed["mobile"], listed["state"])
        assert 1 == (await running.facts()).count("family-details-corrected")
        unchanged = await operator.post(f"{family}/{member}/corrections", {"declaration_version": 1, "reason": "核对"})
        assert 200 == unchanged.status_code
        other = await operator.post(f"{family}/{member}/corrections", {"name": "李四", "reason": "录入错误"})
        assert (409, "name-differs-from-declaration") == problem(other)
        nothing = await operator.post(f"{family}/{member}/corrections", {"reason": "录入错误"})
        assert (422, "invalid-request") == problem(nothing)
        nobody = await operator.post(f"{family}/{uuid4()}/corrections", wrong)
        assert (404, "family-member-is-unknown") == problem(nobody)

    async def test_waits_where_nothing_was_declared_and_is_taken_up_by_itself(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        person = await pre_registered(running, contract_no, operator)
        family, body = f"{path(contract_no)}/{person}/family-members", {"document": citizen(1), "name": "张小四"}
        refused = await operator.post(family, body)
        assert (409, "declaration-missing", NO_DECLARATION) == (*problem(refused), refused.json()["title"])
        assert (409, "declaration-missing") == problem(await operator.post(family, body))
        assert 1 == (await running.facts()).count("family-declaration-awaited")
        (listed,) = (await operator.get(family, seen=refused.headers["consistency-token"])).json()["items"]
        assert ("awaiting", None, "declaration") == (listed["state"], listed["declaration_version"], listed["waits_for"])

        await declare(running, 1, name="张小五")
        (listed,) = (await operator.get(family, seen=await declare(running, 1, name="张小五", declaration_version=2))).json()[
            "items"
        ]
        assert ("awaiting", "agreeing_name") == (listed["state"], listed["waits_for"])
        await declare(running, 1, name="张小四", declaration_version=3)

        async def comes_along() -> bool:
            await running.take_up_late()
            (listed,) = (await operator.get(family)).json()["items"]
            return (listed["state"], listed["declaration_version"], listed["waits_for"]) == ("open", 3, None)

        await eventually(comes_along)

    async def test_that_waits_stays_away_once_withdrawn(self, running: Running, contract_no: str, operator: Caller) -> None:
        person = await pre_registered(running, contract_no, operator)
        family, body = f"{path(contract_no)}/{person}/family-members", {"document": citizen(1), "name": "张小四"}
        assert 409 == (await operator.post(family, body)).status_code
        member = await person_id(running, 1)
        withdrawn = await operator.post(f"{family}/{member}/withdrawal", {"reason": "不来沪"})
        assert 204 == withdrawn.status_code
        assert 200 == (await operator.get(family, seen=await declare(running, 1, name="张小四"))).status_code
        await running.take_up_late()
        (listed,) = (await operator.get(family, seen=withdrawn.headers["consistency-token"])).json()["items"]
        assert "withdrawn" == listed["state"]
        assert 0 == (await running.facts()).count("family-member-pre-registered")

    async def test_of_nobody_or_of_another_firm_s_person_is_not_found(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        person = await pre_registered(running, contract_no, operator)
        stranger = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=OTHER_EMPLOYER)
        for caller, whose in ((stranger, person), (operator, uuid4())):
            family = f"{path(contract_no)}/{whose}/family-members"
            body = {"document": citizen(1), "name": "张小四"}
            assert (404, "person-is-not-pre-registered") == problem(await caller.post(family, body))
            assert (404, "person-is-not-pre-registered") == problem(await caller.get(family))


class TestWithdraw:
    async def test_ends_the_pre_registration_once(self, running: Running, contract_no: str, operator: Caller) -> None:
        person = await pre_registered(running, contract_no, operator)
        for key in ("one", "one", "two"):
            withdrawn = await operator.post(f"{path(contract_no)}/{person}/withdrawal", {"reason": "登记错误"}, key=key)
            assert (204, b"", '"2"') == (withdrawn.status_code, withdrawn.content, withdrawn.headers["etag"])
            listed = await operator.get(path(contract_no), state="withdrawn", seen=withdrawn.headers["consistency-token"])
            assert [str(person)] == [each["person_id"] for each in listed.json()["items"]]
        assert 1 == (await running.facts()).count("pre-registration-withdrawn")

    async def test_drops_a_form_that_waits(self, running: Running, contract_no: str, operator: Caller) -> None:
        await operator.post(path(contract_no), form())
        person = await person_id(running)
        stranger = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=OTHER_EMPLOYER)
        withdrawal = f"{path(contract_no)}/{person}/withdrawal"
        assert (404, "person-is-not-pre-registered") == problem(await stranger.post(withdrawal, {"reason": "登记错误"}))
        dropped, again = [await operator.post(withdrawal, {"reason": "登记错误"}) for _ in range(2)]
        assert [204, 204] == [dropped.status_code, again.status_code]
        listed = await operator.get(path(contract_no), state="withdrawn", seen=dropped.headers["consistency-token"])
        assert [(str(person), None)] == [(each["person_id"], each["waits_for"]) for each in listed.json()["items"]]
        seen = await declare(running)
        assert [] == (await operator.get(path(contract_no), state="open", seen=seen)).json()["items"]

    async def test_is_refused_after_entry(self, running: Running, contract_no: str, operator: Caller) -> None:
        person = await pre_registered(running, contract_no, operator)
        entered = running.service.told["gatekeeper"].tell(entry_attempted(person_id=person, contract_no=contract_no))
        withdrawal = f"{path(contract_no)}/{person}/withdrawal"
        assert (409, "person-has-entered") == problem(await operator.post(withdrawal, {"reason": "登记错误"}, seen=entered))

    async def test_is_not_refused_after_a_refused_entry(self, running: Running, contract_no: str, operator: Caller) -> None:
        person = await pre_registered(running, contract_no, operator)
        refused = running.service.told["gatekeeper"].tell(
            entry_attempted(person_id=person, contract_no=contract_no, outcome=Outcome.REFUSED)
        )
        withdrawal = f"{path(contract_no)}/{person}/withdrawal"
        assert 204 == (await operator.post(withdrawal, {"reason": "登记错误"}, seen=refused)).status_code

    async def test_of_somebody_else_s_person_is_not_found(self, running: Running, contract_no: str, operator: Caller) -> None:
        person = await pre_registered(running, contract_no, operator)
        stranger = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=OTHER_EMPLOYER)
        nobody = f"{path(contract_no)}/{uuid4()}/withdrawal"
        assert 404 == (await stranger.post(f"{path(contract_no)}/{person}/withdrawal", {"reason": "登记错误"})).status_code
        assert (404, "person-is-not-pre-registered") == problem(await operator.post(nobody, {"reason": "登记错误"}))


class TestLookUpPerson:
    async def test_gives_the_same_id_for_the_same_document(self, running: Running) -> None:
        assert await person_id(running, 5) == await person_id(running, 5)
        assert await person_id(running, 5) != await person_id(running, 6)
        assert [] == await running.facts()


class TestErasePerson:
    async def test_leaves_nothing_that_anybody_can_read(self, running: Running, contract_no: str, operator: Caller) -> None:
        person = await pre_registered(running, contract_no, operator)
        erased = await running.caller(Role.CITY_SUPERVISOR).delete(personal_data(person))
        assert 204 == erased.status_code
        assert "person-erased" == (await running.facts())[-1]
        row = (await operator.get(f"{path(contract_no)}/{person}", seen=erased.headers["consistency-token"])).json()
        assert ("open", None, None, None) == (row["state"], row["name"], row["document_number"], row["mobile"])
        assert person != await person_id(running, 0), "the document leads to a stranger"

    async def test_leaves_envelopes_that_open_for_nobody(self, running: Running, contract_no: str, operator: Caller) -> None:
        person = await pre_registered(running, contract_no, operator)
        await running.caller(Role.CITY_SUPERVISOR).delete(personal_data(person))
        unsealer = await running.wired.sealing.unwrap([person], actor="test", purpose=Purpose.PROCESS)
        first = (await events_of(running, person))[0]
        assert {ERASED} == {unsealer.unseal(person, field, getattr(first, field)) for field in ("document", "name", "mobile")}

    async def test_drops_the_form_that_waits(self, running: Running, contract_no: str, operator: Caller) -> None:
        await operator.post(path(contract_no), form())
        erased = await running.caller(Role.CITY_SUPERVISOR).delete(personal_data(await person_id(running, 0)))
        listed = await operator.get(path(contract_no), seen=erased.headers["consistency-token"])
        assert [] == listed.json()["items"]

    async def test_can_be_asked_for_twice(self, running: Running, contract_no: str, operator: Caller) -> None:
        person = await pre_registered(running, contract_no, operator)
        supervisor = running.caller(Role.CITY_SUPERVISOR)
        first, second = [await supervisor.delete(personal_data(person)) for _ in range(2)]
        assert (204, 204) == (first.status_code, second.status_code)
        assert first.headers["consistency-token"] == second.headers["consistency-token"]
        assert 1 == (await running.facts()).count("person-erased")

    async def test_that_was_cut_short_is_finished_when_asked_again(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        person = await pre_registered(running, contract_no, operator)
        await running.wired.sealing.destroy(person)  # And then the process died.
        assert 204 == (await running.caller(Role.CITY_SUPERVISOR).delete(personal_data(person))).status_code
        assert "person-erased" == (await running.facts())[-1]

    async def test_touches_nobody_else(self, running: Running, contract_no: str, operator: Caller) -> None:
        rows = [member(n) for n in (1, 2)]
        await import_roster(running, operator, contract_no, *rows)
        one, other = [await person_id(running, n) for n in (1, 2)]
        await running.caller(Role.CITY_SUPERVISOR).delete(personal_data(one))
        assert other == await person_id(running, 2)
        again = await import_roster(running, operator, contract_no, *rows)
        assert (1, 1) == (again["applied"], again["unchanged"]), "the first is a stranger by now"


class TestSeveralAtOnce:
    async def test_pre_register_one_person_once(self, running: Running, contract_no: str, operator: Caller) -> None:
        seen = await declare(running)
        await operator.get(path(contract_no), seen=seen)
        responses = await asyncio.gather(*(operator.post(path(contract_no), form()) for _ in range(20)))
        assert 1 == [response.status_code for response in responses].count(201)
        assert {200, 201} == {response.status_code for response in responses}
        assert 1 == (await running.facts()).count("person-pre-registered")


def personal_data(person: UUID) -> str:
    return f"/v1/people/{person}/personal-data"


async def opened(operator: Caller, contract_no: str) -> bool:
    return bool((await operator.get(path(contract_no), state="open")).json()["items"])


async def pre_registered(running: Running, contract_no: str, operator: Caller) -> UUID:
    response = await operator.post(path(contract_no), form(), seen=await declare(running))
    return UUID(response.json()["person_id"])


async def events_of(running: Running, person: UUID) -> list[Any]:
    stored = await running.wired.store.read_stream(person)
    return [running.wired.people.decider.events[each.type].decode(each.data) for each in stored]
