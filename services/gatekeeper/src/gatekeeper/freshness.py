"""How recent the gate's view is, without comparing the clocks of two machines.

About once a second the worker that holds a partition takes T from its own database, asks each source how far its log
reaches, and stores T as the partition's `fresh_as_of` once its own positions have reached that far. An attempt may be
appended until `fresh_as_of` + the bound, by the same database's clock; so a worker that is dead, frozen or cut off from
a source closes the gate by itself. A source whose log does not go on from what was taken in of it proves nothing, and one whose log
is closed does not answer.

The database's clock may be set. Then whatever was frozen meanwhile could take old for new, so each step is also bounded
by a clock that nobody sets: what the worker has proved is stamped within the bound or never, and the api refuses when the
stamp has not moved for the bound, also after the fact (`Gate`). A stamp may move back, as the database's clock does.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg
import httpx2
import structlog
from prometheus_client import Gauge

from chassis.crash_points import CrashPoint, passing
from chassis.database import DATABASE_ERRORS
from chassis.internal_api import ShardHeadsAnswer
from chassis.leases import Lease
from chassis.probes import SHARD_HEADS_PATH
from chassis.progress import Last, is_same
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

PROJECT = "project/"
"""What the names of the leases begin with under which partitions are taken in."""

VIEW_AGE_S = Gauge("gatehouse_gate_view_age_seconds", "Since the stamp that moved least recently was last seen to move.")

log = structlog.get_logger()


def boottime_s() -> float:
    """By a clock that runs on while the machine is suspended, and that nobody sets."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class SourceDisagrees(Exception):
    """What a source says of its log is not what was taken in of it. The reason is the last part of a log event's name."""

    def __init__(self, source: str, shard: int, reason: str) -> None:
        super().__init__(source, shard, reason)
        self.source = source
        self.shard = shard
        self.reason = reason


KNOWN = """
SELECT DISTINCT ON (source, shard)
    source, shard, last_pos, epoch, last_event_id, CASE WHEN digest_pos = last_pos THEN last_digest END
FROM position WHERE source = ANY ($1) ORDER BY source, shard, last_pos DESC, digest_pos DESC NULLS LAST, last_event_id
"""


def require_agreement(answer: ShardHeadsAnswer, known: Mapping[int, Last]) -> None:
    """Return if the log may go on from what was taken in of it before it was asked: by shard, its last event.

    An older copy of the log ends earlier, or has other events at the same positions. Raises: SourceDisagrees.
    """
    for shard, last in known.items():
        if answer.epoch < last.epoch:
            raise SourceDisagrees(answer.service, shard, "is_of_an_older_epoch")
        if answer.heads[shard] < last.pos:
            raise SourceDisagrees(answer.service, shard, "went_back")
        if answer.heads[shard] == last.pos and not _is_at_the_head(last, answer, shard):
            raise SourceDisagrees(answer.service, shard, "has_another_history")


def _is_at_the_head(last: Last, answer: ShardHeadsAnswer, shard: int) -> bool:
    """Whether the event that was taken in last may be the one there, by its epoch and its bytes."""
    event_id = answer.head_ids[shard] if answer.head_ids else None
    told = answer.head_digests[shard] if answer.head_digests else None
    digest = bytes.fromhex(told) if told else None
    return answer.head_epochs[shard] == last.epoch and is_same(last.event_id, last.digest, event_id, digest)


@dataclass(frozen=True, slots=True)
class Proof:
    """Whoever has reached these heads knows everything that was recorded until then."""

    as_of: datetime
    asked_at_s: float
    """By `boottime_s`."""
    heads: Mapping[tuple[str, int], int]


