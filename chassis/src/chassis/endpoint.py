"""Calls an endpoint: FastAPI's declarations without FastAPI's machinery per request.

FastAPI analyses a signature once, into a tree, and then interprets that tree anew for every request. That is two thirds
of what an endpoint costs that does nothing (70 µs for a body, a path parameter and a header), and it reads and validates
the body before it knows who asks. Here the same tree is compiled into a list of steps when the route is made, and a
request goes through five stages; nothing of the service runs before the request is known to be valid:

    guards → path, query and headers → body → dependencies → endpoint

Everything declared shows in OpenAPI as usual. What the compiler does not know is refused when the route is made:
dependencies that yield (open what is needed inside the endpoint, with `async with`), forms, cookies, background tasks
(what must happen is an event), and plain `def` functions (they would run in a thread).
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from chassis.admission import aside
from chassis.auth import Guard
from chassis.problems import (
    BAD_REQUEST,
    BODY_TOO_LARGE,
    INVALID_REQUEST,
    NOT_FOUND,
    FieldError,
    Part,
    Refused,
    field_error,
)
from chassis.strict_json import BODY_BYTES_MAX, ERRORS_MAX, BodyReader, StrictModel, pointer, read_body, require_json
from chassis.telemetry import request_context

_SINGLE_HEADERS = (b"authorization", b"content-type", b"idempotency-key", b"if-match", b"consistency-token", b"traceparent")
"""Headers of which a second one would contradict the first."""


class InvalidHeader(Exception):
    """A header that the endpoint declares is missing or malformed."""

    def __init__(self, name: str, *, missing: bool) -> None:
        super().__init__()
        self.name = name
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared value of the path, the query or the headers."""

    name: str
    """Of the Python parameter."""
    alias: str
    """In the request."""
    header: bytes
    """The alias as headers are looked up, in lower case."""
    part: Part
    required: bool
    default: Any
    many: bool
    validate: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One call: a dependency, or last of all the endpoint."""

    call: Callable[..., Awaitable[Any]]
    results: Sequence[tuple[str, int]]
    """Parameter name and the earlier step whose result it takes."""
    parameters: Sequence[Parameter]
    request_name: str | None
    response_name: str | None
    body_name: str | None


class CompiledEndpoint:
    """An endpoint as an ASGI app. Raises whatever the stages raise; `chassis.web.Edge` answers for it."""

    def __init__(self, route: APIRoute) -> None:
        """Raises: TypeError for a signature that is not supported."""
        self._steps = _compile(route.dependant)
        self.guards = [step.call for step in self._steps if isinstance(step.call, Guard)]
        self._query_names = frozenset(each.alias for step in self._steps for each in step.parameters if each.part == "query")
        self._body = BodyReader(_body_annotation(route)) if route.dependant.body_params else None
        self.bytes_max = route.max_body_size or BODY_BYTES_MAX
        self._status = route.status_code or 200
        self._takes_response = any(step.response_name for step in self._steps)
        self._serialize = _serializer(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, BoundedReceive(receive, bytes_max=self.bytes_max))
        headers = _headers(scope)
        results: list[Any] = [await guard(request) for guard in self.guards]
        arguments = self._arguments(scope, headers)
        context = request_context()
        content = f"{scope['method']} {scope['path']}\n".encode()
        body = None
        if self._body is not None:
            require_json(headers.get(b"content-type"))
            with aside():  # whoever sends slowly keeps nobody else out
                raw = await read_body(headers, receive, bytes_max=self.bytes_max)
            content += raw
            body = self._body.read(raw)
        context.content = content
        response = _headers_only(self._status) if self._takes_response else None
        for step, kwargs in zip(self._steps[len(results) :], arguments[len(results) :], strict=True):
            for name, index in step.results:
                kwargs[name] = results[index]
            if step.request_name:
                kwargs[step.request_name] = request
            if step.response_name:
                kwargs[step.response_name] = response
            if step.body_name:
                kwargs[step.body_name] = body
            results.append(await step.call(**kwargs))
        await self._send(results[-1], response, scope, receive, send)

    def _arguments(self, scope: Scope, headers: dict[bytes, bytes]) -> list[dict[str, Any]]:
        """What each step takes of path, query and headers. Raises: InvalidHeader, Refused (404, 422)."""
        errors: list[FieldError] = []
        query = _query(scope["query_string"], self._query_names, errors)
        arguments: list[dict[str, Any]] = []
        for step in self._steps:
            kwargs = {}
            for each in step.parameters:
                value = _given(each, scope, headers, query)
                if value is None:
                    if each.required:
                        _fail(each, "missing", errors)
                    kwargs[each.name] = each.default
                    continue
                try:
                    kwargs[each.name] = each.validate(value)
                except ValidationError as error:
                    _fail(each, error.errors(include_url=False, include_context=False, include_input=False)[0]["type"], errors)
            arguments.append(kwargs)
        if errors:
            raise Refused(
                NOT_FOUND if any(error["in"] == "path" for error in errors) else INVALID_REQUEST, errors=errors[:ERRORS_MAX]
            )
        return arguments

    async def _send(self, result: Any, response: Response | None, scope: Scope, receive: Receive, send: Send) -> None:
        if isinstance(result, Response):
            await result(scope, receive, send)
            return
        status = self._status if response is None else response.status_code
        headers: list[tuple[bytes, bytes]] = [] if response is None else response.raw_headers
        body = b""
        if self._serialize is None and result is not None:
            raise TypeError("an endpoint returned something that it had not declared")
        if self._serialize is not None and status not in (204, 304):
            body = self._serialize(result)
            headers.append((b"content-type", b"application/json"))
        if status not in (204, 304):
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class BoundedReceive:
    """The server's `receive` for an endpoint that reads its body itself (an upload). Not a method of the request: a
    request that refers to itself waits for the garbage collector."""

    __slots__ = ("_left", "_receive")

    def __init__(self, receive: Receive, *, bytes_max: int) -> None:
        self._receive = receive
        self._left = bytes_max

    async def __call__(self) -> Message:
        with aside():
            message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise Refused(BODY_TOO_LARGE, headers={"Connection": "close"})
        return message


# --- A request's parts -------------------------------------------------------------------------------------------------


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """The headers by lower-case name. Raises: Refused (400) where two of them contradict each other."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    if len(headers) != len(scope["headers"]):
        names = [name for name, _ in scope["headers"]]
        if any(names.count(each) > 1 for each in _SINGLE_HEADERS):
            raise Refused(BAD_REQUEST)
    return headers


