"""Who may act on a contract, as its project lead says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.testing.specification import Specification
from contracts.access import Role
from contracts.identity import DocumentType
from contracts.operators import GrantedRole, OperatorGranted, OperatorWithdrawn
from registration.domain.operators import (
    OPERATORS_MAX,
    ContractHasTooManyOperators,
    Grant,
    GrantOperator,
    OperatorIsNotGranted,
    Operators,
    OperatorsCommand,
    OperatorsEvent,
    WithdrawOperator,
)
from registration.wiring import OPERATORS
from tests.in_process import Caller
from tests.registration.asking import citizen
from tests.registration.facts import EMPLOYER, FINGERPRINT, HERE, NOW, OTHER_EMPLOYER, OTHER_FINGERPRINT, PERSON, SEALED
from tests.registration.service import Running

operators: Specification[OperatorsCommand, Operators, OperatorsEvent] = Specification(OPERATORS)
GRANT = Grant(
    role=GrantedRole.SITE_OPERATOR,
    employer_credit_code=None,
    document=SEALED,
    document_type=DocumentType.CITIZEN_ID,
    name=SEALED,
    mobile=SEALED,
    fingerprint=FINGERPRINT,
    granted_by="lead",
    granted_at=NOW,
)
AS_REGISTRAR: dict[str, Any] = {"role": GrantedRole.EMPLOYER_REGISTRAR, "employer_credit_code": EMPLOYER}


def grant(who: UUID = PERSON, **changes: Any) -> GrantOperator:
    return GrantOperator(HERE, who, replace(GRANT, **changes))


def granted(who: UUID = PERSON, **changes: Any) -> OperatorGranted:
    told = replace(GRANT, **changes)
    fields = {name: getattr(told, name) for name in Grant.__slots__}
    return OperatorGranted(contract_no=HERE, operator_id=who, **fields)


def withdraw(who: UUID = PERSON) -> WithdrawOperator:
    return WithdrawOperator(HERE, who, SEALED, "lead", NOW)


def withdrawn(who: UUID = PERSON) -> OperatorWithdrawn:
    return OperatorWithdrawn(contract_no=HERE, operator_id=who, reason=SEALED, withdrawn_by="lead", withdrawn_at=NOW)


class TestGrantOperator:
    def test_lets_somebody_act_once(self) -> None:
        operators.when(grant()).then(granted()).when(grant(granted_by="another lead")).then_nothing()

    @pytest.mark.parametrize("changes", [AS_REGISTRAR, {"fingerprint": OTHER_FINGERPRINT}])
    def test_takes_the_place_of_another_grant(self, changes: dict[str, Any]) -> None:
        operators.given(granted()).when(grant(**changes)).then(granted(**changes))

    def test_may_follow_a_withdrawal(self) -> None:
        operators.given(granted(), withdrawn()).when(grant()).then(granted())

    def test_is_bounded(self) -> None:
        full = operators.given(*(granted(UUID(int=n)) for n in range(OPERATORS_MAX)))
        full.when(grant()).then_rejected(ContractHasTooManyOperators)
        full.when(grant(UUID(int=1), **AS_REGISTRAR)).then(granted(UUID(int=1), **AS_REGISTRAR))


class TestWithdrawOperator:
    def test_ends_it_once(self) -> None:
        operators.given(granted()).when(withdraw()).then(withdrawn()).when(withdraw()).then_nothing()

    def test_of_nobody_is_refused(self) -> None:
        operators.given(granted(UUID(int=1))).when(withdraw()).then_rejected(OperatorIsNotGranted)


# --- Over HTTP --------------------------------------------------------------------------------------------------------


def body(n: int = 0, **changes: Any) -> dict[str, Any]:
    return {"document": citizen(n), "name": "王小五", "mobile": "13800000044", "role": "site_operator"} | changes


@pytest.fixture
def lead(running: Running, contract_no: str) -> Caller:
    return running.caller(Role.PROJECT_LEAD, contract_no)


class TestOperatorGrants:
    async def test_hold_until_they_are_withdrawn(self, contract_no: str, lead: Caller) -> None:
        grants = f"/v1/contracts/{contract_no}/operator-grants"
        registrar = body(1, role="employer_registrar", employer_credit_code=EMPLOYER)
        answers = [await lead.post(grants, each) for each in (body(), body(), registrar)]
        assert [201, 200, 201] == [each.status_code for each in answers]
        listed = (await lead.get(grants)).json()["items"]
        shown = [(each["role"], each["employer_credit_code"], each["name"], each["mobile"]) for each in listed]
        assert [("site_operator", None, "王*五", "138****0044"), ("employer_registrar", EMPLOYER, "王*五", "138****0044")] == shown
        of_first = f"{grants}/{answers[0].json()['operator_id']}/withdrawal"
        assert [204, 204] == [(await lead.post(of_first, {"reason": "已调离"})).status_code for _ in range(2)]
        assert ["employer_registrar"] == [each["role"] for each in (await lead.get(grants)).json()["items"]]

    async def test_of_whoever_was_erased_say_nothing_of_him(self, running: Running, contract_no: str, lead: Caller) -> None:
        grants = f"/v1/contracts/{contract_no}/operator-grants"
        operator_id = (await lead.post(grants, body(3))).json()["operator_id"]
        supervisor, personal_data = running.caller(Role.CITY_SUPERVISOR), f"/v1/people/{operator_id}/personal-data"
        assert [204, 204] == [(await supervisor.delete(personal_data)).status_code for _ in range(2)]
        (listed,) = (await lead.get(grants)).json()["items"]
        assert (None, None, None) == (listed["name"], listed["document_number"], listed["mobile"])
        assert 1 == (await running.facts()).count("person-erased")

    async def test_of_nobody_are_not_withdrawn(self, contract_no: str, lead: Caller) -> None:
        answered = await lead.post(f"/v1/contracts/{contract_no}/operator-grants/{uuid4()}/withdrawal", {"reason": "已调离"})
        assert (404, "operator-is-not-granted") == (answered.status_code, answered.json()["code"])

    @pytest.mark.parametrize(
        ("changes", "answer"),
        [
            ({"role": "employer_registrar"}, (422, "invalid-request")),
            ({"employer_credit_code": EMPLOYER}, (422, "invalid-request")),
            ({"role": "project_lead"}, (422, "invalid-request")),
            ({"role": "employer_registrar", "employer_credit_code": OTHER_EMPLOYER}, (409, "employer-is-missing")),
        ],
    )
    async def test_that_cannot_be_are_refused(
        self, running: Running, contract_no: str, lead: Caller, changes: dict[str, Any], answer: tuple[int, str]
    ) -> None:
        answered = await lead.post(f"/v1/contracts/{contract_no}/operator-grants", body(**changes))
        assert answer == (answered.status_code, answered.json()["code"])
        assert 0 == (await running.facts()).count("operator-granted")
