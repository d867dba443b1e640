"""Facts of one person, newest first, read from the person's own stream. What was answered to a command is there at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

import asyncpg

from contracts.event import Event

PAGE_ITEMS_MAX = 200
VERSION_MAX = 2**53
"""Beyond every version of a stream, and still a number that JSON holds exactly."""

E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Versioned(Generic[E]):
    """A fact with the version that the stream had after it."""

    version: int
    event_id: UUID
    event: E


async def facts_of(
    pool: asyncpg.Pool, person_id: UUID, event_class: type[E], *, before: int | None, limit: int, after: int = 0
) -> Sequence[Versioned[E]]:
    """At most `limit` facts of one type, from the newest one whose version is less than `before`, down to `after`."""
    rows = await pool.fetch(
        "SELECT version, event_id, data FROM event WHERE stream_id = $1 AND type = $2 AND version < $3 AND version > $4"
        " ORDER BY version DESC LIMIT $5",
        person_id,
        event_class.TYPE,
        before if before is not None else VERSION_MAX,
        after,
        limit,
    )
    return [Versioned(row["version"], row["event_id"], event_class.decode(row["data"])) for row in rows]
