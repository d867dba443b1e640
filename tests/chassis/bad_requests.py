"""Every way to send an endpoint something bad, drawn from its OpenAPI document.

    for bad in bad_requests(app.openapi(), {"pre_register": Good(...)}, token=token):
        check(bad, await send(client, bad))

An operation that takes a body, or a path parameter, needs a `Good` request to spoil; one that is missing is an error, so
that no new endpoint escapes the sweep. The canary is in everything that is invented here: an answer that holds it has
echoed its input.
"""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2

from contracts.citizen_id import check_character

CANARY = "canary-0d1e"
NUMBER = "31010919800101100" + check_character("31010919800101100")
"""Of nobody, and well formed."""
SPOT = "@@spot@@"
"""Stands where raw JSON is put in afterwards."""


@dataclass(frozen=True)
class Good:
    """A request that the endpoint would take, but for what it may find in the database."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    file: bytes = b""
    """An upload, in place of a body."""
    media_type: str = ""
    """Of the upload."""


@dataclass(frozen=True)
class Bad:
    """A spoilt request and what it must be answered with."""

    operation: str
    flaw: str
    method: str
    url: str
    expected: int
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""
    chunked: bool = False
    code: str = ""
    """Of the problem, where the status leaves open which it is."""

    def __str__(self) -> str:
        return f"{self.operation}: {self.flaw}"


async def send(client: httpx2.AsyncClient, bad: Bad) -> httpx2.Response:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(bad.content), 4_096):
            yield bad.content[start : start + 4_096]

    return await client.request(bad.method, bad.url, headers=list(bad.headers), content=chunks() if bad.chunked else bad.content)


def check(bad: Bad, response: httpx2.Response) -> None:
    """The stated status, as a problem document, with nothing of the request in it."""
    assert response.status_code == bad.expected, f"{bad} answered {response.status_code} {response.text}"
    assert response.headers["content-type"] == "application/problem+json", bad
    problem = response.json()
    assert problem["status"] == bad.expected, bad
    assert problem["type"] == f"/problems/{problem['code']}", bad
    assert problem["code"] == (bad.code or problem["code"]), bad
    assert problem["trace_id"] == response.headers["traceparent"].split("-")[1], bad
    assert CANARY not in response.text, bad
    assert CANARY not in str(response.headers), bad


def bad_requests(document: Mapping[str, Any], good: Mapping[str, Good], *, token: str | None) -> Iterator[Bad]:
    """Spoilt requests for every operation of the document. `token` is one that all of them let pass."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _Operation(document, path, method.upper(), operation, good, token).bad_requests()


