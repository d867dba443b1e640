"""How many declarations an account may look up in an hour: enough to register a whole team, too few to search a district."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from chassis.clock import Clock
from chassis.faults import TooManyRequests

HOUR_S = 3_600

# One row an account. The row lock makes the count exact, however many processes there are.
TAKE = """
INSERT INTO lookup_count_v1 AS count (account, hour, lookups) VALUES ($1, date_trunc('hour', $2::timestamptz), 1)
ON CONFLICT (account) DO UPDATE
SET hour = excluded.hour, lookups = CASE WHEN count.hour = excluded.hour THEN count.lookups + 1 ELSE 1 END
WHERE count.hour <> excluded.hour OR count.lookups < $3
RETURNING lookups
"""


@dataclass(frozen=True)
class Quota:
    """Counts look-ups by account, whether or not they found anything."""

    pool: asyncpg.Pool
    clock: Clock
    lookups_per_hour_max: int

    async def take(self, account: str) -> None:
        """Count one more. Raises: TooManyRequests, where the hour's are used up; what the database raises."""
        now = self.clock.now()
        if await self.pool.fetchval(TAKE, account, now, self.lookups_per_hour_max) is None:
            raise TooManyRequests(retry_after_s=HOUR_S - now.minute * 60 - now.second)
