"""Three people go through everything that the system does, over HTTP, and turn up in bad input besides."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2

from chassis.testing.wait import eventually
from contracts.times import shanghai_date
from devstack.tokens import Account, token
from tests.journeys.canary import DECLARED, EVERYBODY, LATE, ROSTERED, Canary
from tests.journeys.stack import JourneyStack
from tests.registration.sheets import as_csv

HERE, THERE, DISTRICT = "W2019010100011", "W2017050130174", "310109"
EMPLOYER = "91310109MA1A00002C"
PROJECT = "翠鸟工程"
"""No personal data: wherever a search is to find something, it finds this."""
WITHIN_S = 30.0
WITHOUT_FACTS = ("/v1/person-lookups", "/v1/supervision/person-searches", "/v1/reveals", "/v1/exports")
"""Commands that make no fact, and so have no position to tell."""


@dataclass(frozen=True)
class Exchange:
    """A request as it went out, and all that came back."""

    request: str
    status: int
    headers: bytes
    body: bytes


@dataclass
class Lives:
    """Everybody's doings over HTTP, remembered word for word."""

    stack: JourneyStack
    client: httpx2.AsyncClient
    exchanges: list[Exchange] = field(default_factory=list)
    today: str = field(default_factory=lambda: shanghai_date(datetime.now(UTC)).isoformat())

    async def call(self, role: str, method: str, service: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        account = Account(role, contracts=(HERE, THERE), stations=("虹口",), districts=(DISTRICT,), employer_credit_code=EMPLOYER)
        access_token, _ = await token(self.stack.portal, self.stack.state, account)
        usual = {"Authorization": f"Bearer {access_token}", "Idempotency-Key": uuid4().hex}
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.send(method, self.stack.url(service) + path, **sent, headers=usual | headers)

    async def send(self, method: str, url: str, **more: Any) -> httpx2.Response:
        response = await self.client.request(method, url, **more)
        headers = b"\n".join(name + b": " + value for name, value in response.headers.raw)
        self.exchanges.append(Exchange(f"{method} {url}", response.status_code, headers, response.content))
        return response

    async def done(self, role: str, method: str, service: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        response = await self.call(role, method, service, path, body, **headers)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        assert method == "GET" or path in WITHOUT_FACTS or "Consistency-Token" in response.headers, f"{method} {path}"
        return response

    async def play(self) -> None:
        await self._contracts()
        person_id = await self._declared()
        await self._late()
        await self._rostered()
        await self._at_the_gate(person_id)
        await self._banned_and_released(person_id)
        await self._withdrawn(person_id)
        await self._asked_about(person_id)
        for each in EVERYBODY:
            await self._bad_input(each, person_id)
        await self._upstream_fails()
        await self._with_the_police()

    async def _contracts(self) -> None:
        firm = {"credit_code": "91310000000000029R", "name": "上海建工集团股份有限公司", "kind": "施工企业"}
        for contract_no in (HERE, THERE):
            contract = {
                "contract_no": contract_no,
                "construction_no": "1902HK0001",
                "project_name": PROJECT,
                "general_contractor": firm,
            }
            contract |= {"station": {"name": "虹口", "district": DISTRICT}}
            await self.done("contract_system", "POST", "registration", "/v1/contracts", contract)
            employer = {"credit_code": EMPLOYER, "name": "上海测试劳务有限公司"}
            await self.done("contract_system", "POST", "registration", f"/v1/contracts/{contract_no}/employers", employer)

    async def _declared(self) -> str:
        """Declares, is looked up and pre-registered on two contracts."""
        await self._declare(DECLARED)
        found = await self.done("site_operator", "POST", "healthcloud_bridge", "/v1/declaration-lookups", _lookup(DECLARED))
        assert DECLARED.mobile in found.text
        await self.done("site_operator", "POST", "registration", "/v1/person-lookups", {"document": DECLARED.document})
        seen = {"Consistency-Token": found.headers["Consistency-Token"]}
        lists = [f"/v1/contracts/{contract_no}/pre-registrations" for contract_no in (HERE, THERE)]
        registered = [await self.done("site_operator", "POST", "registration", each, _form(DECLARED), **seen) for each in lists]
        person_id: str = registered[0].json()["person_id"]
        return person_id

    async def _late(self) -> None:
        """Is refused because he has not declared; declares, and is taken up."""
        path = f"/v1/contracts/{HERE}/pre-registrations"
        refused = await self.call("site_operator", "POST", "registration", path, _form(LATE) | {"mobile": LATE.mobile})
        assert "declaration-missing" == refused.json()["code"]
        missing = await self.call("site_operator", "POST", "healthcloud_bridge", "/v1/declaration-lookups", _lookup(LATE))
        assert 404 == missing.status_code
        await self._declare(LATE)

        async def are_open() -> bool:
            listed = await self.done("site_operator", "GET", "registration", f"{path}?state=open")
            return 2 == len(listed.json()["items"])

        await eventually(are_open, within_s=WITHIN_S)

    async def _rostered(self) -> None:
        """Twice in one file: once he comes onto the roster, once he is refused, and kept to be corrected."""
        usual = {
            "证件类型": "居民身份证",
            "身份证号": ROSTERED.number,
            "姓名": ROSTERED.name,
            "人员类别": "作业人员",
            "工种": "020",
        }
        row = {**usual, "用人单位": EMPLOYER, "在场": "是"}
        path = f"/v1/contracts/{HERE}/roster-imports"
        csv = {"Content-Type": "text/csv"}
        handed_in = await self.call("site_operator", "POST", "registration", path, as_csv([row, row]), **csv)
        import_id = handed_in.json()["import_id"]

        async def is_finished() -> bool:
            answer = (await self.done("site_operator", "GET", "registration", f"/v1/imports/{import_id}")).json()
            return (1, 1) == (answer["applied"], answer["refused"])

        await eventually(is_finished, within_s=WITHIN_S)
        for what in ("/rows", "/progress"):
            await self.done("site_operator", "GET", "registration", f"/v1/imports/{import_id}{what}")

    async def _at_the_gate(self, person_id: str) -> None:
        """Asks for entry with his document until he is admitted, passes the turnstile, and leaves."""
        body = {"document": DECLARED.document}

        async def is_admitted() -> bool:
            answer = await self.done("site_operator", "POST", "gatekeeper", f"/v1/contracts/{HERE}/entries", body)
            return bool("admitted" == answer.json()["outcome"])

        await eventually(is_admitted, within_s=WITHIN_S)
        await self.done("gate_device", "POST", "gatekeeper", f"/v1/contracts/{HERE}/gate-passes", body)
        await self.done("site_operator", "GET", "gatekeeper", f"/v1/contracts/{HERE}/clearances/{person_id}")

    async def _banned_and_released(self, person_id: str) -> None:
        reports, dispositions = f"/v1/people/{person_id}/health-reports", f"/v1/people/{person_id}/dispositions"
        reading = {"contract_no": HERE, "read_at": datetime.now(UTC).isoformat(), "reading_celsius": 38.2, "method": "axillary"}
        wrong = await self.done("supervision_operator", "POST", "health", reports, {**reading, "symptoms": ["cough"]})
        corrections = f"{reports}/{wrong.json()['report_id']}/corrections"
        right = {**reading, "symptoms": ["fever"], "reason": DECLARED.reason}
        await self.done("supervision_operator", "POST", "health", corrections, right)
        ban = {
            "disposition": "suspected",
            "isolation_from": self.today,
            "method": "hospital",
            "reason_code": "contact_of_a_case",
            "evidence": DECLARED.evidence,
        }
        release = {"disposition": "admissible", "reason_code": "contact_ruled_out", "release_document": DECLARED.release_document}
        await self.done("supervision_operator", "POST", "health", dispositions, {"contract_no": HERE, **ban})
        passed = await self.done(
            "gate_device", "POST", "gatekeeper", f"/v1/contracts/{HERE}/gate-passes", {"document": DECLARED.document}
        )
        assert passed.json()["outcome"] in ("admitted", "refused")
        note, review = ({"contract_no": HERE, text: DECLARED.evidence} for text in ("note", "evidence"))
        objected = await self.done("site_operator", "POST", "health", f"{dispositions}/objections", note)
        seen = {"If-Match": objected.headers["ETag"]}
        await self.done("supervision_operator", "POST", "health", f"{dispositions}/reviews", review, **seen)
        await self.done("supervision_operator", "POST", "health", dispositions, {"contract_no": HERE, **release})
        await self.done("site_operator", "POST", "gatekeeper", f"/v1/contracts/{HERE}/exits", {"document": DECLARED.document})

    async def _withdrawn(self, person_id: str) -> None:
        path = f"/v1/contracts/{THERE}/pre-registrations/{person_id}/withdrawal"
        await self.done("site_operator", "POST", "registration", path, {"reason": DECLARED.reason})

    async def _asked_about(self, person_id: str) -> None:
        """Whatever shows people to those who may see them masked."""
        for path in ("", "/pre-registrations", f"/pre-registrations/{person_id}", "/employers"):
            await self.done("site_operator", "GET", "registration", f"/v1/contracts/{HERE}{path}")
        for path in ("health-reports", "dispositions", "isolation-orders", "assessments"):
            await self.done("site_operator", "GET", "health", f"/v1/people/{person_id}/{path}")

        for path in (f"clearances/{person_id}", "attempts", "roster"):
            await self.done("site_operator", "GET", "gatekeeper", f"/v1/contracts/{HERE}/{path}")

        async def are_counted() -> bool:
            table = await self.done("station_officer", "GET", "reporting", "/v1/supervision/contracts")
            counted: dict[str, Any] = {row["contract_no"]: row for row in table.json()["rows"]}
            return counted.keys() == {HERE, THERE} and 2 == counted[HERE]["registered"]

        await eventually(are_counted, within_s=WITHIN_S)
        for path in ("people?set=registered", "people?set=pre_registered", "firms?kind=employer", "employments"):
            await self.done("station_officer", "GET", "reporting", f"/v1/supervision/{path}")
        for wanted in ({"document": DECLARED.document}, {"name": DECLARED.name, "contract_no": HERE}):
            found = await self.done("station_officer", "POST", "reporting", "/v1/supervision/person-searches", wanted)
            assert person_id in found.text
        reveal = {"person_id": person_id, "contract_no": HERE, "reason": "complaint"}
        shown = await self.done("station_officer", "POST", "reporting", "/v1/reveals", reveal)
        assert DECLARED.number in shown.text
        await self.done("station_officer", "POST", "reporting", "/v1/exports", {"table": "employments", "of_contract": HERE})

    async def _bad_input(self, canary: Canary, person_id: str) -> None:
        """Somebody's data where it does not belong: in wrong fields, in addresses, in headers, under no right at all."""
        lists, people = f"/v1/contracts/{HERE}/pre-registrations", f"/v1/people/{person_id}"
        wrong_number = {"type": "citizen_id", "number": canary.number[:17] + ("0" if canary.number[17] != "0" else "1")}
        texts = list(canary.texts().values())
        bodies: list[tuple[str, str, Any]] = [
            ("registration", lists, _form(canary) | {"document": wrong_number}),
            ("registration", lists, _form(canary) | {"trade": canary.name, "mobile": canary.number, canary.name: canary.address}),
            ("registration", lists, _form(canary) | {"employer_credit_code": "91320600MA1A000015"}),
            ("registration", f"/v1/contracts/{HERE}/roster-imports", {"rows": [_form(canary)]}),
            ("registration", "/v1/person-lookups", {"document": wrong_number}),
            ("healthcloud_bridge", "/v1/declaration-lookups", _lookup(canary) | {"name": "另一个人"}),
            (
                "healthcloud_bridge",
                "/v1/declaration-lookups",
                {"document": wrong_number, "name": canary.name, "purpose": "pre_registration"},
            ),
            (
                "health",
                f"{people}/health-reports",
                {"contract_no": canary.number, "symptoms": texts, "method": canary.name},
            ),
            (
                "health",
                f"{people}/dispositions",
                {"contract_no": HERE, "disposition": canary.evidence, "method": canary.reason},
            ),
            ("gatekeeper", f"/v1/contracts/{HERE}/entries", {"document": wrong_number, "person_id": canary.number}),
            ("gatekeeper", f"/v1/contracts/{canary.number}/entries", {"document": canary.document}),
            ("portal", "/v1/tokens", {"client_id": canary.name, "client_secret": canary.number}),
        ]
        for service, path, body in bodies:
            await self._refused(await self.call("site_operator", "POST", service, path, body))
        for service, path in (
            ("registration", f"/v1/contracts/{canary.number}"),
            ("registration", f"{lists}?after={canary.name}&{canary.number}={canary.mobile}"),
            ("health", f"/v1/people/{canary.number}/assessments"),
            ("gatekeeper", f"/v1/contracts/{canary.name}/clearances/{canary.number}"),
            ("reporting", f"/v1/supervision/contracts/{canary.number}"),
            ("police_bridge", f"/v1/arrivals?after={canary.number}"),
            ("portal", f"/{canary.name}/{canary.number}"),
        ):
            await self._refused(await self.call("site_operator", "GET", service, path))
        strange = {
            "X-Name": canary.number,
            "traceparent": canary.number,
            "Accept-Language": canary.number,
            "User-Agent": canary.number,
        }
        for header in ("Authorization", "Consistency-Token", "Content-Type", "If-Match"):
            headers = strange | {header: canary.number}
            await self._refused(await self.call("site_operator", "POST", "registration", lists, {"name": canary.name}, **headers))
        await self._refused(await self.call("site_operator", canary.mobile, "registration", lists))
        content = f'{{"name": "{canary.name}", "number": {canary.number}'.encode()
        headers = {"Content-Type": "application/json"}
        await self._refused(await self.send("POST", self.stack.url("portal") + "/v1/tokens", content=content, headers=headers))

    async def _refused(self, response: httpx2.Response) -> None:
        assert 400 <= response.status_code < 500, f"{response.request.method} {response.request.url}: {response.status_code}"

    async def _upstream_fails(self) -> None:
        """Health Cloud is away, and then says something about somebody that nobody understands."""
        simulator = self.stack.url("healthcloud_simulator")
        await self.send("POST", f"{simulator}/faults", json={"down": True})
        failed = await self.call("site_operator", "POST", "healthcloud_bridge", "/v1/declaration-lookups", _lookup(DECLARED))
        assert 503 == failed.status_code
        await self.send("POST", f"{simulator}/faults", json={})
        odd = dict.fromkeys(("上报时间", "体温", "出行时间", "是否湖北出发", "与本人关系", "填报渠道"), DECLARED.reason)
        await self.send("POST", f"{simulator}/declarations", json=_declaration(DECLARED) | odd)
        await self.call("site_operator", "POST", "healthcloud_bridge", "/v1/declaration-lookups", _lookup(DECLARED))

    async def _with_the_police(self) -> None:
        async def have_arrived() -> bool:
            told = await self.done("police_subscriber", "GET", "police_bridge", "/v1/arrivals")
            return all(
                text in told.text for each in (DECLARED, LATE) for text in (each.name, each.number, each.mobile, each.address)
            )

        await eventually(have_arrived, within_s=WITHIN_S)

    async def _declare(self, canary: Canary) -> None:
        declared = await self.send("POST", self.stack.url("healthcloud_simulator") + "/declarations", json=_declaration(canary))
        assert declared.is_success


def _declaration(canary: Canary) -> dict[str, Any]:
    """来沪人员健康登记, in Health Cloud's own words."""
    day = (shanghai_date(datetime.now(UTC)) - timedelta(days=3)).isoformat()
    return {
        "姓名": canary.name,
        "证件类型": "居民身份证",
        "证件号码": canary.number,
        "手机号": canary.mobile,
        "上报地址": canary.report_place,
        "上报时间": day,
        "体温": "36.5",
        "健康状况": canary.health_text,
        "出行时间": day,
        "出行方式": canary.travel,
        "是否湖北出发": "否",
        "是否武汉出发": "否",
        "是否经停": "否",
        "停留地点": "",
        "居住地址": canary.address,
    }


def _lookup(canary: Canary) -> dict[str, Any]:
    return {"document": canary.document, "name": canary.name, "purpose": "pre_registration"}


def _form(canary: Canary) -> dict[str, Any]:
    return {
        "document": canary.document,
        "name": canary.name,
        "person_kind": "worker",
        "trade": "020",
        "employer_credit_code": EMPLOYER,
        "origin": {"code": "320600", "text": canary.origin},
    }