class _Operation:
    def __init__(
        self,
        document: Mapping[str, Any],
        path: str,
        method: str,
        operation: Mapping[str, Any],
        good: Mapping[str, Good],
        token: str | None,
    ) -> None:
        self.document = document
        self.name: str = operation["operationId"]
        self.guarded = bool(operation.get("security"))
        self.parameters: dict[str, dict[str, Any]] = {each["name"]: each for each in operation.get("parameters", ())}
        self.schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        self.bytes_max: int = operation.get("x-body-bytes-max", 0)
        if self.name not in good and (self.schema or "{" in path):
            raise KeyError(f"{self.name} has no Good request to spoil")
        self.good = good.get(self.name, Good())
        self.path = path
        self.method = method
        self.token = token

    def bad_requests(self) -> Iterator[Bad]:
        yield from self._without_right()
        yield from self._bad_headers()
        yield from self._bad_query()
        if self.good.file:
            yield from self._bad_file()
        if self.schema is not None:
            yield from self._bad_transport()
            yield from self._bad_json()
            yield from self._bad_values()

    def _request(self, flaw: str, expected: int) -> Bad:
        """The good request, to be spoilt."""
        query = "&".join(f"{name}={value}" for name, value in self.good.query.items())
        url = self.path.format(**self.good.path) + ("?" + query if query else "")
        headers = {}
        if self.guarded:
            headers["Authorization"] = f"Bearer {self.token}"
        if "Idempotency-Key" in self.parameters:
            headers["Idempotency-Key"] = "sweep-1"
        if self.parameters.get("If-Match", {}).get("required"):
            headers["If-Match"] = '"1"'
        content = b""
        if self.schema is not None:
            headers["Content-Type"] = "application/json"
            content = _dump(self.good.body)
        if self.good.file:
            headers["Content-Type"], content = self.good.media_type, self.good.file
        return Bad(self.name, flaw, self.method, url, expected, tuple(headers.items()), content)

    def _without_right(self) -> Iterator[Bad]:
        if not self.guarded:
            return
        for flaw, authorization in {
            "no token": None,
            "foreign token": "Bearer eyJhbGciOiJFZDI1NTE5Iiwia2lkIjoiayJ9.eyJzdWIiOiJjYW5hcnktMGQxZSJ9.c2ln",
            "no JWT": f"Bearer {CANARY}",
            "another scheme": f"Basic {CANARY}",
        }.items():
            yield _with_header(self._request(flaw, 401), "Authorization", authorization)
            # Whoever may not ask is told so before anything is read.
            yield replace(_with_header(self._request(f"{flaw}, bad body", 401), "Authorization", authorization), content=b"{")

    def _bad_headers(self) -> Iterator[Bad]:
        if "Idempotency-Key" in self.parameters:
            missing = replace(self._request("no idempotency key", 400), code="idempotency-key-missing")
            yield _with_header(missing, "Idempotency-Key", None)
            for flaw, value in {"empty": "", "long": CANARY * 20, "with a space": f"{CANARY} x"}.items():
                malformed = replace(self._request(f"idempotency key {flaw}", 400), code="idempotency-key-malformed")
                yield _with_header(malformed, "Idempotency-Key", value)
            for flaw, value in {"an identity number": f"entry-{NUMBER}", "a mobile": "8613800000044"}.items():
                named = replace(self._request(f"idempotency key with {flaw}", 400), code="idempotency-key-names-somebody")
                yield _with_header(named, "Idempotency-Key", value)
            request = self._request("two idempotency keys", 400)
            yield replace(request, headers=(*request.headers, ("Idempotency-Key", CANARY)))
        if "If-Match" in self.parameters:
            if self.parameters["If-Match"]["required"]:
                yield _with_header(replace(self._request("no If-Match", 428), code="if-match-missing"), "If-Match", None)
            for value in ("*", "3", f'"{CANARY}"', 'W/"3"', '"-1"', '"1", "2"'):
                malformed = replace(self._request(f"If-Match {value}", 400), code="if-match-malformed")
                yield _with_header(malformed, "If-Match", value)
        if "Consistency-Token" in self.parameters:
            for value in (CANARY, "", "registration/1/64:1", "registration/0/1:1", "registration/1/"):
                yield _with_header(self._request(f"consistency token {value}", 400), "Consistency-Token", value)

    def _bad_query(self) -> Iterator[Bad]:
        request = self._request("unknown query parameter", 422)
        yield replace(request, url=request.url + ("&" if "?" in request.url else "?") + f"{CANARY}={CANARY}")
        yield replace(request, flaw="U+0000 in the path", expected=404, url=request.url.replace("/", "/%00", 1))
        for name, parameter in self.parameters.items():
            takes = _types(self.document, parameter["schema"])
            if parameter["in"] == "query" and takes <= {"integer", "number", "boolean", "null"}:
                others = {key: value for key, value in self.good.query.items() if key != name}
                for flaw, value in {"of the wrong type": CANARY, "without end": "9" * 30}.items():
                    spoilt = self._with(replace(self.good, query={**others, name: value}))
                    yield spoilt._request(f"query {name} {flaw}", 422)
            if parameter["in"] == "path" and takes <= {"integer"}:
                spoilt = self._with(replace(self.good, path={**self.good.path, name: "9" * 30}))
                yield spoilt._request(f"path {name} without end", 404)

    def _with(self, good: Good) -> _Operation:
        other = copy.copy(self)
        other.good = good
        return other

    def _bad_file(self) -> Iterator[Bad]:
        for content_type in (None, "application/json", "multipart/form-data; boundary=x", "application/octet-stream", CANARY):
            yield _with_header(self._request(f"content type {content_type}", 415), "Content-Type", content_type)
        padded = self.good.file.ljust(self.bytes_max + 5_000)
        yield replace(self._request("too large", 413), content=padded)
        yield replace(self._request("too large, in chunks", 413), content=padded, chunked=True)
        for flaw, content in {
            "no file": b"",
            "something else": CANARY.encode(),
            "invalid text": b"\xff\xfe" + CANARY.encode(),
        }.items():
            yield replace(self._request(flaw, 422), content=content)

    def _bad_transport(self) -> Iterator[Bad]:
        for content_type in (None, "text/plain", "application/json; charset=gbk", "application/x-www-form-urlencoded", CANARY):
            yield _with_header(self._request(f"content type {content_type}", 415), "Content-Type", content_type)
        padded = self._request("", 413).content.ljust(self.bytes_max + 5_000)
        yield replace(self._request("too large", 413), content=padded)
        yield replace(self._request("too large, in chunks", 413), content=padded, chunked=True)

    def _bad_json(self) -> Iterator[Bad]:
        text = _dump(self.good.body)
        for flaw, content in {
            "no body": b"",
            "cut off": text[:-1],
            "trailing text": text + b" x",
            "not JSON": CANARY.encode(),
            "byte order mark": b"\xef\xbb\xbf" + text,
            "UTF-16": text.decode().encode("utf-16-le"),
            "invalid UTF-8": text.replace(b"{", b'{"\xff\xfe":1,', 1),
            "encoded surrogate": text.replace(b"{", b'{"\xed\xa0\x80":1,', 1),
            "deep nesting": b'{"a":' * 17 + b"1" + b"}" * 17,
            "very deep nesting": b"[" * 30_000 + b"]" * 30_000,
            "huge integer": text.replace(b"{", b'{"a":' + b"9" * 5_000 + b",", 1),
            "single quotes": text.replace(b'"', b"'"),
            "comment": b"/* */" + text,
        }.items():
            yield replace(self._request(flaw, 400), content=content, code="malformed-json")
        for flaw, content in {"null": b"null", "a list": b"[]", "a text": _dump(CANARY), "a number": b"1"}.items():
            yield replace(self._request(f"body is {flaw}", 422), content=content)

    def _bad_values(self) -> Iterator[Bad]:
        for steps, schema, value in _places(self.document, self.schema, self.good.body):
            where = "/".join(map(str, ("", *steps)))
            types = _types(self.document, schema)
            for wrong in (CANARY, 1.5, True, [CANARY], {CANARY: CANARY}):
                if not _fits(types, wrong):
                    yield self._spoil(f"{where} is {type(wrong).__name__}", 422, steps, wrong)
            if types & {"number", "integer"}:
                for raw in ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9007199254740993"):
                    yield self._spoil_raw(f"{where} is {raw}", 400, steps, raw)
            if isinstance(value, str):
                for flaw, raw in {"lone surrogate": '"\\ud800"', "U+0000": '"a\\u0000"', "control character": '"a\x01"'}.items():
                    yield self._spoil_raw(f"{where} has a {flaw}", 400, steps, raw)
            if isinstance(value, dict):
                yield self._spoil(f"{where} has an unknown field", 422, steps, {**value, CANARY: CANARY})
                for name in _resolve(self.document, schema).get("required", ()):
                    yield self._spoil(f"{where}/{name} is missing", 422, steps, {k: v for k, v in value.items() if k != name})
                first = json.dumps(next(iter(value)))
                doubled = "{" + f'{first}: "{CANARY}", ' + _dump(value).decode().removeprefix("{")
                yield self._spoil_raw(f"{where}/{first} stands twice", 400, steps, doubled)

    def _spoil(self, flaw: str, expected: int, steps: tuple[str | int, ...], value: Any) -> Bad:
        return replace(self._request(flaw, expected), content=_dump(_replaced(self.good.body, steps, value)))

    def _spoil_raw(self, flaw: str, expected: int, steps: tuple[str | int, ...], raw: str) -> Bad:
        text = _dump(_replaced(self.good.body, steps, SPOT)).replace(_dump(SPOT), raw.encode())
        return replace(self._request(flaw, expected), content=text)


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _with_header(bad: Bad, name: str, value: str | None) -> Bad:
    others = tuple(each for each in bad.headers if each[0] != name)
    return replace(bad, headers=others if value is None else (*others, (name, value)))


