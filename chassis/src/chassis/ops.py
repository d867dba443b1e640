"""What an operator is shown of a service, read from its database by an api: none of it is of anybody.

How far its log reaches and its subscribers have come · leases · what is parked and was discarded · rebuilds. A worker need not
be there to be told about, and nothing is kept here: the answer is of the moment.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from chassis.curing import Cure
from chassis.leases import AHEAD_S_MAX
from chassis.reacting import Reactions
from chassis.relay import OLDEST
from chassis.service import Application, Machinery
from chassis.shard_heads import reach_of
from chassis.subscribers import Policy, Subscriber, sources_of
from chassis.tables import ReadModel
from contracts.event import SHARDS

PARKED_SHOWN_MAX = 50
"""Streams. How many there are is told beside them."""
DISCARDED_SHOWN_MAX = 20

LEASES = """
SELECT l.name, l.token, l.owner, l.taken_at, w.process, w.expires_at,
       coalesce(w.expires_at > clock_timestamp() AND w.expires_at < clock_timestamp() + make_interval(secs => $1), false) AS is_held
FROM lease AS l LEFT JOIN worker AS w USING (owner) ORDER BY l.name
"""
WORKERS = """
SELECT owner, process, obstacles, expires_at FROM worker
WHERE expires_at > clock_timestamp() AND expires_at < clock_timestamp() + make_interval(secs => $1) ORDER BY process, owner
"""
PARKED = """
SELECT count(*) AS events, count(DISTINCT (subscriber, source, stream_id)) AS streams
FROM parked WHERE $1::uuid IS NULL OR stream_id = $1
"""
DISCARDED = "SELECT * FROM discarded ORDER BY discarded_at DESC LIMIT $1"
REBUILDS = """
SELECT name, r.stage, r.events_done, r.events_total, r.began_at, r.told_at, r.outcome,
       extract(epoch FROM clock_timestamp() - r.told_at)::float8 AS silent_s,
       to_regnamespace('new_' || name) IS NOT NULL AS has_new, to_regnamespace('old_' || name) IS NOT NULL AS has_old
FROM unnest($1::text[]) AS m (name) LEFT JOIN rebuild AS r USING (name)
WHERE r.name IS NOT NULL OR to_regnamespace('new_' || name) IS NOT NULL OR to_regnamespace('old_' || name) IS NOT NULL
ORDER BY name
"""
# Of each list of positions, one for each shard, the first event that comes after any of them.
AGES = """
SELECT a.n, extract(epoch FROM clock_timestamp() - min(e.recorded_at))::float8 AS age_s
FROM unnest($1::integer[], $2::smallint[], $3::bigint[]) AS a (n, shard, pos)
CROSS JOIN LATERAL (SELECT recorded_at FROM event WHERE shard = a.shard AND pos > a.pos ORDER BY pos LIMIT 1) AS e
GROUP BY a.n
"""


@dataclass(frozen=True)
class LogReach:
    """How far a log reaches."""

    epoch: int
    heads: Sequence[int]
    """The last position of shard 0, 1, … 63."""
    unpublished_age_s: float
    """Of the oldest event that the broker has not acknowledged; 0: none."""


@dataclass(frozen=True)
class Followed:
    """How far a subscriber has come in one of its sources."""

    subscriber: str
    is_policy: bool
    source: str
    positions: Sequence[int]
    """The last one taken in of shard 0, 1, … 63."""


@dataclass(frozen=True)
class Ops:
    """Of one service."""

    name: str
    pool: asyncpg.Pool
    has_log: bool
    subscribers: Sequence[Subscriber]
    read_models: Sequence[ReadModel]
    ages: Mapping[str, Callable[[], Awaitable[float | None]]]
    """See `Application.ages`."""
    cure: Cure

    @classmethod
    def of(cls, parts: Machinery[Any], application: Application) -> Ops:
        subscribers = application.subscribers
        return cls(
            parts.name,
            parts.pool,
            parts.store is not None,
            subscribers,
            application.read_models,
            application.ages,
            Cure(
                parts.pool,
                {each.name: each for each in subscribers},
                parts.settings.partitions,
                Reactions(parts.store) if parts.store else None,
                application.ready,
            ),
        )

    async def now(self) -> datetime:
        """By the clock that all times here are of."""
        moment: datetime = await self.pool.fetchval("SELECT clock_timestamp()")
        return moment

    async def log(self) -> LogReach | None:
        """None for a service without a log."""
        if not self.has_log:
            return None
        reach = await reach_of(self.pool)
        return LogReach(reach.epoch, [head.pos for head in reach.heads], await self.pool.fetchval(OLDEST) or 0.0)

    async def followed(self) -> Sequence[Followed]:
        """Every subscriber in each of its sources."""
        rows = await self.pool.fetch("SELECT subscriber, source, shard, last_pos FROM position")
        reached = {(row["subscriber"], row["source"], row["shard"]): row["last_pos"] for row in rows}
        return [
            Followed(each.name, isinstance(each, Policy), source, [reached.get((each.name, source, n), 0) for n in range(SHARDS)])
            for each in self.subscribers
            for source in sorted(sources_of(each))
        ]

    async def ages_s(self) -> dict[str, float | None]:
        """What else must not grow old. None: it is not known how old."""
        return {name: await age_s() for name, age_s in self.ages.items()}

    async def leases(self) -> Sequence[asyncpg.Record]:
        found: Sequence[asyncpg.Record] = await self.pool.fetch(LEASES, AHEAD_S_MAX)
        return found

    async def workers(self) -> Sequence[asyncpg.Record]:
        """Those that live."""
        found: Sequence[asyncpg.Record] = await self.pool.fetch(WORKERS, AHEAD_S_MAX)
        return found

    async def parked(self, stream_id: UUID | None = None) -> tuple[int, int]:
        """Events, and streams of a subscriber, that wait: all, or those of this id."""
        [row] = await self.pool.fetch(PARKED, stream_id)
        return row["events"], row["streams"]

    async def parked_streams(self) -> Sequence[asyncpg.Record]:
        """The first event of each, as many as are shown."""
        return await self.cure.streams(streams_max=PARKED_SHOWN_MAX)

    async def discarded(self) -> Sequence[asyncpg.Record]:
        """The last ones."""
        found: Sequence[asyncpg.Record] = await self.pool.fetch(DISCARDED, DISCARDED_SHOWN_MAX)
        return found

    async def rebuilds(self) -> Sequence[asyncpg.Record]:
        """The last one of each read model, and those whose tables are still there."""
        found: Sequence[asyncpg.Record] = await self.pool.fetch(REBUILDS, [each.name for each in self.read_models])
        return found

    async def ages_beyond(self, positions: Sequence[Sequence[int]]) -> Sequence[float]:
        """Of each list of positions: the age of the oldest event that comes after them, seconds; 0: none does."""
        rows = [(n, shard, pos) for n, each in enumerate(positions) for shard, pos in enumerate(each)]
        found = await self.pool.fetch(AGES, *map(list, zip(*rows, strict=True)))
        ages = {row["n"]: row["age_s"] for row in found}
        return [max(ages.get(n, 0.0), 0.0) for n in range(len(positions))]
