"""Traffic over the public APIs, bounded: invented people live through what people do on a building site. Every request is
written down with what became of it, and every fact that was acknowledged, for the checker."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from math import inf
from pathlib import Path
from typing import Any, Self, cast
from uuid import UUID, uuid4

import httpx2

from chassis.testing.wait import eventually
from contracts.streams import contract_stream
from contracts.times import shanghai_date
from devstack.story.cast import Person, citizen_id, credit_code, declaration
from devstack.tokens import Account, NoToken, token
from tests.faults.stack import FaultStack
from tests.registration.sheets import as_csv

LIVES_AT_ONCE = 8
LIVES_MAX = 400
"""Of one test: a bound on what the traffic can amount to."""
REQUEST_S_MAX = 15.0
"""A request that is not answered by then is taken for lost, and sent again."""
LIFE_S_MAX = 240.0
"""What follows by itself may take so long while one process dies again and again, and so may an answer that waits for it. How
soon all is well after the last fault is what the tests of the faults say."""
TOKEN_MARGIN_S = 15.0
ROSTER_PEOPLE = 24

_numbers = itertools.count(1)
"""Makes people, contracts and firms different from everybody else's in this run."""


class Outcome(StrEnum):
    """What is known of a request once it was tried."""

    OK = "ok"
    REFUSED = "refused"
    """A definite no (4xx): nothing was done."""
    UNKNOWN = "unknown"
    """The connection broke, or 503: perhaps it was done. The same request is sent again."""


@dataclass(frozen=True, slots=True)
class Try:
    """One time that a request was sent."""

    began_s: float
    ended_s: float
    outcome: Outcome
    said: str
    """Status, or the type of the error."""


@dataclass
class Request:
    """One request, however often it was sent."""

    service: str
    method: str
    path: str
    key: str | None
    tries: list[Try] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        return self.tries[-1].outcome if self.tries else Outcome.UNKNOWN


@dataclass(frozen=True)
class Acknowledged:
    """A fact that an answer promised: exactly one such event must be stored in that stream."""

    service: str
    stream_id: UUID
    fact: str
    """As in the type name `gatehouse.<service>.<fact>.v1`."""
    fields: Mapping[str, Any]
    """What the event must say, among other things."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    token: str | None
    headers: Mapping[str, str]
    began_s: float
    """When the request was sent that was answered."""
    ended_s: float


@dataclass(frozen=True)
class GateAnswer:
    """What whoever asked at a gate was told."""

    person_id: str
    began_s: float
    """When the request was sent that was answered, by the monotonic clock, as all times here."""
    outcome: str


@dataclass
class Ban:
    """A ban that health has said to be in force."""

    person_id: str
    known_at_s: float
    """When that answer had come."""
    lifted_at_s: float = inf
    """When it began to be lifted, or changed."""


class Refusal(Exception):
    """A 4xx that the caller did not expect."""


class NoAnswer(Exception):
    """Not even after trying again and again."""


class Diary:
    """Every request of a test, in memory and in a file: a line before it is sent, and one when it is known what became of it.

    What was begun and has no second line is unknown, also where the test itself was killed.
    """

    def __init__(self, file: Path) -> None:
        self.requests: list[Request] = []
        self.acknowledged: list[Acknowledged] = []
        self.contracts: list[str] = []
        """All that were reported: what they hold is this test's own doing."""
        self.under_way: Counter[str] = Counter()
        """Tries that were begun and have not ended, by service."""
        self.gate_answers: list[GateAnswer] = []
        self.bans: list[Ban] = []
        self.faults: list[str] = []
        """Answers that nobody may ever get: 5xx without Retry-After, refusals of what is right."""
        self._history = file.open("a", buffering=1)
        self._tries = itertools.count(1)

    def close(self) -> None:
        self._history.close()

    def begin(self, service: str, method: str, path: str, key: str | None) -> Request:
        request = Request(service, method, path, key)
        self.requests.append(request)
        return request

    def sending(self, request: Request) -> int:
        """The number of the try that is about to be made."""
        number = next(self._tries)
        sent = {"service": request.service, "method": request.method, "path": request.path, "key": request.key}
        self._write(number, sent | {"began_s": time.monotonic()})
        return number

    def note(self, number: int, request: Request, tried: Try) -> None:
        request.tries.append(tried)
        self._write(number, {"outcome": tried.outcome, "said": tried.said, "ended_s": tried.ended_s})

    def _write(self, number: int, told: Mapping[str, Any]) -> None:
        self._history.write(json.dumps({"try": number, **told}) + "\n")

    def said(self, status: str) -> bool:
        """Whether somebody was answered so."""
        return any(tried.said == status for request in self.requests for tried in request.tries)

    def acknowledged_since(self, at_s: float) -> bool:
        """Whether a command that was sent later was acknowledged."""
        return any(
            tried.began_s > at_s and tried.outcome is Outcome.OK
            for request in self.requests
            if request.method == "POST"
            for tried in request.tries[-1:]
        )

    def is_banned(self, person_id: str, *, known_at_s: float) -> None:
        """Health has said that a ban is in force."""
        self.bans.append(Ban(person_id, known_at_s))

    def changes(self, person_id: str) -> None:
        """Whatever is said of the person from now on may end a ban."""
        for ban in self.bans:
            if ban.person_id == person_id:
                ban.lifted_at_s = min(ban.lifted_at_s, time.monotonic())

    def count(self) -> Counter[str]:
        """Requests by their last outcome; `retried`: sent more than once; `broken`: cut off at least once."""
        counts = Counter(str(request.outcome) for request in self.requests)
        counts["retried"] = sum(len(request.tries) > 1 for request in self.requests)
        counts["broken"] = sum(any(_was_cut_off(each) for each in request.tries) for request in self.requests)
        return counts