def _replaced(body: Any, steps: tuple[str | int, ...], value: Any) -> Any:
    if not steps:
        return value
    changed = copy.copy(body)
    changed[steps[0]] = _replaced(body[steps[0]], steps[1:], value)
    return changed


Places = Iterator[tuple[tuple[str | int, ...], Mapping[str, Any], Any]]


def _places(document: Mapping[str, Any], schema: Mapping[str, Any], value: Any, steps: tuple[str | int, ...] = ()) -> Places:
    """Every value in the good body, with its path and its schema."""
    resolved = _resolve(document, schema)
    if steps:
        yield steps, schema, value
    elif isinstance(value, dict):
        yield (), schema, value
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in resolved.get("properties", {}):
                yield from _places(document, resolved["properties"][name], inner, (*steps, name))
    elif isinstance(value, list) and value and "items" in resolved:
        yield from _places(document, resolved["items"], value[0], (*steps, 0))


def _resolve(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema behind a reference, or behind `X | None`."""
    if "$ref" in schema:
        return _resolve(document, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    others = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    return _resolve(document, others[0]) if len(others) == 1 else schema


def _types(document: Mapping[str, Any], schema: Mapping[str, Any]) -> set[str]:
    """JSON types that the schema takes; all of them where it does not say."""
    if "$ref" in schema:
        return _types(document, _resolve(document, schema))
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return set().union(*(_types(document, each) for each in choices))
    if "enum" in schema:
        return {"enum"}
    if "const" in schema:
        return {"enum"}
    if "type" not in schema:
        return {"string", "number", "integer", "boolean", "array", "object", "null"}
    # A text with a format or a pattern is not just any text.
    kind = schema["type"]
    return {"enum"} if kind == "string" and ("format" in schema or "pattern" in schema) else {kind}


def _fits(types: set[str], value: Any) -> bool:
    match value:
        case bool():
            return "boolean" in types
        case str():
            return "string" in types
        case float():
            return "number" in types
        case list():
            return "array" in types
        case _:
            return "object" in types
