"""What the police says it has, and what both sides can count by the day. Plain rows beside the log: they decide nothing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import asyncpg

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


@dataclass(frozen=True)
class Receipts:
    pool: asyncpg.Pool

    async def receive(
        self, message_ids: Collection[UUID], districts: Collection[str], *, account: str, at: datetime
    ) -> Collection[UUID]:
        """Keep that these messages are there. A repeat changes nothing. Answers those that the districts were told."""
        rows = await self.pool.fetch(RECEIVE, list(message_ids), list(districts), account, at)
        return {row["event_id"] for row in rows}

    async def day(self, day: date, districts: Collection[str]) -> Sequence[DayOfDistrict]:
        """By district, ascending."""
        begin, end = shanghai_midnight(day), shanghai_midnight(day + timedelta(days=1))
        return [DayOfDistrict(**row) for row in await self.pool.fetch(DAY, list(districts), begin, end)]