def _was_cut_off(tried: Try) -> bool:
    return is_cut_off(tried.said)


def is_cut_off(said: str) -> bool:
    """Sent, and no answer came: nobody can know whether it was done."""
    return not said.isdigit() and not said.startswith("Connect")


@dataclass
class Caller:
    """An account with its token. Sends a request until there is an answer."""

    stack: FaultStack
    client: httpx2.AsyncClient
    diary: Diary
    account: Account
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Service → base URL of another process of it, which this caller asks instead."""
    _token: str = ""
    _renew_at_s: float = 0.0

    async def get(self, service: str, path: str, *, seen: str | None = None, expect: Sequence[int] = (200,)) -> Answer:
        return await self._send("GET", service, path, {}, None, seen, expect)

    async def post(
        self,
        service: str,
        path: str,
        body: Mapping[str, Any],
        *,
        key: str | None = None,
        seen: str | None = None,
        prefer: str | None = None,
        expect: Sequence[int] = (200, 201, 202, 204),
    ) -> Answer:
        """A new key where none is given."""
        return await self._send("POST", service, path, {"json": body}, key or str(uuid4()), seen, expect, Prefer=prefer)

    async def upload(self, service: str, path: str, content: bytes, media_type: str) -> Answer:
        """A file, which is its own key."""
        return await self._send("POST", service, path, {"content": content}, None, None, (202,), **{"Content-Type": media_type})

    async def delete(self, service: str, path: str) -> Answer:
        return await self._send("DELETE", service, path, {}, None, None, (204,))

    async def try_once(
        self, method: str, service: str, path: str, body: Mapping[str, Any] | None = None, *, within_s: float
    ) -> httpx2.Response:
        """One try, whatever comes of it, and nothing is written down. Raises: httpx2.TransportError."""
        return await self.client.request(
            method,
            self.stack.urls[service] + path,
            json=body,
            timeout=within_s,
            headers={"Authorization": f"Bearer {await self.access_token()}", "Idempotency-Key": str(uuid4())},
        )

    async def _send(
        self,
        method: str,
        service: str,
        path: str,
        body: Mapping[str, Any],
        key: str | None,
        seen: str | None,
        expect: Sequence[int],
        **more: str | None,
    ) -> Answer:
        """`body` as the client takes it; `more` headers."""
        request = self.diary.begin(service, method, path, key)
        sent = {"Idempotency-Key": key, "Consistency-Token": seen, **more}
        headers = {name: value for name, value in sent.items() if value is not None}

        async def answered() -> httpx2.Response | None:
            return await self._try(request, body, headers, expect)

        try:
            response = cast(httpx2.Response, await eventually(answered, within_s=LIFE_S_MAX))
        except TimeoutError:
            said = request.tries[-1].said if request.tries else "no token"
            raise NoAnswer(f"{method} {service} {path}: {said}") from None
        if response.status_code not in expect:
            raise Refusal(f"{method} {service} {path}: {response.status_code} {response.text[:300]}")
        content = response.json() if response.content else None
        last = request.tries[-1]
        token = response.headers.get("Consistency-Token")
        return Answer(response.status_code, content, token, response.headers, last.began_s, last.ended_s)

    async def _try(
        self, request: Request, body: Mapping[str, Any], headers: Mapping[str, str], expect: Sequence[int]
    ) -> httpx2.Response | None:
        try:
            bearer = {"Authorization": f"Bearer {await self.access_token()}"}
        except NoToken:
            return None  # The portal is away: nothing was sent.
        url = self.elsewhere.get(request.service, self.stack.urls[request.service]) + request.path
        number = self.diary.sending(request)
        began_s = time.monotonic()
        self.diary.under_way[request.service] += 1
        try:
            response = await self.client.request(request.method, url, **body, headers={**headers, **bearer})
        except httpx2.TransportError as error:
            self.diary.note(number, request, Try(began_s, time.monotonic(), Outcome.UNKNOWN, type(error).__name__))
            return None
        finally:
            self.diary.under_way[request.service] -= 1
        status = response.status_code
        outcome = Outcome.OK if status in expect else Outcome.UNKNOWN if status >= 500 else Outcome.REFUSED
        self.diary.note(number, request, Try(began_s, time.monotonic(), outcome, str(status)))
        if status >= 500 and not is_polite(response):
            self.diary.faults.append(f"{request.method} {request.service} {request.path}: {status} {response.text[:300]}")
        if outcome is Outcome.REFUSED and is_raced(response):
            return None
        if outcome is Outcome.REFUSED:
            self.diary.faults.append(f"{request.method} {request.service} {request.path}: {status} {response.text[:300]}")
        return None if outcome is Outcome.UNKNOWN else response

    async def access_token(self) -> str:
        """Raises: NoToken."""
        if time.monotonic() >= self._renew_at_s:
            self._token, life_s = await token(self.stack.stack.portal, self.stack.stack.state, self.account)
            self._renew_at_s = time.monotonic() + life_s - TOKEN_MARGIN_S
        return self._token


def is_polite(response: httpx2.Response) -> bool:
    """Whether it is a 503 as promised: a problem document that says when to come back."""
    return (
        response.status_code == 503
        and response.headers.get("Content-Type", "").startswith("application/problem+json")
        and response.headers.get("Retry-After", "").isdigit()
    )


def is_raced(response: httpx2.Response) -> bool:
    """Other facts came first, again and again, and nothing was done: it says to try again."""
    return response.status_code == 409 and response.json().get("code") == "version-conflict"


@dataclass(frozen=True)
class Site:
    """A contract of this test's own, with its one employer."""

    contract_no: str
    district: str
    station: str
    employer: Mapping[str, str]

    @classmethod
    def new(cls, *, partition: int | None = None) -> Self:
        """One that nobody has. `partition`: of its stream, of 16."""
        for n in _numbers:
            contract_no = f"W20200{n:08}"
            if partition is None or contract_stream(contract_no).int % 16 == partition:
                district = ("310115", "310109", "310101")[n % 3]
                employer = {"credit_code": credit_code(f"91310109MA1{n:06}"), "name": f"测试劳务{n}有限公司"}
                return cls(contract_no, district, f"监督站{n}", employer)
        raise AssertionError("numbers never end")


