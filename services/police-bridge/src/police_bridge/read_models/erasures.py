"""Whose plain words must leave the topics? One row for each telling that somebody was erased: where it stands in the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.police import ArrivalErased
from contracts.topics import POLICE_PARTITIONS

# By the clock of the database, which also wrote `recorded_at`.
PENDING = """
WITH waiting AS (
    SELECT shard, pos, clock_timestamp() - e.recorded_at AS age
    FROM erasure_v1 JOIN event AS e USING (shard, pos) LEFT JOIN topic_cleared AS c USING (shard)
    WHERE shard % $4 = $1 AND pos > coalesce(c.last_pos, 0)
)
SELECT shard, max(pos) AS pos FROM waiting
WHERE age >= make_interval(secs => $2) AND (SELECT max(age) FROM waiting) >= make_interval(secs => $3)
GROUP BY shard
"""


@dataclass(slots=True)
class Erasure:
    shard: int
    pos: int


ERASED = Table("erasure_v1", Erasure, key=("shard", "pos"))


def _erased(rows: Rows, fact: Fact[ArrivalErased], _: int) -> None:
    recorded = fact.recorded
    rows.put(ERASED, Erasure(recorded.shard, recorded.pos))


ERASURES = ReadModel(name="erasure_v1", tables=(ERASED,), folds={ArrivalErased: _erased})
"""Answers `clearing.py`."""


async def pending(pool: asyncpg.Pool, place: int, *, settled_s: float, after_s: float) -> Mapping[int, int]:
    """Shard → the last erasure in it that this partition of the topics has not been cleared of.

    Nothing until one of them is `after_s` old, and then whatever is `settled_s` old.
    """
    return {row["shard"]: row["pos"] for row in await pool.fetch(PENDING, place, settled_s, after_s, POLICE_PARTITIONS)}
