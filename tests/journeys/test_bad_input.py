"""Bad input on every endpoint of every service: the stated 4xx, nothing stored, nothing echoed, never a 5xx.

The endpoints are those of the app itself, so that a new one is swept too; `worlds.py` says how a good request to it looks.
"""

from __future__ import annotations

import copy
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from joserfc.jwk import OKPKey

from chassis.auth import issue_token
from chassis.migrations import KEYS
from chassis.web import Route
from contracts.access import ALLOWED, SCOPES, Action, Role, Scope
from devstack.databases import Database
from devstack.fresh_databases import FreshDatabases
from devstack.services import SERVICES
from tests.chassis.bad_requests import CANARY, Bad, Good, bad_requests, check, send
from tests.chassis.captured_log import CapturedLog, captured_log
from tests.in_process import SIGNING_KEY
from tests.journeys.worlds import FOREIGN, UNKNOWN, WORLDS, Example, Place, World, place, principal

PAGES = "portal.pages."
"""For people. What is wrong with a form is told on the page, see `tests/portal`."""
OF_WORKERS = re.compile(r"worker|lease|position|next_offset|published|freshness|\w+_v\d+")
"""Tables that change by themselves, or follow from facts a moment later."""
STRANGE = ("%FF", "%ED%A0%80", "%00", "%F0%9F%98%80", "a%2Fb", "..%2F..", "%27%3B--", "x" * 3_000, CANARY)
"""Invalid UTF-8, a lone surrogate, U+0000, an emoji, slashes, a quotation mark, something long."""

