"""On which contracts happened what a number of the course counts, and how often?

Together as often as the number says, as far as the contracts are known here. What happened on one of which registration has not
told yet is on no list and in no station's number; the whole city's number has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

import asyncpg

from reporting.supervision.filters import PAGE_ROWS, SHOWN, ContractFilter, fetch_matching, rows_before


class Happened(StrEnum):
    """Which number of a day."""

    PRE_REGISTERED = "pre_registered"  # 进场预登记
    ENTERED = "entered"  # 进场登记
    REFUSED = "refused"  # 进场登记 that was refused
    EXITED = "exited"  # 退场登记


BY_CONTRACT = f"""
WITH {SHOWN}, happened AS (
    SELECT contract_no, s.project_name, sum(d.{{number}}) AS times
    FROM day_v1 AS d JOIN shown AS s USING (contract_no)
    WHERE d.day = $10
    GROUP BY contract_no, s.project_name
    HAVING sum(d.{{number}}) > 0
), page AS (
    SELECT * FROM happened ORDER BY times DESC, contract_no OFFSET $11 LIMIT $12
)
SELECT statement_timestamp() AS as_of, every.*, page.*
FROM (SELECT count(*) AS total, coalesce(sum(times), 0)::bigint AS times_in_all FROM happened) AS every LEFT JOIN page ON true
ORDER BY page.times DESC, page.contract_no
"""


@dataclass(frozen=True, slots=True)
class ContractOfDay:
    """A contract on which it happened."""

    contract_no: str
    project_name: str
    times: int


@dataclass(frozen=True, slots=True)
class ContractsOfDay:
    """A page of them: where it happened most comes first."""

    as_of: datetime
    total: int
    times: int
    """On all of them."""
    rows: Sequence[ContractOfDay]


async def contracts_of_day(
    pool: asyncpg.Pool, day: date, happened: Happened, wanted: ContractFilter, *, page: int
) -> ContractsOfDay:
    """Those of the filter, of a day in Shanghai."""
    statement = BY_CONTRACT.format(number=happened.value)
    found = await fetch_matching(pool, statement, wanted, day, rows_before(page), PAGE_ROWS)
    rows = [ContractOfDay(each["contract_no"], each["project_name"], each["times"]) for each in found if each["contract_no"]]
    return ContractsOfDay(found[0]["as_of"], found[0]["total"], found[0]["times_in_all"], rows)
