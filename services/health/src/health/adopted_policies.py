"""The policies by which this process judges, read from their stream. What was adopted is there with the next look."""

from __future__ import annotations

import asyncpg

from chassis.watched import Watched
from contracts.health import PolicyAdopted
from contracts.policy import Policies, policies_of
from contracts.streams import POLICY_STREAM

READ_MAX = 50
"""Policies in one answer of the database: each may fill an event."""

SINCE = """
SELECT data FROM event WHERE stream_id = $1 AND type = $2 AND version > $3 ORDER BY version LIMIT $4
"""


def watched_policies(pool: asyncpg.Pool) -> Watched[Policies]:
    async def read(known: Policies) -> Policies:
        while True:
            adopted = await adoptions(pool, after=known.latest_version, limit=READ_MAX)
            known = policies_of(((each.version, each.terms) for each in adopted), known)
            if len(adopted) < READ_MAX:
                return known

    return Watched("policies", Policies(), read)


async def adoptions(pool: asyncpg.Pool, *, after: int, limit: int) -> list[PolicyAdopted]:
    """Those of a later version, in order."""
    # The shipped policy is version 1 and no event: version n stands in the stream as event n - 1.
    rows = await pool.fetch(SINCE, POLICY_STREAM, PolicyAdopted.TYPE, after - 1, limit)
    return [PolicyAdopted.decode(row["data"]) for row in rows]
