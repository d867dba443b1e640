"""The HTTP edge of every service: one app factory, one error format, the same limits everywhere.

Reading order: `create_app`, `Router`, the headers an endpoint may ask for, OpenAPI; then the way of a request:
`chassis.server` (the wire's bounds) → `chassis.edge` (around every request, and all errors) → `chassis.endpoint` (guards,
parameters, body, dependencies) → `chassis.auth` (who may pass), `chassis.strict_json` (how a body is read) → the
endpoint; `chassis.problems` (how an error looks).

    router = Router(prefix="/v1/contracts", tags=["contracts"])

    @router.post("/{contract_no}/pre-registrations", status_code=201, responses=problems(NoDeclaration))
    async def pre_register(contract_no: ContractNo, body: NewPreRegistration, key: IdempotencyKey, registrar: Registrar) -> ...

Endpoints and dependencies are `async def` and do not yield; `chassis.endpoint` says what else is refused, and why.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, TypeVar

import structlog
from fastapi import APIRouter, Depends, FastAPI, Header
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BaseModel, BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from chassis import problems as problem
from chassis.auth import Authenticator
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.consistency import TOKEN, ConsistencyToken, MalformedToken
from chassis.docs import docs_routes
from chassis.edge import Edge
from chassis.endpoint import CompiledEndpoint
from chassis.probes import Check, probe_routes
from chassis.problems import Refused
from chassis.release import release
from chassis.strict_json import INTEGER_MAX
from contracts.identity import holds_a_number_of_somebody
from contracts.rejection import Rejection

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

log = structlog.get_logger()


def create_app(
    *,
    service: str,
    title: str,
    routers: Sequence[APIRouter],
    authenticator: Authenticator | None,
    checks: Mapping[str, Check] | None = None,
    lifespan: Lifespan | None = None,
) -> FastAPI:
    """The app of a service.

    Every endpoint is guarded (`allowed(Action)`) or marked `@public`. Without an authenticator all must be public.
    `checks` are what `/readyz` asks beside the token keys. `lifespan` opens and closes what the endpoints need.

    Raises: TypeError for an endpoint that breaks the rules of this module.
    """
    endpoints = [route for router in routers for route in router.routes]
    _check_endpoints(service, endpoints, guarded=authenticator is not None)
    all_checks = dict(checks or {})
    if authenticator is not None:
        all_checks["token_keys"] = authenticator.check
    app = _App(
        title=title,
        version=release(),
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False},
        redirect_slashes=False,
        docs_url=None,  # see chassis.docs
        redoc_url=None,
        lifespan=_warm(lifespan, authenticator),
    )
    app.state.authenticator = authenticator
    # Not include_router: FastAPI would match every request twice, once for the router and once for its routes. In front of
    # the documentation's routes, because routes are tried in order.
    app.router.routes[:0] = [*endpoints, *probe_routes(all_checks), *docs_routes(app.openapi)]
    return app


class _App(FastAPI):
    """FastAPI with `Edge` in place of its five layers of middleware, and with our own OpenAPI."""

    def build_middleware_stack(self) -> ASGIApp:
        if self.user_middleware:
            raise TypeError("middleware is not supported: chassis.edge is the only layer")
        return Edge(self.router)

    def openapi(self) -> dict[str, Any]:
        return _openapi(self)


def _check_endpoints(service: str, routes: Sequence[BaseRoute], *, guarded: bool) -> None:
    names: set[str] = set()
    for route in routes:
        where = f"{service}: {getattr(route, 'name', route)}"
        if not isinstance(route, Route):
            raise TypeError(f"{where}: not an endpoint of a chassis.web.Router")
        if guarded and not route.compiled.guards and not _is_public(route.endpoint):
            raise TypeError(f"{where}: neither guarded by allowed(...) nor marked @public")
        if not guarded and route.compiled.guards:
            raise TypeError(f"{where}: guarded, but the app has no authenticator")
        if route.name in names:
            raise TypeError(f"{where}: the name of an endpoint is its operationId and must be unique")
        names.add(route.name)


def _warm(lifespan: Lifespan | None, authenticator: Authenticator | None) -> Lifespan:
    """The service's lifespan; what was made until it is up is taken out of the garbage collector's sight."""

    @asynccontextmanager
    async def warm(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with lifespan(app) if lifespan else _nothing():
                # Full collections walk all live objects: half a million after the imports, for tens of milliseconds.
                gc.collect()
                gc.freeze()
                yield
        except Exception:
            log.critical("web.lifespan_failed", exc_info=True)  # uvicorn would print it with its message
            raise
        finally:
            gc.unfreeze()
            if authenticator is not None:
                await authenticator.close()

    return warm


@asynccontextmanager
async def _nothing() -> AsyncIterator[None]:
    yield


# --- Endpoints ---------------------------------------------------------------------------------------------------------


def public(endpoint: Endpoint) -> Endpoint:
    """Marks an endpoint that answers without a token."""
    endpoint.__gatehouse_public__ = True  # type: ignore[attr-defined]
    return endpoint


def _is_public(endpoint: Callable[..., Any]) -> bool:
    return getattr(endpoint, "__gatehouse_public__", False)


class Route(APIRoute):
    """An endpoint that is declared as FastAPI reads it and called as `chassis.endpoint` does.

    The body limit is `strict_json.BODY_BYTES_MAX` unless the decorator says `max_body_size=…`. An endpoint without a body
    parameter may read the request itself (uploads); the limit holds for it too.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app = self.compiled = CompiledEndpoint(self)