UNUSUAL: tuple[Any, ...] = (
    *("", " ", "x" * 10_000, "\u202e甲", "甲\u200b乙", "😀", "e\u0301", "١٢٣", "１２３", "' OR 1=1 --", "%s{0}\\"),
    *("0001-01-01", "9999-12-31", "2020-02-30", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    *("2020-02-03T10:00:00", "2020-02-03T24:00:00+08:00", "2020-02-03T10:00:60Z", "2020-02-03T10:00:00.0000001Z"),
    *(-1, -0.0, 5e-324, 1e308, 2**53 - 1, True, None, [], {}),
)
"""Well-formed JSON that somewhere means too much: the ends of calendars and of numbers, invisible and foreign characters."""


@dataclass(frozen=True)
class Operation:
    """An endpoint as OpenAPI has it."""

    place: Place
    path: str
    method: str
    described: Mapping[str, Any]
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        name: str = self.described["operationId"]
        return name

    @property
    def example(self) -> Example:
        return self.place.examples[self.name]

    @property
    def parameters(self) -> Mapping[str, Mapping[str, Any]]:
        return {each["name"]: each for each in self.described.get("parameters", ())}

    @cached_property
    def allowed(self) -> list[Role]:
        """Who may. Empty: everybody, without a token."""
        actions = [Action(each) for each in self.described.get("x-action", ())]
        return [role for role in Role if actions and all(role in ALLOWED[action] for action in actions)]

    @property
    def token(self) -> str | None:
        return token_of(self.allowed[0]) if self.allowed else None

    def bad_requests(self) -> list[Bad]:
        alone = {**self.document, "paths": {self.path: {self.method.lower(): self.described}}}
        return list(bad_requests(alone, {self.name: self.example.good}, token=self.token))

    def request(self, flaw: str, expected: int, good: Good | None = None, *, key: str = "journey") -> Bad:
        """A request that is good but for what the caller spoils."""
        good = good or self.example.good
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if good.body is not None:
            headers["Content-Type"] = "application/json"
        if "Idempotency-Key" in self.parameters:
            headers["Idempotency-Key"] = key
        query = "&".join(f"{name}={value}" for name, value in good.query.items())
        url = self.path.format(**good.path) + ("?" + query if query else "")
        if good.file:
            headers["Content-Type"] = good.media_type
        content = good.file if good.body is None else httpx2.Request("POST", "http://x", json=good.body).content
        return Bad(self.name, flaw, self.method, url, expected, tuple(headers.items()), content)

    @asynccontextmanager
    async def stores_nothing(self) -> AsyncIterator[None]:
        before = await stored(self.place)
        yield
        changed = {table: before[table] for table, now in (await stored(self.place)).items() if before[table] != now}
        assert {} == changed, f"{self.name} stored something"


def token_of(role: Role, *, key: OKPKey = SIGNING_KEY, age: timedelta = timedelta(0)) -> str:
    return issue_token(principal(role), key=key, now=datetime.now(UTC) - age)


async def stored(where: Place) -> dict[str, str]:
    """Everything that the service's database and the key server keep: table → its rows."""
    found: dict[str, str] = {}
    for database in (where.database, where.keys):
        connection = await asyncpg.connect(database.owner_dsn)
        try:
            tables = [row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
            for table in (table for table in tables if not OF_WORKERS.fullmatch(table)):
                rows = await connection.fetchval(f"SELECT string_agg(t::text, E'\n' ORDER BY t::text) FROM {table} AS t")
                found[f"{database.name}.{table}"] = rows or ""
        finally:
            await connection.close()
    return found


async def answer(operation: Operation, request: Bad) -> httpx2.Response:
    return await send(operation.place.running.client, request)


async def refused(operation: Operation, request: Bad) -> httpx2.Response:
    """The answer, which is the stated problem."""
    response = await answer(operation, request)
    check(request, response)
    return response


@pytest.fixture(scope="module")
async def keys(fresh_keys_databases: FreshDatabases) -> AsyncIterator[Mapping[str, Database]]:
    """The key server, by package."""
    made = await fresh_keys_databases.make_keys([each.package for each in SERVICES], [KEYS])
    yield made
    await fresh_keys_databases.drop(next(iter(made.values())))


@pytest.fixture(scope="module", params=WORLDS, ids=lambda world: world.service.name)
async def here(
    request: pytest.FixtureRequest, fresh_databases: FreshDatabases, keys: Mapping[str, Database]
) -> AsyncIterator[Place]:
    world: World = request.param
    package = world.service.name.replace("-", "_")
    database = await fresh_databases.make(package, world.service.migrations)
    async with place(world, database, keys[package]) as made:
        yield made
    await fresh_databases.drop(database)


@pytest.fixture(scope="module")
async def operations(here: Place) -> list[Operation]:
    document = (await here.running.client.get("/openapi.json")).json()
    return [
        Operation(here, path, method.upper(), described, document)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]


@pytest.fixture
def each(operations: list[Operation], lines: CapturedLog) -> Iterator[Callable[[], Iterator[Operation]]]:
    """Every operation; afterwards, nothing may have gone wrong inside, and nothing of the input may stand in the log."""
    yield lambda: iter(operations)
    assert [] == [line for line in lines.events if line["level"] in ("error", "critical")]
    assert CANARY not in lines.text


@pytest.fixture
def lines() -> Iterator[CapturedLog]:
    with captured_log() as captured:
        yield captured


Each = Callable[[], Iterator[Operation]]


class TestTable:
    async def test_has_a_good_request_for_every_endpoint(self, here: Place, operations: list[Operation]) -> None:
        assert {each.name for each in operations} == here.examples.keys()

    async def test_knows_every_endpoint(self, here: Place, operations: list[Operation]) -> None:
        routes = [route for router in here.running.application.routers for route in router.routes if isinstance(route, Route)]
        apis = {route.name for route in routes if not route.endpoint.__module__.startswith(PAGES)}
        assert apis == {each.name for each in operations}

    async def test_has_a_second_body_where_there_is_an_idempotency_key(self, operations: list[Operation]) -> None:
        keyed = {each.name for each in operations if "Idempotency-Key" in each.parameters}
        assert keyed == {each.name for each in operations if each.example.others}

    async def test_knows_who_may(self, operations: list[Operation]) -> None:
        assert [] == [each.name for each in operations if "x-action" in each.described and not each.allowed]


class TestBadRequest:
    async def test_is_refused_whatever_is_wrong_with_it(self, each: Each) -> None:
        for operation in each():
            async with operation.stores_nothing():
                requests = operation.bad_requests()
                for bad in requests:
                    await refused(operation, bad)
            assert len(requests) >= (40 if operation.example.good.body else 1)

    async def test_with_a_strange_address_is_not_found(self, each: Each) -> None:
        for operation in each():
            good = operation.example.good
            async with operation.stores_nothing():
                for name in good.path:
                    for value in STRANGE:
                        strange = operation.request(f"{name} is {value[:20]}", 404, replace(good, path={**good.path, name: value}))
                        await refused(operation, strange)

    async def test_with_a_strange_query_is_no_fault_of_ours(self, each: Each) -> None:
        for operation in each():
            good = operation.example.good
            queries = [name for name, parameter in operation.parameters.items() if parameter["in"] == "query"]
            for name in queries:
                for value in (*STRANGE, "9223372036854775807", "9223372036854775808", "-1", "1e400", "NaN"):
                    request = operation.request(f"{name}={value[:20]}", 422, replace(good, query={**good.query, name: value}))
                    response = await answer(operation, request)
                    if not response.is_success:
                        check(replace(request, expected=404 if value == "%00" else 422), response)

    async def test_by_another_method_is_refused(self, each: Each) -> None:
        for operation in each():
            taken = {other.method for other in each() if other.path == operation.path}
            for method in {"PUT", "PATCH", "DELETE", "POST", "GET"} - taken:
                await refused(operation, replace(operation.request(method, 405), method=method))


class TestCaller:
    async def test_whose_role_may_not_is_told_so_before_anything_is_read(self, each: Each) -> None:
        for operation in each():
            async with operation.stores_nothing():
                for role in set(Role) - set(operation.allowed) if operation.allowed else ():
                    request = with_token(operation.request(f"as {role}", 403), token_of(role))
                    await refused(operation, request)
                    await refused(operation, replace(request, content=b"{", flaw=f"{request.flaw}, bad body"))

    async def test_with_a_token_that_does_not_count_is_a_stranger(self, each: Each) -> None:
        forger = OKPKey.generate_key("Ed25519", {"kid": "test"}, private=True)
        for operation in each():
            async with operation.stores_nothing():
                for role in operation.allowed:
                    for flaw, token in {
                        "forged": token_of(role, key=forger),
                        "expired": token_of(role, age=timedelta(minutes=2)),
                        "cut off": token_of(role)[:-4],
                    }.items():
                        await refused(operation, with_token(operation.request(flaw, 401), token))

    async def test_cannot_tell_a_foreign_contract_from_an_unknown_one(self, each: Each) -> None:
        for operation in each():
            if operation.allowed and SCOPES[operation.allowed[0]] is not Scope.ALL:
                answers = []
                for contract_no in (FOREIGN, UNKNOWN):
                    if (good := elsewhere(operation.example.good, contract_no)) is not None:
                        async with operation.stores_nothing():
                            answers.append(await refused(operation, operation.request(contract_no, 404, good)))
                assert 1 >= len({told(response) for response in answers})

    async def test_who_covers_all_contracts_is_told_that_one_is_unknown(self, each: Each) -> None:
        for operation in each():
            if operation.allowed and SCOPES[operation.allowed[0]] is Scope.ALL and "contract_no" in operation.example.good.path:
                good = elsewhere(operation.example.good, UNKNOWN)
                async with operation.stores_nothing():
                    await refused(operation, operation.request(UNKNOWN, 404, good))

    async def test_who_asks_about_somebody_unknown_is_told_so(self, each: Each) -> None:
        for operation in each():
            good = operation.example.good
            if "person_id" in good.path:
                unknown = replace(good, path={**good.path, "person_id": str(uuid4())})
                async with operation.stores_nothing():
                    await refused(operation, operation.request("unknown person", 404, unknown))


class TestGoodRequest:
    async def test_is_taken_and_shares_its_key_with_no_other(self, each: Each) -> None:
        for operation in each():
            good, status = operation.example.good, operation.example.status
            key = f"good-{operation.name}"
            first = await answer(operation, operation.request("good", status, good, key=key))
            assert status == first.status_code, f"{operation.name}: {first.text}"
            for other in operation.example.others:
                async with operation.stores_nothing():
                    reused = operation.request("the same key with another body", 422, replace(good, body=other), key=key)
                    assert "idempotency-key-reused" == (await refused(operation, reused)).json()["code"]
                    again = await answer(operation, operation.request("again", status, good, key=key))
                assert (status, first.content) == (again.status_code, again.content), operation.name


class TestUnusualValue:
    """Last in this file: what is taken is stored."""

    async def test_is_taken_or_refused_and_never_a_fault_of_ours(self, each: Each) -> None:
        for operation in each():
            good = operation.example.good
            for n, (where, body) in enumerate(unusual_bodies(good.body)):
                request = operation.request(where, 0, replace(good, body=body), key=f"unusual-{operation.name}-{n}")
                response = await answer(operation, request)
                if not response.is_success:
                    assert 400 <= response.status_code < 500, f"{request} answered {response.status_code}"
                    check(replace(request, expected=response.status_code), response)


def unusual_bodies(body: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """The body with one value replaced, each by each."""
    if isinstance(body, dict | list):
        for key in body if isinstance(body, dict) else range(len(body)):
            for place, changed in unusual_bodies(body[key], f"{where}/{key}"):
                copied = copy.copy(body)
                copied[key] = changed
                yield place, copied
    if where:
        yield from ((f"{where} is {value!r:.40}", value) for value in UNUSUAL)


def with_token(request: Bad, token: str) -> Bad:
    others = (header for header in request.headers if header[0] != "Authorization")
    return replace(request, headers=(*others, ("Authorization", f"Bearer {token}")))


def elsewhere(good: Good, contract_no: str) -> Good | None:
    """The same request about another contract; None where it is about no contract."""
    if "contract_no" in good.path:
        return replace(good, path={**good.path, "contract_no": contract_no})
    if good.body and "contract_no" in good.body:
        return replace(good, body={**good.body, "contract_no": contract_no})
    return None


def told(response: httpx2.Response) -> str:
    """Everything that a caller can see, but for the name of the request."""
    body = {name: value for name, value in response.json().items() if name != "trace_id"}
    headers = sorted((name, value) for name, value in response.headers.items() if name != "traceparent")
    return repr((response.status_code, body, headers))
