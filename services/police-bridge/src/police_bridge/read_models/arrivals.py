"""What was told to these districts after this point? One row a fact: where it stands in the log, and whose it is.

The rows hold positions only. The facts are read from the log itself and rendered anew for every page, so that a page
never tells more of somebody than the topics do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import asyncpg

from chassis.database import Connection
from chassis.projector import Fact
from contracts.event import SHARDS, Event, Recorded, recorded_from_meta
from contracts.police import ArrivalCorrected, ArrivalShared, ArrivalWithdrawn

INSERT = """
INSERT INTO arrival_v1 (district, shard, pos, recorded_at)
SELECT * FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::timestamptz[])
"""

# The oldest first, so that no shard waits for another. Within a shard by position: the running maximum keeps a clock that
# was set back from putting a later fact before an earlier one.
PAGE = """
WITH ahead AS (
    SELECT a.shard, a.pos, max(a.recorded_at) OVER (PARTITION BY a.shard ORDER BY a.pos) AS at
    FROM unnest($1::text[]) AS d (district)
    CROSS JOIN unnest($2::bigint[]) WITH ORDINALITY AS m (pos, n)
    CROSS JOIN LATERAL (
        SELECT shard, pos, recorded_at FROM arrival_v1
        WHERE district = d.district AND shard = m.n - 1 AND pos > m.pos
        ORDER BY pos LIMIT $3
    ) AS a
), page AS (
    SELECT shard, pos, at FROM ahead ORDER BY at, shard, pos LIMIT $3
)
SELECT e.pos, e.data, e.meta FROM page JOIN event AS e USING (shard, pos) ORDER BY page.at, shard, pos
"""

BEGINNING = (0,) * SHARDS
"""Before the first fact of every shard."""


class Arrivals:
    """Answers the feed."""

    name = "arrival_v1"
    subscribes: tuple[type[Event], ...] = (ArrivalShared, ArrivalCorrected, ArrivalWithdrawn)

    async def project(self, connection: Connection, facts: Sequence[Fact[Any]], *, partition: int) -> None:
        rows = sorted((fact.event.district, fact.recorded.shard, fact.recorded.pos, fact.recorded.time) for fact in facts)
        await connection.execute(INSERT, *map(list, zip(*rows, strict=True)))


async def facts_after(pool: asyncpg.Pool, districts: Collection[str], positions: Sequence[int], *, limit: int) -> list[Recorded]:
    """The next facts of these districts, the oldest first, each person's in order. `positions`: the last one had, by shard."""
    rows = await pool.fetch(PAGE, sorted(districts), list(positions), limit)
    return [recorded_from_meta(row["meta"], row["pos"], row["data"]) for row in rows]
