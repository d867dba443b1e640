"""Why what was registered was put right, and why somebody may act no more: who reads it, over HTTP, on real PostgreSQL and keys."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.auth import Principal
from contracts.access import Role
from tests.in_process import Caller
from tests.registration.asking import citizen, declare, form, path, person_id, report
from tests.registration.facts import EMPLOYER
from tests.registration.service import Running

STATION, DISTRICT = "虹口", "310109"
"""Of every contract here."""


def authority(running: Running, role: Role, **granted: Any) -> Caller:
    return running.service.caller(Principal(f"{role}-{uuid4()}", role, **granted))


def authorities(running: Running) -> tuple[Caller, ...]:
    """That supervise the contract."""
    return (
        authority(running, Role.STATION_OFFICER, stations=frozenset({STATION})),
        authority(running, Role.DISTRICT_SUPERVISOR, districts=frozenset({DISTRICT})),
        authority(running, Role.CITY_SUPERVISOR),
    )


def others(running: Running) -> tuple[Caller, ...]:
    """Who may read such words, but elsewhere."""
    return (
        authority(running, Role.STATION_OFFICER, stations=frozenset({"浦东"})),
        authority(running, Role.DISTRICT_SUPERVISOR, districts=frozenset({"310115"})),
        running.caller(Role.PROJECT_LEAD, "W2017050130174"),
    )


async def looks_at(running: Running, person_id: UUID) -> list[str]:
    """Who was given this person's key to read words, by the key server's record."""
    owner = await asyncpg.connect(running.keys.owner_dsn)
    looks = "SELECT actor FROM access WHERE $1 = ANY (stream_ids) AND purpose = 'process' ORDER BY access_id"
    rows = await owner.fetch(looks, person_id)
    await owner.close()
    return [row["actor"] for row in rows]


def words(page: Any) -> list[tuple[str, str | None]]:
    return [(each["kind"], each["grounds"]) for each in page["items"]]


def changed(item: Any) -> list[tuple[str, str | None, str | None]]:
    return [(each["field"], each["before"], each["after"]) for each in item["changes"]]


async def expected(running: Running, contract_no: str, operator: Caller, n: int = 0, **said: Any) -> tuple[UUID, str]:
    """Somebody is pre-registered. Where that stands."""
    seen = await declare(running, n, **said)
    opened = await operator.post(path(contract_no), form(n), seen=seen)
    assert 201 == opened.status_code
    return await person_id(running, n), opened.headers["consistency-token"]


@pytest.fixture
async def put_right(running: Running, contract_no: str, operator: Caller) -> str:
    """Where somebody is registered of whom everything was wrong."""
    person, seen = await expected(running, contract_no, operator, contradictions=("report_before_departure",))
    here, of_item = f"{path(contract_no)}/{person}", {"kind": "declaration_contradicts", "declaration_version": 1}
    settlements = f"/v1/contracts/{contract_no}/review-items/{person}/settlements"
    supervision = running.caller(Role.SUPERVISION_LEAD, contract_no)
    linked = await operator.post(f"{here}/documents", {"document": citizen(1), "reason": "护照换发"})
    other = linked.json()["same_as"][0]
    for caller, to, body in (
        (operator, settlements, {**of_item, "note": "已电话核实"}),
        (operator, f"{here}/corrections", {"mobile": "13900000022", "reason": "手机号录错"}),
        (supervision, f"{here}/documents/{other}/withdrawal", {"reason": "不是同一人"}),
        (operator, f"{here}/withdrawal", {"reason": "录入错误"}),
    ):
        answer = await caller.post(to, body, seen=seen)
        assert answer.is_success, answer.text
    return here


ALL = [
    ("pre-registration-withdrawn", "录入错误"),
    ("person-unlinked", "不是同一人"),
    ("person-details-corrected", "手机号录错"),
    ("review-item-settled", "已电话核实"),
    ("person-linked", "护照换发"),
]


class TestCorrections:
    async def test_say_what_was_put_right_by_whom_and_why(self, running: Running, operator: Caller, put_right: str) -> None:
        page = (await operator.get(f"{put_right}/corrections")).json()
        assert (ALL, None) == (words(page), page["next_before"])
        withdrawn, unlinked, _, settled, linked = page["items"]
        assert operator.principal.subject == withdrawn["corrected_by"] == settled["corrected_by"]
        assert f"supervision_lead-{running.accounts}" == unlinked["corrected_by"]
        assert ["declaration_contradicts"] == [each["review_item"] for each in page["items"] if each["review_item"]]
        other = str(await person_id(running, 1))
        assert ([other], [other], []) == (linked["records"], unlinked["records"], withdrawn["records"])

    async def test_tell_each_field_as_it_was_and_as_it_is(self, running: Running, contract_no: str, operator: Caller) -> None:
        person, _ = await expected(running, contract_no, operator)
        here = f"{path(contract_no)}/{person}"
        for body in (
            {"mobile": "13900000022", "arrival_date": "2020-02-01"},
            {"origin": {"code": "340100", "text": "合肥市"}, "person_kind": "manager"},
            {"mobile": "13900000033"},
        ):
            corrected = await operator.post(f"{here}/corrections", body | {"reason": "录错"})
            assert corrected.is_success, corrected.text
        typed, mobile = form(), "139****0022"
        third, second, first = (await operator.get(f"{here}/corrections")).json()["items"]
        assert [("mobile", mobile, "139****0033")] == changed(third)
        assert [
            ("origin_code", typed["origin"]["code"], "340100"),
            ("origin", typed["origin"]["text"], "合肥市"),
            ("person_kind", "worker", "manager"),
            ("trade", typed["trade"], None),
        ] == changed(second)
        was = "138****0011"
        assert [("mobile", was, mobile), ("arrival_date", None, "2020-02-01")] == changed(first)
        [again] = (await operator.get(f"{here}/corrections", limit=1, before=first["version"] + 1)).json()["items"]
        assert first == again, "on a page of its own, too"

        await running.wired.sealing.destroy(person)
        third, second, first = (await operator.get(f"{here}/corrections")).json()["items"]
        assert [[], ["origin_code", "person_kind", "trade"], ["arrival_date"]] == [
            [field for field, _, _ in changed(each)] for each in (third, second, first)
        ]

    async def test_tell_what_held_here_not_on_another_contract(self, running: Running, contract_no: str, operator: Caller) -> None:
        person, _ = await expected(running, contract_no, operator)
        elsewhere = await report(running)
        site = running.caller(Role.SITE_OPERATOR, elsewhere)
        assert 201 == (await site.post(path(elsewhere), form() | {"arrival_date": "2020-02-09"})).status_code
        here = f"{path(contract_no)}/{person}"
        correction = {"arrival_date": "2020-02-01", "reason": "录错"}
        assert (await operator.post(f"{here}/corrections", correction)).is_success
        [corrected] = (await operator.get(f"{here}/corrections")).json()["items"]
        assert [("arrival_date", None, "2020-02-01")] == changed(corrected)

    async def test_come_a_page_at_a_time(self, operator: Caller, put_right: str) -> None:
        newest = (await operator.get(f"{put_right}/corrections", limit=3)).json()
        rest = (await operator.get(f"{put_right}/corrections", limit=3, before=newest["next_before"])).json()
        assert ALL == words(newest) + words(rest)
        assert None is rest["next_before"]

    async def test_are_those_of_the_contract(self, running: Running, contract_no: str, operator: Caller, put_right: str) -> None:
        elsewhere = await report(running)
        site = running.caller(Role.SITE_OPERATOR, elsewhere)
        person = await person_id(running)
        registered = await site.post(path(elsewhere), form())
        assert 201 == registered.status_code
        assert (await site.post(f"{path(elsewhere)}/{person}/withdrawal", {"reason": "另一工地"})).is_success
        there = (await site.get(f"{path(elsewhere)}/{person}/corrections")).json()
        everywhere = [each for each in ALL if "linked" in each[0]]
        assert [("pre-registration-withdrawn", "另一工地"), *everywhere] == words(there)
        assert ALL == words((await operator.get(f"{put_right}/corrections")).json())

    async def test_of_a_form_that_waited_say_why_it_was_withdrawn(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        assert 409 == (await operator.post(path(contract_no), form(2))).status_code
        here = f"{path(contract_no)}/{await person_id(running, 2)}"
        assert (await operator.post(f"{here}/withdrawal", {"reason": "不来沪"})).is_success
        assert [("form-withdrawn", "不来沪")] == words((await operator.get(f"{here}/corrections")).json())

    async def test_are_none_where_nothing_was_put_right(self, running: Running, contract_no: str, operator: Caller) -> None:
        person, _ = await expected(running, contract_no, operator)
        assert [] == (await operator.get(f"{path(contract_no)}/{person}/corrections")).json()["items"]
        assert [] == await looks_at(running, person), "there was nothing to open"

    async def test_of_whoever_is_not_known_here_are_not_found(self, running: Running, contract_no: str, operator: Caller) -> None:
        stranger = await person_id(running, 3)
        for person in (stranger, uuid4()):
            refused = await operator.get(f"{path(contract_no)}/{person}/corrections")
            assert (404, "person-is-not-pre-registered") == (refused.status_code, refused.json()["code"])

    async def test_are_read_by_nobody_once_the_key_is_gone(self, running: Running, operator: Caller, put_right: str) -> None:
        await running.wired.sealing.destroy(await person_id(running))
        assert [(kind, None) for kind, _ in ALL] == words((await operator.get(f"{put_right}/corrections")).json())

    async def test_are_not_for_the_firm(self, running: Running, contract_no: str, put_right: str) -> None:
        registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=EMPLOYER)
        assert 403 == (await registrar.get(f"{put_right}/corrections")).status_code

    async def test_are_read_by_whoever_supervises_and_it_is_recorded(
        self, running: Running, contract_no: str, operator: Caller, put_right: str
    ) -> None:
        person = await person_id(running)
        before = await looks_at(running, person)
        readers = authorities(running)
        for each in readers:
            assert ALL == words((await each.get(f"{put_right}/corrections")).json())
        assert [*before, *(each.principal.subject for each in readers)] == await looks_at(running, person)
        for each in others(running):
            foreign = await each.get(f"{put_right}/corrections")
            absent = await each.get(f"{path('W2099010100099')}/{person}/corrections")
            assert (404, "not-found") == (foreign.status_code, foreign.json()["code"])
            assert foreign.json()["code"] == absent.json()["code"]


class TestFamilyCorrections:
    async def test_say_why_a_family_member_was_corrected_and_withdrawn(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        worker, _ = await expected(running, contract_no, operator)
        seen = await declare(running, 1)
        family = f"{path(contract_no)}/{worker}/family-members"
        member = (await operator.post(family, {"document": citizen(1), "name": "张小三"}, seen=seen)).json()["person_id"]
        for what, body in (
            ("corrections", {"relation": "女儿", "reason": "关系录错"}),
            ("withdrawal", {"reason": "不同行"}),
        ):
            assert (await operator.post(f"{family}/{member}/{what}", body)).is_success
        both = [("family-member-withdrawn", "不同行"), ("family-details-corrected", "关系录错")]
        for reader in (operator, *authorities(running)):
            page = (await reader.get(f"{family}/{member}/corrections")).json()
            assert both == words(page)
            assert [[], [("relation", None, "女儿")]] == [changed(each) for each in page["items"]]
            assert {operator.principal.subject} == {each["corrected_by"] for each in page["items"]}
        assert [404] * 3 == [(await each.get(f"{family}/{member}/corrections")).status_code for each in others(running)]
        assert [] == (await operator.get(f"{path(contract_no)}/{worker}/corrections")).json()["items"], "of him nothing was"

        colleague, _ = await expected(running, contract_no, operator, 2)
        not_his = await operator.get(f"{path(contract_no)}/{colleague}/family-members/{member}/corrections")
        assert (404, "family-member-is-unknown") == (not_his.status_code, not_his.json()["code"])


class TestOperatorChanges:
    async def test_say_who_was_let_act_and_why_no_more(self, running: Running, contract_no: str) -> None:
        lead = running.caller(Role.PROJECT_LEAD, contract_no)
        grants = f"/v1/contracts/{contract_no}/operator-grants"
        who = {"document": citizen(0), "name": "王小五", "mobile": "13800000044", "role": "site_operator"}
        operator_id = (await lead.post(grants, who)).json()["operator_id"]
        assert 204 == (await lead.post(f"{grants}/{operator_id}/withdrawal", {"reason": "已调离"})).status_code
        readers = (lead, *authorities(running))
        for each in readers:
            withdrawn, granted = (await each.get(f"{grants}/changes")).json()["items"]
            assert (None, "王*五", "已调离") == (withdrawn["role"], withdrawn["name"], withdrawn["grounds"])
            assert ("site_operator", "王*五", None) == (granted["role"], granted["name"], granted["grounds"])
            assert {operator_id} == {withdrawn["operator_id"], granted["operator_id"]}
            assert lead.principal.subject == withdrawn["changed_by"] == granted["changed_by"]
        assert [each.principal.subject for each in readers] == await looks_at(running, UUID(operator_id))
        newest = (await lead.get(f"{grants}/changes", limit=1)).json()
        (older,) = (await lead.get(f"{grants}/changes", limit=1, before=newest["next_before"])).json()["items"]
        assert "site_operator" == older["role"]
        assert [404] * 3 == [(await each.get(f"{grants}/changes")).status_code for each in others(running)]

    async def test_name_whoever_was_withdrawn_as_he_was_granted_last(self, running: Running, contract_no: str) -> None:
        lead = running.caller(Role.PROJECT_LEAD, contract_no)
        grants = f"/v1/contracts/{contract_no}/operator-grants"
        for n, name in ((0, "王小四"), (0, "王小五"), (1, "李晓")):
            who = {"document": citizen(n), "name": name, "mobile": "13800000044", "role": "site_operator"}
            granted = await lead.post(grants, who)
            assert granted.status_code == 201
            if name != "王小四":
                left = f"{grants}/{granted.json()['operator_id']}/withdrawal"
                assert (await lead.post(left, {"reason": "已调离"})).is_success
        names = [each["name"] for each in (await lead.get(f"{grants}/changes")).json()["items"]]
        assert ["李*", "李*", "王*五", "王*五", "王*四"] == names

    async def test_are_not_for_those_whom_they_are_about(self, running: Running, contract_no: str, operator: Caller) -> None:
        assert 403 == (await operator.get(f"/v1/contracts/{contract_no}/operator-grants/changes")).status_code
