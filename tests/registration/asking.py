"""What clients say to registration, with what does not matter filled in."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from chassis.consistency import ConsistencyToken
from contracts.access import Role
from contracts.citizen_id import check_character
from tests.registration.facts import EMPLOYER, declaration_received
from tests.registration.service import Running


def path(contract_no: str) -> str:
    return f"/v1/contracts/{contract_no}/pre-registrations"


def number() -> str:
    """A contract number that no other test has."""
    return f"W{uuid4().hex[:12]}"


def contract_body(contract_no: str, **changes: Any) -> dict[str, Any]:
    return {
        "contract_no": contract_no,
        "construction_no": "1902HK0001",
        "project_name": "测试4444",
        "general_contractor": {"credit_code": "91310000000000029R", "name": "上海建工集团股份有限公司", "kind": "施工企业"},
        "station": {"name": "虹口", "district": "310109"},
    } | changes


async def report(running: Running) -> str:
    system = running.caller(Role.CONTRACT_SYSTEM)
    contract_no = number()
    assert 201 == (await system.post("/v1/contracts", contract_body(contract_no))).status_code
    employer = {"credit_code": EMPLOYER, "name": "上海测试劳务有限公司"}
    assert 201 == (await system.post(f"/v1/contracts/{contract_no}/employers", employer)).status_code
    return contract_no


PEOPLE_MAX = 1_000
"""Of one test."""
_tests = 0


def begin_test() -> None:
    """Whoever was named so far is never named again."""
    global _tests
    _tests += 1


def citizen(n: int) -> dict[str, str]:
    """The n-th invented person of this test."""
    birthday, order = divmod(_tests * PEOPLE_MAX + n, 999)
    first_seventeen = f"320623{date(1960, 1, 1) + timedelta(days=birthday):%Y%m%d}{order:03}"
    return {"type": "citizen_id", "number": first_seventeen + check_character(first_seventeen)}


def form(n: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "document": citizen(n),
        "name": "张小三",
        "person_kind": "worker",
        "trade": "020",
        "employer_credit_code": EMPLOYER,
        "origin": {"code": "320600", "text": "江苏省南通市"},
    } | changes


async def person_id(running: Running, n: int = 0) -> UUID:
    operator = running.caller(Role.SITE_OPERATOR)
    found = await operator.post("/v1/person-lookups", {"document": citizen(n)})
    return UUID(found.json()["person_id"])


async def declare(
    running: Running, n: int = 0, *, name: str = "张小三", mobile: str | None = "13800000011", **changes: Any
) -> ConsistencyToken:
    """The person declares in Health Cloud, and the bridge tells it, sealed. Answers where that stands."""
    person = await person_id(running, n)
    sealer = await running.wired.sealing.sealer_for([person])
    told = declaration_received(
        person_id=person,
        name_fingerprint=sealer.fingerprint(person, name),
        mobile=mobile and sealer.seal(person, "mobile", mobile),
        travel=sealer.seal(person, "travel", "火车G13333"),
        **changes,
    )
    return running.service.told["healthcloud-bridge"].tell(told)
