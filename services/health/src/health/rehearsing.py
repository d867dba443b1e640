"""Over today's people: who would be judged otherwise by other policies. A window of people at a time, so that it is bounded.

The states are read as they stand, a few hundred at once; between two reads the process does whatever else is asked of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from uuid import UUID

import asyncpg

from chassis.command_handling import CommandHandler
from chassis.event_store import StoredStream
from chassis.faults import Unavailable
from health.domain.state import HealthPerson

PEOPLE_MAX = 20_000
"""People that one request goes through. The next one goes on behind them."""
PEOPLE_AT_ONCE = 500
"""Read and judged before anything else gets its turn: some milliseconds."""

AT_ONCE_MAX = 2
"""Requests of one process that go through people at the same time. Whoever comes beyond is told to come again."""
RETRY_AFTER_S = 1

NOBODY = UUID(int=0)

T = TypeVar("T")

TODAYS_PEOPLE = """
SELECT s.stream_id, s.version, s.state, s.state_version
FROM stream AS s
WHERE s.stream_id > $1 AND s.kind = 'person'
  AND EXISTS (SELECT FROM known_person_v1 AS k WHERE k.person_id = s.stream_id)
ORDER BY s.stream_id LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class Window(Generic[T]):
    """What was found among some people."""

    looked_at: int
    """People."""
    found: Sequence[tuple[UUID, T]]
    next_after: UUID | None
    """Behind whom to go on. None: these were the last."""


@dataclass(frozen=True)
class TodaysPeople:
    """Everybody whom some contract expects or knows, as health knows them now."""

    pool: asyncpg.Pool
    handler: CommandHandler[Any, HealthPerson, Any]
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE_MAX))

    async def window(self, judge: Callable[[HealthPerson], T | None], *, after: UUID, found_max: int) -> Window[T]:
        """What `judge` finds in the next people, by id: at most `PEOPLE_MAX` of them, and no more once so much is found.

        Raises: Unavailable.
        """
        if self.turns.locked():
            raise Unavailable(retry_after_s=RETRY_AFTER_S)
        async with self.turns:
            return await self._window(judge, after, found_max)

    async def _window(self, judge: Callable[[HealthPerson], T | None], after: UUID, found_max: int) -> Window[T]:
        found: list[tuple[UUID, T]] = []
        looked_at, last = 0, after
        async for person_id, person in self._after(after):
            looked_at, last = looked_at + 1, person_id
            if (finding := judge(person)) is not None:
                found.append((person_id, finding))
            if len(found) >= found_max or looked_at >= PEOPLE_MAX:
                return Window(looked_at, found, last)
        return Window(looked_at, found, None)

    async def _after(self, last: UUID) -> AsyncIterator[tuple[UUID, HealthPerson]]:
        while True:
            rows = await self.pool.fetch(TODAYS_PEOPLE, last, PEOPLE_AT_ONCE)
            for row in rows:
                last = row["stream_id"]
                yield last, await self.handler.state_of(last, StoredStream(row["version"], row["state"], row["state_version"]))
            if len(rows) < PEOPLE_AT_ONCE:
                return
