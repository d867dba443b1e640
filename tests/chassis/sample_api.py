"""A small service with every kind of endpoint, for the tests of the HTTP edge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import httpx2
from fastapi import Depends, FastAPI, Query
from joserfc.jwk import OKPKey
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.auth import Authenticator, Principal, allowed, covers_contract, issue_token, public_keys
from chassis.strict_json import UPLOAD_BYTES_MAX, StrictModel
from chassis.telemetry import request_context
from chassis.web import Consistency, IdempotencyKey, IfMatch, Router, create_app, etag, problems, public
from contracts.access import Action, Role
from contracts.rejection import Rejection
from contracts.times import UtcTime

CONTRACT = "W2019010100011"
KEY = OKPKey.generate_key("Ed25519", private=True, auto_kid=True)
OPERATOR = Principal("operator-1", Role.SITE_OPERATOR, contracts=frozenset({CONTRACT}))


def token_of(principal: Principal = OPERATOR) -> str:
    return issue_token(principal, key=KEY, now=datetime.now(UTC))


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Part(StrictModel):
    """Something nested."""

    part_no: int
    label: str | None = None


class NewThing(StrictModel):
    """A thing with a field of every kind."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    count: int
    temperature_celsius: float
    colour: Colour
    owner: UUID
    made_on: date
    seen_at: UtcTime
    heavy: bool
    parts: tuple[Part, ...] = ()
    note: str | None = None


GOOD_THING = {
    "name": "张三",
    "count": 3,
    "temperature_celsius": 36.5,
    "colour": "red",
    "owner": "11111111-1111-4111-8111-111111111111",
    "made_on": "2020-02-03",
    "seen_at": "2020-02-03T10:00:00+08:00",
    "heavy": True,
    "parts": [{"part_no": 1, "label": "左"}],
    "note": None,
}


class ThingAnswer(BaseModel):
    """What became of it."""

    thing: NewThing
    contract_no: str
    by: str
    key: str


class Listed(BaseModel):
    """A list's answer."""

    limit: int
    colours: list[Colour]
    seen: str | None
    shop: str


class ThingIsSold(Rejection):
    """Something sold cannot be changed (a test)."""

    code = "thing-is-sold"
    title_zh = "已售出"
    title_en = "The thing is sold"


Operator = Annotated[Principal, Depends(allowed(Action.ADMIT))]


async def shop_name(request: Request) -> str:
    return f"shop of {request.app.title}"


async def shop(name: Annotated[str, Depends(shop_name)]) -> str:
    return name


Shop = Annotated[str, Depends(shop)]

router = Router(prefix="/v1/contracts/{contract_no}", tags=["things"])


@router.post("/things", status_code=201, responses=problems(ThingIsSold))
async def make_thing(contract_no: str, body: NewThing, key: IdempotencyKey, operator: Operator, response: Response) -> ThingAnswer:
    """Make a thing."""
    covers_contract(operator, contract_no)
    response.headers["ETag"] = etag(1)
    return ThingAnswer(thing=body, contract_no=contract_no, by=operator.subject, key=key)


@router.put("/things/{thing_id}", status_code=204)
async def change_thing(contract_no: str, thing_id: UUID, body: Part, version: IfMatch, operator: Operator) -> None:
    """Change a thing."""
    covers_contract(operator, contract_no)


@router.get("/things")
async def list_things(
    contract_no: str,
    operator: Operator,
    consistency: Consistency,
    shop: Shop,
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
    colour: Annotated[list[Colour] | None, Query()] = None,
) -> Listed:
    """List things."""
    covers_contract(operator, contract_no)
    return Listed(limit=limit, colours=colour or [], seen=str(consistency) if consistency else None, shop=shop)


@router.post("/imports", status_code=202, max_body_size=UPLOAD_BYTES_MAX)
async def import_things(contract_no: str, body: Part, operator: Operator) -> None:
    """Takes a larger body."""


@router.post("/photos", status_code=204, max_body_size=100_000)
async def upload_photo(contract_no: str, request: Request, operator: Operator) -> None:
    """Reads the request itself."""
    async for _ in request.stream():
        pass


open_router = Router(prefix="/v1/open", tags=["open"])
raised: list[Exception] = []


@open_router.post("/failures", status_code=204)
@public
async def fail() -> None:
    """Raises what the test put into `raised`."""
    raise raised.pop()


@open_router.get("/context")
@public
async def read_context() -> dict[str, str]:
    """What the request's context says."""
    context = request_context()
    return {"traceparent": context.traceparent, "correlation_id": str(context.correlation_id)}


@open_router.post("/contents")
@public
async def read_content(body: Part) -> dict[str, str]:
    """What makes two requests the same."""
    return {"content": request_context().content.decode()}


def authenticator() -> Authenticator:
    return Authenticator(
        "http://portal/.well-known/jwks.json",
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json=public_keys(KEY))),
    )


def sample_app() -> FastAPI:
    return create_app(service="sample", title="Sample", routers=[router, open_router], authenticator=authenticator())


@asynccontextmanager
async def sample_client(app: FastAPI | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the app, without a socket between."""
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app or sample_app(), raise_app_exceptions=False), base_url="http://sample"
    ) as client:
        yield client