@dataclass
class Town:
    """Who calls in a test, and on which sites."""

    stack: FaultStack
    client: httpx2.AsyncClient
    diary: Diary
    sites: Sequence[Site]

    def __post_init__(self) -> None:
        contracts = tuple(site.contract_no for site in self.sites)
        self.callers: list[Caller] = []
        self.contract_system = self.caller(Account("contract_system"))
        self.operator = self.caller(Account("site_operator", contracts=contracts))
        self.supervision = self.caller(Account("supervision_operator", contracts=contracts))
        self.turnstile = self.caller(Account("gate_device", contracts=contracts))
        self.city = self.caller(Account("city_supervisor"))
        self.police = self.caller(Account("police_subscriber", districts=tuple(sorted({site.district for site in self.sites}))))

    def caller(self, account: Account) -> Caller:
        caller = Caller(self.stack, self.client, self.diary, account)
        self.callers.append(caller)
        return caller

    def acknowledge(self, service: str, stream_id: UUID | str, fact: str, **fields: Any) -> None:
        self.diary.acknowledged.append(Acknowledged(service, UUID(str(stream_id)), fact, fields))

    # --- What people do ---------------------------------------------------------------------------------------------

    async def report(self, site: Site) -> Answer:
        """合同报送, with the employer."""
        number = site.contract_no[-8:]
        contractor = {"credit_code": credit_code(f"91310000MA2{number[-6:]}"), "name": f"总包{number}", "kind": "施工企业"}
        body = {
            "contract_no": site.contract_no,
            "construction_no": f"20{number}",
            "project_name": f"测试项目{number}",
            "general_contractor": contractor,
            "station": {"name": site.station, "district": site.district},
        }
        await self.contract_system.post("registration", "/v1/contracts", body)
        self.diary.contracts.append(site.contract_no)
        stream_id = contract_stream(site.contract_no)
        self.acknowledge("registration", stream_id, "contract-reported", contract_no=site.contract_no)
        answer = await self.contract_system.post("registration", f"/v1/contracts/{site.contract_no}/employers", site.employer)
        code = site.employer["credit_code"]
        self.acknowledge("registration", stream_id, "employer-added", contract_no=site.contract_no, credit_code=code)
        return answer

    async def import_roster(self, site: Site, members: Sequence[Person], *, on_site: Sequence[bool]) -> list[str]:
        """旧实名制名册. The person ids."""
        import_id = await self.hand_in_roster(site, members, on_site=on_site)
        return await self.imported(import_id, site, members, on_site=on_site)

    async def hand_in_roster(self, site: Site, members: Sequence[Person], *, on_site: Sequence[bool]) -> str:
        """A file with these people; registration's worker takes them in. The import's id."""
        employer = f"{site.employer['credit_code']} {site.employer['name']}"
        usual = {"证件类型": "居民身份证", "人员类别": "作业人员", "工种": "390 杂工", "用人单位": employer}
        content = as_csv(
            [
                {**usual, "身份证号": person.number, "姓名": person.name, "在场": "是" if is_on_site else "否"}
                for person, is_on_site in zip(members, on_site, strict=True)
            ]
        )
        path = f"/v1/contracts/{site.contract_no}/roster-imports"
        import_id: str = (await self.operator.upload("registration", path, content, "text/csv")).body["import_id"]
        return import_id

    async def imported(self, import_id: str, site: Site, members: Sequence[Person], *, on_site: Sequence[bool]) -> list[str]:
        """Once every row is decided. The person ids."""

        async def is_finished() -> dict[str, Any] | None:
            done: dict[str, Any] = (await self.operator.get("registration", f"/v1/imports/{import_id}")).body
            return done if done["state"] == "finished" else None

        done = await eventually(is_finished, within_s=LIFE_S_MAX)
        assert done is not None
        assert (len(members), 0) == (done["applied"] + done["unchanged"], done["refused"])
        lookups = [self.operator.post("registration", "/v1/person-lookups", {"document": each.document}) for each in members]
        ids: list[str] = [found.body["person_id"] for found in await asyncio.gather(*lookups)]
        for person_id, is_on_site in zip(ids, on_site, strict=True):
            fields = {"contract_no": site.contract_no, "on_site": is_on_site}
            self.acknowledge("registration", person_id, "roster-member-imported", **fields)
        return ids

    async def is_known(self, person_id: str, site: Site) -> bool:
        """Whether the gate and health have heard of the person."""
        path = f"/v1/people/{person_id}/dispositions"
        known = await self.supervision.get("health", path, expect=(200, 404))
        return known.status == 200 and await self.clearance(person_id, site) is not None

    async def declare(self, person: Person, *, from_hubei: bool = False) -> None:
        """健康云 来沪人员健康登记."""
        today = shanghai_date(datetime.now(UTC))
        day = today - timedelta(days=3)
        form = declaration(person, reported_on=day, departed_on=day, from_hubei=from_hubei, travel="火车G13333")
        (await self.client.post(f"{self.stack.urls['healthcloud-simulator']}/declarations", json=form)).raise_for_status()

    async def look_up(self, person: Person) -> Answer:
        """获取健康云信息."""
        lookup = {"document": person.document, "name": person.name, "purpose": "pre_registration"}
        found = await self.operator.post("healthcloud-bridge", "/v1/declaration-lookups", lookup)
        version = found.body["declaration_version"]
        self.acknowledge("healthcloud-bridge", found.body["person_id"], "declaration-received", declaration_version=version)
        return found

    def form(self, person: Person, site: Site) -> dict[str, Any]:
        """进场预登记."""
        return {
            "document": person.document,
            "name": person.name,
            "person_kind": "worker",
            "trade": "020",
            "employer_credit_code": site.employer["credit_code"],
            "origin": {"code": "320600", "text": "江苏省南通市"},
        }

    async def pre_register(self, person: Person, site: Site, found: Answer) -> Answer:
        version = found.body["declaration_version"]
        body = self.form(person, site) | {"declaration_version": version}
        path = f"/v1/contracts/{site.contract_no}/pre-registrations"
        answer = await self.operator.post("registration", path, body, seen=found.token)
        fields = {"contract_no": site.contract_no, "taken_up": False}
        self.acknowledge("registration", answer.body["person_id"], "person-pre-registered", **fields)
        return answer

    async def expect(self, person: Person, site: Site, *, from_hubei: bool = False) -> Answer:
        """Declared, looked up and pre-registered."""
        await self.declare(person, from_hubei=from_hubei)
        return await self.pre_register(person, site, await self.look_up(person))

    async def withdraw(self, expected: Answer, site: Site) -> None:
        """What `expect` answered was a mistake."""
        person_id = expected.body["person_id"]
        path = f"/v1/contracts/{site.contract_no}/pre-registrations/{person_id}/withdrawal"
        await self.operator.post("registration", path, {"reason": "录错合同"}, seen=expected.token)
        self.acknowledge("registration", person_id, "pre-registration-withdrawn", contract_no=site.contract_no)

    async def measure(self, person_id: str, site: Site, celsius: float, *, seen: str | None = None) -> Answer:
        """每日健康."""
        body = {
            "contract_no": site.contract_no,
            "read_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "reading_celsius": celsius,
            "method": "axillary",
            "symptoms": ["none"],
        }
        answer = await self.operator.post("health", f"/v1/people/{person_id}/health-reports", body, seen=seen)
        self.acknowledge("health", person_id, "health-reported", report_id=answer.body["report_id"], reading_celsius=celsius)
        return answer

    async def ban(
        self, person_id: str, site: Site, *, seen: str | None = None, prefer: str | None = None, days: int | None = None
    ) -> Answer:
        """需隔离. Bans of different length are different decisions."""
        until = {"isolation_until": (shanghai_date(datetime.now(UTC)) + timedelta(days=days)).isoformat()} if days else {}
        body = {
            **until,
            "contract_no": site.contract_no,
            "disposition": "quarantine_required",
            "isolation_from": shanghai_date(datetime.now(UTC)).isoformat(),
            "method": "central",
            "reason_code": "contact_of_a_case",
            "evidence": "电话通知",
        }
        self.diary.changes(person_id)
        answer = await self.supervision.post("health", f"/v1/people/{person_id}/dispositions", body, seen=seen, prefer=prefer)
        if answer.body["in_force_at"] is not None:
            self.diary.is_banned(person_id, known_at_s=answer.ended_s)
        self.acknowledge("health", person_id, "disposition-changed", disposition="quarantine_required", **until)
        return answer

    async def lift(self, person_id: str, site: Site) -> Answer:
        """可进场 again."""
        body = {"contract_no": site.contract_no, "disposition": "admissible", "reason_code": "observed"}
        self.diary.changes(person_id)
        answer = await self.supervision.post("health", f"/v1/people/{person_id}/dispositions", body)
        self.acknowledge("health", person_id, "disposition-changed", disposition="admissible")
        return answer

    async def is_in_force(self, person_id: str) -> bool:
        """Whether health says that every gate knows the latest disposition."""
        found = await self.supervision.get("health", f"/v1/people/{person_id}/dispositions")
        latest = found.body["items"][0]
        is_known = latest["in_force_at"] is not None
        if is_known and latest["disposition"] != "admissible":
            self.diary.is_banned(person_id, known_at_s=found.ended_s)
        return is_known

    async def enter(self, person_id: str, site: Site, *, key: str | None = None, at: str | None = None) -> dict[str, Any]:
        """进场登记. What the gate answered. `at`: base URL of another process of the gatekeeper."""
        return await self._attempt(self.operator, "entries", person_id, site, key, at)

    async def pass_gate(self, person_id: str, site: Site, *, key: str | None = None, at: str | None = None) -> dict[str, Any]:
        """过闸. What the gate answered. `at`: base URL of another process of the gatekeeper."""
        return await self._attempt(self.turnstile, "gate-passes", person_id, site, key, at)

    async def leave(self, person_id: str, site: Site) -> None:
        """退场登记."""
        await self.operator.post("gatekeeper", f"/v1/contracts/{site.contract_no}/exits", {"person_id": person_id})
        self.acknowledge("gatekeeper", person_id, "exit-registered", contract_no=site.contract_no)

    async def clearance(self, person_id: str, site: Site) -> dict[str, Any] | None:
        """准入状态; None while the gate does not know the person here."""
        path = f"/v1/contracts/{site.contract_no}/clearances/{person_id}"
        answer = await self.operator.get("gatekeeper", path, expect=(200, 404))
        body: dict[str, Any] = answer.body
        return body if answer.status == 200 else None

    async def reasons(self, person_id: str, site: Site) -> set[str] | None:
        """Codes of the forbidding reasons; None while the gate does not know the person here."""
        found = await self.clearance(person_id, site)
        return None if found is None else codes(found, "forbid")

    async def judged(self, person_id: str, site: Site) -> set[str]:
        """The reasons once the gate knows the person, has the assessment, and is fresh."""

        async def is_judged() -> Sequence[set[str]]:
            found = await self.reasons(person_id, site)
            return [] if found is None or found & {"arrival_not_assessed", "state_stale"} else [found]

        return (await eventually(is_judged, within_s=LIFE_S_MAX))[0]

    async def admissible(self, person: Person, site: Site) -> str:
        """Somebody whom the gate would admit now. The person id."""
        person_id: str = (await self.expect(person, site)).body["person_id"]
        assert set() == await self.judged(person_id, site)
        return person_id

    async def _attempt(
        self, caller: Caller, kind: str, person_id: str, site: Site, key: str | None, at: str | None
    ) -> dict[str, Any]:
        caller = replace(caller, elsewhere={"gatekeeper": at}) if at else caller
        path = f"/v1/contracts/{site.contract_no}/{kind}"
        answer = await caller.post("gatekeeper", path, {"person_id": person_id}, key=key)
        body: dict[str, Any] = answer.body
        fields = {name: body[name] for name in ("attempt_id", "contract_no", "kind", "outcome", "clearance_version")}
        self.acknowledge("gatekeeper", person_id, "entry-attempted", **fields)
        self.diary.gate_answers.append(GateAnswer(person_id, answer.began_s, body["outcome"]))
        return body


