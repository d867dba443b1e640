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

from bench.load import Answers, drive, percentile, post, processor_seconds
from bench.place import SECONDS, Place
from bench.table import Row
from chassis.tracing import appending, at_once, serving
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
from tests.collector import collecting

PEOPLE = 1_500
CONNECTIONS = 32
WARM_UP = 200
"""Requests before each measured round, to the reference and to ours: connections are there, plans are made."""
PREPARING = 16
SAMPLES = 200
TRACES = 100_000
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
            insert_on_two, gate, at_half, again, traced = await self._gate(person_ids)
            visible = await self._visible([_person(PEOPLE + n) for n in range(SAMPLES)])
            in_force = await self._in_force(person_ids[:SAMPLES])
        return [
            Row("FastAPI endpoint that only validates the body", validate.per_second, "/s", None, "reference"),
            Row("registration command", registered.per_second, "/s", insert.per_second, "≥ 1×", "validate and insert one row"),
            Row("…, its process on the processors", registered.processor_us, "µs", insert.processor_us, "–", "the same"),
            Row("gate decision, two processes", gate.per_second, "/s", insert_on_two.per_second, "≥ 1×", "insert, two processes"),
            Row("…, these on the processors", gate.processor_us, "µs", insert_on_two.processor_us, "–", "the same"),
            Row("…, with its spans to a collector", traced.processor_us, "µs", again.processor_us, "–", "without one"),
            Row("…, its trace where nobody collects", _trace_us(), "µs", gate.processor_us, "–", "all of it"),
            Row("gate decision at half of that, p99", at_half.percentile_ms(99), "ms", None, "< 10 ms"),
            Row("acknowledged command → visible in supervision, p99", percentile(visible, 99), "ms", None, "< 250 ms"),
            Row("ban → in force at the gate, p99", percentile(in_force, 99), "ms", None, "< 1,000 ms"),
        ]

    # Registration, with nothing else running but what it needs.

    async def _registrations(self, people: Sequence[Person]) -> tuple[Answers, Answers, Answers]:
        async with self._only():
            async with self._reference(1) as reference:
                validate = await self._drive(reference, self._requests(reference, "/validate", [*people] * 4, "validate"))
                insert = await self._drive(reference, self._requests(reference, "/insert", [*people] * 4, "insert"))
            async with _running([self.stack.process("registration", "api")]) as api:
                path = f"/v1/contracts/{HONGKOU}/pre-registrations"
                registered = await self._drive(api, self._requests(api, path, people, "register"))
        return validate, insert, registered

    def _requests(self, to: Sequence[Process], path: str, people: Sequence[Person], name: str) -> Iterator[bytes]:
        """Prepared beforehand: their making must not be measured. `name` keeps their keys apart from every other round's."""
        token = self.token
        return iter(
            [post(to[0].ready_url, path, _form(person), token=token, key=f"bench-{name}-{n}") for n, person in enumerate(people)]
        )

    async def _drive(self, processes: Sequence[Process], requests: Iterator[bytes], *, per_second: float | None = None) -> Answers:
        urls = [process.ready_url for process in processes]
        warm_up = await drive(urls, itertools.islice(requests, WARM_UP), connections=CONNECTIONS, seconds=SECONDS)
        before = sum(processor_seconds(process.pid) for process in processes)
        answers = await drive(urls, requests, connections=CONNECTIONS, seconds=SECONDS, per_second=per_second)
        answers.processor_s = sum(processor_seconds(process.pid) for process in processes) - before
        if refused := [status for status in warm_up.statuses + answers.statuses if status >= 300]:
            raise RuntimeError(f"{urls}: {refused}")
        return answers

    @asynccontextmanager
    async def _only(self, *needed: Process) -> AsyncIterator[None]:
        """Nothing but these and the portal: whoever reads what is decided meanwhile works it off afterwards."""
        await asyncio.gather(*(process.stop() for process in self.supervisor.processes if process.name != "portal-all"))
        async with _running(needed):
            yield
        await asyncio.gather(*(process.started() for process in self.supervisor.processes if not process.runs))

    # The gate, with its worker and what that asks, and none of those who read it.

    async def _settled(self, count: int) -> list[str]:
        """The gate knows everybody who was registered. Their `person_id`s."""
        await self._fresh_token()
        deadline = time.monotonic() + SETTLE_S
        path = f"/v1/contracts/{HONGKOU}/pre-registrations"
        found: list[str] = []
        while len(found) < count:
            found = [row["person_id"] async for row in self._all(path)]
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(found)} of {count} pre-registrations are listed")
        await self._opened(found[0], deadline)
        await self._opened(found[-1], deadline)
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

    async def _opened(self, person_id: str, deadline: float) -> None:
        """Return once the gate would admit this person, or has, and knows the news. Raises: TimeoutError."""
        path = f"/v1/contracts/{HONGKOU}/clearances/{person_id}"
        while True:
            answer = await self.operator.get("gatekeeper", path, expect=(200, 404))
            if answer.status == 200:
                is_stale = "state_stale" in {reason["code"] for reason in answer.body["reasons"]}
                if answer.body["admissible"] or (answer.body["on_site"] and not is_stale):
                    return
            if time.monotonic() > deadline:
                raise TimeoutError("the gate does not settle")
            await asyncio.sleep(0.2)

    async def _gate(self, person_ids: Sequence[str]) -> tuple[Answers, ...]:
        worker, sources = self.stack.process("gatekeeper", "worker"), ("registration", "health")
        async with self._only(worker, *(self.stack.process(source, "api") for source in sources)):
            async with self._reference(2) as references:
                people = [_person(n) for n in range(PEOPLE)] * 6
                insert = await self._drive(references, self._requests(references, "/insert", people, "insert-on-two"))
            elsewhere = replace(self.stack, ports={**self.stack.ports, "gatekeeper": free_port()})
            apis = [self.stack.process("gatekeeper", "api"), elsewhere.process("gatekeeper", "api", name="gatekeeper-api-2")]
            async with _running(apis):
                await self._opened(person_ids[-1], time.monotonic() + SETTLE_S)
                full = await self._drive(apis, self._attempts(apis, person_ids, "full"))
                half = await self._drive(apis, self._attempts(apis, person_ids, "half"), per_second=full.per_second / 2)
                again = await self._drive(apis, self._attempts(apis, person_ids, "again"))
            with collecting() as collector:
                async with _running(apis, **collector.variables):
                    await self._opened(person_ids[-1], time.monotonic() + SETTLE_S)
                    traced = await self._drive(apis, self._attempts(apis, person_ids, "traced"))
                if not collector.requests:
                    raise RuntimeError("no span came")
        return insert, full, half, again, traced

    def _attempts(self, to: Sequence[Process], person_ids: Sequence[str], name: str) -> Iterator[bytes]:
        path = f"/v1/contracts/{HONGKOU}/entries"
        wanted = itertools.islice(itertools.cycle(person_ids), 40_000)
        token = self.token
        url = to[0].ready_url
        return iter([post(url, path, {"person_id": each}, token=token, key=f"bench-{name}-{n}") for n, each in enumerate(wanted)])

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
                lookup = {"document": person.document, "name": person.name, "purpose": "pre_registration"}
                found = await self.operator.post(
                    "healthcloud-bridge", "/v1/declaration-lookups", lookup, key=f"bench-{person.number[-12:]}"
                )
                tokens.append(found.token)

        await asyncio.gather(*map(one, people))
        for seen in tokens[-CONNECTIONS:]:
            await self.operator.get("registration", f"/v1/contracts/{HONGKOU}/pre-registrations", seen=seen)
        await self._fresh_token()

    @asynccontextmanager
    async def _reference(self, count: int) -> AsyncIterator[Sequence[Process]]:
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
        async with _running(processes):
            yield processes


@asynccontextmanager
async def _running(processes: Sequence[Process], **more: str) -> AsyncIterator[Sequence[Process]]:
    """Ready, with `more` in their environment."""
    for process in processes:
        process.start(**more)
    await asyncio.gather(*(process.ready() for process in processes))
    try:
        yield processes
    finally:
        await asyncio.gather(*(process.stop() for process in processes))


def _trace_us() -> float:
    """What one command costs a process for its trace where nobody collects spans."""
    began = time.process_time()
    for _ in range(TRACES):
        with serving("POST", None) as doing, at_once(appending(1), [doing.traceparent]):
            pass
    return (time.process_time() - began) / TRACES * 1e6


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
