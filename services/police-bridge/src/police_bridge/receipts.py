"""What the police says it has, and what both sides can count by the day. Plain rows beside the log: they decide nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import asyncpg
from prometheus_client import Gauge

from contracts.districts import DISTRICTS
from contracts.times import shanghai_midnight

# A message of another district is not found, like one that does not exist. Sorted, so that two requests never wait for each other.
RECEIVE = """
WITH told AS (
    SELECT e.event_id, a.district FROM event AS e JOIN arrival_v1 AS a USING (shard, pos)
    WHERE e.event_id = ANY ($1) AND a.district = ANY ($2)
), kept AS (
    INSERT INTO receipt (event_id, account, received_at)
    SELECT event_id, $3, $4::timestamptz FROM told ORDER BY event_id
    ON CONFLICT DO NOTHING
)
SELECT event_id FROM told
"""

# Ids in one form and order, whatever the database's locale.
DAY = """
SELECT d.district, count(e.event_id) AS messages, count(r.event_id) AS receipts,
    encode(sha256(convert_to(
        coalesce(string_agg(e.event_id::text || E'\\n', '' ORDER BY e.event_id::text COLLATE "C"), ''), 'UTF8')), 'hex') AS digest
FROM unnest($1::text[]) AS d (district)
LEFT JOIN arrival_v1 AS a ON a.district = d.district AND a.recorded_at >= $2 AND a.recorded_at < $3
LEFT JOIN event AS e ON e.shard = a.shard AND e.pos = a.pos
LEFT JOIN receipt AS r ON r.event_id = e.event_id
GROUP BY d.district
ORDER BY d.district
"""


@dataclass(frozen=True, slots=True)
class DayOfDistrict:
    """What a district was told on a day in Shanghai, as far as is known now."""

    district: str
    messages: int
    receipts: int
    """How many of them the police has acknowledged."""
    digest: str
    """SHA-256, hexadecimal, over the ids of the messages: ascending, each followed by a line feed."""


LOOK_EVERY_S = 60.0
LOOKED_BACK = timedelta(days=2)
"""What is older than that is counted by its day, see `Receipts.day`."""
UNRECEIPTED = Gauge(
    "gatehouse_police_unreceipted_messages",
    "Messages of the last two days that the police has not acknowledged. The same of every worker: take the greatest.",
    ["district"],
)
UNRECEIPTED_AGE_S = Gauge(
    "gatehouse_police_oldest_unreceipted_age_seconds", "Age of the oldest of them; 0: none. Likewise.", ["district"]
)

BEHIND = """
SELECT d.district, count(a.pos) AS messages,
       coalesce(extract(epoch FROM clock_timestamp() - min(a.recorded_at)), 0)::float8 AS oldest_age_s
FROM unnest($1::text[]) AS d (district)
LEFT JOIN (arrival_v1 AS a JOIN event AS e USING (shard, pos) LEFT JOIN receipt AS r USING (event_id))
    ON a.district = d.district AND a.recorded_at > clock_timestamp() - $2::interval AND r.event_id IS NULL
GROUP BY d.district
"""


@dataclass(frozen=True)
class Receipts:
    pool: asyncpg.Pool

    async def receive(
        self, message_ids: Collection[UUID], districts: Collection[str], *, account: str, at: datetime
    ) -> Collection[UUID]:
        """Keep that these messages are there. A repeat changes nothing. Answers those that the districts were told."""
        rows = await self.pool.fetch(RECEIVE, list(message_ids), list(districts), account, at)
        return {row["event_id"] for row in rows}

    async def look(self) -> None:
        """Tell as metrics how far the police is behind."""
        for row in await self.pool.fetch(BEHIND, list(DISTRICTS), LOOKED_BACK):
            UNRECEIPTED.labels(row["district"]).set(row["messages"])
            UNRECEIPTED_AGE_S.labels(row["district"]).set(row["oldest_age_s"])

    async def day(self, day: date, districts: Collection[str]) -> Sequence[DayOfDistrict]:
        """By district, ascending."""
        begin, end = shanghai_midnight(day), shanghai_midnight(day + timedelta(days=1))
        return [DayOfDistrict(**row) for row in await self.pool.fetch(DAY, list(districts), begin, end)]