def codes(answer: Mapping[str, Any], effect: str | None = None) -> set[str]:
    """Of the reasons of an attempt or a clearance."""
    return {reason["code"] for reason in answer["reasons"] if effect in (None, reason["effect"])}


def somebody() -> Person:
    """Whom nobody has met."""
    n = next(_numbers)
    born = date(1960, 1, 1) + timedelta(days=n)
    return Person(f"测试{_chinese(n)}", citizen_id(region="320623", born=born, order=11 + 2 * (n % 400)), f"139{n:08}")


def people(count: int) -> list[Person]:
    return [somebody() for _ in range(count)]


def _chinese(n: int) -> str:
    return "".join("零一二三四五六七八九"[int(digit)] for digit in str(n))


@asynccontextmanager
async def town(stack: FaultStack, *, sites: int | Sequence[Site] = 1) -> AsyncIterator[Town]:
    """A town with its sites reported. At the end nothing may have been answered that nobody may ever get."""
    file = stack.histories / f"{uuid4()}.jsonl"
    wanted = [Site.new() for _ in range(sites)] if isinstance(sites, int) else sites
    # Let go of an idle connection before any server does, one that leaves too (`drain_s`): what is sent at that very moment
    # would be lost.
    limits = httpx2.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=0.5)
    with closing(Diary(file)) as diary:
        async with httpx2.AsyncClient(timeout=REQUEST_S_MAX, trust_env=False, limits=limits) as client:
            town = Town(stack, client, diary, wanted)
            for caller in town.callers:
                await caller.access_token()
            for site in wanted:
                await town.report(site)
            yield town
            assert not town.diary.faults, "\n".join(town.diary.faults)


