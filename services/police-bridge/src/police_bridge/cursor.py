"""Where a reader of the feed stands: opaque to him, positions to us."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field, TypeAdapter

from contracts.event import SHARDS, Recorded
from contracts.rejection import Rejection

CURSOR_CHARS_MAX = 4_096
"""64 large positions and all districts fit."""

Position = Annotated[int, Field(ge=0, le=2**63 - 1, strict=True)]


class CursorIsOfOtherDistricts(Rejection):
    """Reading on would pass over what was told to the added district before."""

    code = "cursor-is-of-other-districts"
    title_zh = "授权的区已变更,请不带 after 重新读取"
    title_en = "Your districts have changed: begin anew, without `after`"


class MalformedCursor(ValueError):
    """The text is no cursor of ours."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Everything up to here was read, of these districts."""

    districts: tuple[str, ...]
    """Ascending."""
    positions: Annotated[tuple[Position, ...], Field(min_length=SHARDS, max_length=SHARDS)]
    """The last one read, of shard 0, 1, … 63."""
    epoch: Annotated[int, Field(ge=1, le=2**63 - 1, strict=True)] = 1
    """Of the log that was read. One that was restored goes on in one that none of its copies has had."""

    def after(self, facts: Iterable[Recorded]) -> Cursor:
        """Where the reader stands once he has these too."""
        positions = list(self.positions)
        for fact in facts:
            positions[fact.shard] = fact.pos
        return replace(self, positions=tuple(positions))

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(_FORM.dump_json(self)).decode("ascii").rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Raises: MalformedCursor."""
        try:
            return _FORM.validate_json(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        except ValueError:  # binascii.Error and pydantic.ValidationError are such
            raise MalformedCursor("not made by us") from None


_FORM = TypeAdapter(Cursor)
