"""A building site as its people see it, over HTTP: they declare, are pre-registered, are measured, and stand at the gate.

person = await site.arrives()
entered = await site.post("site_operator", "gatekeeper", "entries", {"person_id": person.person_id})
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2

from chassis.testing.wait import eventually
from contracts.times import shanghai_date
from devstack.story.cast import Person, citizen_id, declaration
from devstack.tokens import Account, token
from tests.journeys.stack import JourneyStack

EMPLOYER = {"credit_code": "91310109MA1A00002C", "name": "上海测试劳务有限公司"}
CONTRACTOR = {"credit_code": "91310000000000029R", "name": "上海建工集团股份有限公司", "kind": "施工企业"}
WITHIN_S = 30.0


@dataclass(frozen=True)
class Arrived:
    """Somebody who was pre-registered."""

    person: Person
    person_id: str


@dataclass
class Site:
    """A contract with everybody who works on it."""

    stack: JourneyStack
    client: httpx2.AsyncClient
    contract_no: str
    station: str
    district: str

    @classmethod
    async def reported(
        cls,
        stack: JourneyStack,
        client: httpx2.AsyncClient,
        *,
        station: str | None = None,
        district: str = "310109",
        contractor: Mapping[str, str] = CONTRACTOR,
        project_name: str = "测试4444",
    ) -> Site:
        """The contract system reports a new contract, and its employer. Its station is its own, unless one is given."""
        name = uuid4().hex[:10]
        site = cls(stack, client, f"W{name}", station or f"测试{name}", district)
        contract = {
            "contract_no": site.contract_no,
            "construction_no": "1902HK0001",
            "project_name": project_name,
            "general_contractor": contractor,
            "station": {"name": site.station, "district": district},
        }
        await site.ask("contract_system", "POST", "registration", "/v1/contracts", contract)
        await site.post("contract_system", "registration", "employers", EMPLOYER)
        return site

    async def ask(
        self,
        role: str,
        method: str,
        service: str,
        path: str,
        body: Any = None,
        *,
        expect: tuple[int, ...] = (),
        seen: str = "",
        based_on: str = "",
        **query: Any,
    ) -> httpx2.Response:
        """As somebody with this role on this site. Without `expect`: any success. `based_on`: the `ETag` of what was read."""
        access_token = await self.token(role)
        headers = {"Authorization": f"Bearer {access_token}", "Idempotency-Key": uuid4().hex}
        headers |= {"Consistency-Token": seen} if seen else {}
        headers |= {"If-Match": based_on} if based_on else {}
        response = await self.client.request(method, self.stack.url(service) + path, json=body, headers=headers, params=query)
        is_expected = response.status_code in expect if expect else response.is_success
        assert is_expected, f"{method} {path}: {response.status_code} {response.text}"
        return response

    async def token(self, role: str) -> str:
        """Of somebody with this role on this site."""
        account = Account(
            role,
            contracts=(self.contract_no,),
            stations=(self.station,),
            districts=(self.district,),
            employer_credit_code=EMPLOYER["credit_code"],
        )
        return (await token(self.stack.portal, self.stack.state, account))[0]

    async def upload(self, role: str, service: str, path: str, content: bytes, media_type: str, **query: Any) -> httpx2.Response:
        """A file. Whatever is answered."""
        headers = {"Authorization": f"Bearer {await self.token(role)}", "Content-Type": media_type}
        return await self.client.post(self.stack.url(service) + path, content=content, headers=headers, params=query)

    async def post(
        self, role: str, service: str, what: str, body: Any, *, expect: tuple[int, ...] = (), seen: str = ""
    ) -> httpx2.Response:
        """To something of this contract."""
        return await self.ask(role, "POST", service, f"/v1/contracts/{self.contract_no}/{what}", body, expect=expect, seen=seen)

    async def get(self, role: str, service: str, what: str, *, expect: tuple[int, ...] = (), seen: str = "", **query: Any) -> Any:
        """Something of this contract."""
        path = f"/v1/contracts/{self.contract_no}/{what}"
        return (await self.ask(role, "GET", service, path, expect=expect, seen=seen, **query)).json()

    async def declares(self, person: Person, *, days_ago: int = 30, from_hubei: bool = False, **answers: str) -> None:
        """来沪人员健康登记 in Health Cloud. `answers` in the form's own words."""
        day = shanghai_date(datetime.now(UTC)) - timedelta(days=days_ago)
        form = declaration(person, reported_on=day, departed_on=day, from_hubei=from_hubei, travel="火车G13333")
        url = f"{self.stack.url('healthcloud_simulator')}/declarations"
        (await self.client.post(url, json=form | answers)).raise_for_status()

    async def arrives(self, *, days_ago: int = 30, from_hubei: bool = False) -> Arrived:
        """Somebody new declares and is pre-registered; the gate knows him."""
        person = somebody()
        await self.declares(person, days_ago=days_ago, from_hubei=from_hubei)
        return await self.pre_registers(person)

    async def pre_registers(self, person: Person) -> Arrived:
        """进场预登记, with the latest declaration."""
        registered = await self.hands_in(person, seen=await self.looks_up(person))
        arrived = Arrived(person, registered.json()["person_id"])
        await eventually(lambda: self.is_judged(arrived), within_s=WITHIN_S)
        return arrived

    async def looks_up(self, person: Person) -> str:
        """获取健康云信息. Where it stands."""
        lookup = {"document": person.document, "name": person.name, "purpose": "pre_registration"}
        found = await self.ask("site_operator", "POST", "healthcloud_bridge", "/v1/declaration-lookups", lookup)
        return found.headers["Consistency-Token"]

    async def hands_in(self, person: Person, *, seen: str, expect: tuple[int, ...] = (), **more: str) -> httpx2.Response:
        """The form 进场预登记."""
        form = {
            "document": person.document,
            "name": person.name,
            "person_kind": "worker",
            "trade": "020",
            "employer_credit_code": EMPLOYER["credit_code"],
            "origin": {"code": "320600", "text": "江苏省南通市"},
        } | more
        return await self.post("site_operator", "registration", "pre-registrations", form, expect=expect, seen=seen)

    async def is_judged(self, arrived: Arrived) -> bool:
        """Whether health has judged the declaration, and the gate knows: that it does takes some seconds after the start."""
        return not {"not_known", "arrival_not_assessed", "state_stale"} & {*await self.reasons(arrived)}

    async def reasons(self, arrived: Arrived) -> list[str]:
        """What the gate would say, without an attempt."""
        path = f"/v1/contracts/{self.contract_no}/clearances/{arrived.person_id}"
        response = await self.ask("site_operator", "GET", "gatekeeper", path, expect=(200, 404))
        return ["not_known"] if response.status_code == 404 else [each["code"] for each in response.json()["reasons"]]

    async def enters(self, arrived: Arrived) -> dict[str, Any]:
        """进场登记. What the gate answered."""
        answer: dict[str, Any] = (
            await self.post("site_operator", "gatekeeper", "entries", {"document": arrived.person.document})
        ).json()
        return answer

    async def passes(self, arrived: Arrived) -> dict[str, Any]:
        """过闸. What the gate answered."""
        answer: dict[str, Any] = (
            await self.post("gate_device", "gatekeeper", "gate-passes", {"document": arrived.person.document})
        ).json()
        return answer

    async def is_measured(self, arrived: Arrived, *, celsius: float = 36.5) -> None:
        """每日健康, now."""
        reading = {"read_at": datetime.now(UTC).isoformat(), "reading_celsius": celsius, "method": "axillary", "symptoms": ["none"]}
        path = f"/v1/people/{arrived.person_id}/health-reports"
        await self.ask("site_operator", "POST", "health", path, {"contract_no": self.contract_no, **reading})

    async def is_banned(self, arrived: Arrived, disposition: str = "suspected") -> None:
        """处置方式, in force at all gates when this returns."""
        ban = {
            "disposition": disposition,
            "isolation_from": shanghai_date(datetime.now(UTC)).isoformat(),
            "method": "hospital",
            "reason_code": "contact_of_a_case",
            "evidence": "电话通知",
        }
        path = f"/v1/people/{arrived.person_id}/dispositions"
        await self.ask("supervision_operator", "POST", "health", path, {"contract_no": self.contract_no, **ban})

        async def is_in_force() -> bool:
            return disposition in await self.reasons(arrived)

        await eventually(is_in_force, within_s=WITHIN_S)


def somebody() -> Person:
    """Whom no other journey has."""
    number = uuid4().int
    born = date(1960, 1, 1) + timedelta(days=number % 15_000)
    return Person("陈安平", citizen_id(region="320623", born=born, order=number // 15_000 % 1_000), "13800000011")
