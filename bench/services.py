"""The services as their clients meet them, beside the plainest service on the same machine in the same run."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import httpx2

from bench.load import Answers, drive, percentile, post
from bench.place import SECONDS, Place
from bench.table import Row
from contracts.times import shanghai_date
from devstack import children
from devstack.ports import free_port
from devstack.processes import Process, Supervisor
from devstack.run import running_stack
from devstack.services import PROGRAMS, Stack
from devstack.settings import REPOSITORY, Settings
from devstack.story.callers import Caller
from devstack.story.cast import CONTRACTS, HONGKOU, Person, citizen_id, declaration
from devstack.suite import throwaway_state
from devstack.tokens import Account, token

PEOPLE = 1_500
CONNECTIONS = 32
WARM_UP = 200
"""Requests before each measured round, to the reference and to ours: connections are there, plans are made."""
PREPARING = 16
SAMPLES = 200
SETTLE_S = 60.0
CONTRACT = next(contract for contract in CONTRACTS if contract.contract_no == HONGKOU)
TODAY = shanghai_date(datetime.now(UTC))
OPERATOR = Account("site_operator", contracts=(HONGKOU,))


async def measure(place: Place) -> Sequence[Row]:
    """On a stack of its own: `place` is not touched meanwhile."""
    with throwaway_state() as state:
        async with running_stack(state, Settings().elsewhere(), lambda line: None, ports=_ports()) as (stack, supervisor):
            return await _Bench(stack, supervisor).measure()


def _ports() -> dict[str, int]:
    return {program.package: free_port() for program in PROGRAMS}


@dataclass
class _Bench:
    stack: Stack
    supervisor: Supervisor

    async def measure(self) -> Sequence[Row]:
        async with httpx2.AsyncClient(timeout=30.0, trust_env=False) as client:
            self.client = client
            self.urls = {program.package.replace("_", "-"): self.stack.url(program.package) for program in PROGRAMS}
            self.operator = self._caller(OPERATOR)
            await self._report_contract()
            people = [_person(n) for n in range(PEOPLE)]
            await self._declare(people)
            validate, insert, registered = await self._registrations(people)
            person_ids = await self._settled(WARM_UP + len(registered.latencies_ms))
            insert_on_two, gate, at_half = await self._gate(person_ids)
            visible = await self._visible([_person(PEOPLE + n) for n in range(SAMPLES)])
            in_force = await self._in_force(person_ids[:SAMPLES])
        return [
            Row("FastAPI endpoint that only validates the body", validate.per_second, "/s", None, "reference"),
            Row("registration command", registered.per_second, "/s", insert.per_second, "≥ 1×", "validate and insert one row"),
            Row("gate decision, two processes", gate.per_second, "/s", insert_on_two.per_second, "≥ 1×", "insert, two processes"),
            Row("gate decision at half of that, p99", at_half.percentile_ms(99), "ms", None, "< 10 ms"),
            Row("acknowledged command → visible in supervision, p99", percentile(visible, 99), "ms", None, "< 250 ms"),
            Row("ban → in force at the gate, p99", percentile(in_force, 99), "ms", None, "< 1,000 ms"),
        ]

    # Registration, with nothing else running but what it needs.

    async def _registrations(self, people: Sequence[Person]) -> tuple[Answers, Answers, Answers]:
        await asyncio.gather(*(process.stop() for process in self.supervisor.processes if process.name != "portal-all"))
        async with self._reference(1) as (reference,):
            validate = await self._drive([reference], self._requests(reference, "/validate", [*people] * 4, "validate"))
            insert = await self._drive([reference], self._requests(reference, "/insert", [*people] * 4, "insert"))
        api = self.stack.process("registration", "api")
        await api.started()
        path = f"/v1/contracts/{HONGKOU}/pre-registrations"
        url = self.urls["registration"]
        registered = await self._drive([url], self._requests(url, path, people, "register"))
        await api.stop()
        return validate, insert, registered

    def _requests(self, url: str, path: str, people: Sequence[Person], name: str) -> Iterator[bytes]:
        """Prepared beforehand: their making must not be measured. `name` keeps their keys apart from every other round's."""
        token = self.token
        return iter([post(url, path, _form(person), token=token, key=f"bench-{name}-{n}") for n, person in enumerate(people)])

    async def _drive(self, urls: Sequence[str], requests: Iterator[bytes], *, per_second: float | None = None) -> Answers:
        warm_up = await drive(urls, itertools.islice(requests, WARM_UP), connections=CONNECTIONS, seconds=SECONDS)
        answers = await drive(urls, requests, connections=CONNECTIONS, seconds=SECONDS, per_second=per_second)
        if refused := [status for status in warm_up.statuses + answers.statuses if status >= 300]:
            raise RuntimeError(f"{urls}: {refused}")
        return answers

    # The gate, with everything else up and idle.

    async def _settled(self, count: int) -> list[str]:
        """Everything up again, and the gate knowing everybody who was registered. Their `person_id`s."""
        for process in self.supervisor.processes:
            if not process.runs:
                await process.started()
        await self._fresh_token()
        deadline = time.monotonic() + SETTLE_S
        path = f"/v1/contracts/{HONGKOU}/pre-registrations"
        found: list[str] = []
        while len(found) < count:
            found = [row["person_id"] async for row in self._all(path)]
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(found)} of {count} pre-registrations are listed")
        while not await self._is_assessed(found[-1]) or not await self._is_assessed(found[0]):
            if time.monotonic() > deadline:
                raise TimeoutError("the gate does not settle")
            await asyncio.sleep(0.2)
        return found

    async def _all(self, path: str) -> AsyncIterator[Mapping[str, str]]:
        query: dict[str, str] = {"state": "open", "limit": "100"}
        while True:
            page = (await self.operator.get("registration", path, query=query)).body
            for row in page["items"]:
                yield row
            if not page.get("next"):
                return
            query["after"] = page["next"]

    async def _is_assessed(self, person_id: str) -> bool:
        path = f"/v1/contracts/{HONGKOU}/clearances/{person_id}"
        answer = await self.operator.get("gatekeeper", path, expect=(200, 404))
        return answer.status == 200 and bool(answer.body["admissible"])

    async def _gate(self, person_ids: Sequence[str]) -> tuple[Answers, Answers, Answers]:
        async with self._reference(2) as references:
            people = [_person(n) for n in range(PEOPLE)] * 6
            insert = await self._drive(references, self._requests(references[0], "/insert", people, "insert-on-two"))
        async with self._second_gatekeeper() as second:
            urls = [self.urls["gatekeeper"], second]
            await self._fresh_token()
            full = await self._drive(urls, self._attempts(person_ids, "full"))
            half = await self._drive(urls, self._attempts(person_ids, "half"), per_second=full.per_second / 2)
        return insert, full, half

    def _attempts(self, person_ids: Sequence[str], name: str) -> Iterator[bytes]:
        path = f"/v1/contracts/{HONGKOU}/entries"
        url = self.urls["gatekeeper"]
        wanted = itertools.islice(itertools.cycle(person_ids), 40_000)
        token = self.token
        return iter([post(url, path, {"person_id": each}, token=token, key=f"bench-{name}-{n}") for n, each in enumerate(wanted)])

    @asynccontextmanager
    async def _second_gatekeeper(self) -> AsyncIterator[str]:
        elsewhere = replace(self.stack, ports={**self.stack.ports, "gatekeeper": free_port()})
        process = elsewhere.process("gatekeeper", "api", name="gatekeeper-api-2")
        await process.started()
        yield elsewhere.url("gatekeeper")
        await process.stop()

    # How long facts take to arrive.

    async def _visible(self, people: Sequence[Person]) -> list[float]:
        await self._declare(people)
        city = self._caller(Account("city_supervisor"))
        took = []
        for n, person in enumerate(people):
            path = f"/v1/contracts/{HONGKOU}/pre-registrations"
            answer = await self.operator.post("registration", path, _form(person), key=f"bench-visible-{n}")
            began = time.perf_counter()
            await city.get("reporting", "/v1/supervision/contracts", seen=answer.token)
            took.append((time.perf_counter() - began) * 1000)
        return took

    async def _in_force(self, person_ids: Sequence[str]) -> list[float]:
        took = []
        ban = {
            "contract_no": HONGKOU,
            "disposition": "quarantine_required",
            "isolation_from": TODAY.isoformat(),
            "method": "central",
            "reason_code": "contact_of_a_case",
            "evidence": "电话通知",
        }
        for n, person_id in enumerate(person_ids):
            answer = await self.operator.post("health", f"/v1/people/{person_id}/dispositions", ban, key=f"bench-ban-{n}")
            began = time.perf_counter()
            clearance = await self.operator.get("gatekeeper", f"/v1/contracts/{HONGKOU}/clearances/{person_id}", seen=answer.token)
            took.append((time.perf_counter() - began) * 1000)
            if "quarantine_required" not in {reason["code"] for reason in clearance.body["reasons"]}:
                raise RuntimeError("the gate answered without the ban that it had seen")
        return took

    # What all of them need.

    def _caller(self, account: Account) -> Caller:
        return Caller(self.client, lambda: token(self.stack.portal, self.stack.state, account), self.urls)

    async def _fresh_token(self) -> None:
        self.token, _ = await token(self.stack.portal, self.stack.state, OPERATOR)

    async def _report_contract(self) -> None:
        system = self._caller(Account("contract_system"))
        await system.post("registration", "/v1/contracts", CONTRACT.report(), key="bench-contract")
        await system.post("registration", f"/v1/contracts/{HONGKOU}/employers", CONTRACT.employer, key="bench-employer")

    async def _declare(self, people: Sequence[Person]) -> None:
        """Declared in Health Cloud and looked up, as a registrar would; and known to registration."""
        limit = asyncio.Semaphore(PREPARING)
        tokens: list[str | None] = []

        async def one(person: Person) -> None:
            async with limit:
                day = TODAY - timedelta(days=3)
                form = declaration(person, reported_on=day, departed_on=day, from_hubei=False, travel="火车G13333")
                (await self.client.post(f"{self.urls['healthcloud-simulator']}/declarations", json=form)).raise_for_status()
                lookup = {"document": person.document, "name": person.name}
                found = await self.operator.post(
                    "healthcloud-bridge", "/v1/declaration-lookups", lookup, key=f"bench-{person.number[-12:]}"
                )
                tokens.append(found.token)

        await asyncio.gather(*map(one, people))
        for seen in tokens[-CONNECTIONS:]:
            await self.operator.get("registration", f"/v1/contracts/{HONGKOU}/pre-registrations", seen=seen)
        await self._fresh_token()

    @asynccontextmanager
    async def _reference(self, count: int) -> AsyncIterator[list[str]]:
        """So many processes of the plainest service."""
        await self._fresh_token()
        environment = children.environment(
            BENCH_DSN=self.stack.databases["registration"].owner_dsn,
            GATEHOUSE_JWKS_URL=f"{self.urls['portal']}/.well-known/jwks.json",
            PYTHONPATH=str(REPOSITORY),
        )
        processes = [
            Process(
                name=f"reference-{port}",
                command=[sys.executable, "-m", "bench.reference_app", str(port)],
                environment=environment,
                log=self.stack.state.log(f"reference-{port}"),
                ready_url=f"http://127.0.0.1:{port}/openapi.json",
            )
            for port in (free_port() for _ in range(count))
        ]
        await asyncio.gather(*(process.started() for process in processes))
        yield [process.ready_url.removesuffix("/openapi.json") for process in processes]
        await asyncio.gather(*(process.stop() for process in processes))


def _person(n: int) -> Person:
    number = citizen_id(region="320623", born=date(1960, 1, 1) + timedelta(days=n % 14_000), order=n // 14_000 + 500)
    return Person(name="测试" + "甲乙丙丁戊己庚辛壬癸"[n % 10], number=number, mobile=f"138{n:08}")


def _form(person: Person) -> dict[str, object]:
    return {
        "document": person.document,
        "name": person.name,
        "person_kind": "worker",
        "trade": "020",
        "employer_credit_code": CONTRACT.employer["credit_code"],
        "origin": {"code": "320600", "text": "江苏省南通市"},
    }