class Router(APIRouter):
    """A router whose endpoints are guarded and read strictly. Pass it to `create_app`."""

    def __init__(self, *, prefix: str = "", tags: Sequence[str] = ()) -> None:
        super().__init__(
            prefix=prefix, tags=list(tags), route_class=Route, redirect_slashes=False, generate_unique_id_function=_name
        )


def _name(route: APIRoute) -> str:
    return route.name


# --- Headers an endpoint may ask for -----------------------------------------------------------------------------------


def _of_nobody(key: str) -> str:
    """Raises: Refused. Digests of keys are kept, and whoever reads them can try all numbers of people."""
    if holds_a_number_of_somebody(key):
        raise Refused(problem.IDEMPOTENCY_KEY_NAMES_SOMEBODY)
    return key


IdempotencyKey = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[!-~]{1,128}$",
        description="Names this request, at random. Sent again with the same key it does nothing twice and gives the first answer.",
    ),
    AfterValidator(_of_nobody),
]
"""Required on every POST that creates something."""


def _version(value: str) -> int:
    if len(value) <= 21 and value[:1] == '"' and value[-1:] == '"' and value[1:-1].isascii() and value[1:-1].isdigit():
        return int(value[1:-1])
    raise PydanticCustomError("version", "not a quoted version")


IfMatch = Annotated[
    int,
    Header(alias="If-Match", description="The `ETag` of the version that this change is based on."),
    BeforeValidator(_version),
    WithJsonSchema({"type": "string", "pattern": '^"[0-9]{1,19}"$'}),
]
"""The stream version that a change is based on: of a PUT, and of whatever must not pass over what its sender has not seen."""

IfMatchWhereGiven = Annotated[
    int | None,
    Header(alias="If-Match", description="The `ETag` of the version that this change is based on: it is made of no other one."),
    BeforeValidator(_version),
    WithJsonSchema({"type": "string", "pattern": '^"[0-9]{1,19}"$'}),
]
"""The same of a change that is also made without it, by those who do not look first."""

IfSeen = Annotated[
    str | None,
    Header(
        alias="If-Match",
        pattern='^"[0-9a-f]{16}"$',
        description="The `etag` of what this change is based on, in quotes: it is made of nothing else.",
    ),
    AfterValidator(lambda etag: etag and etag.strip('"')),
]
"""The same of a part of a stream, which has no version of its own but says what it is."""


