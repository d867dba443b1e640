"""The manual's table (合同查询): rows, header and page, from one snapshot, so that they always agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import asyncpg

from contracts.access import Reach
from reporting.supervision.filters import (
    CHINESE,
    IS_BANNED,
    IS_ON_SITE,
    PAGE_ROWS,
    PEOPLE_COUNTED,
    SHOWN,
    ContractFilter,
    fetch_matching,
    page_text,
)


class Order(StrEnum):
    """By what the rows are ordered. The manual's order is that of the numbers."""

    CONTRACT_NO = "contract_no"
    PROJECT_NAME = "project_name"
    GENERAL_CONTRACTOR = "general_contractor"
    STATION = "station"


_COLUMNS: Mapping[Order, str] = MappingProxyType(
    {
        Order.CONTRACT_NO: "contract_no",
        Order.PROJECT_NAME: f"project_name {CHINESE}",
        Order.GENERAL_CONTRACTOR: f"general_contractor {CHINESE}",
        Order.STATION: f"station_name {CHINESE}",
    }
)

# One statement is one snapshot: the header counts exactly the rows that the filter lets through, on all pages.
CONTRACTS = f"""
WITH {SHOWN}, counted AS (
    SELECT c.*, coalesce(e.employers, 0) AS employers, coalesce(p.pre_registered, 0) AS pre_registered,
           coalesce(p.registered, 0) AS registered, coalesce(p.on_site, 0) AS on_site,
           coalesce(b.banned_on_site, 0) AS banned_on_site
    FROM shown AS c
    LEFT JOIN (
        SELECT contract_no, sum(pre_registered) AS pre_registered, sum(registered) AS registered, sum(on_site) AS on_site
        FROM {PEOPLE_COUNTED} AS n GROUP BY contract_no
    ) AS p USING (contract_no)
    LEFT JOIN (SELECT contract_no, count(*) AS employers FROM supervision_employer_v1 GROUP BY contract_no) AS e USING (contract_no)
    LEFT JOIN (
        SELECT m.contract_no, count(*) AS banned_on_site FROM disposition_v1 AS d JOIN membership_v1 AS m USING (person_id)
        WHERE {IS_BANNED} AND {IS_ON_SITE} GROUP BY m.contract_no
    ) AS b USING (contract_no)
), header AS (
    SELECT statement_timestamp() AS as_of, count(*) AS contracts,
           count(DISTINCT general_contractor_credit_code) AS general_contractors,
           (SELECT count(DISTINCT credit_code) FROM supervision_employer_v1 JOIN shown USING (contract_no)) AS employers,
           coalesce(sum(registered), 0)::bigint AS registered, coalesce(sum(on_site), 0)::bigint AS on_site,
           coalesce(sum(banned_on_site), 0)::bigint AS banned_on_site
    FROM counted
), page AS (
    SELECT *, row_number() OVER (ORDER BY {{order}}, contract_no) AS n FROM counted ORDER BY n OFFSET $10 LIMIT $11
)
SELECT h.as_of, h.contracts, h.general_contractors, h.employers AS employers_in_all, h.registered AS registered_in_all,
       h.on_site AS on_site_in_all, h.banned_on_site AS banned_on_site_in_all, page.*
FROM header AS h LEFT JOIN page ON true
ORDER BY page.n
"""

STATIONS = f"""
SELECT station_name FROM supervision_contract_v1 AS c
WHERE ($1::text[] IS NULL OR c.station_name = ANY ($1)) AND ($2::text[] IS NULL OR c.district = ANY ($2))
GROUP BY station_name ORDER BY station_name {CHINESE}
"""
EMPLOYERS = "SELECT credit_code, name FROM supervision_employer_v1 WHERE contract_no = $1 ORDER BY credit_code"


@dataclass(frozen=True, slots=True)
class Header:
    """统计信息 over all rows of the filter, on whatever page."""

    contracts: int
    general_contractors: int
    employers: int
    registered: int
    on_site: int
    banned_on_site: int

    @property
    def text(self) -> str:
        return (
            f"合同({self.contracts})个 总包单位({self.general_contractors})个 用工单位({self.employers})个"
            f" 总登记人数({self.registered}) 在场人数({self.on_site})"
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One contract with its numbers."""

    number: int
    contract_no: str
    construction_no: str
    project_name: str
    general_contractor: str
    general_contractor_kind: str
    station: str
    district: str
    employers: int
    pre_registered: int
    on_site: int
    registered: int
    banned_on_site: int


@dataclass(frozen=True, slots=True)
class Table:
    """A page of it."""

    as_of: datetime
    """When these numbers stood so, by the database's clock, UTC."""
    header: Header
    page: int
    rows: Sequence[Row]

    @property
    def page_text(self) -> str:
        """`共1页 显示1到2,共2记录`."""
        return page_text(self.header.contracts, page=self.page, rows=len(self.rows))


async def supervision_table(
    pool: asyncpg.Pool,
    wanted: ContractFilter,
    *,
    page: int,
    rows_max: int = PAGE_ROWS,
    order: Order = Order.CONTRACT_NO,
    descending: bool = False,
) -> Table:
    """A page of so many rows, from 1. Rows that are equal in what they are ordered by stand by contract number."""
    direction = f"{_COLUMNS[order]} {'DESC' if descending else 'ASC'}"
    found = await fetch_matching(pool, CONTRACTS.format(order=direction), wanted, (page - 1) * rows_max, rows_max)
    rows = [_row(each) for each in found if each["contract_no"] is not None]
    return Table(as_of=found[0]["as_of"], header=_header(found[0]), page=page, rows=rows)


async def employers_of(pool: asyncpg.Pool, contract_no: str) -> list[tuple[str, str]]:
    """(credit code, name) of each, by credit code."""
    return [(row["credit_code"], row["name"]) for row in await pool.fetch(EMPLOYERS, contract_no)]


async def stations_within(pool: asyncpg.Pool, reach: Reach) -> list[str]:
    """The stations of all contracts within reach, in Chinese order."""
    return [row["station_name"] for row in await pool.fetch(STATIONS, *reach.bounds)]


def _header(row: asyncpg.Record) -> Header:
    return Header(
        contracts=row["contracts"],
        general_contractors=row["general_contractors"],
        employers=row["employers_in_all"],
        registered=row["registered_in_all"],
        on_site=row["on_site_in_all"],
        banned_on_site=row["banned_on_site_in_all"],
    )


def _row(row: asyncpg.Record) -> Row:
    return Row(
        number=row["n"],
        contract_no=row["contract_no"],
        construction_no=row["construction_no"],
        project_name=row["project_name"],
        general_contractor=row["general_contractor"],
        general_contractor_kind=row["general_contractor_kind"],
        station=row["station_name"],
        district=row["district"],
        employers=row["employers"],
        pre_registered=row["pre_registered"],
        on_site=row["on_site"],
        registered=row["registered"],
        banned_on_site=row["banned_on_site"],
    )
