"""Facts of one stream, newest first, a page at a time; and their words, for whoever may read them.

They are read from the stream itself: what was answered to a command is there at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import asyncpg
from fastapi import Query
from pydantic import BaseModel

from chassis.key_server import Purpose
from chassis.sealing import Sealing
from chassis.subscribers import Fact
from contracts.event import Event, recorded_from_meta
from contracts.sealing import Sealed

PAGE_ITEMS_MAX = 200
VERSION_MAX = 2**53
"""Beyond every version of a stream, and still a number that JSON holds exactly."""

FACTS = """
SELECT pos, data, meta FROM event CROSS JOIN LATERAL (SELECT convert_from(data, 'UTF8')::jsonb AS said) AS fact
WHERE stream_id = $1 AND type = ANY ($2) AND version < $3 AND version > $4 AND {only}
ORDER BY version DESC LIMIT $5
"""

E = TypeVar("E", bound=Event)
I = TypeVar("I", bound="Item")  # noqa: E741 - an item

Words = Callable[[str, Sealed | None], str | None]
"""Field and envelope to what it says. None: there is nothing, or it was erased."""

Before = Annotated[
    int | None, Query(ge=1, le=VERSION_MAX, description="`next_before` of the page before; without it, the newest page.")
]
Limit = Annotated[int, Query(ge=1, le=PAGE_ITEMS_MAX)]


class Item(BaseModel):
    """A fact, as stored."""

    version: int
    """Of the stream after it; orders the items."""


class Page(BaseModel, Generic[I]):
    """Some facts, newest first."""

    items: list[I]
    next_before: int | None
    """`before` of the next page; None on the last one."""


async def facts_of(
    pool: asyncpg.Pool,
    stream_id: UUID,
    events: Collection[type[E]],
    *,
    before: int | None,
    limit: int,
    after: int = 0,
    only: str = "true",
    given: Sequence[object] = (),
) -> Sequence[Fact[E]]:
    """At most `limit` facts of these types, from the newest one whose version is less than `before`, down to `after`.

    `only`: those for which this holds, as SQL about `type` and `said`, the fact as JSON. What it needs is `given`, from $6 on.
    """
    classes = {event.TYPE: event for event in events}
    newest = VERSION_MAX if before is None else before
    rows = await pool.fetch(FACTS.format(only=only), stream_id, [*classes], newest, after, limit, *given)
    recorded = (recorded_from_meta(row["meta"], row["pos"], row["data"]) for row in rows)
    return [Fact(classes[each.type].decode(each.data), each) for each in recorded]


def next_before(found: Sequence[Fact[Any]], limit: int) -> int | None:
    """`before` of the page after this one."""
    return found[-1].recorded.version if len(found) == limit else None


async def words_of(sealing: Sealing, stream_id: UUID, found: Sequence[Fact[Any]], *, reader: str) -> Words:
    """What opens them. That the reader did is recorded, unless there is nothing to open. Raises: Unavailable."""
    unsealer = await sealing.unwrap([stream_id] if found else [], actor=reader, purpose=Purpose.PROCESS)
    return partial(unsealer.text, stream_id)