@dataclass
class FreshnessKeeper:
    """The worker's part: stamps the partitions that it holds."""

    pool: asyncpg.Pool
    sources: Mapping[str, str]
    """Service → base URL."""
    readers: Mapping[str, Sequence[str]]
    """Service → whoever takes in its facts for a verdict. Nobody else's lists make the gate wait."""
    partitions: int
    bound: timedelta
    now_s: Callable[[], float] = boottime_s
    transport: httpx2.AsyncBaseTransport | None = None
    _unproved: dict[Lease, deque[Proof]] = field(default_factory=dict)
    """What each partition has yet to reach, oldest first."""

    async def run(self, worker: Worker) -> None:
        """Stamp until cancelled. What cannot be proved is not stamped."""
        async with httpx2.AsyncClient(timeout=ASK_S_MAX, trust_env=False, transport=self.transport) as client:
            while True:
                began = time.monotonic()
                try:
                    await self._ask(client, worker)
                    while time.monotonic() < began + ROUND_S:
                        await self._stamp_what_is_proved(worker)
                        await asyncio.sleep(CHECK_S)
                    continue
                except SourceDisagrees as error:
                    log.error(f"freshness.source_{error.reason}", source=error.source, shard=error.shard)
                except (*DATABASE_ERRORS, httpx2.HTTPError, ValueError) as error:
                    log.warning("freshness.not_proved", error_type=type(error).__name__)
                await asyncio.sleep(max(0.0, began + ROUND_S - time.monotonic()))

    async def _ask(self, client: httpx2.AsyncClient, worker: Worker) -> None:
        """Take the time first, then how far the sources reach: what they reach then was all there is at that time."""
        known = await self._known()
        asked_at_s, as_of = self.now_s(), await self.pool.fetchval("SELECT clock_timestamp()")
        answers = await asyncio.gather(*(self._heads(client, service, url) for service, url in self.sources.items()))
        for answer in answers:
            require_agreement(answer, known.get(answer.service, {}))
        heads = {(answer.service, shard): pos for answer in answers for shard, pos in enumerate(answer.heads)}
        held = {lease for lease in worker.leases.held if lease.name.startswith(PROJECT)}
        self._unproved = {lease: self._unproved.get(lease, deque(maxlen=self._proofs_max)) for lease in held}
        for waiting in self._unproved.values():
            waiting.append(Proof(as_of, asked_at_s, heads))

    async def _known(self) -> Mapping[str, Mapping[int, Last]]:
        """Source → shard → what was taken in last, by whichever worker."""
        known: dict[str, dict[int, Last]] = {}
        for source, shard, *last in await self.pool.fetch(KNOWN, list(self.sources)):
            known.setdefault(source, {})[shard] = Last(*last)
        return known

    @property
    def _proofs_max(self) -> int:
        """A partition that lags may still prove an older view; one older than the bound would be of no use."""
        return max(1, int(self.bound.total_seconds() / ROUND_S))

    async def _stamp_what_is_proved(self, worker: Worker) -> None:
        """The latest time, of each partition, up to which everything has been taken in."""
        proved: dict[Lease, Proof] = {}
        for lease, waiting in self._unproved.items():
            partition = int(lease.name.removeprefix(PROJECT))
            while waiting and self._has_reached(worker.projector.reached, partition, waiting[0].heads):
                proved[lease] = waiting.popleft()
        if proved:
            passing(CrashPoint.FRESHNESS_PROVED)
            await self.stamp(proved)

    async def _heads(self, client: httpx2.AsyncClient, service: str, url: str) -> ShardHeadsAnswer:
        response = await client.get(url + SHARD_HEADS_PATH)
        response.raise_for_status()
        answer = ShardHeadsAnswer.model_validate_json(response.content)
        if answer.service != service:
            raise ValueError(f"{answer.service} answers where {service} should")
        return answer

    def _has_reached(
        self, reached: Mapping[tuple[str, str, int], int], partition: int, heads: Mapping[tuple[str, int], int]
    ) -> bool:
        shards = range(partition, SHARDS, self.partitions)
        readers = [(reader, service) for service in self.sources for reader in self.readers[service]]
        return all(reached.get((*each, shard), -1) >= heads[each[1], shard] for each in readers for shard in shards)

    async def stamp(self, proved: Mapping[Lease, Proof]) -> None:
        """Only whoever holds the lease stamps: the stamp of one that was replaced does not count."""
        async with self.pool.acquire() as connection, connection.transaction():
            # The transaction comes first: whoever is frozen after the look at his clock finds it ended by the database
            # (`idle_in_transaction_session_timeout`), and never stamps late.
            oldest_s = self.now_s() - self.bound.total_seconds()
            young = {lease: proof.as_of for lease, proof in proved.items() if proof.asked_at_s >= oldest_s}
            await connection.execute(STAMP, *_columns(young))