# --- Lives -------------------------------------------------------------------------------------------------------------

Life = Callable[[Town, Site], Awaitable[None]]


async def enters_and_leaves(town: Town, site: Site) -> None:
    """Expected, measured, admitted, through the turnstile twice (once asked again), and gone."""
    expected = await town.expect(somebody(), site)
    person_id = expected.body["person_id"]
    await town.measure(person_id, site, 36.5, seen=expected.token)
    assert set() == await town.judged(person_id, site)
    key = str(uuid4())
    first = await town.enter(person_id, site, key=key)
    await town.enter(person_id, site, key=key)
    await town.pass_gate(person_id, site)
    if first["outcome"] == "admitted":
        await town.leave(person_id, site)


async def has_a_fever(town: Town, site: Site) -> None:
    expected = await town.expect(somebody(), site, from_hubei=True)
    person_id = expected.body["person_id"]
    await town.measure(person_id, site, 38.2, seen=expected.token)
    await town.judged(person_id, site)
    await town.enter(person_id, site)


async def is_banned_on_site(town: Town, site: Site) -> None:
    expected = await town.expect(somebody(), site)
    person_id = expected.body["person_id"]
    await town.judged(person_id, site)
    await town.enter(person_id, site)
    await town.ban(person_id, site, seen=expected.token)
    await town.pass_gate(person_id, site)


