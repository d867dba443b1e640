"""Which contracts a question is about: what the caller may see at all, and what he asked for. The same for every table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from contracts.access import Reach

PAGE_ROWS = 15
"""As in the manual."""

MATCHES = """
      ($1::text[] IS NULL OR c.station_name = ANY ($1))
      AND ($2::text[] IS NULL OR c.district = ANY ($2))
      AND ($3::text IS NULL OR strpos(c.contract_no, $3) > 0)
      AND ($4::text IS NULL OR strpos(c.project_name, $4) > 0)
      AND ($5::text IS NULL OR strpos(c.general_contractor, $5) > 0)
      AND ($6::text IS NULL OR c.station_name = $6)
      AND ($7::text IS NULL OR c.contract_no = $7)
      AND ($8::text IS NULL OR c.general_contractor_credit_code = $8)
      AND ($9::text IS NULL OR EXISTS (
          SELECT FROM supervision_employer_v1 AS h WHERE h.contract_no = c.contract_no AND h.credit_code = $9))
"""
"""Of a row `c` of `supervision_contract_v1`. Its parameters are `ContractFilter.parameters`."""

SHOWN = f"shown AS (SELECT c.* FROM supervision_contract_v1 AS c WHERE {MATCHES})"
"""The contracts, for a WITH."""
SHOWN_OF_FEW = SHOWN.replace(" AS (", " AS NOT MATERIALIZED (", 1)
"""The same where it may be a few people who are looked for: their contracts are then found by number, instead of all by each."""

IS_ON_SITE = "(m.inside OR (m.imported_on_site_at IS NOT NULL AND (m.left_at IS NULL OR m.imported_on_site_at > m.left_at)))"
"""As `Member.on_site` has it, of a row `m` of `membership_v1`."""

PEOPLE_COUNTED = f"""(
    SELECT contract_no, pre_registered, registered, on_site FROM people_count_v1
    UNION ALL
    SELECT m.contract_no, least(0, 1 - count(*) FILTER (WHERE m.pre_registered))::integer,
           least(0, 1 - count(*) FILTER (WHERE m.registered))::integer, least(0, 1 - count(*) FILTER (WHERE {IS_ON_SITE}))::integer
    FROM same_person_v1 AS s JOIN membership_v1 AS m USING (person_id) GROUP BY m.contract_no, s.first_id
)"""
"""Summed by contract: people, not records. Whoever is counted under several documents is taken off but once; few are."""

IS_BANNED = "d.disposition <> 'admissible'"
"""Of a row `d` of `disposition_v1`. These are few, and have an index."""

CHINESE = 'COLLATE "zh-x-icu"'
"""Names in Chinese order: by pinyin. Everything else of a name sorts before."""


@dataclass(frozen=True, slots=True)
class ContractFilter:
    """What the caller asked for, within his reach. None: anything."""

    reach: Reach
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
    contractor: str | None = None
    """Those of one general contractor, by its credit code."""
    employer: str | None = None
    """Those on which one firm employs people, by its credit code."""

    @property
    def parameters(self) -> Sequence[object]:
        """$1 to $9 of `MATCHES`."""
        return (
            *self.reach.bounds,
            self.contract_no,
            self.project_name,
            self.general_contractor,
            self.station,
            self.exactly,
            self.contractor,
            self.employer,
        )

    @property
    def is_everything(self) -> bool:
        """Whether each contract there is matches."""
        return all(each is None for each in self.parameters)


async def fetch_matching(pool: asyncpg.Pool, statement: str, wanted: ContractFilter, *others: object) -> Sequence[asyncpg.Record]:
    """The statement's rows; `others` are its parameters from $10 on.

    It is planned for these values each time, which takes a millisecond or two. The one plan for all values, to which the
    database would soon go over, expects a single contract whatever was asked, and takes twice as long for all of them.
    """
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        rows: Sequence[asyncpg.Record] = await connection.fetch(statement, *wanted.parameters, *others)
        return rows


def rows_before(page: int, page_rows: int = PAGE_ROWS) -> int:
    """How many rows stand on the pages before this one, counted from 1."""
    return (page - 1) * page_rows


def pages_of(total: int, page_rows: int = PAGE_ROWS) -> int:
    return -(-total // page_rows)


def page_text(total: int, *, page: int, rows: int, page_rows: int = PAGE_ROWS) -> str:
    """`共1页 显示1到2,共2记录`, with so many rows on this page."""
    before = rows_before(page, page_rows)
    first, last = (before + 1, before + rows) if rows else (0, 0)
    return f"共{pages_of(total, page_rows)}页 显示{first}到{last},共{total}记录"
