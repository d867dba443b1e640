"""Status, body and new facts of 工地疫情防控信息, on the real app with real PostgreSQL and key server."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx2
import pytest

from contracts.access import Role
from tests.in_process import Caller
from tests.registration.facts import entry_attempted
from tests.registration.service import Running


def problem(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def control(**changes: Any) -> dict[str, Any]:
    return {
        "team": [{"name": "王小二", "duty": "组长", "phone": "13800000012"}],
        "designated_hospital": "虹口区测试医院",
        "supplies": [
            {"item": "口罩", "unit": "只", "quantity": 600, "used_per_100_people_daily": 200},
            {"item": "额温枪", "unit": "把", "quantity": 4},
        ],
    } | changes


def counts(masks: int) -> dict[str, Any]:
    return {"supplies": [{"item": "口罩", "quantity": masks}, {"item": "额温枪", "quantity": 4}]}


def control_of(contract_no: str) -> str:
    return f"/v1/contracts/{contract_no}/epidemic-control"


def supplies_of(contract_no: str) -> str:
    return f"/v1/contracts/{contract_no}/supply-counts"


class TestEpidemicControl:
    async def test_is_empty_until_it_is_submitted(self, contract_no: str, operator: Caller) -> None:
        response = await operator.get(control_of(contract_no))
        assert (200, '"0"', 0, []) == (
            response.status_code,
            response.headers["etag"],
            response.json()["version"],
            response.json()["team"],
        )

    async def test_is_submitted_on_what_was_read(self, running: Running, contract_no: str, operator: Caller) -> None:
        path, before = control_of(contract_no), len(await running.facts())
        first = await operator.put(path, control(), version=0)
        assert (200, '"1"', 1) == (first.status_code, first.headers["etag"], first.json()["version"])
        assert (412, "site-information-has-changed") == problem(await operator.put(path, control(), version=0))
        assert 201 == (await operator.post(supplies_of(contract_no), counts(540))).status_code
        second = await operator.put(path, control(designated_hospital="另一家医院"), version=1)
        assert '"2"' == second.headers["etag"]
        read = await operator.get(path)
        assert ("另一家医院", '"2"') == (read.json()["designated_hospital"], read.headers["etag"])
        made = ["epidemic-control-submitted", "supplies-counted", "epidemic-control-submitted"]
        assert made == (await running.facts())[before:]

    async def test_shows_the_team_in_full_to_whoever_submits_it_and_records_that(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        await operator.put(control_of(contract_no), control(), version=0)
        supervision = running.caller(Role.SUPERVISION_OPERATOR, contract_no)
        [shown], [masked] = [(await each.get(control_of(contract_no))).json()["team"] for each in (operator, supervision)]
        assert {"name": "王小二", "duty": "组长", "phone": "13800000012"} == shown
        assert {"name": "王*二", "duty": "组长", "phone": "138****0012"} == masked

    async def test_keeps_names_and_phones_sealed(self, running: Running, contract_no: str, operator: Caller) -> None:
        await operator.put(control_of(contract_no), control(), version=0)
        rows = await running.wired.pool.fetch("SELECT data FROM event WHERE type LIKE '%epidemic-control%'")
        assert rows
        assert not any(text.encode() in row["data"] for row in rows for text in ("王小二", "13800000012", "测试医院"))

    @pytest.mark.parametrize(
        "change",
        [
            {"team": []},
            {"team": [{"name": "王小二", "duty": "组长", "phone": "电话"}]},
            {"supplies": [{"item": "口罩", "unit": "只", "quantity": -1}]},
            {"supplies": [{"item": "口罩", "unit": "只", "quantity": n} for n in (1, 2)]},
            {"supplies": [{"item": "口" * 31, "unit": "只", "quantity": 1}]},
        ],
    )
    async def test_that_is_wrong_is_refused(self, contract_no: str, operator: Caller, change: dict[str, Any]) -> None:
        response = await operator.put(control_of(contract_no), control(**change), version=0)
        assert (422, "invalid-request") == problem(response)

    async def test_at_its_largest_is_still_one_event(self, contract_no: str, operator: Caller) -> None:
        team = [{"name": "王" * 100, "duty": "组" * 50, "phone": "13800000012"}] * 20
        supplies = [{"item": f"{n:02}" + "口" * 28, "unit": "只" * 10, "quantity": 10**8} for n in range(50)]
        largest = control(team=team, supplies=supplies, designated_hospital="医" * 200)
        assert 200 == (await operator.put(control_of(contract_no), largest, version=0)).status_code

    async def test_of_another_site_is_not_found(self, running: Running, contract_no: str) -> None:
        stranger = running.caller(Role.SITE_OPERATOR, "W404")
        for foreign in (contract_no, "W404"):
            assert (404, "not-found") == problem(await stranger.get(control_of(foreign)))
            assert (404, "not-found") == problem(await stranger.put(control_of(foreign), control(), version=0))

    async def test_is_not_the_registrars_to_submit(self, running: Running, contract_no: str) -> None:
        registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no)
        assert (403, "forbidden") == problem(await registrar.put(control_of(contract_no), control(), version=0))


class TestSupplyCounts:
    async def test_wait_for_the_first_submission(self, contract_no: str, operator: Caller) -> None:
        assert (409, "site-information-is-not-submitted") == problem(await operator.post(supplies_of(contract_no), counts(1)))

    async def test_are_kept_and_cover_days_for_whoever_is_on_site(
        self, running: Running, contract_no: str, operator: Caller
    ) -> None:
        await operator.put(control_of(contract_no), control(), version=0)
        counted = await operator.post(supplies_of(contract_no), counts(50), key="one")
        again = await operator.post(supplies_of(contract_no), counts(50), key="one")
        assert (201, 201, counted.headers["etag"]) == (counted.status_code, again.status_code, again.headers["etag"])
        seen = running.service.told["gatekeeper"].tell(
            *(entry_attempted(person_id=UUID(int=n), contract_no=contract_no) for n in range(1, 5))
        )
        await operator.get(supplies_of(contract_no), seen=seen)
        listed = (await operator.get(supplies_of(contract_no), seen=counted.headers["consistency-token"])).json()
        assert 4 == listed["head_count"]
        assert [("口罩", 50, 6), ("额温枪", 4, None)] == [
            (each["item"], each["quantity"], each["days"]) for each in listed["cover"]
        ]
        assert [("counted", 50), ("submitted", 600)] == [
            (each["told"], each["supplies"][0]["quantity"]) for each in listed["items"]
        ]

    async def test_are_paged(self, contract_no: str, operator: Caller) -> None:
        await operator.put(control_of(contract_no), control(), version=0)
        path = supplies_of(contract_no)
        tokens = [(await operator.post(path, counts(masks))).headers["consistency-token"] for masks in (3, 2, 1)]
        pages: list[dict[str, Any]] = []
        for _ in range(4):
            before = {"before": pages[-1]["next"]} if pages else {}
            pages.append((await operator.get(path, seen=tokens[-1], limit=1, **before)).json())
        assert [1, 2, 3, 600] == [each["supplies"][0]["quantity"] for page in pages for each in page["items"]]
        assert pages[-1]["next"] is None

    async def test_of_other_supplies_are_refused(self, contract_no: str, operator: Caller) -> None:
        await operator.put(control_of(contract_no), control(), version=0)
        other = {"supplies": [{"item": "酒精", "quantity": 4}]}
        assert (409, "supplies-are-not-those-submitted") == problem(await operator.post(supplies_of(contract_no), other))
