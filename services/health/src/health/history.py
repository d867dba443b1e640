"""Facts of one person, newest first, read from the person's own stream. What was answered to a command is there at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

import asyncpg

from contracts.event import Event
from contracts.health import HealthReported, IsolationOrderWithdrawn, TravelClarified
from contracts.registry import decode

PAGE_ITEMS_MAX = 200
VERSION_MAX = 2**53
"""Beyond every version of a stream, and still a number that JSON holds exactly."""

FACTS = """
SELECT version, event_id, data FROM event WHERE stream_id = $1 AND type = $2 AND version < $3 AND version > $4
ORDER BY version DESC LIMIT $5
"""
# Of reports, those that correct one.
CORRECTIONS = """
SELECT version, event_id, type, data FROM event
WHERE stream_id = $1 AND version < $2
  AND (type = ANY($3) OR type = $4 AND convert_from(data, 'UTF8')::jsonb ->> 'corrects' IS NOT NULL)
ORDER BY version DESC LIMIT $5
"""

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
    rows = await pool.fetch(FACTS, person_id, event_class.TYPE, before if before is not None else VERSION_MAX, after, limit)
    return [Versioned(row["version"], row["event_id"], event_class.decode(row["data"])) for row in rows]


async def corrections_of(pool: asyncpg.Pool, person_id: UUID, *, before: int | None, limit: int) -> Sequence[Versioned[Event]]:
    """At most `limit` facts that put something right, from the newest one whose version is less than `before`."""
    others = [TravelClarified.TYPE, IsolationOrderWithdrawn.TYPE]
    newest = before if before is not None else VERSION_MAX
    rows = await pool.fetch(CORRECTIONS, person_id, newest, others, HealthReported.TYPE, limit)
    return [Versioned(row["version"], row["event_id"], decode(row["type"], row["data"])) for row in rows]
