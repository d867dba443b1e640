"""What is read from the database every so often, to be told as metrics: sizes, positions, and whatever a service counts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg
import structlog
from prometheus_client import Gauge

from chassis.database import DATABASE_ERRORS
from chassis.metrics import (
    ARCHIVE_FAILING,
    BACKUP_COMPLETED_S,
    DATABASE_BYTES,
    DATABASE_BYTES_MAX,
    LOG_BYTES,
    LOG_POSITION,
    PROJECTION_POSITION,
)
from chassis.subscribers import Subscriber
from contracts.event import SHARDS

POSITIONS_EVERY_S = 5.0
SIZES_EVERY_S = 30.0
BACKED_UP_AT_S = "SELECT extract(epoch FROM nullif(current_setting('gatehouse.base_backup_at', true), '')::timestamptz)::float8"
"""`deploy/postgres/backup.sh` tells the server; whoever backs up by other means does the same."""
IS_ARCHIVE_FAILING = "SELECT coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) FROM pg_stat_archiver"

log = structlog.get_logger()


@dataclass(frozen=True)
class Measure:
    """Something that is read every so often."""

    name: str
    look: Callable[[], Awaitable[None]]
    """Reads it and sets the metrics."""
    every_s: float

    async def keep(self) -> None:
        """Look until cancelled. While the database cannot be reached, what was read last stands."""
        while True:
            try:
                await self.look()
            except DATABASE_ERRORS as error:
                log.warning("measure.not_read", check=self.name, error_type=type(error).__name__)
            await asyncio.sleep(self.every_s)


@dataclass
class LabelledGauge:
    """A gauge whose labels come from rows: where there is no row any more, nothing is told of it any more."""

    gauge: Gauge
    _told: set[tuple[str, ...]] = field(default_factory=set)

    def tell(self, values: Mapping[tuple[str, ...], float]) -> None:
        """Labels → value, and no others."""
        for labels in self._told - values.keys():
            self.gauge.remove(*labels)
        for labels, value in values.items():
            self.gauge.labels(*labels).set(value)
        self._told = set(values)


@dataclass(frozen=True)
class Sizes:
    """How much of the disk is used; of its server and the keys', when it was backed up, and whether its WAL since is archived."""

    pool: asyncpg.Pool
    key_server: asyncpg.Pool | None
    """None for a service that holds no keys."""
    has_log: bool
    bytes_max: int

    async def look(self) -> None:
        DATABASE_BYTES_MAX.set(self.bytes_max)
        DATABASE_BYTES.set(await self.pool.fetchval("SELECT pg_database_size(current_database())"))
        if self.has_log:
            LOG_BYTES.set(
                await self.pool.fetchval("SELECT pg_total_relation_size('event') + pg_total_relation_size('archived_event')")
            )
        # The keys' server last: while it is away, what its own says is told all the same.
        for server, pool in {"own": self.pool, "keys": self.key_server}.items():
            if pool is not None:
                BACKUP_COMPLETED_S.labels(server).set(await pool.fetchval(BACKED_UP_AT_S) or 0.0)
                ARCHIVE_FAILING.labels(server).set(await pool.fetchval(IS_ARCHIVE_FAILING))


@dataclass(frozen=True)
class Positions:
    """How far the own log reaches, and how far each subscriber has come in each of its sources: sums over a partition's shards."""

    pool: asyncpg.Pool
    own_log: str | None
    """None for a service without a log."""
    subscribers: Sequence[Subscriber]
    partitions: int

    async def look(self) -> None:
        # The log last: else a subscriber that is quick would seem to be ahead of it.
        rows = await self.pool.fetch("SELECT subscriber, source, shard, last_pos FROM position")
        reached = {(row["subscriber"], row["source"], row["shard"]): row["last_pos"] for row in rows}
        for subscriber in self.subscribers:
            for source in {event.TYPE.split(".")[1] for event in subscriber.subscribes}:
                shards = (reached.get((subscriber.name, source, shard), 0) for shard in range(SHARDS))
                for partition, events in self._sums(shards):
                    PROJECTION_POSITION.labels(subscriber.name, source, partition).set(events)
        if self.own_log:
            heads = await self.pool.fetch("SELECT last_pos FROM shard_head ORDER BY shard")
            for partition, events in self._sums(row["last_pos"] for row in heads):
                LOG_POSITION.labels(self.own_log, partition).set(events)

    def _sums(self, by_shard: Iterable[int]) -> Iterable[tuple[str, int]]:
        positions = list(by_shard)
        return ((str(partition), sum(positions[partition :: self.partitions])) for partition in range(self.partitions))
