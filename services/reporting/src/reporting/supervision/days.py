"""The course of the last days over the contracts of a filter: a row a day, whether anything happened or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from reporting.supervision.filters import SHOWN, ContractFilter, fetch_matching

DAYS_MAX = 90

COURSE = f"""
WITH {SHOWN}, today AS (
    SELECT (statement_timestamp() AT TIME ZONE 'Asia/Shanghai')::date AS day
), happened AS (
    SELECT d.day, sum(d.pre_registered) AS pre_registered, sum(d.entered) AS entered, sum(d.refused) AS refused,
           sum(d.exited) AS exited
    FROM day_v1 AS d JOIN shown USING (contract_no), today
    WHERE d.day > today.day - $8::integer AND d.day <= today.day
    GROUP BY d.day
)
SELECT statement_timestamp() AS as_of, each::date AS day, coalesce(pre_registered, 0)::bigint AS pre_registered,
       coalesce(entered, 0)::bigint AS entered, coalesce(refused, 0)::bigint AS refused, coalesce(exited, 0)::bigint AS exited
FROM today CROSS JOIN generate_series(today.day - $8::integer + 1, today.day, '1 day') AS each
LEFT JOIN happened ON happened.day = each::date
ORDER BY each
"""


@dataclass(frozen=True, slots=True)
class DayRow:
    """A day in Shanghai."""

    day: date
    pre_registered: int
    entered: int
    refused: int
    exited: int


@dataclass(frozen=True, slots=True)
class Course:
    """The days, the earliest first."""

    as_of: datetime
    days: Sequence[DayRow]


async def course(pool: asyncpg.Pool, wanted: ContractFilter, *, days: int) -> Course:
    """The last so many days, today's the last one."""
    found = await fetch_matching(pool, COURSE, wanted, days)
    rows = [DayRow(each["day"], each["pre_registered"], each["entered"], each["refused"], each["exited"]) for each in found]
    return Course(found[0]["as_of"], rows)
