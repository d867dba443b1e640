"""Who may act on a contract, as its project lead says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.testing.specification import Specification
from chassis.testing.wait import eventually
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
    mobile_fingerprint=FINGERPRINT,
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

    @pytest.mark.parametrize(
        "changes", [AS_REGISTRAR, {"fingerprint": OTHER_FINGERPRINT}, {"mobile_fingerprint": OTHER_FINGERPRINT}]
    )
    def test_takes_the_place_of_another_grant(self, changes: dict[str, Any]) -> None:
        operators.given(granted()).when(grant(**changes)).then(granted(**changes))

    def test_may_follow_a_withdrawal(self) -> None:
        operators.given(granted(), withdrawn()).when(grant()).then(granted())

    def test_of_before_mobiles_were_compared_is_granted_once_more(self) -> None:
        operators.given(granted(mobile_fingerprint=None)).when(grant()).then(granted())

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


class TestOperatorLookUp:
    """What the portal asks in the name of whoever signs in."""

    async def rights(self, running: Running, n: int, mobile: str = "13800000044") -> dict[str, Any]:
        answer = await running.caller(Role.PORTAL).post("/v1/operator-lookups", {"document": citizen(n), "mobile": mobile})
        assert 200 == answer.status_code, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def granted(self, running: Running, lead: Caller, contract_no: str, n: int, **changes: Any) -> dict[str, Any]:
        """Grant it, and wait until it is known: which it is soon."""
        grant = body(n, **changes)
        assert (await lead.post(f"/v1/contracts/{contract_no}/operator-grants", grant)).is_success

        async def known() -> bool:
            rights = await self.rights(running, n, grant["mobile"])
            return contract_no in {each["contract_no"] for each in rights["items"]}

        await eventually(known)
        return await self.rights(running, n, grant["mobile"])

    async def test_tells_what_holds_for_document_and_mobile_together(
        self, running: Running, contract_no: str, lead: Caller
    ) -> None:
        rights = await self.granted(running, lead, contract_no, 2)
        assert [{"contract_no": contract_no, "role": "site_operator", "employer_credit_code": None}] == rights["items"]
        with_another = await self.rights(running, 2, "13900000000")
        assert ([], rights["operator_id"]) == (with_another["items"], with_another["operator_id"])
        path = f"/v1/operators/{rights['operator_id']}/rights"
        asked = {"mobile_fingerprint": rights["mobile_fingerprint"]}
        assert rights == (await running.caller(Role.PORTAL).get(path, **asked)).json()

    async def test_tells_of_a_withdrawal_at_once(self, running: Running, contract_no: str, lead: Caller) -> None:
        rights = await self.granted(running, lead, contract_no, 3)
        withdrawal = f"/v1/contracts/{contract_no}/operator-grants/{rights['operator_id']}/withdrawal"
        assert 204 == (await lead.post(withdrawal, {"reason": "已调离"})).status_code
        now = await self.rights(running, 3)
        assert ([], [contract_no]) == (now["items"], now["withdrawn"])

    async def test_makes_nobody_known(self, running: Running) -> None:
        assert {"operator_id": None, "mobile_fingerprint": None, "items": [], "withdrawn": []} == await self.rights(running, 998)
        assert await self.rights(running, 998) == await self.rights(running, 999)

    async def test_is_not_on_the_record_as_a_look(self, running: Running, contract_no: str, lead: Caller) -> None:
        rights = await self.granted(running, lead, contract_no, 4)
        owner = await asyncpg.connect(running.keys.owner_dsn)
        looks = "SELECT actor FROM access WHERE $1 = ANY (stream_ids) AND purpose <> 'seal'"
        assert [] == await owner.fetch(looks, UUID(rights["operator_id"]))
        await owner.close()