def _query(query_string: bytes, known: frozenset[str], errors: list[FieldError]) -> dict[str, list[str]]:
    """Query values by name. An unknown name is an error: a filter that is misspelt must not answer unfiltered.

    How many there may be, the server says by `HEADER_BYTES_MAX`, and of each name its parameter."""
    query: dict[str, list[str]] = {}
    for name, value in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True):
        if name in known:
            query.setdefault(name, []).append(value)
        else:
            errors.append(field_error("query", "", "extra_forbidden"))
    return query


def _given(parameter: Parameter, scope: Scope, headers: dict[bytes, bytes], query: dict[str, list[str]]) -> Any:
    """The parameter's text in the request; None where it has none."""
    match parameter.part:
        case "path":
            return scope["path_params"][parameter.alias]
        case "header":
            value = headers.get(parameter.header)
            return None if value is None else value.decode("latin-1")
        case _:
            values = query.get(parameter.alias)
            # A single value that is given twice is handed on as a list, and so refused by its type.
            return values if values is None or parameter.many or len(values) > 1 else values[0]


def _fail(parameter: Parameter, code: str, errors: list[FieldError]) -> None:
    if parameter.part == "header":
        raise InvalidHeader(parameter.alias, missing=code == "missing")
    errors.append(field_error(parameter.part, pointer((parameter.alias,), (parameter.alias,)), code))


def _headers_only(status: int) -> Response:
    """What an endpoint sets headers and status on. Its content is not used."""
    response = Response(status_code=status)
    response.raw_headers.clear()
    return response


