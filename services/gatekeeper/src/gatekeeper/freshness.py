"""How recent the gate's view is, without comparing the clocks of two machines.

About once a second the worker that holds a partition takes T from its own database, asks each source how far its log
reaches, and stores T as the partition's `fresh_as_of` once its own positions have reached that far. An attempt may be
appended until `fresh_as_of` + the bound, by the same database's clock; so a worker that is dead, frozen or cut off from
a source closes the gate by itself. The api refuses too when the stamp has not moved for the bound by a clock that
nobody sets.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg
import httpx2
import structlog

from chassis.database import DATABASE_ERRORS
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


PROJECT = "project/"
"""What the names of the leases begin with under which partitions are taken in."""


@dataclass(frozen=True, slots=True)
class _Proof:
    """Whoever has reached these heads knows everything that was recorded until then."""

    as_of: datetime
    heads: Mapping[tuple[str, int], int]


@dataclass
class FreshnessKeeper:
    """The worker's part: stamps the partitions that it holds."""

    pool: asyncpg.Pool
    sources: Mapping[str, str]
    """Service → base URL."""
    partitions: int

    bound: timedelta
    _unproved: dict[Lease, deque[_Proof]] = field(default_factory=dict)
    """What each partition has yet to reach, oldest first."""

    async def run(self, worker: Worker) -> None:
        """Stamp until cancelled. What cannot be proved is not stamped."""
        async with httpx2.AsyncClient(timeout=ASK_S_MAX, trust_env=False) as client:
            while True:
                began = time.monotonic()
                try:
                    await self._ask(client, worker)
                    while time.monotonic() < began + ROUND_S:
                        await self._stamp_what_is_proved(worker)
                        await asyncio.sleep(CHECK_S)
                except (*DATABASE_ERRORS, httpx2.HTTPError, ValueError) as error:
                    log.warning("freshness.not_proved", error_type=type(error).__name__)
                    await asyncio.sleep(max(0.0, began + ROUND_S - time.monotonic()))

    async def _ask(self, client: httpx2.AsyncClient, worker: Worker) -> None:
        """Take the time first, then how far the sources reach: what they reach then was all there is at that time."""
        as_of = await self.pool.fetchval("SELECT clock_timestamp()")
        asked = await asyncio.gather(*(self._heads(client, service, url) for service, url in self.sources.items()))
        heads = {(service, shard): pos for service, positions in asked for shard, pos in enumerate(positions)}
        held = {lease for lease in worker.leases.held if lease.name.startswith(PROJECT)}
        self._unproved = {lease: self._unproved.get(lease, deque(maxlen=self._proofs_max)) for lease in held}
        for waiting in self._unproved.values():
            waiting.append(_Proof(as_of, heads))

    @property
    def _proofs_max(self) -> int:
        """A partition that lags may still prove an older view; one older than the bound would be of no use."""
        return max(1, int(self.bound.total_seconds() / ROUND_S))

    async def _stamp_what_is_proved(self, worker: Worker) -> None:
        """The latest time, of each partition, up to which everything has been taken in."""
        proved: dict[Lease, datetime] = {}
        for lease, waiting in self._unproved.items():
            partition = int(lease.name.removeprefix(PROJECT))
            while waiting and self._has_reached(worker.projector.reached, partition, waiting[0].heads):
                proved[lease] = waiting.popleft().as_of
        if proved:
            await self._stamp(proved)

    async def _heads(self, client: httpx2.AsyncClient, service: str, url: str) -> tuple[str, Sequence[int]]:
        response = await client.get(url + SHARD_HEADS_PATH)
        response.raise_for_status()
        answer = ShardHeadsAnswer.model_validate_json(response.content)
        if answer.service != service:
            raise ValueError(f"{answer.service} answers where {service} should")
        return service, answer.heads

    def _has_reached(self, reached: Mapping[tuple[str, int], int], partition: int, heads: Mapping[tuple[str, int], int]) -> bool:
        shards = range(partition, SHARDS, self.partitions)
        return all(reached.get((service, shard), -1) >= heads[service, shard] for service in self.sources for shard in shards)

    async def _stamp(self, proved: Mapping[Lease, datetime]) -> None:
        """Only whoever holds the lease stamps: the stamp of one that was replaced does not count."""
        rows = sorted((int(lease.name.removeprefix(PROJECT)), lease.name, lease.token, as_of) for lease, as_of in proved.items())
        await self.pool.execute(
            """
            INSERT INTO freshness (partition, fresh_as_of)
            SELECT r.partition, r.as_of
            FROM unnest($1::integer[], $2::text[], $3::bigint[], $4::timestamptz[]) AS r (partition, name, token, as_of)
            JOIN lease USING (name, token)
            ORDER BY r.partition
            ON CONFLICT (partition) DO UPDATE SET fresh_as_of = excluded.fresh_as_of
            """,
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
            except DATABASE_ERRORS as error:
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
            if known is None:
                # It may have stood there for long: only a stamp that moves proves that somebody is at work.
                self._stamps[row["partition"]] = _Stamp(row["fresh_as_of"], -math.inf)
            elif known.fresh_as_of != row["fresh_as_of"]:
                self._stamps[row["partition"]] = _Stamp(row["fresh_as_of"], now_s)

    def forget(self) -> None:
        """Know nothing until the next look."""
        self._stamps.clear()

    @staticmethod
    def now_s() -> float:
        """By a clock that runs on while the machine is suspended, and that nobody sets."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