STAMP = """
INSERT INTO freshness (partition, fresh_as_of)
SELECT r.partition, r.as_of
FROM unnest($1::integer[], $2::text[], $3::bigint[], $4::timestamptz[]) AS r (partition, name, token, as_of)
JOIN lease USING (name, token)
ORDER BY r.partition
ON CONFLICT (partition) DO UPDATE SET fresh_as_of = excluded.fresh_as_of
"""


def _columns(proved: Mapping[Lease, datetime]) -> Sequence[Sequence[object]]:
    rows = sorted((int(lease.name.removeprefix(PROJECT)), lease.name, lease.token, as_of) for lease, as_of in proved.items())
    return [[row[n] for row in rows] for n in range(4)]


STAMPED_AGE_S = """
SELECT greatest(extract(epoch FROM clock_timestamp() - min(fresh_as_of)), 0)::float8
FROM freshness WHERE partition < $1 HAVING count(*) = $1
"""


async def stamped_age_s(pool: asyncpg.Pool, partitions: int) -> float | None:
    """Of the partition that is worst, by the database's clock, so for every api alike. None while one was never stamped."""
    age_s: float | None = await pool.fetchval(STAMPED_AGE_S, partitions)
    return age_s


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an attempt rests on."""

    fresh_as_of: datetime
    """Everything recorded until then is known."""
    moved_after_s: float
    """It was written after this, by `boottime_s`. Minus infinity: perhaps long ago."""


@dataclass
class FreshnessView:
    """The api's part: what it may rest an attempt on."""

    pool: asyncpg.Pool
    partitions: int
    bound: timedelta
    now_s: Callable[[], float] = boottime_s
    _stamps: dict[int, Stamp] = field(default_factory=dict)
    _looked_at_s: float = -math.inf
    """When the look before began."""

    async def run(self) -> None:
        """Look at the stamps until cancelled. A database that cannot be reached is asked again."""
        VIEW_AGE_S.set_function(self.age_s)
        while True:
            try:
                await self.look()
            except DATABASE_ERRORS as error:
                log.warning("freshness.not_read", error_type=type(error).__name__)
            await asyncio.sleep(POLL_S)

    def stamp(self, shard: int) -> Stamp | None:
        """The stamp for people of this shard. None if it cannot be proved any more that it is recent."""
        stamp = self._stamps.get(shard % self.partitions)
        return stamp if stamp and self.is_recent(stamp) else None

    def is_recent(self, stamp: Stamp) -> bool:
        """Whether no more than the bound has passed since it was written, by a clock that nobody sets."""
        return self.now_s() - stamp.moved_after_s <= self.bound.total_seconds()

    def age_s(self) -> float:
        """Of the partition that is worst. Infinite while one was never seen to move."""
        oldest = min((stamp.moved_after_s for stamp in self._stamps.values()), default=-math.inf)
        return self.now_s() - (oldest if len(self._stamps) == self.partitions else -math.inf)

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
                self._stamps[row["partition"]] = Stamp(row["fresh_as_of"], -math.inf)
            elif known.fresh_as_of != row["fresh_as_of"]:
                # After the look before; how long ago is not known if we were frozen since.
                self._stamps[row["partition"]] = Stamp(row["fresh_as_of"], self._looked_at_s)
        self._looked_at_s = now_s

    def forget(self) -> None:
        """Know nothing until the next look."""
        self._stamps.clear()