# --- Compiling ---------------------------------------------------------------------------------------------------------


def _compile(endpoint: Dependant) -> list[Step]:
    """The tree in the order of its calls: guards first, each dependency once, the endpoint last."""
    steps: list[Step] = []
    index_of: dict[Any, int] = {}

    def add(dependant: Dependant) -> int:
        call = dependant.call
        if call in index_of:
            return index_of[call]
        results = [(each.name, add(each)) for each in dependant.dependencies]
        steps.append(_step(dependant, [(name, index) for name, index in results if name is not None]))
        index_of[call] = len(steps) - 1
        return len(steps) - 1

    for each in sorted(_all(endpoint), key=lambda found: not isinstance(found.call, Guard)):
        if each is not endpoint:
            add(each)
    add(endpoint)
    return steps


def _all(dependant: Dependant) -> list[Dependant]:
    return [found for each in dependant.dependencies for found in (*_all(each), each)]


def _step(dependant: Dependant, results: Sequence[tuple[str, int]]) -> Step:
    call = dependant.call
    target = call if inspect.isroutine(call) else getattr(call, "__call__", None)  # noqa: B004 - to look at it, not to call it
    unsupported = (
        dependant.cookie_params,
        dependant.background_tasks_param_name,
        dependant.websocket_param_name,
        dependant.http_connection_param_name,
        dependant.security_scopes_param_name,
        dependant.concurrency,
        not inspect.iscoroutinefunction(target),
    )
    if call is None or any(unsupported):
        raise TypeError(
            f"{getattr(call, '__qualname__', call)}: chassis.endpoint takes `async def` without yield, cookies or background tasks"
        )
    declared: list[tuple[Part, list[ModelField]]] = [
        ("path", dependant.path_params),
        ("query", dependant.query_params),
        ("header", dependant.header_params),
    ]
    return Step(
        call=call,
        results=results,
        parameters=[_parameter(field, part) for part, fields in declared for field in fields],
        request_name=dependant.request_param_name,
        response_name=dependant.response_param_name,
        body_name=dependant.body_params[0].name if dependant.body_params else None,
    )


def _parameter(field: ModelField, part: Part) -> Parameter:
    info = field.field_info
    alias = field.validation_alias or field.alias
    many = _is_list(info.annotation)
    required = info.is_required()
    default = None if required else info.get_default(call_default_factory=True)
    if part != "query" and many:
        raise TypeError(f"{field.name}: only a query parameter can be a list")
    if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
        raise TypeError(f"{field.name}: a model is a body, not a parameter")
    if isinstance(default, (list, dict, set)):
        raise TypeError(f"{field.name}: requests would share the default list, dict or set; use None")
    return Parameter(
        name=field.name,
        alias=alias,
        header=alias.lower().encode(),
        part=part,
        required=required,
        default=default,
        many=many,
        validate=field._type_adapter.validator.validate_python,
    )


def _is_list(annotation: object) -> bool:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType, Annotated):
        return any(map(_is_list, typing.get_args(annotation)))
    return origin in (list, set, frozenset, tuple)


def _body_annotation(route: APIRoute) -> type[StrictModel]:
    (parameter, *others) = route.dependant.body_params
    annotation = parameter.field_info.annotation
    if others or not (isinstance(annotation, type) and issubclass(annotation, StrictModel)):
        raise TypeError(f"{route.name}: the body is one StrictModel")
    return annotation


def _serializer(route: APIRoute) -> Callable[[Any], bytes] | None:
    """How the endpoint's result becomes JSON; None where it has no content or makes a Response itself."""
    field = route.response_field
    if field is None:
        return None
    validate = field._type_adapter.validator.validate_python
    dump = field._type_adapter.serializer.to_json
    exclude_none = route.response_model_exclude_none

    def serialize(result: Any) -> bytes:
        # Validated first: pydantic writes a model of another class as an empty object, without a word.
        return dump(validate(result), by_alias=True, exclude_none=exclude_none, warnings="error")

    return serialize
