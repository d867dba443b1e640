"""The manual's example, played through the public HTTP APIs only. Repeating it does nothing twice.

Every step carries a fixed idempotency key, so a story that was cut short goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

import httpx2

from contracts.identity import masked_name
from contracts.times import shanghai_midnight
from devstack.story.callers import Answer, Caller, Unexpected
from devstack.story.cast import CONTRACTS, DECLARED, FROM_HUBEI, HONGKOU, LATE, PUDONG, Person, declaration, roster
from devstack.story.table import PUDONG_ONLY, differences, printed

WITHIN_S = 30.0
POLL_S = 0.1
NO_DECLARATION = "请先去“健康云 APP”进行登记后再进行预进场登记"

T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Cast:
    """Who calls."""

    contract_system: Caller
    operator: Caller
    """施工总包现场操作用户 of both contracts."""
    supervision: Caller
    """监理 of both contracts."""
    turnstile: Caller
    city: Caller
    police: Caller


class Story:
    """The steps, in order."""

    def __init__(self, cast: Cast, client: httpx2.AsyncClient, simulator_url: str, say: Say, today: date) -> None:
        self.cast = cast
        self.client = client
        self.simulator_url = simulator_url
        self.say = say
        self.today = today
        self.seen: dict[str, str | None] = {}
        """Name → consistency token of the latest pre-registration, for whoever asks about it elsewhere."""

    async def play(self) -> list[str]:
        """What differs from the manual's table; nothing if all is well."""
        header, rows = await self._supervision()
        if not differences(header, rows):
            self.say("the story was played before: nothing is played twice")
        else:
            await self._contracts()
            await self._rosters()
            people = await self._pre_registrations()
            await self._entries(people)
            await self._third_worker(people)
            await self._ban(people)
        return await self._ending()

    async def _contracts(self) -> None:
        for contract in CONTRACTS:
            await self.cast.contract_system.post(
                "registration", "/v1/contracts", contract.report(), key=f"story-{contract.contract_no}"
            )
            employers = f"/v1/contracts/{contract.contract_no}/employers"
            await self.cast.contract_system.post(
                "registration", employers, contract.employer, key=f"story-employer-{contract.contract_no}"
            )
            self.say(f"合同报送系统 reported {contract.contract_no} {contract.project_name} and its employer")

    async def _rosters(self) -> None:
        for contract, count in zip(CONTRACTS, (987, 11), strict=True):
            path = f"/v1/contracts/{contract.contract_no}/roster-imports"
            handed_in = await self.cast.operator.upload("registration", path, roster(contract, count), "text/csv")
            done = await eventually(self._is_imported, handed_in.body["import_id"])
            assert_same(count, done["applied"] + done["unchanged"])
            self.say(f"{count} people of the old roster imported to {contract.contract_no}, all off site")

    async def _pre_registrations(self) -> dict[str, str]:
        await self._declare(DECLARED, days_ago=6, from_hubei=False, travel="火车G13333")
        await self._declare(FROM_HUBEI, days_ago=4, from_hubei=True, travel="长途客车")
        people = {
            DECLARED.name: await self._pre_register(DECLARED, HONGKOU, origin=("320600", "江苏省南通市")),
            FROM_HUBEI.name: await self._pre_register(FROM_HUBEI, HONGKOU, origin=("420100", "湖北省武汉市")),
        }
        await self._pre_register(DECLARED, PUDONG, origin=("320600", "江苏省南通市"))
        people[LATE.name] = await self._refused_then_taken_up()
        return people

    async def _refused_then_taken_up(self) -> str:
        lookup = {"document": LATE.document, "name": LATE.name, "purpose": "pre_registration"}
        missing = await self.cast.operator.post(
            "healthcloud-bridge", "/v1/declaration-lookups", lookup, key="story-lookup-late", expect=(200, 404)
        )
        body = _pre_registration(LATE, HONGKOU, origin=("340400", "安徽省淮南市"))
        path = f"/v1/contracts/{HONGKOU}/pre-registrations"
        refused = await self.cast.operator.post("registration", path, body, key="story-late", expect=(409, 200, 201))
        if missing.status == 404 and refused.status == 409:
            self.say(f"{LATE.name} had not declared: refused with “{refused.body['title']}”")
            assert_same(NO_DECLARATION, refused.body["title"])
        await self._declare(LATE, days_ago=1, from_hubei=False, travel="火车K8362")
        person_id: str = await eventually(self._taken_up, LATE)
        self.say(f"{LATE.name} declared, and the form that was kept was taken up")
        return person_id

    async def _taken_up(self, person: Person) -> str:
        """The `person_id` once the pre-registration is open; empty until then."""
        path = f"/v1/contracts/{HONGKOU}/pre-registrations"
        opened = await self.cast.operator.get("registration", path, query={"state": "open"})
        return next((row["person_id"] for row in opened.body["items"] if row["name"] == masked_name(person.name)), "")

    async def _declare(self, person: Person, *, days_ago: int, from_hubei: bool, travel: str) -> None:
        day = self.today - timedelta(days=days_ago)
        form = declaration(person, reported_on=day, departed_on=day, from_hubei=from_hubei, travel=travel)
        response = await self.client.post(f"{self.simulator_url}/declarations", json=form)
        response.raise_for_status()
        self.say(f"{person.name} declared in 健康云: arrived {day.isoformat()}, {'from Hubei' if from_hubei else 'not from Hubei'}")

    async def _pre_register(self, person: Person, contract_no: str, *, origin: tuple[str, str]) -> str:
        lookup = {"document": person.document, "name": person.name, "purpose": "pre_registration"}
        found = await self.cast.operator.post(
            "healthcloud-bridge", "/v1/declaration-lookups", lookup, key=f"story-lookup-{person.number[-4:]}-{contract_no}"
        )
        body = _pre_registration(person, contract_no, origin=origin) | {"declaration_version": found.body["declaration_version"]}
        path = f"/v1/contracts/{contract_no}/pre-registrations"
        answer = await self.cast.operator.post(
            "registration", path, body, key=f"story-pre-{person.number[-4:]}-{contract_no}", seen=found.token
        )
        self.say(f"{person.name} pre-registered on {contract_no} (进场预登记)")
        self.seen[person.name] = answer.token
        person_id: str = answer.body["person_id"]
        return person_id

    async def _entries(self, people: Mapping[str, str]) -> None:
        for name in (DECLARED.name, LATE.name):
            await eventually(self._is_admissible, people[name], HONGKOU)
            answer = await self._enter(people[name], HONGKOU, key=f"story-entry-{people[name]}")
            self.say(f"{name} enters {HONGKOU} (进场登记): {answer.body['outcome']}")
            assert_same("admitted", answer.body["outcome"])

    async def _third_worker(self, people: Mapping[str, str]) -> None:
        person_id = people[FROM_HUBEI.name]
        report = {
            "contract_no": HONGKOU,
            "read_at": shanghai_midnight(self.today).isoformat(),
            "reading_celsius": 38.0,
            "method": "axillary",
            "symptoms": ["none"],
        }
        path = f"/v1/people/{person_id}/health-reports"
        reported = await self.cast.operator.post(
            "health", path, report, key=f"story-fever-{self.today.isoformat()}", seen=self.seen[FROM_HUBEI.name]
        )
        self.say(f"{FROM_HUBEI.name} is measured 38 °C (每日健康)")
        await eventually(self._has_reason, person_id, HONGKOU, "fever", reported.token)
        answer = await self._enter(person_id, HONGKOU, key="story-entry-fever")
        self.say(f"{FROM_HUBEI.name} asks to enter: {answer.body['outcome']}")
        for reason in answer.body["reasons"]:
            self.say(
                f"    {reason['code']}: cleared by {reason['clears']}, earliest {reason.get('earliest') or 'when that happened'}"
            )
        self.say(f"    earliest day of all: {answer.body['earliest']}")
        forbidding = [reason["code"] for reason in answer.body["reasons"] if reason["effect"] == "forbid"]
        assert_same(["isolation_not_completed", "fever"], forbidding)
        assert_same((self.today + timedelta(days=10)).isoformat(), answer.body["earliest"])

    async def _ban(self, people: Mapping[str, str]) -> None:
        person_id = people[DECLARED.name]
        await eventually(self._is_known, person_id, PUDONG)
        ban = {
            "disposition": "quarantine_required",
            "isolation_from": self.today.isoformat(),
            "method": "central",
            "reason_code": "contact_of_a_case",
            "evidence": "电话通知",
        }
        await eventually(self._is_in_force, person_id, ban, "ban")
        inside = await self.cast.turnstile.post(
            "gatekeeper", f"/v1/contracts/{HONGKOU}/gate-passes", {"person_id": person_id}, key="story-pass-banned"
        )
        outside = await self._enter(person_id, PUDONG, key="story-entry-banned")
        answers = [inside.body["outcome"], outside.body["outcome"]]
        self.say(f"{DECLARED.name} set to 需隔离: {' and '.join(answers)} at {HONGKOU} and {PUDONG}, both gates at once")
        assert_same(["refused", "refused"], answers)
        await eventually(self._is_in_force, person_id, {"disposition": "admissible", "reason_code": "contact_ruled_out"}, "lift")
        self.say(f"{DECLARED.name} set back to 可进场 with a reason: the gates are open again")
        path = f"/v1/contracts/{PUDONG}/pre-registrations/{person_id}/withdrawal"
        await self.cast.operator.post("registration", path, {"reason": "只在虹口施工"}, key="story-withdrawal")
        self.say(f"{DECLARED.name} withdrawn from {PUDONG}")

    async def _ending(self) -> list[str]:
        header, rows = await self._settled()
        pudong_header, pudong_rows = await self._supervision(station="浦东")
        for line in printed(header, rows):
            self.say(line)
        self.say("所在监督站 = 浦东:")
        for line in printed(pudong_header, pudong_rows):
            self.say(line)
        await self._police()
        return [*differences(header, rows), *differences(pudong_header, pudong_rows, expected=PUDONG_ONLY)]

    async def _police(self) -> None:
        arrivals = await self.cast.police.get("police-bridge", "/v1/arrivals")
        for message in arrivals.body:
            self.say(f"police received {message['type']} about {message['data'].get('name', message['subject'])}")

    async def _settled(self) -> tuple[str, list[dict[str, Any]]]:
        """The table as soon as it is right, or as it is when time is up."""
        deadline = time.monotonic() + WITHIN_S
        while True:
            header, rows = await self._supervision()
            if not differences(header, rows) or time.monotonic() > deadline:
                return header, rows
            await asyncio.sleep(POLL_S)

    async def _supervision(self, **query: str) -> tuple[str, list[dict[str, Any]]]:
        answer = await self.cast.city.get("reporting", "/v1/supervision/contracts", query=query)
        return answer.body["header_text"], answer.body["rows"]

    async def _enter(self, person_id: str, contract_no: str, *, key: str) -> Answer:
        return await self.cast.operator.post(
            "gatekeeper", f"/v1/contracts/{contract_no}/entries", {"person_id": person_id}, key=key
        )

    async def _is_in_force(self, person_id: str, body: Mapping[str, Any], step: str) -> bool:
        """Decide; and whether every gate knows it by the time of the answer. Asking again decides nothing anew."""
        answer = await self.cast.supervision.post(
            "health",
            f"/v1/people/{person_id}/dispositions",
            {"contract_no": HONGKOU, **body},
            key=f"story-{step}-{self.today.isoformat()}",
            seen=self.seen[DECLARED.name],
            prefer="wait=5",
            expect=(200, 202),
        )
        return answer.status == 200

    # What the story waits for.

    async def _is_imported(self, import_id: str) -> dict[str, Any]:
        """The import, once each of its rows is decided; empty until then."""
        done: dict[str, Any] = (await self.cast.operator.get("registration", f"/v1/imports/{import_id}")).body
        return done if done["state"] == "finished" else {}

    async def _clearance(self, person_id: str, contract_no: str, seen: str | None = None) -> dict[str, Any] | None:
        path = f"/v1/contracts/{contract_no}/clearances/{person_id}"
        answer = await self.cast.operator.get("gatekeeper", path, seen=seen, expect=(200, 404))
        clearance: dict[str, Any] = answer.body
        return clearance if answer.status == 200 else None

    async def _is_admissible(self, person_id: str, contract_no: str) -> bool:
        clearance = await self._clearance(person_id, contract_no)
        return clearance is not None and (clearance["admissible"] or clearance["on_site"])

    async def _is_known(self, person_id: str, contract_no: str) -> bool:
        return await self._clearance(person_id, contract_no) is not None

    async def _has_reason(self, person_id: str, contract_no: str, reason: str, seen: str | None) -> bool:
        return reason in await self._reasons(person_id, contract_no, seen)

    async def _reasons(self, person_id: str, contract_no: str, seen: str | None) -> set[str]:
        clearance = await self._clearance(person_id, contract_no, seen)
        return {reason["code"] for reason in clearance["reasons"]} if clearance else set()


def _pre_registration(person: Person, contract_no: str, *, origin: tuple[str, str]) -> dict[str, Any]:
    contract = next(each for each in CONTRACTS if each.contract_no == contract_no)
    return {
        "document": person.document,
        "name": person.name,
        "person_kind": "worker",
        "trade": "020",
        "employer_credit_code": contract.employer["credit_code"],
        "origin": {"code": origin[0], "text": origin[1]},
    }


async def eventually(condition: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """The first true answer. Raises: TimeoutError."""
    deadline = time.monotonic() + WITHIN_S
    while not (answer := await condition(*arguments)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{condition.__name__}{arguments} did not come true within {WITHIN_S:.0f} s")
        await asyncio.sleep(POLL_S)
    return answer


def assert_same(expected: object, actual: object) -> None:
    """Raises: Unexpected."""
    if expected != actual:
        raise Unexpected(f"expected {expected}, got {actual}")
