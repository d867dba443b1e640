"""Bad input on every endpoint of every service: the stated 4xx, nothing stored, nothing echoed, never a 5xx.

The endpoints are those of the app itself, so that a new one is swept too; `worlds.py` says how a good request to it looks.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from joserfc.jwk import OKPKey

from chassis.web import Route
from contracts.access import SCOPES, Role, Scope
from tests.chassis.bad_requests import CANARY, Bad, Good, check
from tests.chassis.captured_log import CapturedLog, captured_log
from tests.journeys.operations import Operation, answer, token_of, told, with_token
from tests.journeys.worlds import FOREIGN, UNKNOWN, Place

WITHOUT_A_KEY = {
    "a question": {
        "look_up_declaration",
        "look_up_operator",
        "look_up_person",
        "search_people",
        "rehearse_draft",
        "create_token",
        "read_ages",
    },
    "each time is recorded": {"reveal_person", "export_table"},
    "the file is its key": {"import_contracts", "import_roster", "import_pre_registrations"},
    "the message is its key": {"give_receipts"},
    "the version that it is based on is its key": {"submit_epidemic_control"},
    "happens once": {"approve_disposition_batch", "erase_person", "retry_parked", "discard_parked"},
}
"""Whatever changes something takes an idempotency key; why these need none."""
NOT_SWEPT = ("portal.pages.", "chassis.internal_api")
"""For people: what is wrong with a form is told on the page, see `tests/portal`. And between services, without any input."""
STRANGE = ("%FF", "%ED%A0%80", "%00", "%F0%9F%98%80", "a%2Fb", "..%2F..", "%27%3B--", "x" * 3_000, CANARY)
"""Invalid UTF-8, a lone surrogate, U+0000, an emoji, slashes, a quotation mark, something long."""

UNUSUAL: tuple[Any, ...] = (
    *("", " ", "x" * 10_000, "\u202e甲", "甲\u200b乙", "😀", "e\u0301", "١٢٣", "１２３", "' OR 1=1 --", "%s{0}\\"),
    *("0001-01-01", "9999-12-31", "2020-02-30", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    *("2020-02-03T10:00:00", "2020-02-03T24:00:00+08:00", "2020-02-03T10:00:60Z", "2020-02-03T10:00:00.0000001Z"),
    *(-1, -0.0, 5e-324, 1e308, 2**53 - 1, True, None, [], {}),
)
"""Well-formed JSON that somewhere means too much: the ends of calendars and of numbers, invisible and foreign characters."""


async def refused(operation: Operation, request: Bad) -> httpx2.Response:
    """The answer, which is the stated problem."""
    response = await answer(operation, request)
    check(request, response)
    return response


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
        routes = [route for route in here.running.app.routes if isinstance(route, Route)]
        apis = {route.name for route in routes if not route.endpoint.__module__.startswith(NOT_SWEPT)}
        assert apis == {each.name for each in operations}

    async def test_has_a_second_body_where_there_is_an_idempotency_key(self, operations: list[Operation]) -> None:
        keyed = {each.name for each in operations if "Idempotency-Key" in each.parameters}
        assert keyed == {each.name for each in operations if each.example.others}

    async def test_says_why_a_request_needs_no_idempotency_key(self, operations: list[Operation]) -> None:
        keyless = {each.name for each in operations if each.method != "GET" and "Idempotency-Key" not in each.parameters}
        assert keyless == {each.name for each in operations} & set().union(*WITHOUT_A_KEY.values())

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
            version = await operation.version(good)
            first = await answer(operation, operation.request("good", status, good, key=key, version=version))
            assert status == first.status_code, f"{operation.name}: {first.text}"
            for other in operation.example.others:
                async with operation.stores_nothing():
                    reused = operation.request(
                        "the same key with another body", 422, replace(good, body=other), key=key, version=version
                    )
                    assert "idempotency-key-reused" == (await refused(operation, reused)).json()["code"]
                    again = await answer(operation, operation.request("again", status, good, key=key, version=version))
                assert (status, first.content) == (again.status_code, again.content), operation.name


class TestUnusualValue:
    """Last in this file: what is taken is stored."""

    async def test_is_taken_or_refused_and_never_a_fault_of_ours(self, each: Each) -> None:
        for operation in each():
            good = operation.example.good
            for n, (where, body) in enumerate(unusual_bodies(good.body)):
                version = await operation.version(good)
                key = f"unusual-{operation.name}-{n}"
                request = operation.request(where, 0, replace(good, body=body), key=key, version=version)
                response = await answer(operation, request)
                if not response.is_success:
                    assert 400 <= response.status_code < 500, f"{request} answered {response.status_code}"
                    check(replace(request, expected=response.status_code), response)


def unusual_bodies(body: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """The body with one value replaced, each by each; of a list the first one stands for all."""
    if isinstance(body, dict | list):
        for key in body if isinstance(body, dict) else range(len(body[:1])):
            for place, changed in unusual_bodies(body[key], f"{where}/{key}"):
                copied = copy.copy(body)
                copied[key] = changed
                yield place, copied
    if where:
        yield from ((f"{where} is {value!r:.40}", value) for value in UNUSUAL)


def elsewhere(good: Good, contract_no: str) -> Good | None:
    """The same request about another contract; None where it is about no contract."""
    if "contract_no" in good.path:
        return replace(good, path={**good.path, "contract_no": contract_no})
    if good.body and "contract_no" in good.body:
        return replace(good, body={**good.body, "contract_no": contract_no})
    return None
