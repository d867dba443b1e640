"""Request bodies: read within a limit, parsed as strict JSON, validated in one go.

Refused with 400: what is not UTF-8 or not JSON (RFC 8259), a byte order mark, the same key twice in an object, NaN and
Infinity, numbers that no double holds (exactly, if integers), nesting deeper than `DEPTH_MAX`, lone surrogates, U+0000
(PostgreSQL cannot store it). Refused with 422: valid JSON that does not fit the model.

The bytes are parsed twice, on purpose. The standard library's scanner is the only one that shows repeated keys (3.5 µs
for a body of 340 bytes); pydantic's own parser then validates the same bytes in JSON mode (1.8 µs), where `strict` means
"no guessing" and still reads dates and UUIDs from text. Together that is what FastAPI's way costs, which does neither.
"""

from __future__ import annotations

import json
import math
import typing
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from chassis.problems import (
    BODY_TOO_LARGE,
    INVALID_REQUEST,
    MALFORMED_JSON,
    UNSUPPORTED_MEDIA_TYPE,
    Part,
    Refused,
    field_error,
)

BODY_BYTES_MAX = 64 * 1024
"""Largest body, unless the route says otherwise (`max_body_size=UPLOAD_BYTES_MAX`)."""
UPLOAD_BYTES_MAX = 10 * 1024 * 1024
DRAIN_BYTES_MAX = 1024 * 1024
"""How much beyond the limit is read and thrown away, so that the client gets to read its 413 instead of a reset."""
DEPTH_MAX = 16
"""Objects and arrays inside each other."""
INTEGER_MAX = 2**53 - 1
"""Beyond it a double is not exact, and so neither are most other parsers (RFC 7493, I-JSON). It also fits every column."""
ERRORS_MAX = 50
"""Field errors that one answer lists."""


class StrictModel(BaseModel):
    """Base of every request body: unknown fields, guessed types, NaN and times without an offset are refused.

    A time is a `contracts.times.UtcTime`; a plain `datetime` would take one without an offset and is refused when the
    class is made.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for name, field in cls.model_fields.items():
            if _mentions(field.annotation, datetime):
                raise TypeError(f"{cls.__name__}.{name}: a datetime may lack its offset; use contracts.times.UtcTime")


def _mentions(annotation: object, wanted: type) -> bool:
    return annotation is wanted or any(_mentions(each, wanted) for each in typing.get_args(annotation))


# --- Reading -----------------------------------------------------------------------------------------------------------


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, *, bytes_max: int) -> bytes:
    """The whole body. Raises: Refused (413), starlette.requests.ClientDisconnect."""
    declared = _content_length(headers)
    if declared > bytes_max:
        await _too_large(receive, declared, read=0, bytes_max=bytes_max)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > bytes_max and message.get("more_body"):
                await _too_large(receive, declared, read=size, bytes_max=bytes_max)
        body = b"".join(parts)
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    if len(body) > bytes_max:
        raise Refused(BODY_TOO_LARGE)
    return body


async def _too_large(receive: Receive, declared: int, *, read: int, bytes_max: int) -> NoReturn:
    """Let a client that sends only a little too much finish, so that the connection stays usable. Close it otherwise."""
    readable = bytes_max + DRAIN_BYTES_MAX
    while declared <= readable and read <= readable:
        message = await receive()
        read += len(message.get("body", b""))
        if not message.get("more_body"):
            raise Refused(BODY_TOO_LARGE)
    raise Refused(BODY_TOO_LARGE, headers={"Connection": "close"})


def _content_length(headers: Mapping[bytes, bytes]) -> int:
    value = headers.get(b"content-length", b"")
    return int(value) if value.isdigit() and len(value) < 19 else 0


def require_json(content_type: bytes | None) -> None:
    """Raises: Refused (415) unless the content type is `application/json`, in UTF-8 if it names a charset."""
    if content_type == b"application/json":
        return
    media_type, _, parameters = (content_type or b"").lower().partition(b";")
    if media_type.strip() != b"application/json" or parameters.strip().replace(b'"', b"") not in (b"", b"charset=utf-8"):
        raise Refused(UNSUPPORTED_MEDIA_TYPE, headers={"Accept": "application/json"})


# --- Parsing -----------------------------------------------------------------------------------------------------------


class _NotStrict(ValueError):
    """Raised inside the scanner. Its only argument is the code of the field error."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _NotStrict("duplicate-key")
    return found


