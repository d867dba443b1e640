"""Answers to questions, withdrawals of orders, corrected reports over HTTP, on the real app with real PostgreSQL and key server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.key_server import Purpose
from contracts.access import Role
from contracts.health import (
    ArrivalAssessed,
    HealthHoldWithdrawn,
    HealthReported,
    IsolationOrdered,
    IsolationOrderWithdrawn,
    TravelClarified,
)
from tests.health.facts import EMPLOYER, HUBEI, declaration, pre_registered
from tests.health.service import Running
from tests.in_process import Caller


@pytest.fixture
async def operator(running: Running, person_id: UUID, contract_no: str) -> Caller:
    """Of a contract on which somebody from Hubei is expected, who does not say where his stop-over was."""
    caller = running.caller(Role.SITE_OPERATOR, contract_no)
    pinned = declaration(stopover=True)
    seen = running.registration.tell(pre_registered(person_id, contract_no=contract_no, origin_code=HUBEI, declaration=pinned))
    assert 200 == (await caller.get(f"/v1/people/{person_id}/assessments", seen=seen)).status_code
    return caller


def answer(contract_no: str, stopover_code: str | None = "340100", **more: Any) -> Mapping[str, Any]:
    return {"contract_no": contract_no, "stopover_code": stopover_code, "evidence": "车票", **more}


async def orders(caller: Caller, person_id: UUID) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await caller.get(f"/v1/people/{person_id}/isolation-orders")).json()["items"]
    return items


async def unsealed(running: Running, person_id: UUID, text: str, field: str = "evidence") -> object:
    unsealer = await running.parts.sealing.unwrap([person_id], actor="test", purpose=Purpose.PROCESS)
    return unsealer.unseal(person_id, field, text)


class TestClarifyTravel:
    def path(self, person_id: UUID, version: int = 1) -> str:
        return f"/v1/people/{person_id}/assessments/{version}/answers"

    async def test_closes_the_question_and_seals_the_evidence(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        response = await operator.post(self.path(person_id), answer(contract_no))
        assert (201, []) == (response.status_code, response.json()["orders"])
        clarified, assessed = (await running.facts(person_id))[-2:]
        assert isinstance(clarified, TravelClarified)
        assert isinstance(assessed, ArrivalAssessed)
        assert ("车票", operator.principal.subject) == (
            await unsealed(running, person_id, clarified.evidence),
            clarified.clarified_by,
        )
        newest, first = (await operator.get(f"/v1/people/{person_id}/assessments")).json()["items"]
        assert ([], ["stopover_unknown"]) == (newest["questions"], first["questions"])

    async def test_tells_the_order_that_follows(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        told = (await operator.post(self.path(person_id), answer(contract_no, "420100"))).json()["orders"]
        assert [("key_area_stopover", "2020-02-28")] == [(each["reason"], each["admissible_on"]) for each in told]
        assert 2 == sum(isinstance(each, IsolationOrdered) for each in await running.facts(person_id))

    async def test_sent_twice_with_a_key_answers_alike(self, operator: Caller, person_id: UUID, contract_no: str) -> None:
        first, again = [await operator.post(self.path(person_id), answer(contract_no, "420100"), key="one") for _ in range(2)]
        assert first.json() == again.json()

    @pytest.mark.parametrize(
        ("version", "changes", "status", "code"),
        [
            (2, {}, 409, "no-question-is-open"),
            (1, {"stopover_code": "武汉"}, 422, "invalid-request"),
            (1, {"evidence": " "}, 422, "invalid-request"),
            (0, {}, 404, "not-found"),
            (1, {"contract_no": "W-elsewhere"}, 404, "not-found"),
        ],
    )
    async def test_is_refused(
        self,
        running: Running,
        operator: Caller,
        person_id: UUID,
        contract_no: str,
        version: int,
        changes: dict[str, Any],
        status: int,
        code: str,
    ) -> None:
        before = await running.facts(person_id)
        response = await operator.post(self.path(person_id, version), {**answer(contract_no), **changes})
        assert (status, code) == (response.status_code, response.json()["code"])
        assert before == await running.facts(person_id)

    async def test_is_not_for_employers(self, running: Running, operator: Caller, person_id: UUID, contract_no: str) -> None:
        registrar = running.caller(Role.EMPLOYER_REGISTRAR, contract_no, employer=EMPLOYER)
        assert 403 == (await registrar.post(self.path(person_id), answer(contract_no))).status_code


class TestWithdrawOrder:
    def body(self, contract_no: str) -> Mapping[str, str]:
        return {"contract_no": contract_no, "reason_code": "wrong_origin", "evidence": "居住证明"}

    async def test_shows_in_the_list(self, running: Running, operator: Caller, person_id: UUID, contract_no: str) -> None:
        [order] = await orders(operator, person_id)
        path = f"/v1/people/{person_id}/isolation-orders/{order['order_id']}/withdrawal"
        assert [204, 204] == [(await operator.post(path, self.body(contract_no))).status_code for _ in range(2)]
        withdrawn = [each for each in await running.facts(person_id) if isinstance(each, IsolationOrderWithdrawn)]
        assert [("居住证明", operator.principal.subject)] == [
            (await unsealed(running, person_id, each.evidence), each.withdrawn_by) for each in withdrawn
        ]
        [after] = await orders(operator, person_id)
        assert (False, True) == (order["withdrawn"], after["withdrawn"])

    async def test_counts_days_from_the_day_of_arrival(self, operator: Caller, person_id: UUID) -> None:
        [order] = await orders(operator, person_id)
        assert order["day"] > 2_000, "since February 2020"

    async def test_is_refused_for_an_order_that_was_never_made(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str
    ) -> None:
        before = await running.facts(person_id)
        response = await operator.post(f"/v1/people/{person_id}/isolation-orders/{uuid4()}/withdrawal", self.body(contract_no))
        assert (404, "isolation-order-is-unknown") == (response.status_code, response.json()["code"])
        assert before == await running.facts(person_id)


class TestCorrectHealthReport:
    @pytest.fixture
    async def report_id(self, operator: Caller, person_id: UUID, contract_no: str) -> str:
        """Of a report whose temperature was mistyped."""
        mistyped = self.body(contract_no, 38.6)
        del mistyped["reason"]
        told = (await operator.post(f"/v1/people/{person_id}/health-reports", mistyped)).json()
        assert ["fever"] == told["holds"]
        return str(told["report_id"])

    def body(self, contract_no: str, celsius: float = 36.8) -> dict[str, Any]:
        reading = {"read_at": datetime.now(UTC).isoformat(), "reading_celsius": celsius, "symptoms": ["none"]}
        return {"contract_no": contract_no, **reading, "reason": "把36.8录成38.6"}

    def path(self, person_id: UUID, report_id: object) -> str:
        return f"/v1/people/{person_id}/health-reports/{report_id}/corrections"

    async def test_lifts_what_followed_and_shows_both_in_the_list(
        self, operator: Caller, person_id: UUID, contract_no: str, report_id: str
    ) -> None:
        corrected = await operator.post(self.path(person_id, report_id), self.body(contract_no))
        assert (201, [], report_id) == (corrected.status_code, corrected.json()["holds"], corrected.json()["corrects"])
        seen = corrected.headers["consistency-token"]
        listed = (await operator.get(f"/v1/people/{person_id}/health-reports", seen=seen)).json()
        assert [(36.8, report_id, False), (38.6, None, True)] == [
            (each["reading_celsius"], each["corrects"], each["corrected"]) for each in listed["items"]
        ]
        assert [] == listed["holds"]

    async def test_says_who_lifted_what_followed_and_why(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str, report_id: str
    ) -> None:
        without = self.body(contract_no)
        del without["reason"]
        refused = await operator.post(self.path(person_id, report_id), without)
        assert (422, "/reason") == (refused.status_code, refused.json()["errors"][0]["pointer"])
        by_another = running.caller(Role.SUPERVISION_LEAD, contract_no)
        await by_another.post(self.path(person_id, report_id), self.body(contract_no))
        correction, lifted = (await running.facts(person_id))[-2:]
        assert isinstance(correction, HealthReported)
        assert isinstance(lifted, HealthHoldWithdrawn)
        assert (by_another.principal.subject, correction.report_id) == (correction.reported_by, lifted.report_id)
        assert correction.reason is not None
        assert "把36.8录成38.6" == await unsealed(running, person_id, correction.reason, "reason")
        newest, first = (await operator.get(f"/v1/people/{person_id}/health-reports")).json()["items"]
        assert [by_another.principal.subject, operator.principal.subject] == [newest["reported_by"], first["reported_by"]]

    async def test_sent_twice_with_a_key_corrects_once_and_without_is_refused(
        self, running: Running, operator: Caller, person_id: UUID, contract_no: str, report_id: str
    ) -> None:
        path, body = self.path(person_id, report_id), self.body(contract_no)
        first, again = [await operator.post(path, body, key="one") for _ in range(2)]
        assert first.json() == again.json()
        before = await running.facts(person_id)
        late = await operator.post(path, body)
        assert (409, "report-was-corrected") == (late.status_code, late.json()["code"])
        assert before == await running.facts(person_id)

    @pytest.mark.parametrize(
        ("changes", "status", "code"),
        [
            ({"symptoms": []}, 422, "no-symptom-is-ticked"),
            ({"reading_celsius": 46.0}, 422, "invalid-request"),
            ({"contract_no": "W-elsewhere"}, 404, "not-found"),
        ],
    )
    async def test_is_refused(
        self,
        running: Running,
        operator: Caller,
        person_id: UUID,
        contract_no: str,
        report_id: str,
        changes: dict[str, Any],
        status: int,
        code: str,
    ) -> None:
        before = await running.facts(person_id)
        response = await operator.post(self.path(person_id, report_id), {**self.body(contract_no), **changes})
        assert (status, code) == (response.status_code, response.json()["code"])
        assert before == await running.facts(person_id)

    async def test_is_refused_for_a_report_that_is_not_there(self, operator: Caller, person_id: UUID, contract_no: str) -> None:
        response = await operator.post(self.path(person_id, uuid4()), self.body(contract_no))
        assert (404, "nothing-to-correct") == (response.status_code, response.json()["code"])

    @pytest.mark.parametrize("role", [Role.EMPLOYER_REGISTRAR, Role.GATE_DEVICE])
    async def test_is_not_for_employers_and_turnstiles(
        self, running: Running, person_id: UUID, contract_no: str, report_id: str, role: Role
    ) -> None:
        caller = running.caller(role, contract_no, employer=EMPLOYER)
        assert 403 == (await caller.post(self.path(person_id, report_id), self.body(contract_no))).status_code
