"""The manual's table (合同查询): rows, header and page, from one snapshot, so that they always agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

PAGE_ROWS = 15
"""As in the manual."""

# One statement is one snapshot: the header counts exactly the rows that the filter lets through, on all pages.
CONTRACTS = """
WITH shown AS (
    SELECT c.*, coalesce(e.employers, 0) AS employers, coalesce(p.pre_registered, 0) AS pre_registered,
           coalesce(p.registered, 0) AS registered, coalesce(p.on_site, 0) AS on_site
    FROM supervision_contract_v1 AS c
    LEFT JOIN (
        SELECT contract_no, sum(pre_registered) AS pre_registered, sum(registered) AS registered, sum(on_site) AS on_site
        FROM people_count_v1 GROUP BY contract_no
    ) AS p USING (contract_no)
    LEFT JOIN (SELECT contract_no, count(*) AS employers FROM supervision_employer_v1 GROUP BY contract_no) AS e USING (contract_no)
    WHERE ($1::text[] IS NULL OR c.station_name = ANY ($1))
      AND ($2::text[] IS NULL OR c.district = ANY ($2))
      AND ($3::text IS NULL OR strpos(c.contract_no, $3) > 0)
      AND ($4::text IS NULL OR strpos(c.project_name, $4) > 0)
      AND ($5::text IS NULL OR strpos(c.general_contractor, $5) > 0)
      AND ($6::text IS NULL OR c.station_name = $6)
      AND ($7::text IS NULL OR c.contract_no = $7)
), header AS (
    SELECT statement_timestamp() AS as_of, count(*) AS contracts,
           count(DISTINCT general_contractor_credit_code) AS general_contractors,
           (SELECT count(DISTINCT credit_code) FROM supervision_employer_v1 JOIN shown USING (contract_no)) AS employers,
           coalesce(sum(registered), 0)::bigint AS registered, coalesce(sum(on_site), 0)::bigint AS on_site
    FROM shown
), page AS (
    SELECT * FROM shown ORDER BY contract_no OFFSET $8 LIMIT $9
)
SELECT h.as_of, h.contracts, h.general_contractors, h.employers AS employers_in_all, h.registered AS registered_in_all,
       h.on_site AS on_site_in_all, page.*
FROM header AS h LEFT JOIN page ON true
ORDER BY page.contract_no
"""

EMPLOYERS = "SELECT credit_code, name FROM supervision_employer_v1 WHERE contract_no = $1 ORDER BY credit_code"


@dataclass(frozen=True, slots=True)
class Reach:
    """Which contracts the caller may see at all. None: all."""

    stations: Sequence[str] | None
    districts: Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Filter:
    """What the caller asked for. None: anything."""

    contract_no: str | None = None
    """A part of it."""
    project_name: str | None = None
    """A part of it."""
    general_contractor: str | None = None
    """A part of its name."""
    station: str | None = None
    """Its whole name."""
    exactly: str | None = None
    """One contract, by its whole number."""


@dataclass(frozen=True, slots=True)
class Header:
    """统计信息 over all rows of the filter, on whatever page."""

    contracts: int
    general_contractors: int
    employers: int
    registered: int
    on_site: int

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
        total = self.header.contracts
        first, last = (self.rows[0].number, self.rows[-1].number) if self.rows else (0, 0)
        return f"共{-(-total // PAGE_ROWS)}页 显示{first}到{last},共{total}记录"


async def supervision_table(pool: asyncpg.Pool, reach: Reach, wanted: Filter, *, page: int) -> Table:
    """A page of `PAGE_ROWS` rows, from 1, in the manual's order: by contract number."""
    before = (page - 1) * PAGE_ROWS
    found = await pool.fetch(
        CONTRACTS,
        reach.stations,
        reach.districts,
        wanted.contract_no,
        wanted.project_name,
        wanted.general_contractor,
        wanted.station,
        wanted.exactly,
        before,
        PAGE_ROWS,
    )
    rows = [_row(each, number) for number, each in enumerate(found, before + 1) if each["contract_no"] is not None]
    return Table(as_of=found[0]["as_of"], header=_header(found[0]), page=page, rows=rows)


async def employers_of(pool: asyncpg.Pool, contract_no: str) -> list[tuple[str, str]]:
    """(credit code, name) of each, by credit code."""
    return [(row["credit_code"], row["name"]) for row in await pool.fetch(EMPLOYERS, contract_no)]


def _header(row: asyncpg.Record) -> Header:
    return Header(
        contracts=row["contracts"],
        general_contractors=row["general_contractors"],
        employers=row["employers_in_all"],
        registered=row["registered_in_all"],
        on_site=row["on_site_in_all"],
    )


def _row(row: asyncpg.Record, number: int) -> Row:
    return Row(
        number=number,
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
    )
