"""How far this service's log reaches: polled from the counters, told at once by an appender in the same process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import asyncpg
import structlog

from chassis.database import DATABASE_ERRORS
from chassis.event_store import shard_heads
from contracts.event import SHARDS

POLL_S_MIN = 0.005
POLL_S_MAX = 0.050
"""Between polls: short after news, twice as long after each poll without."""
PAUSE_S = 1.0
"""While the database cannot be reached."""

log = structlog.get_logger()


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
            before = sum(self._heads.values())
            try:
                for shard, last_pos in (await self._read()).items():
                    self.tell(shard, last_pos)
            except DATABASE_ERRORS as error:
                log.warning("shard_heads.not_read", error_type=type(error).__name__)
                await asyncio.sleep(PAUSE_S)
            moved = sum(self._heads.values()) > before
            pause = POLL_S_MIN if moved else min(pause * 2, POLL_S_MAX)
            await asyncio.sleep(pause)

    async def _read(self) -> dict[int, int]:
        async with self._pool.acquire() as connection:
            return await shard_heads(connection)
