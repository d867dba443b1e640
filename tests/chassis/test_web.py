"""The HTTP edge as a client meets it, without a socket between. What only shows on the wire stands in test_server.py."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import asyncpg
import httpx2
import pytest
from fastapi import APIRouter, FastAPI

from chassis import admission, faults
from chassis.auth import Principal
from chassis.telemetry import RequestContext
from chassis.web import Router, create_app, public
from contracts.access import Role
from tests.chassis import sample_api
from tests.chassis.bad_requests import CANARY, Good, bad_requests, check, send
from tests.chassis.captured_log import CapturedLog, captured_log
from tests.chassis.sample_api import CONTRACT, GOOD_THING, OPERATOR, ThingIsSold, authenticator, sample_app, sample_client, token_of

THINGS = f"/v1/contracts/{CONTRACT}/things"
GOOD = {
    "make_thing": Good({"contract_no": CONTRACT}, body=GOOD_THING),
    "change_thing": Good({"contract_no": CONTRACT, "thing_id": str(UUID(int=1))}, body={"part_no": 1}),
    "list_things": Good({"contract_no": CONTRACT}, query={"limit": "5"}),
    "import_things": Good({"contract_no": CONTRACT}, body={"part_no": 1}),
    "upload_photo": Good({"contract_no": CONTRACT}),
    "read_content": Good(body={"part_no": 1, "label": "x"}),
}


@pytest.fixture(autouse=True)
def lines() -> Iterator[CapturedLog]:
    with captured_log() as lines:
        yield lines


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return sample_app()


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with sample_client(app) as client:
        client.headers["Authorization"] = f"Bearer {token_of()}"
        yield client


def failing(error: Exception) -> None:
    """The next call of /v1/open/failures raises this."""
    sample_api.raised[:] = [error]


class TestGoodRequest:
    async def test_is_answered(self, client: httpx2.AsyncClient) -> None:
        response = await client.post(THINGS, json=GOOD_THING, headers={"Idempotency-Key": "k-1"})
        assert 201 == response.status_code
        assert {
            "thing": {**GOOD_THING, "seen_at": "2020-02-03T02:00:00Z"},
            "contract_no": CONTRACT,
            "by": "operator-1",
            "key": "k-1",
        } == response.json()
        assert '"1"' == response.headers["etag"]
        assert "no-store" == response.headers["cache-control"]

    async def test_may_be_as_large_as_the_limit(self, client: httpx2.AsyncClient) -> None:
        body = b'{"part_no": 1}'.ljust(64 * 1024)
        assert (
            200 == (await client.post("/v1/open/contents", content=body, headers={"Content-Type": "application/json"})).status_code
        )

    async def test_may_be_larger_where_the_route_says_so(self, client: httpx2.AsyncClient) -> None:
        body = b'{"part_no": 1}'.ljust(1_000_000)
        answer = await client.post(f"/v1/contracts/{CONTRACT}/imports", content=body, headers={"Content-Type": "application/json"})
        assert 202 == answer.status_code

    @pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'])
    async def test_may_name_its_charset(self, client: httpx2.AsyncClient, content_type: str) -> None:
        answer = await client.post("/v1/open/contents", content=b'{"part_no":1}', headers={"Content-Type": content_type})
        assert 200 == answer.status_code

    async def test_tells_a_repeat_from_another_request(self, client: httpx2.AsyncClient) -> None:
        answer = await client.post("/v1/open/contents", content=b'{"part_no":1}', headers={"Content-Type": "application/json"})
        assert {"content": 'POST /v1/open/contents\n{"part_no":1}'} == answer.json()

    async def test_may_hold_escapes_and_braces_in_text(self, client: httpx2.AsyncClient) -> None:
        thing = {**GOOD_THING, "name": '{[\\u0000"\ud83d\ude00'.encode("utf-16", "surrogatepass").decode("utf-16") + "[" * 40}
        answer = await client.post(THINGS, json=thing, headers={"Idempotency-Key": "k-1"})
        assert thing["name"] == answer.json()["thing"]["name"]


class TestBadRequest:
    async def test_is_refused_whatever_is_wrong_with_it(self, app: FastAPI, lines: CapturedLog) -> None:
        async with sample_client(app) as stranger:
            requests = list(bad_requests(app.openapi(), GOOD, token=token_of()))
            for bad in requests:
                check(bad, await send(stranger, bad))
        assert len(requests) > 300
        assert [] == lines.events

    async def test_is_told_where_it_is_wrong(self, client: httpx2.AsyncClient) -> None:
        thing = {**GOOD_THING, "parts": [{"part_no": 1}, {"part_no": CANARY, CANARY: 1}], "count": None}
        answer = await client.post(THINGS, json=thing, headers={"Idempotency-Key": "k-1"})
        assert "invalid-request" == answer.json()["code"]
        assert [
            {"in": "body", "pointer": "/count", "code": "int_type"},
            {"in": "body", "pointer": "/parts/1/part_no", "code": "int_type"},
            {"in": "body", "pointer": "/parts/1", "code": "extra_forbidden"},
        ] == answer.json()["errors"]

    async def test_lists_a_bounded_number_of_errors(self, client: httpx2.AsyncClient) -> None:
        thing = {**GOOD_THING, "parts": [{}] * 1_000}
        answer = await client.post(THINGS, json=thing, headers={"Idempotency-Key": "k-1"})
        assert 50 == len(answer.json()["errors"])

    async def test_in_the_path_is_not_found(self, client: httpx2.AsyncClient) -> None:
        url = f"{THINGS}/{CANARY}"
        answer = await client.put(url, json={"part_no": 1}, headers={"If-Match": '"1"'})
        assert 404 == answer.status_code
        assert [{"in": "path", "pointer": "/thing_id", "code": "uuid_parsing"}] == answer.json()["errors"]

    @pytest.mark.parametrize("query", ["limit=0", "limit=1&limit=2", "limit=x", "limit=", "colour=blue", "lmit=5"])
    async def test_in_the_query_is_refused(self, client: httpx2.AsyncClient, query: str) -> None:
        assert 422 == (await client.get(f"{THINGS}?{query}")).status_code

    async def test_uploading_too_much_is_refused(self, client: httpx2.AsyncClient) -> None:
        photos = f"/v1/contracts/{CONTRACT}/photos"
        assert 204 == (await client.post(photos, content=b"x" * 100_000)).status_code
        assert 413 == (await client.post(photos, content=b"x" * 100_001)).status_code

    async def test_changes_nothing_about_the_next(self, client: httpx2.AsyncClient) -> None:
        await client.post(THINGS, content=b"{", headers={"Content-Type": "application/json", "Idempotency-Key": "k"})
        assert 200 == (await client.get(THINGS)).status_code


class TestQuery:
    async def test_reads_lists_and_defaults(self, client: httpx2.AsyncClient) -> None:
        answer = await client.get(f"{THINGS}?colour=red&colour=green")
        assert {"limit": 20, "colours": ["red", "green"], "seen": None, "shop": "shop of Sample"} == answer.json()

    async def test_hands_on_a_consistency_token(self, client: httpx2.AsyncClient) -> None:
        answer = await client.get(THINGS, headers={"Consistency-Token": "registration/1/63:5,0:12"})
        assert "registration/1/0:12,63:5" == answer.json()["seen"]


class TestCaller:
    async def test_is_told_how_to_authenticate(self, app: FastAPI) -> None:
        async with sample_client(app) as stranger:
            answer = await stranger.get(THINGS)
            assert 401 == answer.status_code
            assert 'Bearer realm="gatehouse"' == answer.headers["www-authenticate"]
            answer = await stranger.get(THINGS, headers={"Authorization": "Bearer x"})
            assert 'Bearer realm="gatehouse", error="invalid_token"' == answer.headers["www-authenticate"]

    async def test_of_another_role_is_forbidden(self, client: httpx2.AsyncClient) -> None:
        token = token_of(Principal("device-1", Role.GATE_DEVICE, contracts=frozenset({CONTRACT})))
        answer = await client.get(THINGS, headers={"Authorization": f"Bearer {token}"})
        assert (403, "forbidden") == (answer.status_code, answer.json()["code"])

    async def test_of_another_contract_finds_nothing(self, client: httpx2.AsyncClient) -> None:
        answer = await client.get("/v1/contracts/W2017050130174/things")
        unknown = await client.get("/v1/contracts/W0000000000000/things")
        assert (404, "not-found") == (answer.status_code, answer.json()["code"])
        assert {**answer.json(), "trace_id": ""} == {**unknown.json(), "trace_id": ""}


class TestRouting:
    async def test_of_an_unknown_path_is_a_problem(self, client: httpx2.AsyncClient) -> None:
        for path in ("/", "/v2", f"/{CANARY}", f"{THINGS}/", "//", "/%00", "/v1/open/context/"):
            answer = await client.get(path)
            assert (404, "not-found") == (answer.status_code, answer.json()["code"]), path
            assert CANARY not in answer.text

    async def test_of_an_unknown_method_says_which_there_are(self, client: httpx2.AsyncClient) -> None:
        answer = await client.request("DELETE", THINGS)
        assert (405, "method-not-allowed") == (answer.status_code, answer.json()["code"])
        assert "GET, HEAD, POST" == answer.headers["allow"]
        assert 405 == (await client.request("OPTIONS", THINGS)).status_code

    async def test_answers_head_like_get_without_a_body(self, client: httpx2.AsyncClient) -> None:
        answer = await client.head(THINGS)
        assert (200, b"") == (answer.status_code, answer.content)
        assert int(answer.headers["content-length"]) > 0
        assert 404 == (await client.head("/nothing")).status_code


class TestProblem:
    @pytest.mark.parametrize(
        ("accept_language", "language", "title"),
        [
            (None, "zh-CN", "已售出"),
            ("en", "en", "The thing is sold"),
            ("en-US,en;q=0.9", "en", "The thing is sold"),
            ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN", "已售出"),
            ("en;q=0.1, zh;q=0.2", "zh-CN", "已售出"),
            ("fr;q=x, en;q=nonsense", "zh-CN", "已售出"),
            ("*", "zh-CN", "已售出"),
        ],
    )
    async def test_speaks_the_language_asked_for(
        self, client: httpx2.AsyncClient, accept_language: str | None, language: str, title: str
    ) -> None:
        failing(ThingIsSold())
        headers = {"Accept-Language": accept_language} if accept_language else {}
        answer = await client.post("/v1/open/failures", headers=headers)
        assert 409 == answer.status_code
        assert (language, title) == (answer.headers["content-language"], answer.json()["title"])
        assert "/problems/thing-is-sold" == answer.json()["type"]

    @pytest.mark.parametrize(
        ("error", "status", "code", "headers"),
        [
            (faults.NotFound(), 404, "not-found", {}),
            (faults.VersionConflict(7), 409, "version-conflict", {"etag": '"7"'}),
            (faults.IdempotencyKeyReused(), 422, "idempotency-key-reused", {}),
            (faults.TooManyRequests(retry_after_s=9), 429, "too-many-requests", {"retry-after": "9"}),
            (faults.Unavailable(retry_after_s=3), 503, "unavailable", {"retry-after": "3"}),
            (faults.TooLate(), 503, "unavailable", {"retry-after": "1"}),
            (ConnectionRefusedError(CANARY), 503, "unavailable", {"retry-after": "1"}),
            (TimeoutError(CANARY), 503, "unavailable", {"retry-after": "1"}),
            (asyncpg.CannotConnectNowError(CANARY), 503, "unavailable", {"retry-after": "1"}),
            (asyncpg.ConnectionDoesNotExistError(CANARY), 503, "unavailable", {"retry-after": "1"}),
            (asyncpg.TooManyConnectionsError(CANARY), 503, "unavailable", {"retry-after": "1"}),
            (asyncpg.QueryCanceledError(CANARY), 503, "unavailable", {"retry-after": "1"}),
            (asyncpg.DeadlockDetectedError(CANARY), 503, "unavailable", {"retry-after": "1"}),
            (asyncpg.InterfaceError(CANARY), 503, "unavailable", {"retry-after": "1"}),
            (asyncpg.DataError(CANARY), 500, "internal", {}),
            (asyncpg.UniqueViolationError(CANARY), 500, "internal", {}),
            (ValueError(CANARY), 500, "internal", {}),
            (ExceptionGroup(CANARY, [ValueError(CANARY)]), 500, "internal", {}),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
    )
    async def test_is_the_same_for_the_same_fault(
        self, client: httpx2.AsyncClient, lines: CapturedLog, error: Exception, status: int, code: str, headers: dict[str, str]
    ) -> None:
        failing(error)
        answer = await client.post("/v1/open/failures")
        assert (status, code) == (answer.status_code, answer.json()["code"])
        assert headers == {name: answer.headers[name] for name in headers}
        assert CANARY not in answer.text + str(answer.headers)
        assert CANARY not in lines.text
        logged = {500: "web.request_failed", 503: "web.dependency_away"}.get(status)
        assert [] == lines.events or [logged] == [line["event"] for line in lines.events]

    async def test_of_a_conflict_is_a_mismatch_where_a_version_was_named(self, client: httpx2.AsyncClient) -> None:
        failing(faults.VersionConflict(7))
        answer = await client.post("/v1/open/failures", headers={"If-Match": '"6"'})
        assert (412, "version-mismatch", '"7"') == (answer.status_code, answer.json()["code"], answer.headers["etag"])


class TestFault:
    async def test_is_logged_with_its_place_and_its_trace(self, client: httpx2.AsyncClient, lines: CapturedLog) -> None:
        failing(ValueError(CANARY))
        answer = await client.post(f"/v1/open/failures?{CANARY}=1")
        assert 422 == answer.status_code
        answer = await client.post("/v1/open/failures")
        (line,) = lines.events
        assert "web.request_failed" == line["event"]
        assert "/v1/open/failures" == line["route"]
        assert "builtins.ValueError" == line["error_type"]
        assert answer.json()["trace_id"] == line["trace_id"]
        assert "tests/chassis/sample_api.py:" in line["frames"][-1]


class TestTrace:
    async def test_goes_on_from_the_callers(self, client: httpx2.AsyncClient) -> None:
        traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        answer = await client.get("/v1/open/context", headers={"traceparent": traceparent})
        assert traceparent == answer.headers["traceparent"]
        assert {"traceparent": traceparent, "correlation_id": "0af76519-16cd-43dd-8448-eb211c80319c"} == answer.json()

    @pytest.mark.parametrize(
        "traceparent", [CANARY, "", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "00-" + "a" * 32 + "-" + "0" * 16 + "-01"]
    )
    async def test_begins_anew_where_the_callers_is_none(self, client: httpx2.AsyncClient, traceparent: str) -> None:
        answer = await client.get("/v1/open/context", headers={"traceparent": traceparent})
        assert answer.json()["traceparent"] == answer.headers["traceparent"] != traceparent
        assert 32 == len(RequestContext(answer.headers["traceparent"]).trace_id)


class TestOverload:
    async def test_is_told_politely_while_probes_are_answered(
        self, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(admission, "SEATS_MAX", 0)
        answer = await client.get("/v1/open/context")
        assert (503, "1") == (answer.status_code, answer.headers["retry-after"])
        assert 200 == (await client.get("/livez")).status_code


class TestMetrics:
    async def test_name_routes_and_never_paths(self, client: httpx2.AsyncClient) -> None:
        await client.get(THINGS)
        await client.get(f"/{CANARY}")
        text = (await client.get("/metrics")).text
        assert 'gatehouse_http_request_seconds_count{method="GET",route="/v1/contracts/{contract_no}/things",status="200"}' in text
        assert 'route="unmatched",status="404"' in text
        assert CONTRACT not in text
        assert CANARY not in text


class TestOpenApi:
    def test_names_operations_after_functions(self, app: FastAPI) -> None:
        operation = app.openapi()["paths"]["/v1/contracts/{contract_no}/things"]["post"]
        assert "make_thing" == operation["operationId"]
        assert [{"token": []}] == operation["security"]
        assert ["admit"] == operation["x-action"]
        assert 65_536 == operation["x-body-bytes-max"]

    def test_declares_problems_and_nothing_of_the_frameworks_own(self, app: FastAPI) -> None:
        document = app.openapi()
        problem = {"$ref": "#/components/schemas/Problem"}
        operation = document["paths"]["/v1/contracts/{contract_no}/things"]["post"]
        assert {"201", "409", "default"} == operation["responses"].keys()
        assert problem == operation["responses"]["default"]["content"]["application/problem+json"]["schema"]
        assert "thing-is-sold" in operation["responses"]["409"]["content"]["application/problem+json"]["examples"]
        assert "HTTPValidationError" not in str(document)

    def test_says_which_headers_are_required(self, app: FastAPI) -> None:
        operations = app.openapi()["paths"]
        made = {each["name"]: each for each in operations["/v1/contracts/{contract_no}/things"]["post"]["parameters"]}
        changed = {each["name"]: each for each in operations["/v1/contracts/{contract_no}/things/{thing_id}"]["put"]["parameters"]}
        assert made["Idempotency-Key"]["required"]
        assert changed["If-Match"]["required"]
        assert "string" == changed["If-Match"]["schema"]["type"]

    async def test_is_served(self, client: httpx2.AsyncClient) -> None:
        assert 200 == (await client.get("/openapi.json")).status_code


class TestDocs:
    async def test_show_every_operation_and_who_may_call_it(self, client: httpx2.AsyncClient, app: FastAPI) -> None:
        page = (await client.get("/docs")).text
        for path in app.openapi()["paths"]:
            assert path in page
        assert "May <code>admit</code>: project_lead, site_operator" in page
        assert 'href="#NewThing"' in page
        assert 'id="NewThing"' in page

    async def test_load_nothing_from_elsewhere(self, client: httpx2.AsyncClient) -> None:
        page = await client.get("/docs")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "<script" not in page.text
        assert "://" not in page.text
        assert 200 == (await client.get("/docs.css")).status_code


class TestCreateApp:
    def test_refuses_an_endpoint_that_anybody_could_call(self) -> None:
        router = Router()

        @router.get("/v1/secrets")
        async def read_secrets() -> None: ...

        with pytest.raises(TypeError, match="read_secrets: neither guarded"):
            create_app(service="s", title="S", routers=[router], authenticator=authenticator())

    def test_refuses_a_router_that_is_not_strict(self) -> None:
        router = APIRouter()

        @router.get("/v1/things")
        @public
        async def read_things() -> None: ...

        with pytest.raises(TypeError, match="read_things: not an endpoint of a chassis"):
            create_app(service="s", title="S", routers=[router], authenticator=None)

    def test_refuses_two_endpoints_of_one_name(self) -> None:
        with pytest.raises(TypeError, match="must be unique"):
            create_app(service="s", title="S", routers=[sample_api.open_router, sample_api.open_router], authenticator=None)

    def test_refuses_a_guard_without_an_authenticator(self) -> None:
        with pytest.raises(TypeError, match="has no authenticator"):
            create_app(service="s", title="S", routers=[sample_api.router], authenticator=None)


async def test_principals_do_not_leak_between_requests(app: FastAPI) -> None:
    other = Principal("operator-2", OPERATOR.role, contracts=OPERATOR.contracts)

    async def ask(client: httpx2.AsyncClient, principal: Principal) -> str:
        headers = {"Authorization": f"Bearer {token_of(principal)}", "Idempotency-Key": "k"}
        return str((await client.post(THINGS, json=GOOD_THING, headers=headers)).json()["by"])

    async with sample_client(app) as client:
        asked = [OPERATOR, other] * 20
        answers = await asyncio.gather(*(ask(client, principal) for principal in asked))
    assert [principal.subject for principal in asked] == answers
