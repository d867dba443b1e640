"""The shards of this service's log: what stands in one, and how far each reaches: polled, told at once by an appender in here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import structlog

from chassis.consistency import Place
from chassis.database import DATABASE_ERRORS, Connection
from contracts.event import SHARDS, Recorded, epoch_of, recorded_from_meta

POLL_S_MIN = 0.005
POLL_S_MAX = 0.050
"""Between polls: short after news, twice as long after each poll without."""
PAUSE_S = 1.0
"""While the database cannot be reached."""
READ_EVENTS_MAX = 1_000
"""Events that one read of a shard returns at most."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a log reaches."""

    epoch: int
    is_open: bool
    """Not so while it was restored and is not whole, see `chassis.restore`."""
    heads: Sequence[Place]
    """The last event of shard 0, 1, … 63; position 0 where there is none."""
    head_ids: Sequence[UUID | None]
    """Of the same events."""
    head_digests: Sequence[bytes | None]
    """Of the same events."""


REACH = """
SELECT h.shard, h.last_pos, s.epoch, e.meta, e.event_id, sha256(e.data || e.meta) AS digest,
       (SELECT coalesce(examined_at_place = place_of_log(), false) FROM store) AS is_open
FROM shard_head AS h CROSS JOIN store AS s LEFT JOIN event AS e ON e.shard = h.shard AND e.pos = h.last_pos
ORDER BY h.shard
"""


async def reach_of(pool: asyncpg.Pool) -> Reach:
    """How far the log of this database reaches, at one moment."""
    rows = await pool.fetch(REACH)
    heads = [Place(row["shard"], row["last_pos"], epoch_of(row["meta"]) if row["meta"] else row["epoch"]) for row in rows]
    return Reach(rows[0]["epoch"], rows[0]["is_open"], heads, [row["event_id"] for row in rows], [row["digest"] for row in rows])


async def shard_heads(connection: Connection) -> dict[int, int]:
    """The last position of every shard."""
    return {row["shard"]: row["last_pos"] for row in await connection.fetch("SELECT shard, last_pos FROM shard_head")}


async def read_shard(connection: Connection, shard: int, *, after: int, limit: int = READ_EVENTS_MAX) -> list[Recorded]:
    """Events of one shard in order of position, the first at `after` + 1."""
    rows = await connection.fetch(
        "SELECT pos, data, meta FROM event WHERE shard = $1 AND pos > $2 ORDER BY pos LIMIT $3", shard, after, limit
    )
    return [recorded_from_meta(row["meta"], row["pos"], row["data"]) for row in rows]


class ShardHeads:
    """The last position of every shard, as far as known here. Never ahead of the log."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._heads = dict.fromkeys(range(SHARDS), 0)
        self._waiters: dict[asyncio.Future[None], frozenset[int]] = {}

    def __getitem__(self, shard: int) -> int:
        return self._heads[shard]

    def tell(self, shard: int, last_pos: int) -> None:
        """An append to the shard was committed."""
        if last_pos <= self._heads[shard]:
            return
        self._heads[shard] = last_pos
        for waiter, shards in self._waiters.items():
            if shard in shards and not waiter.done():
                waiter.set_result(None)

    async def beyond(self, marks: Mapping[int, int]) -> list[int]:
        """Wait until a shard reaches beyond its mark; those that do."""
        while True:
            moved = [shard for shard, mark in marks.items() if self._heads[shard] > mark]
            if moved:
                return moved
            waiter = asyncio.get_running_loop().create_future()
            self._waiters[waiter] = frozenset(marks)
            try:
                await waiter
            finally:
                del self._waiters[waiter]

    async def run(self) -> None:
        """Poll until cancelled. A database that cannot be reached is asked again."""
        pause = POLL_S_MIN
        while True:
            known = dict(self._heads)
            before = sum(known.values())
            try:
                for shard, last_pos in (await self._read()).items():
                    self.tell(shard, last_pos)
                    if last_pos < known[shard]:
                        self._heads[shard] = last_pos  # The log was restored without its end.
            except DATABASE_ERRORS as error:
                log.warning("shard_heads.not_read", error_type=type(error).__name__)
                await asyncio.sleep(PAUSE_S)
            moved = sum(self._heads.values()) > before
            pause = POLL_S_MIN if moved else min(pause * 2, POLL_S_MAX)
            await asyncio.sleep(pause)

    async def _read(self) -> dict[int, int]:
        async with self._pool.acquire() as connection:
            return await shard_heads(connection)
