"""How recent the gate's view is, without comparing the clocks of two machines.

About once a second the worker that holds a partition takes T from its own database, asks each source how far its log
reaches, and stores T as the partition's `fresh_as_of` once its own positions have reached that far. An attempt may be
appended until `fresh_as_of` + the bound, by the same database's clock; so a worker that is dead, frozen or cut off from
a source closes the gate by itself. The api refuses too when the stamp has not moved for the bound by a clock that
nobody sets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg
import httpx2
import structlog

from chassis.internal_api import SHARD_HEADS_PATH, ShardHeadsAnswer
from chassis.leases import Lease
from chassis.service import Worker
from contracts.event import SHARDS

ROUND_S = 1.0
"""Between the beginnings of two rounds."""
ASK_S_MAX = 2.0
"""How long a source may take to say how far its log reaches."""
CHECK_S = 0.02
"""Between two looks at whether the positions have got there."""
POLL_S = 0.25
"""Between two looks of the api at the stamps."""

log = structlog.get_logger()


@dataclass
class FreshnessKeeper:
    """The worker's part: stamps the partitions that it holds."""

    pool: asyncpg.Pool
    sources: Mapping[str, str]
    """Service → base URL."""
    partitions: int

    async def run(self, worker: Worker) -> None:
        """Stamp until cancelled. What cannot be proved is not stamped."""
        async with httpx2.AsyncClient(timeout=ASK_S_MAX) as client:
            while True:
                began = time.monotonic()
                try:
                    await self._round(client, worker)
                except (OSError, httpx2.HTTPError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                    log.warning("freshness.not_proved", error_type=type(error).__name__)
                await asyncio.sleep(max(0.0, began + ROUND_S - time.monotonic()))

    async def _round(self, client: httpx2.AsyncClient, worker: Worker) -> None:
        as_of = await self.pool.fetchval("SELECT clock_timestamp()")
        asked = await asyncio.gather(*(self._heads(client, service, url) for service, url in self.sources.items()))
        heads = {(service, shard): pos for service, positions in asked for shard, pos in enumerate(positions)}
        waiting = {
            int(lease.name.removeprefix("project/")): lease for lease in worker.leases.held if lease.name.startswith("project/")
        }
        deadline = time.monotonic() + ROUND_S
        while waiting and time.monotonic() < deadline:
            arrived = [partition for partition in waiting if self._has_reached(worker.projector.reached, partition, heads)]
            if arrived:
                await self._stamp(as_of, {partition: waiting.pop(partition) for partition in arrived})
            else:
                await asyncio.sleep(CHECK_S)

    async def _heads(self, client: httpx2.AsyncClient, service: str, url: str) -> tuple[str, Sequence[int]]:
        response = await client.get(url + SHARD_HEADS_PATH)
        response.raise_for_status()
        return service, ShardHeadsAnswer.model_validate_json(response.content).heads

    def _has_reached(self, reached: Mapping[tuple[str, int], int], partition: int, heads: Mapping[tuple[str, int], int]) -> bool:
        shards = range(partition, SHARDS, self.partitions)
        return all(reached.get((service, shard), -1) >= heads[service, shard] for service in self.sources for shard in shards)

    async def _stamp(self, as_of: datetime, leases: Mapping[int, Lease]) -> None:
        """Only whoever holds the lease stamps: the stamp of one that was replaced does not count."""
        rows = sorted((partition, lease.name, lease.token) for partition, lease in leases.items())
        await self.pool.execute(
            """
            INSERT INTO freshness (partition, fresh_as_of)
            SELECT r.partition, $1 FROM unnest($2::integer[], $3::text[], $4::bigint[]) AS r (partition, name, token)
            JOIN lease USING (name, token)
            ORDER BY r.partition
            ON CONFLICT (partition) DO UPDATE SET fresh_as_of = excluded.fresh_as_of
            """,
            as_of,
            *map(list, zip(*rows, strict=True)),
        )


@dataclass(frozen=True, slots=True)
class _Stamp:
    fresh_as_of: datetime
    seen_to_move_at_s: float
    """By `FreshnessView.now_s`."""


@dataclass
class FreshnessView:
    """The api's part: what it may rest an attempt on."""

    pool: asyncpg.Pool
    partitions: int
    bound: timedelta
    _stamps: dict[int, _Stamp] = field(default_factory=dict)

    async def run(self) -> None:
        """Look at the stamps until cancelled. A database that cannot be reached is asked again."""
        while True:
            try:
                await self.look()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("freshness.not_read", error_type=type(error).__name__)
            await asyncio.sleep(POLL_S)

    def as_of(self, shard: int) -> datetime | None:
        """Everything recorded about people of this shard until then is known. None if that cannot be proved any more."""
        stamp = self._stamps.get(shard % self.partitions)
        if stamp is None or self.now_s() - stamp.seen_to_move_at_s > self.bound.total_seconds():
            return None
        return stamp.fresh_as_of

    def not_after(self, fresh_as_of: datetime) -> datetime:
        """Until when an attempt that rests on it may be appended."""
        return fresh_as_of + self.bound

    async def look(self) -> None:
        """Read the stamps, and note which have moved."""
        now_s = self.now_s()
        for row in await self.pool.fetch("SELECT partition, fresh_as_of FROM freshness"):
            known = self._stamps.get(row["partition"])
            if known is None or known.fresh_as_of != row["fresh_as_of"]:
                self._stamps[row["partition"]] = _Stamp(row["fresh_as_of"], now_s)

    def forget(self) -> None:
        """Know nothing until the next look."""
        self._stamps.clear()

    @staticmethod
    def now_s() -> float:
        """By a clock that runs on while the machine is suspended, and that nobody sets."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
