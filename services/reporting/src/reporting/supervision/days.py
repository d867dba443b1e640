"""The course of the last days over the contracts of a filter: a row a day, whether anything happened or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg
from prometheus_client import Gauge

from chassis.contract_places import OTHER_STATIONS, STATIONS_TOLD_MAX
from chassis.measuring import LabelledGauge
from chassis.subscribers import ReadModel
from reporting.read_models.days import DAYS_OF_CITY, DAYS_OF_CONTRACTS
from reporting.supervision.filters import SHOWN, ContractFilter, fetch_matching

DAYS_MAX = 90


def _course(rows: str, *, days: str, given: str = "") -> str:
    """The query over these rows `d` of so many days; `given` is what of a WITH they need."""
    return f"""
WITH {given} today AS (
    SELECT (statement_timestamp() AT TIME ZONE 'Asia/Shanghai')::date AS day
), happened AS (
    SELECT d.day, sum(d.pre_registered) AS pre_registered, sum(d.entered) AS entered, sum(d.refused) AS refused,
           sum(d.exited) AS exited
    FROM {rows}, today
    WHERE d.day > today.day - {days} AND d.day <= today.day
    GROUP BY d.day
)
SELECT statement_timestamp() AS as_of, each::date AS day, coalesce(pre_registered, 0)::bigint AS pre_registered,
       coalesce(entered, 0)::bigint AS entered, coalesce(refused, 0)::bigint AS refused, coalesce(exited, 0)::bigint AS exited
FROM today CROSS JOIN generate_series(today.day - {days} + 1, today.day, '1 day') AS each
LEFT JOIN happened ON happened.day = each::date
ORDER BY each
"""


COURSE_OF_CITY = _course("day_of_city_v1 AS d", days="$1::integer")
COURSE_OF_CONTRACTS = _course("day_v1 AS d JOIN shown USING (contract_no)", days="$10::integer", given=f"{SHOWN},")

COUNT_EVERY_S = 60.0

# By contract, so that each is one look at the key, whatever days there are. Told by name are the stations with most contracts.
TODAY = """
WITH ranked AS (
    SELECT station_name, row_number() OVER (ORDER BY count(*) DESC, station_name) AS place
    FROM supervision_contract_v1 GROUP BY station_name
)
SELECT c.district, CASE WHEN r.place <= $1 THEN c.station_name ELSE $2 END AS station,
       coalesce(sum(d.pre_registered), 0)::bigint AS pre_registered, coalesce(sum(d.entered), 0)::bigint AS entered,
       coalesce(sum(d.refused), 0)::bigint AS refused, coalesce(sum(d.exited), 0)::bigint AS exited
FROM supervision_contract_v1 AS c JOIN ranked AS r USING (station_name)
LEFT JOIN LATERAL (
    SELECT sum(pre_registered) AS pre_registered, sum(entered) AS entered, sum(refused) AS refused, sum(exited) AS exited
    FROM day_v1 AS d
    WHERE d.contract_no = c.contract_no AND d.day = (statement_timestamp() AT TIME ZONE 'Asia/Shanghai')::date
) AS d ON true
GROUP BY 1, 2
"""


def _of_today(happened: str, what: str) -> LabelledGauge:
    text = f"{what} today in Shanghai. As of the last minute, the same of every worker: take the greatest."
    return LabelledGauge(Gauge(f"gatehouse_{happened}_today", text, ["district", "station"]))


GAUGES = {
    "pre_registered": _of_today("pre_registrations", "People pre-registered"),
    "entered": _of_today("entries", "Entries, also on paper,"),
    "refused": _of_today("refusals", "Refused attempts to enter"),
    "exited": _of_today("exits", "Exits"),
}


async def count_today(pool: asyncpg.Pool) -> None:
    """Tell as metrics what happened today, by station."""
    rows = await pool.fetch(TODAY, STATIONS_TOLD_MAX, OTHER_STATIONS)
    for happened, gauge in GAUGES.items():
        gauge.tell({(row["district"], row["station"]): row[happened] for row in rows})


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


def course_read_from(wanted: ContractFilter) -> ReadModel:
    """What `course` answers from."""
    return DAYS_OF_CITY if wanted.is_everything else DAYS_OF_CONTRACTS


async def course(pool: asyncpg.Pool, wanted: ContractFilter, *, days: int) -> Course:
    """The last so many days, today's the last one."""
    found = (
        await pool.fetch(COURSE_OF_CITY, days)
        if wanted.is_everything
        else await fetch_matching(pool, COURSE_OF_CONTRACTS, wanted, days)
    )
    rows = [DayRow(each["day"], each["pre_registered"], each["entered"], each["refused"], each["exited"]) for each in found]
    return Course(found[0]["as_of"], rows)
