"""What was told to these districts after this point? One row a fact: where it stands in the log, and whose it is.

The rows hold positions only. The facts are read from the log itself and rendered anew for every page, so that a page
never tells more of somebody than the topics do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.event import SHARDS, Recorded, epoch_of, recorded_from_meta
from contracts.police import ArrivalCorrected, ArrivalErased, ArrivalLinked, ArrivalShared, ArrivalWithdrawn, PoliceBridgeEvent

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

LAST_READ = """
SELECT e.shard, e.pos, e.meta
FROM unnest($1::bigint[]) WITH ORDINALITY AS m (pos, n) JOIN event AS e ON e.shard = m.n - 1 AND e.pos = m.pos
"""

BEGINNING = (0,) * SHARDS
"""Before the first fact of every shard."""


@dataclass(slots=True)
class Arrival:
    district: str
    shard: int
    pos: int
    recorded_at: datetime


TOLD = Table("arrival_v1", Arrival, key=("district", "shard", "pos"))


def _told(rows: Rows, fact: Fact[PoliceBridgeEvent], _: int) -> None:
    recorded = fact.recorded
    rows.put(TOLD, Arrival(fact.event.district, recorded.shard, recorded.pos, recorded.time))


ARRIVALS = ReadModel(
    name="arrival_v1",
    tables=(TOLD,),
    folds={ArrivalShared: _told, ArrivalCorrected: _told, ArrivalWithdrawn: _told, ArrivalLinked: _told, ArrivalErased: _told},
)
"""Answers the feed."""


async def facts_after(pool: asyncpg.Pool, districts: Collection[str], positions: Sequence[int], *, limit: int) -> list[Recorded]:
    """The next facts of these districts, the oldest first, each person's in order. `positions`: the last one had, by shard."""
    rows = await pool.fetch(PAGE, sorted(districts), list(positions), limit)
    return [recorded_from_meta(row["meta"], row["pos"], row["data"]) for row in rows]


async def still_there(pool: asyncpg.Pool, positions: Sequence[int], *, epoch: int) -> tuple[int, ...]:
    """Of positions that were read in an earlier epoch, those up to which the log holds what it held then; for the others, 0.

    Nothing takes back what a restored log lacks: it is made anew, and perhaps in another order.
    """
    rows = await pool.fetch(LAST_READ, list(positions))
    known = {row["shard"]: row["pos"] for row in rows if epoch_of(row["meta"]) <= epoch}
    return tuple(known.get(shard, 0) for shard in range(SHARDS))