async def declares_late(town: Town, site: Site) -> None:
    """Refused for want of a declaration; the form is kept, and taken up once there is one."""
    person = somebody()
    path = f"/v1/contracts/{site.contract_no}/pre-registrations"
    await town.operator.post("registration", path, town.form(person, site), expect=(409,))
    found = await town.operator.post("registration", "/v1/person-lookups", {"document": person.document})
    person_id = found.body["person_id"]
    town.acknowledge("registration", person_id, "declaration-awaited", contract_no=site.contract_no)
    await town.declare(person)

    async def is_open() -> bool:
        listed = await town.operator.get("registration", f"{path}/{person_id}", expect=(200, 404))
        return listed.status == 200 and listed.body["state"] == "open"

    await eventually(is_open, within_s=LIFE_S_MAX)
    town.acknowledge("registration", person_id, "person-pre-registered", contract_no=site.contract_no, taken_up=True)


async def was_a_mistake(town: Town, site: Site) -> None:
    await town.withdraw(await town.expect(somebody(), site), site)


async def stands_on_the_roster(town: Town, site: Site) -> None:
    rows = people(ROSTER_PEOPLE)
    await town.import_roster(site, rows, on_site=[n % 2 == 0 for n in range(len(rows))])


async def is_counted(town: Town, site: Site) -> None:
    """Supervision and police look on."""
    await town.city.get("reporting", f"/v1/supervision/contracts/{site.contract_no}", expect=(200, 404))
    await town.police.get("police-bridge", "/v1/arrivals")
    await town.city.get("reporting", "/v1/supervision/contracts")


