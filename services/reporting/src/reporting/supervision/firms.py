"""总包单位 and 用工单位 behind the numbers of the header: each firm once, by its credit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

import asyncpg

from reporting.supervision.filters import CHINESE, PAGE_ROWS, SHOWN, ContractFilter, fetch_matching, rows_before


class FirmKind(StrEnum):
    """Which number."""

    GENERAL_CONTRACTOR = "general_contractor"  # 总包单位
    EMPLOYER = "employer"  # 用工单位


GENERAL_CONTRACTORS = "SELECT contract_no, general_contractor_credit_code AS credit_code, general_contractor AS name FROM shown"
EMPLOYERS = "SELECT contract_no, e.credit_code, e.name FROM supervision_employer_v1 AS e JOIN shown USING (contract_no)"
_NAMED: Mapping[FirmKind, str] = MappingProxyType({FirmKind.GENERAL_CONTRACTOR: GENERAL_CONTRACTORS, FirmKind.EMPLOYER: EMPLOYERS})

FIRMS = f"""
WITH {SHOWN}, named AS ({{named}}), firm AS (
    SELECT credit_code, max(name) AS name, count(DISTINCT contract_no) AS contracts FROM named GROUP BY credit_code
), page AS (
    SELECT * FROM firm ORDER BY name {CHINESE}, credit_code OFFSET $10 LIMIT $11
)
SELECT statement_timestamp() AS as_of, (SELECT count(*) FROM firm) AS total, page.*
FROM (SELECT 1) AS always LEFT JOIN page ON true
ORDER BY page.name {CHINESE}, page.credit_code
"""


@dataclass(frozen=True, slots=True)
class FirmRow:
    """A firm on some of the contracts."""

    credit_code: str
    name: str
    contracts: int
    """On so many of them."""


@dataclass(frozen=True, slots=True)
class Firms:
    """A page of them."""

    as_of: datetime
    total: int
    rows: Sequence[FirmRow]


async def firms(pool: asyncpg.Pool, kind: FirmKind, wanted: ContractFilter, *, page: int) -> Firms:
    """In Chinese order of their names. A firm that was named differently on two contracts has one of its names."""
    found = await fetch_matching(pool, FIRMS.format(named=_NAMED[kind]), wanted, rows_before(page), PAGE_ROWS)
    rows = [FirmRow(row["credit_code"], row["name"], row["contracts"]) for row in found if row["credit_code"] is not None]
    return Firms(found[0]["as_of"], found[0]["total"], rows)
