"""The compiled way of calling an endpoint against FastAPI's own: the same declarations, the same answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import date
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import httpx2
import pytest
from fastapi import APIRouter, BackgroundTasks, Cookie, Depends, FastAPI, Header, Query
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.strict_json import StrictModel
from chassis.web import Router, create_app, public
from tests.chassis.captured_log import CapturedLog, captured_log


@pytest.fixture(autouse=True)
def lines() -> Iterator[CapturedLog]:
    with captured_log() as lines:
        yield lines


class Kind(StrEnum):
    OLD = "old"
    NEW = "new"


class Answer(BaseModel):
    """Whatever was understood."""

    seen: dict[str, Any]
    day: date | None = None
    absent: int | None = None


class Asked(StrictModel):
    """A body."""

    amount: Annotated[int, Field(ge=0)]
    label: str | None = None


async def tenant(x_tenant: Annotated[str, Header()] = "nobody") -> str:
    return x_tenant


calls: list[str] = []


async def once(request: Request) -> str:
    calls.append(request.url.path)
    return "once"


async def both(first: Annotated[str, Depends(once)], who: Annotated[str, Depends(tenant)]) -> str:
    return f"{first} {who}"


def declare(router: APIRouter) -> APIRouter:
    """The same endpoints on whatever kind of router."""

    @router.get("/v1/items/{item_id}/{kind}")
    @public
    async def read_item(
        item_id: UUID,
        kind: Kind,
        limit: Annotated[int, Query(le=10)] = 5,
        tag: Annotated[list[str] | None, Query()] = None,
        since: Annotated[date | None, Query(alias="from")] = None,
        x_number: Annotated[int | None, Header()] = None,
    ) -> Answer:
        return Answer(seen={"id": item_id, "kind": kind, "limit": limit, "tag": tag, "number": x_number}, day=since)

    @router.post("/v1/items", status_code=201)
    @public
    async def make_item(body: Asked, response: Response, who: Annotated[str, Depends(tenant)]) -> Answer:
        response.headers["X-Made"] = "yes"
        if body.amount == 0:
            response.status_code = 202
        return Answer(seen={"amount": body.amount, "label": body.label, "who": who})

    @router.get("/v1/once")
    @public
    async def call_once(
        first: Annotated[str, Depends(once)], second: Annotated[str, Depends(once)], third: Annotated[str, Depends(both)]
    ) -> list[str]:
        return [first, second, third]

    @router.delete("/v1/items/{item_id}", status_code=204)
    @public
    async def drop_item(item_id: int) -> None: ...

    @router.get("/v1/nothing")
    @public
    async def answer_null() -> int | None:
        return None

    @router.get("/v1/sparse", response_model_exclude_none=True)
    @public
    async def read_sparse() -> Answer:
        return Answer(seen={})

    @router.get("/v1/text")
    @public
    async def read_text() -> PlainTextResponse:
        return PlainTextResponse("文本", status_code=203)

    return router


@pytest.fixture
async def theirs() -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    app.include_router(declare(APIRouter()))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://x") as client:
        yield client


@pytest.fixture
async def ours() -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(service="s", title="S", routers=[declare(Router())], authenticator=None)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://x") as client:
        yield client


ITEM = f"/v1/items/{UUID(int=5)}/old"


@pytest.mark.parametrize(
    ("method", "url", "headers", "body"),
    [
        ("GET", ITEM, {}, None),
        ("GET", ITEM + "?limit=7&tag=a&tag=%E5%BC%A0+b&from=2020-02-03", {"X-Number": "12"}, None),
        ("GET", ITEM + "?tag=&limit=10", {}, None),
        ("POST", "/v1/items", {}, {"amount": 1, "label": "张三"}),
        ("POST", "/v1/items", {"X-Tenant": "我们".encode().decode("latin-1")}, {"amount": 0}),
        ("GET", "/v1/once", {"X-Tenant": "we"}, None),
        ("DELETE", "/v1/items/5", {}, None),
        ("GET", "/v1/nothing", {}, None),
        ("GET", "/v1/sparse", {}, None),
        ("GET", "/v1/text", {}, None),
    ],
)
async def test_answers_like_fastapi(
    ours: httpx2.AsyncClient, theirs: httpx2.AsyncClient, method: str, url: str, headers: dict[str, str], body: Any
) -> None:
    given = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    expected = await theirs.request(method, url, headers=given, json=body)
    actual = await ours.request(method, url, headers=given, json=body)
    assert expected.status_code in range(200, 300)
    assert (expected.status_code, expected.content) == (actual.status_code, actual.content)
    added = {"cache-control", "x-content-type-options", "traceparent"}
    # FastAPI names a type for no content at all.
    left_out = {"content-type"} if expected.status_code == 204 else set()
    assert {name: value for name, value in expected.headers.items() if name not in left_out} == {
        name: value for name, value in actual.headers.items() if name not in added
    }


async def test_calls_a_dependency_once_a_request(ours: httpx2.AsyncClient) -> None:
    calls.clear()
    await ours.get("/v1/once")
    await ours.get("/v1/once")
    assert ["/v1/once", "/v1/once"] == calls


async def opened() -> AsyncIterator[int]:
    yield 1


class TestCompiling:
    """What the compiler does not do is refused when the endpoint is declared."""

    def refused(self, endpoint: Any) -> None:
        with pytest.raises(TypeError, match=r"async|body|list|share"):
            Router().post("/v1/things")(endpoint)

    def test_refuses_a_plain_function(self) -> None:
        def endpoint() -> None: ...

        self.refused(endpoint)

    def test_refuses_a_dependency_that_yields(self) -> None:
        async def endpoint(value: Annotated[int, Depends(opened)]) -> None: ...

        self.refused(endpoint)

    def test_refuses_a_plain_dependency(self) -> None:
        async def endpoint(value: Annotated[list[int], Depends(list)]) -> None: ...

        self.refused(endpoint)

    def test_refuses_background_tasks(self) -> None:
        async def endpoint(tasks: BackgroundTasks) -> None: ...

        self.refused(endpoint)

    def test_refuses_cookies(self) -> None:
        async def endpoint(session: Annotated[str, Cookie()]) -> None: ...

        self.refused(endpoint)

    def test_refuses_a_body_that_is_not_strict(self) -> None:
        async def endpoint(body: Answer) -> None: ...

        self.refused(endpoint)

    def test_refuses_two_bodies(self) -> None:
        async def endpoint(body: Asked, other: Asked) -> None: ...

        self.refused(endpoint)

    def test_refuses_a_list_of_headers(self) -> None:
        async def endpoint(x_one: Annotated[list[str], Header()]) -> None: ...

        self.refused(endpoint)

    def test_refuses_a_default_that_requests_would_share(self) -> None:
        async def endpoint(tag: Annotated[list[str], Query(default_factory=list)]) -> None: ...

        self.refused(endpoint)

    def test_refuses_a_model_of_query_parameters(self) -> None:
        async def endpoint(filters: Annotated[Asked, Query()]) -> None: ...

        self.refused(endpoint)


async def test_an_undeclared_answer_is_a_fault() -> None:
    router = Router()

    @router.get("/v1/wrong")
    @public
    async def read_wrong() -> Answer:
        return Asked(amount=1)  # type: ignore[return-value]  # what mypy would not let pass

    @router.get("/v1/more")
    @public
    async def read_more() -> None:
        return 5  # type: ignore[return-value]

    app = create_app(service="s", title="S", routers=[router], authenticator=None)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://x") as client:
        assert 500 == (await client.get("/v1/wrong")).status_code
        assert 500 == (await client.get("/v1/more")).status_code
