"""What is open on a site, and on all that an authority supervises: forms that wait, review items."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from chassis.auth import Principal
from contracts.access import Role
from contracts.event import shard_of
from registration.people_api import PEOPLE_ASKED_MAX
from tests.in_process import Caller
from tests.registration.asking import citizen, declare, form, number, path, person_id
from tests.registration.facts import EMPLOYER, OTHER_EMPLOYER, entry_attempted
from tests.registration.importing import import_roster
from tests.registration.service import Running
from tests.registration.sheets import member

FORMS, ITEMS = "/v1/awaiting-forms", "/v1/review-items"


def station(running: Running, name: str = "虹口") -> Caller:
    officer = Principal(f"officer-{running.accounts}", Role.STATION_OFFICER, stations=frozenset({name}))
    return running.service.caller(officer)


def forms(contract_no: str) -> str:
    return f"/v1/contracts/{contract_no}/awaiting-forms"


async def wait_on(running: Running, contract_no: str, operator: Caller) -> tuple[Any, str]:
    """Somebody is expected there; his child's form waits, and somebody else's. Where that stands."""
    seen = await declare(running)
    opened = await operator.post(path(contract_no), form(), seen=seen)
    family = f"{path(contract_no)}/{opened.json()['person_id']}/family-members"
    kept = [
        await operator.post(family, {"document": citizen(1), "name": "张小四"}),
        await operator.post(path(contract_no), form(2)),
    ]
    assert [409, 409] == [each.status_code for each in kept]
    for each in kept:
        await operator.get(path(contract_no), seen=each.headers["consistency-token"])
    return opened.json()["person_id"], kept[-1].headers["consistency-token"]


async def page_by_page(caller: Caller, where: str, **query: Any) -> list[Any]:
    found, after = list[Any](), None
    while True:
        page = (await caller.get(where, **query, **({"after": after} if after else {}))).json()
        found += page["items"]
        if (after := page["next"]) is None:
            return found


async def on_contract(caller: Caller, where: str, contract_no: str) -> dict[str, Any] | None:
    return next((each for each in await page_by_page(caller, where) if each["contract_no"] == contract_no), None)


class TestAwaitingForms:
    async def test_are_of_people_and_of_family_whichever_waits_longest_first(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        accompanied, _ = await wait_on(running, contract_no, operator)
        child, worker = (await operator.get(forms(contract_no))).json()["items"]
        assert [(accompanied, "张*四"), (None, "张*三")] == [(each["accompanies"], each["name"]) for each in (child, worker)]
        assert ["declaration", "declaration"] == [each["waits_for"] for each in (child, worker)]
        by = ("site_operator", operator.principal.subject)
        assert [by, by] == [(each["registered_by"]["role"], each["registered_by"]["account"]) for each in (child, worker)]

    async def test_say_what_they_lack_by_now(self, running: Running, contract_no: str, operator: Caller) -> None:
        await wait_on(running, contract_no, operator)
        seen = await declare(running, 1, name="张大四")
        child, _ = (await operator.get(forms(contract_no), seen=seen)).json()["items"]
        assert "agreeing_name" == child["waits_for"]

    async def test_are_paged(self, running: Running, contract_no: str, operator: Caller) -> None:
        await wait_on(running, contract_no, operator)
        assert 2 == len({each["person_id"] for each in await page_by_page(operator, forms(contract_no), limit=1)})

    async def test_of_another_firm_are_not_a_registrar_s(self, running: Running, contract_no: str, operator: Caller) -> None:
        await wait_on(running, contract_no, operator)
        for employer, count in ((EMPLOYER, 2), (OTHER_EMPLOYER, 0), (None, 0)):
            registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=employer)
            assert count == len((await registrar.get(forms(contract_no))).json()["items"]), employer

    async def test_are_counted_by_contract_for_whoever_supervises_it(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        _, seen = await wait_on(running, contract_no, operator)
        officer = station(running)
        total = (await officer.get(FORMS, seen=seen)).json()["total"]
        assert total == sum(each["people"] + each["family_members"] for each in await page_by_page(officer, FORMS, limit=1))
        found = await on_contract(officer, FORMS, contract_no)
        assert {"contract_no": contract_no, "people": 1, "family_members": 1} == found
        assert await on_contract(station(running, "浦东"), FORMS, contract_no) is None

    async def test_open_to_exactly_those_that_are_counted(self, running: Running, contract_no: str, operator: Caller) -> None:
        await wait_on(running, contract_no, operator)
        of_site = (await operator.get(forms(contract_no))).json()["items"]
        assert of_site == (await station(running).get(f"{FORMS}/{contract_no}")).json()["items"]

    async def test_that_are_withdrawn_wait_no_more(self, running: Running, contract_no: str, operator: Caller) -> None:
        accompanied, _ = await wait_on(running, contract_no, operator)
        child, worker = [await person_id(running, n) for n in (1, 2)]
        for each, left in ((f"{accompanied}/family-members/{child}", [worker]), (worker, [])):
            withdrawn = await operator.post(f"{path(contract_no)}/{each}/withdrawal", {"reason": "不来了"})
            listed = await operator.get(forms(contract_no), seen=withdrawn.headers["consistency-token"])
            assert [str(each) for each in left] == [each["person_id"] for each in listed.json()["items"]]


class TestReviewItemsOfSupervised:
    async def item(self, running: Running, contract_no: str, operator: Caller) -> tuple[Any, str]:
        seen = await declare(running, contradictions=("report_before_departure",))
        opened = await operator.post(path(contract_no), form(), seen=seen)
        return opened.json()["person_id"], opened.headers["consistency-token"]

    async def test_are_counted_by_contract_until_somebody_has_looked(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        person, seen = await self.item(running, contract_no, operator)
        officer = station(running)
        before = (await officer.get(ITEMS, seen=seen)).json()["total"]
        assert before == sum(each["items"] for each in await page_by_page(officer, ITEMS, limit=1))
        assert {"contract_no": contract_no, "items": 1} == await on_contract(officer, ITEMS, contract_no)
        looked = {"kind": "declaration_contradicts", "declaration_version": 1, "note": "已电话核实"}
        settled = await operator.post(f"/v1/contracts/{contract_no}/review-items/{person}/settlements", looked, seen=seen)
        after = (await officer.get(ITEMS, seen=settled.headers["consistency-token"])).json()["total"]
        assert (1, None) == (before - after, await on_contract(officer, ITEMS, contract_no))

    async def test_open_to_exactly_those_that_are_counted(self, running: Running, contract_no: str, operator: Caller) -> None:
        _, seen = await self.item(running, contract_no, operator)
        of_site = await operator.get(f"/v1/contracts/{contract_no}/review-items", seen=seen, is_settled="false")
        opened = await station(running).get(f"{ITEMS}/{contract_no}", is_settled="false")
        assert (1, of_site.json()) == (len(opened.json()["items"]), opened.json())

    async def test_of_whoever_was_withdrawn_count_where_he_went_in_nevertheless(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        person, seen = await self.item(running, contract_no, operator)
        withdrawn = await operator.post(f"{path(contract_no)}/{person}/withdrawal", {"reason": "登记错误"}, seen=seen)
        officer, token = station(running), withdrawn.headers["consistency-token"]
        assert 200 == (await officer.get(ITEMS, seen=token)).status_code
        assert await on_contract(officer, ITEMS, contract_no) is None
        entered = running.service.told["gatekeeper"].tell(entry_attempted(person_id=UUID(person), contract_no=contract_no))
        shown = await officer.get(f"{ITEMS}/{contract_no}", seen=entered, is_settled="false")
        counted = await on_contract(officer, ITEMS, contract_no)
        assert counted == {"contract_no": contract_no, "items": len(shown.json()["items"])}

    async def test_that_nobody_has_looked_at_are_not_hidden_behind_those_that_somebody_has(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        for n in range(3):
            seen = await declare(running, n, contradictions=("report_before_departure",))
            token = (await operator.post(path(contract_no), form(n), seen=seen)).headers["consistency-token"]
            await operator.get(path(contract_no), seen=token)
        people = sorted([str(await person_id(running, n)) for n in range(3)])
        items = f"/v1/contracts/{contract_no}/review-items"
        looked = {"kind": "declaration_contradicts", "declaration_version": 1, "note": "已核实"}
        for each in people[:2]:
            settled = await operator.post(f"{items}/{each}/settlements", looked)
            await operator.get(items, seen=settled.headers["consistency-token"])
        page = (await operator.get(items, is_settled="false", limit=1)).json()
        assert ([people[2]], None) == ([each["person_id"] for each in page["items"]], page["next"])


class TestPeopleHere:
    async def test_are_told_by_what_they_are_here(self, running: Running, contract_no: str, operator: Caller) -> None:
        accompanied, _ = await wait_on(running, contract_no, operator)
        await import_roster(running, operator, contract_no, member(3))
        people = {str(await person_id(running, n)): n for n in range(5)}
        token = await running.wired.people.token_of_shards(shard_of(UUID(each)) for each in people)
        where = f"/v1/contracts/{contract_no}/people"
        told = {people[each["person_id"]]: each for each in await page_of(operator, where, seen=token, person_id=list(people))}
        assert {0: "pre_registered", 1: "family", 2: "pre_registered", 3: "rostered"} == {n: told[n]["standing"] for n in told}
        assert (accompanied, EMPLOYER) == (told[1]["accompanies"], told[1]["employer_credit_code"])
        assert ("张*三", EMPLOYER, "020") == (told[3]["name"], told[3]["employer_credit_code"], told[3]["trade"])

    async def test_of_another_firm_are_not_a_registrar_s(self, running: Running, contract_no: str, operator: Caller) -> None:
        await wait_on(running, contract_no, operator)
        people = [str(await person_id(running, n)) for n in range(3)]
        for employer, count in ((EMPLOYER, 3), (OTHER_EMPLOYER, 0), (None, 0)):
            registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=employer)
            assert count == len(await page_of(registrar, f"/v1/contracts/{contract_no}/people", person_id=people)), employer

    async def test_of_nobody_or_too_many_are_refused(self, running: Running, contract_no: str, operator: Caller) -> None:
        for people in ([], [str(uuid4()) for _ in range(PEOPLE_ASKED_MAX + 1)]):
            refused = await operator.get(f"/v1/contracts/{contract_no}/people", person_id=people)
            assert 422 == refused.status_code


async def page_of(caller: Caller, where: str, *, seen: object = None, **query: Any) -> list[dict[str, Any]]:
    answered = await caller.get(where, seen=seen, **query)
    assert 200 == answered.status_code, answered.text
    items: list[dict[str, Any]] = answered.json()["items"]
    return items


class TestElsewhere:
    @pytest.mark.parametrize("where", [FORMS, ITEMS])
    async def test_is_not_there(self, running: Running, contract_no: str, operator: Caller, where: str) -> None:
        await wait_on(running, contract_no, operator)
        refused: list[httpx2.Response] = [
            await station(running, "浦东").get(f"{where}/{contract_no}"),
            await station(running).get(f"{where}/{number()}"),
        ]
        assert [404, 404] == [each.status_code for each in refused]
        assert 403 == (await operator.get(where)).status_code