def _no_constant(_text: str) -> NoReturn:
    raise _NotStrict("not-finite")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _NotStrict("not-finite")
    return number


def _exact(text: str) -> int:
    number = int(text)
    if abs(number) > INTEGER_MAX:
        raise _NotStrict("integer-too-large")
    return number


_scanner = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite, parse_int=_exact)


def parse(body: bytes) -> Any:
    """The value of a JSON text, with everything refused that two parsers could read differently. Raises: Refused (400)."""
    try:
        text = body.decode()
        value = _scanner.decode(text)
    except UnicodeDecodeError:
        raise malformed("not-utf-8") from None
    except _NotStrict as error:
        raise malformed(str(error)) from None
    except ValueError:
        raise malformed("not-json") from None
    except RecursionError:
        raise malformed("too-deep") from None
    # Counting brackets is an upper bound of the depth, and an escape is the only way to a surrogate or U+0000.
    if body.count(b"{") + body.count(b"[") > DEPTH_MAX or b"\\u" in body:
        _inspect(value)
    return value


def _inspect(value: Any) -> None:
    """Raises: Refused (400) for what only shows in the parsed value."""
    level, depth = [value], 0
    while level:
        below: list[Any] = []
        for each in level:
            if isinstance(each, str):
                _inspect_text(each)
            elif isinstance(each, dict):
                below += each.keys()
                below += each.values()
            elif isinstance(each, list):
                below += each
        depth += any(isinstance(each, (dict, list)) for each in level)
        if depth > DEPTH_MAX:
            raise malformed("too-deep")
        level = below


def _inspect_text(text: str) -> None:
    if "\0" in text:
        raise malformed("nul-character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise malformed("lone-surrogate") from None


def malformed(code: str) -> Refused:
    """A body that is no JSON of ours. `code` says what is wrong with it."""
    return Refused(MALFORMED_JSON, errors=[field_error("body", "", code)])


# --- Validating --------------------------------------------------------------------------------------------------------


class BodyReader:
    """Validates the bodies of one endpoint: bytes in, model out."""

    def __init__(self, annotation: Any) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        self._names = field_names(self._adapter.json_schema())

    def read(self, body: bytes) -> Any:
        """The validated body. Raises: Refused (400, 422)."""
        if not body:
            raise malformed("missing")
        parse(body)
        try:
            return self._adapter.validate_json(body)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
        if found[0]["type"] == "json_invalid":
            raise malformed("not-json")
        raise Refused(
            INVALID_REQUEST,
            errors=[field_error("body", pointer(each["loc"], self._names), each["type"]) for each in found[:ERRORS_MAX]],
        )


def pointer(location: Sequence[int | str], names: Collection[str]) -> str:
    """A JSON pointer of those steps that are our own field names or list indexes.

    Others are dropped: the name of an unknown field is the client's, and pydantic adds the names of union members.
    """
    steps = [str(step) for step in location if isinstance(step, int) or step in names]
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def field_names(schema: Mapping[str, Any]) -> frozenset[str]:
    """Every property name that a JSON schema declares, at any depth."""
    names: set[str] = set()
    waiting: list[Any] = [schema]
    while waiting:
        match waiting.pop():
            case dict(found):
                if isinstance(properties := found.get("properties"), dict):
                    names |= properties.keys()
                waiting += found.values()
            case list(found):
                waiting += found
    return frozenset(names)


__all__ = [
    "BODY_BYTES_MAX",
    "DEPTH_MAX",
    "UPLOAD_BYTES_MAX",
    "BodyReader",
    "Part",
    "StrictModel",
    "field_names",
    "parse",
    "pointer",
    "read_body",
    "require_json",
]
