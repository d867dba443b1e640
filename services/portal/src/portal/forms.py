"""What a browser sends of a form, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import Request

from chassis.problems import BAD_REQUEST, UNSUPPORTED_MEDIA_TYPE, Refused

FIELDS_MAX = 1_000
"""A morning round of two hundred people has some."""
URLENCODED = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Form:
    """The fields as they were typed. Nothing is trimmed or changed: names are kept as given."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The field's text; empty where there is none."""
        found = self.values.get(name, ())
        return found[0] if found else ""

    def many(self, name: str) -> Sequence[str]:
        """All boxes of that name that were ticked."""
        return self.values.get(name, ())


async def read_form(request: Request) -> Form:
    """The body within the endpoint's limit. Raises: Refused (400, 413, 415)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != URLENCODED:
        raise Refused(UNSUPPORTED_MEDIA_TYPE)
    try:
        pairs = parse_qsl(
            (await request.body()).decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict"
        )
    except ValueError:
        raise Refused(BAD_REQUEST) from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if "\0" in value:
            raise Refused(BAD_REQUEST)
        values.setdefault(name, []).append(value)
    return Form(values)


@dataclass(frozen=True)
class FieldError:
    """What is wrong, beside the field; `field` is empty where it concerns the whole form."""

    field: str
    message: str
