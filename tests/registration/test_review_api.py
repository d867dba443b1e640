"""待核 over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest

from contracts.access import Role
from tests.in_process import Caller
from tests.registration.asking import declare, form, path, person_id
from tests.registration.facts import EMPLOYER, OTHER_EMPLOYER, entry_attempted
from tests.registration.service import Running

CONTRADICTION: dict[str, Any] = {"contradictions": ("report_before_departure",)}


def problem(response: httpx2.Response) -> tuple[int, str]:
    assert "application/problem+json" == response.headers["content-type"]
    return response.status_code, response.json()["code"]


def items(contract_no: str) -> str:
    return f"/v1/contracts/{contract_no}/review-items"


def settlement(**changes: Any) -> dict[str, Any]:
    return {"kind": "declaration_contradicts", "declaration_version": 1, "note": "已电话核实"} | changes


async def expected(running: Running, contract_no: str, operator: Caller, n: int = 0, **said: Any) -> tuple[UUID, str]:
    """Somebody is pre-registered with this declaration. Where that stands."""
    seen = await declare(running, n, **said)
    opened = await operator.post(path(contract_no), form(n), seen=seen)
    assert 201 == opened.status_code
    return await person_id(running, n), opened.headers["consistency-token"]


def told(listed: Any) -> list[tuple[str, int, list[str]]]:
    return [(each["kind"], each["declaration_version"], each["codes"]) for each in listed.json()["items"]]


class TestListReviewItems:
    async def test_shows_what_contradicts_itself(self, running: Running, contract_no: str, operator: Caller) -> None:
        person, _ = await expected(running, contract_no, operator, **CONTRADICTION)
        _, seen = await expected(running, contract_no, operator, 1)
        listed = await operator.get(items(contract_no), seen=seen)
        assert [("declaration_contradicts", 1, ["report_before_departure"])] == told(listed)
        (found,) = listed.json()["items"]
        assert (str(person), "张*三", 1, None) == (found["person_id"], found["name"], found["pinned_version"], found["settled"])

    async def test_shows_how_a_newer_declaration_differs_until_that_is_pinned(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        person, token = await expected(running, contract_no, operator)
        await operator.get(items(contract_no), seen=token)
        seen = await declare(running, declaration_version=2, from_hubei=True)
        assert [("declaration_differs", 2, ["from_hubei"])] == told(await operator.get(items(contract_no), seen=seen))
        body = {"declaration_version": 2, "reason": "重新申报"}
        pinned = await operator.post(f"{path(contract_no)}/{person}/corrections", body, seen=seen)
        assert [] == told(await operator.get(items(contract_no), seen=pinned.headers["consistency-token"]))

    async def test_says_what_is_relied_on_and_what_was_declared_since(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        person, token = await expected(running, contract_no, operator)
        _, other = await expected(running, contract_no, operator, 1, **CONTRADICTION)
        for each in (token, other):
            await operator.get(items(contract_no), seen=each)
        await declare(running, declaration_version=2, stopover=True, stopover_code="420100")
        seen = await declare(running, declaration_version=3, stopover=True, stopover_code="420100", temperature_celsius=36.9)
        (found,) = (await operator.get(items(contract_no), seen=seen, person_id=str(person))).json()["items"]
        said = [found[each] for each in ("pinned", "declared", "latest")]
        assert [(1, None), (2, "420100"), (3, "420100")] == [(each["declaration_version"], each["stopover_code"]) for each in said]
        assert 36.9 == said[2]["temperature_celsius"]

    async def test_shows_it_though_a_third_declaration_takes_it_back(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        _, token = await expected(running, contract_no, operator)
        await operator.get(items(contract_no), seen=token)
        for version, from_hubei in ((2, True), (3, True), (4, False)):
            seen = await declare(running, declaration_version=version, from_hubei=from_hubei)
            listed = told(await operator.get(items(contract_no), seen=seen))
            assert [("declaration_differs", 2, ["from_hubei"])] == listed, version

    async def test_is_silent_about_a_newer_declaration_of_the_same_journey(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        _, token = await expected(running, contract_no, operator)
        await operator.get(items(contract_no), seen=token)
        seen = await declare(running, declaration_version=2, temperature_celsius=36.9)
        assert [] == told(await operator.get(items(contract_no), seen=seen))

    async def test_shows_an_entry_that_crossed_the_withdrawal(self, running: Running, contract_no: str, operator: Caller) -> None:
        person, _ = await expected(running, contract_no, operator)
        withdrawn = await operator.post(f"{path(contract_no)}/{person}/withdrawal", {"reason": "登记错误"})
        await operator.get(items(contract_no), seen=withdrawn.headers["consistency-token"])
        entered = running.service.told["gatekeeper"].tell(entry_attempted(person_id=person, contract_no=contract_no))
        assert [("entered_though_withdrawn", 1, [])] == told(await operator.get(items(contract_no), seen=entered))

    async def test_pages_by_person(self, running: Running, contract_no: str, operator: Caller) -> None:
        for n in range(3):
            _, token = await expected(running, contract_no, operator, n, **CONTRADICTION)
            await operator.get(items(contract_no), seen=token)
        first = (await operator.get(items(contract_no), limit=2)).json()
        second = (await operator.get(items(contract_no), limit=2, after=first["next"])).json()
        assert [2, 1, None] == [len(first["items"]), len(second["items"]), second["next"]]
        assert 3 == len({each["person_id"] for each in first["items"] + second["items"]})

    async def test_shows_an_employer_s_registrar_its_own_people(self, running: Running, contract_no: str, operator: Caller) -> None:
        _, seen = await expected(running, contract_no, operator, **CONTRADICTION)
        for employer, count in ((EMPLOYER, 1), (OTHER_EMPLOYER, 0), (None, 0)):
            registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=employer)
            assert count == len(told(await registrar.get(items(contract_no), seen=seen)))


class TestSettle:
    async def test_says_who_looked_once(self, running: Running, contract_no: str, operator: Caller) -> None:
        person, seen = await expected(running, contract_no, operator, **CONTRADICTION)
        settlements = f"{items(contract_no)}/{person}/settlements"
        answers = [await operator.post(settlements, settlement(), key=key, seen=seen) for key in ("one", "one", "two")]
        assert [201, 201, 200] == [each.status_code for each in answers]
        assert 1 == (await running.facts()).count("review-item-settled")
        token = answers[0].headers["consistency-token"]
        assert [] == told(await operator.get(items(contract_no), seen=token, is_settled="false"))
        (found,) = (await operator.get(items(contract_no), is_settled="true")).json()["items"]
        assert f"site_operator-{running.accounts}" == found["settled"]["settled_by"]
        (what,) = (await operator.get(settlements)).json()
        assert ("declaration_contradicts", 1, "已电话核实") == (what["kind"], what["declaration_version"], what["note"])

    @pytest.mark.parametrize("other", [{"declaration_version": 2}, {"kind": "declaration_differs"}])
    async def test_of_what_is_not_there_is_not_found(
        self, running: Running, contract_no: str, operator: Caller, other: dict[str, Any]
    ) -> None:
        person, seen = await expected(running, contract_no, operator, **CONTRADICTION)
        refused = await operator.post(f"{items(contract_no)}/{person}/settlements", settlement(**other), seen=seen)
        assert (404, "review-item-is-unknown") == problem(refused)
        assert 0 == (await running.facts()).count("review-item-settled")

    @pytest.mark.parametrize("other", [{"kind": "odd"}, {"declaration_version": 0}, {"note": "\u202e"}, {"settled_by": "甲"}])
    async def test_that_cannot_be_read_changes_nothing(
        self, running: Running, contract_no: str, operator: Caller, other: dict[str, Any]
    ) -> None:
        person, seen = await expected(running, contract_no, operator, **CONTRADICTION)
        refused = await operator.post(f"{items(contract_no)}/{person}/settlements", settlement(**other), seen=seen)
        assert (422, "invalid-request") == problem(refused)

    async def test_is_not_for_an_employer_s_registrar(self, running: Running, contract_no: str, operator: Caller) -> None:
        person, _ = await expected(running, contract_no, operator, **CONTRADICTION)
        registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=EMPLOYER)
        settlements = f"{items(contract_no)}/{person}/settlements"
        for refused in (await registrar.post(settlements, settlement()), await registrar.get(settlements)):
            assert (403, "forbidden") == problem(refused)

    async def test_tells_what_was_found_to_nobody_unrecorded(self, running: Running, contract_no: str, operator: Caller) -> None:
        person, seen = await expected(running, contract_no, operator, **CONTRADICTION)
        settled = await operator.post(f"{items(contract_no)}/{person}/settlements", settlement(), seen=seen)
        token = settled.headers["consistency-token"]
        assert "已电话核实" not in (await operator.get(items(contract_no), seen=token)).text
        await operator.get(f"{items(contract_no)}/{person}/settlements")
        owner = await asyncpg.connect(running.keys.owner_dsn)
        rows = await owner.fetch("SELECT actor, purpose FROM access WHERE stream_ids = $1 AND purpose = 'process'", [person])
        await owner.close()
        assert [operator.principal.subject] == [row["actor"] for row in rows]
