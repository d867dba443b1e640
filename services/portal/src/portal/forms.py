"""What a browser sends of a form, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import Request

from chassis.faults import Unavailable
from chassis.problems import BAD_REQUEST, UNSUPPORTED_MEDIA_TYPE, Refused

FIELDS_MAX = 1_000
"""A morning round of two hundred people has some."""
BOUNDARY = re.compile(r'boundary="?(?P<boundary>[0-9A-Za-z\'()+_,./:=?-]{1,70})"?', re.ASCII)
PART_NAME = re.compile(rb'; name="(?P<name>[^"\r\n]{1,100})"')
NUMBER_DIGITS_MAX = 9
PARTS_MAX = 20
"""Of a form that carries a file: the file, the keys, and a few fields."""
UPLOADS_AT_ONCE_MAX = 8
"""Forms with a file that one process has in memory, each up to its endpoint's limit."""
RETRY_AFTER_S = 5


@dataclass
class Uploads:
    """The forms with a file that are in memory now."""

    at_once: int = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Room for one of them, from its first byte until it is answered. Raises: Unavailable."""
        if self.at_once >= UPLOADS_AT_ONCE_MAX:
            raise Unavailable(retry_after_s=RETRY_AFTER_S)
        self.at_once += 1
        try:
            yield
        finally:
            self.at_once -= 1


@dataclass(frozen=True)
class Form:
    """The fields as they were typed. Nothing is trimmed or changed: names are kept as given."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Of a file its content, which alone says what it is: browsers guess."""

    def text(self, name: str) -> str:
        """The field's text; empty where there is none."""
        found = self.values.get(name, ())
        return found[0] if found else ""

    def number(self, name: str) -> int:
        """Of a field that nobody types into; 0 where anything else came."""
        text = self.text(name)
        return int(text) if text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX else 0

    def many(self, name: str) -> Sequence[str]:
        """All boxes of that name that were ticked."""
        return self.values.get(name, ())


async def read_form(request: Request, *, takes_file: bool) -> Form:
    """The body within the endpoint's limit. Raises: Refused (400, 413, 415)."""
    # Not request.body(): the request would keep it beside what is made of it.
    body = b"".join([piece async for piece in request.stream()])
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    match media_type.strip().lower():
        case "application/x-www-form-urlencoded":
            return Form(_urlencoded(body))
        case "multipart/form-data" if takes_file:
            return _multipart(body, parameters)
        case _:
            raise Refused(UNSUPPORTED_MEDIA_TYPE)


def _urlencoded(body: bytes) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:
        raise Refused(BAD_REQUEST) from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if "\0" in value:
            raise Refused(BAD_REQUEST)
        values.setdefault(name, []).append(value)
    return values


def _multipart(body: bytes, parameters: str) -> Form:
    """RFC 7578 as browsers write it: the boundary is a line that stands nowhere in the parts."""
    found = BOUNDARY.search(parameters)
    if found is None:
        raise Refused(BAD_REQUEST)
    first, *parts = (b"\r\n" + body).split(b"\r\n--" + found["boundary"].encode("ascii"), maxsplit=PARTS_MAX + 1)
    if first or not parts or parts[-1].rstrip(b"\r\n") != b"--":
        raise Refused(BAD_REQUEST)
    values, files = dict[str, list[str]](), dict[str, bytes]()
    for part in parts[:-1]:
        head, separator, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name, is_file = _part_name(head)
        if not separator or name is None:
            raise Refused(BAD_REQUEST)
        if is_file:
            files[name] = content
        else:
            values.setdefault(name, []).append(_text(content))
    return Form(values, files)


def _part_name(head: bytes) -> tuple[str | None, bool]:
    """The field's name, and whether it is a file. What the file is called on somebody's computer is nobody's business."""
    found = PART_NAME.search(head)
    return (_text(found["name"]) if found else None, b"filename=" in head)


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(BAD_REQUEST) from None
    if "\0" in text:
        raise Refused(BAD_REQUEST)
    return text


@dataclass(frozen=True)
class FieldError:
    """What is wrong, beside the field; `field` is empty where it concerns the whole form."""

    field: str
    message: str