LIVES: Sequence[Life] = (
    enters_and_leaves,
    is_counted,
    declares_late,
    has_a_fever,
    is_counted,
    enters_and_leaves,
    is_banned_on_site,
    is_counted,
    was_a_mistake,
    stands_on_the_roster,
)


@dataclass
class Traffic:
    """Lives, some at a time, each on one of the town's sites."""

    town: Town
    at_once: int
    lives_max: int
    finished: int = 0
    _stopping: bool = False
    _failure: Exception | None = None

    async def run(self) -> None:
        """Until stopped; then the lives that began are lived to their end. Raises what went wrong in any of them."""
        lives = itertools.islice(itertools.cycle(LIVES), self.lives_max)
        await asyncio.gather(*(self._live(lives) for _ in range(self.at_once)))

    async def _live(self, lives: Iterator[Life]) -> None:
        for life in lives:
            if self._stopping:
                return
            try:
                await life(self.town, self.town.sites[self.finished % len(self.town.sites)])
            except Exception as failure:
                self._failure = failure
                raise
            self.finished += 1

    async def goes_on(self, *, within_s: float) -> None:
        """As many more lives are lived as there are kinds. Raises: what went wrong in one of them; TimeoutError."""
        lived = self.finished + len(LIVES)

        def have_lived() -> bool:
            if self._failure is not None:
                raise self._failure
            return self.finished >= lived

        await eventually(have_lived, within_s=within_s)

    def stop(self) -> None:
        self._stopping = True


@asynccontextmanager
async def flowing(town: Town, *, lives_at_once: int = LIVES_AT_ONCE, lives_max: int = LIVES_MAX) -> AsyncIterator[Traffic]:
    """Traffic for the time of the block; at its end all requests are answered."""
    traffic = Traffic(town, lives_at_once, lives_max)
    running = asyncio.create_task(traffic.run())
    try:
        yield traffic
        traffic.stop()
        await running
    finally:
        running.cancel()
