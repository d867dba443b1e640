"""Since when do the gates know a disposition?

The gatekeeper says so itself: it answers every `DispositionChanged` with a `ClearanceChanged` in the person's stream there,
from whose storing on no gate decides otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Gauge, Histogram

from chassis.admission import aside
from chassis.database import DATABASE_ERRORS
from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.gatekeeper import ClearanceChanged
from contracts.health import DispositionChanged

WAITERS_MAX = 400
"""Requests of one process that may wait at the same time. Whoever comes beyond is told how it stands, at once."""
LOOK_S = 0.02
"""Between two looks while somebody waits."""

UNKNOWN_EVERY_S = 2.0
WAIT_SECONDS = Histogram(
    "gatehouse_ban_in_force_wait_seconds",
    "How long whoever asked to wait until a disposition is in force at all gates did so, also in vain.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
UNKNOWN_AGE_S = Gauge(
    "gatehouse_ban_oldest_not_in_force_seconds",
    "Age of the oldest ban of this day that the gates do not know; 0: none. The same of every worker: take the greatest.",
)

# The last disposition of whoever was banned lately; of his stream, which is short.
OLDEST_UNKNOWN = """
SELECT extract(epoch FROM clock_timestamp() - min(decided.recorded_at))::float8
FROM ban_v3 AS b CROSS JOIN LATERAL (
    SELECT event_id, recorded_at FROM event WHERE stream_id = b.person_id AND type = $1 ORDER BY version DESC LIMIT 1
) AS decided
LEFT JOIN in_force_v1 AS f ON f.disposition_id = decided.event_id
WHERE b.banned_at > clock_timestamp() - interval '1 day' AND f.disposition_id IS NULL
"""

log = structlog.get_logger()


@dataclass(slots=True)
class InForceRow:
    """Absent while the gates do not know it."""

    disposition_id: UUID
    in_force_at: datetime


DECISIONS = Table("in_force_v1", InForceRow, key=("disposition_id",))


def _noted(rows: Rows, fact: Fact[ClearanceChanged], _: int) -> None:
    decision = fact.event.clearance.disposition_id
    # A clearance may also come of a decision that the gate could not read: then it rests on the one before, still.
    if decision is not None and decision == fact.event.caused_by.event_id:
        rows.put(DECISIONS, InForceRow(decision, fact.recorded.time))


IN_FORCE = ReadModel(name="in_force_v1", tables=(DECISIONS,), folds={ClearanceChanged: _noted})


async def in_force_since(pool: asyncpg.Pool, disposition_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
    """When the gates took note of each, by the clock of the gatekeeper; without those that they do not know yet."""
    rows = await pool.fetch(
        "SELECT disposition_id, in_force_at FROM in_force_v1 WHERE disposition_id = ANY ($1)", list(disposition_ids)
    )
    return {row["disposition_id"]: row["in_force_at"] for row in rows}


async def look_for_unknown_bans(pool: asyncpg.Pool) -> None:
    """Tell as a metric for how long the gates have not known a ban."""
    UNKNOWN_AGE_S.set(await pool.fetchval(OLDEST_UNKNOWN, DispositionChanged.TYPE) or 0.0)


@dataclass
class InForceWatch:
    """Lets requests wait until a disposition is in force. One look at the table serves all who wait in this process."""

    pool: asyncpg.Pool
    _waiting: dict[asyncio.Future[datetime], UUID] = field(default_factory=dict)
    _somebody_waits: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def waiting(self) -> int:
        """Requests that wait now."""
        return len(self._waiting)

    async def since(self, disposition_id: UUID, *, within_s: float = 0.0) -> datetime | None:
        """Since when it is in force; waits so long for it. None: the gates do not know it yet."""
        known = (await in_force_since(self.pool, [disposition_id])).get(disposition_id)
        if known is not None or within_s <= 0 or len(self._waiting) >= WAITERS_MAX:
            return known
        told: asyncio.Future[datetime] = asyncio.get_running_loop().create_future()
        self._waiting[told] = disposition_id
        self._somebody_waits.set()
        try:
            with aside(), WAIT_SECONDS.time():
                async with asyncio.timeout(within_s):
                    return await told
        except TimeoutError:
            return None
        finally:
            del self._waiting[told]

    async def run(self) -> None:
        """Look, while somebody waits, until cancelled. A database that cannot be reached is asked again."""
        while True:
            await self._somebody_waits.wait()
            try:
                self._tell(await in_force_since(self.pool, sorted(set(self._waiting.values()))))
            except DATABASE_ERRORS as error:
                log.warning("in_force.not_read", error_type=type(error).__name__)
            await asyncio.sleep(LOOK_S)
            if not self._waiting:
                self._somebody_waits.clear()

    def _tell(self, known: Mapping[UUID, datetime]) -> None:
        for told, disposition_id in self._waiting.items():
            if disposition_id in known and not told.done():
                told.set_result(known[disposition_id])