def etag(version: int) -> str:
    """The `ETag` of a stream version. Comes back in `If-Match`."""
    return f'"{version}"'


async def _consistency_token(
    token: Annotated[
        str | None,
        Header(
            alias=CONSISTENCY_TOKEN,
            description="From an earlier answer. This one waits until it has seen those facts, or is a 503.",
        ),
        WithJsonSchema({"type": "string", "pattern": f"^{TOKEN}$"}),
    ] = None,
) -> ConsistencyToken | None:
    try:
        return ConsistencyToken.parse(token) if token is not None else None
    except MalformedToken:
        raise Refused(problem.CONSISTENCY_TOKEN_MALFORMED) from None


Consistency = Annotated[ConsistencyToken | None, Depends(_consistency_token)]
"""What the answer must have seen; None where the client does not ask for anything."""


# --- OpenAPI -----------------------------------------------------------------------------------------------------------


def problems(*rejections: type[Rejection]) -> dict[int | str, dict[str, Any]]:
    """`responses=` of an endpoint: the rejections that it may answer with."""
    responses: dict[int | str, dict[str, Any]] = {}
    for rejection in rejections:
        response = responses.setdefault(rejection.status, _problem_response_schema())
        example = {
            "type": f"/problems/{rejection.code}",
            "title": rejection.title_zh,
            "status": rejection.status,
            "code": rejection.code,
        }
        response["content"][problem.MEDIA_TYPE].setdefault("examples", {})[rejection.code] = {
            "summary": rejection.title_en,
            "value": {**example, "trace_id": "0af7651916cd43dd8448eb211c80319c"},
        }
    for response in responses.values():
        response["description"] = " · ".join(
            each["summary"] for each in response["content"][problem.MEDIA_TYPE]["examples"].values()
        )
    return responses


def unchanged(answer: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """`responses=` of an endpoint that creates: a repeat is answered alike, with 200, because nothing was left to do."""
    return {200: {"model": answer, "description": "Nothing was left to do."}}


def _problem_response_schema() -> dict[str, Any]:
    return {"description": "A problem", "content": {problem.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, with our problems in place of its own error format, and what it cannot know of an endpoint.

    `x-action` is what a role must be allowed to do (`contracts.access`), `x-body-bytes-max` how long a body may be.
    """
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for theirs in ("HTTPValidationError", "ValidationError"):
            schemas.pop(theirs, None)
        schemas["Problem"] = dict(problem.SCHEMA)
        _bound_integers([each for name, each in schemas.items() if each.get("additionalProperties") is False])
        for route in app.routes:
            if isinstance(route, Route) and route.include_in_schema:
                for method in route.methods or ():
                    _complete(document["paths"][route.path_format][method.lower()], route)
        app.openapi_schema = document
    return app.openapi_schema


def _complete(operation: dict[str, Any], route: Route) -> None:
    if "HTTPValidationError" in str(operation["responses"].get("422")):
        del operation["responses"]["422"]
    operation["responses"]["default"] = _problem_response_schema()
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _without_null(parameter["schema"])
    if route.compiled.guards:
        operation["x-action"] = [guard.action for guard in route.compiled.guards]
    if "requestBody" in operation:
        operation["x-body-bytes-max"] = route.compiled.bytes_max


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Of a parameter: one that is not there is not `null`, which in a query or a header would be a text."""
    options = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    others = {name: each for name, each in schema.items() if name != "anyOf"}
    return schema if not options else {**others, **options[0]} if len(options) == 1 else {**others, "anyOf": options}


def _bound_integers(schemas: Any) -> None:
    """What `chassis.strict_json` refuses in every body, whatever the model says."""
    match schemas:
        case dict():
            if schemas.get("type") == "integer":
                schemas.setdefault("maximum", INTEGER_MAX)
                schemas.setdefault("minimum", -INTEGER_MAX)
            _bound_integers(list(schemas.values()))
        case list():
            for each in schemas:
                _bound_integers(each)
