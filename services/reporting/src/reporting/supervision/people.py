"""The people behind every number, and 用工查询. Sealed rows: who may see what of them is said elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

import asyncpg

from contracts.health import Disposition
from contracts.people import PersonKind
from reporting.supervision.filters import PAGE_ROWS, SHOWN, ContractFilter, rows_before


class PeopleSet(StrEnum):
    """Which number."""

    PRE_REGISTERED = "pre_registered"  # 预登记人
    REGISTERED = "registered"  # 总登记人数
    ON_SITE = "on_site"  # 在场人数


IS_ON_SITE = "(m.inside OR (m.imported_on_site_at IS NOT NULL AND (m.left_at IS NULL OR m.imported_on_site_at > m.left_at)))"
"""As `Member.on_site` has it, of a row `m` of `membership_v1`."""

_IN: Mapping[PeopleSet, str] = MappingProxyType(
    {PeopleSet.PRE_REGISTERED: "m.pre_registered", PeopleSet.REGISTERED: "m.registered", PeopleSet.ON_SITE: IS_ON_SITE}
)
_EMPLOYER: Mapping[PeopleSet, str] = MappingProxyType(
    {
        PeopleSet.PRE_REGISTERED: "g.pre_registered_for",
        PeopleSet.REGISTERED: "g.registered_for",
        PeopleSet.ON_SITE: "g.registered_for",
    }
)

_COLUMNS = f"""
m.contract_no, m.person_id, c.project_name, e.employer_credit_code, f.name AS employer, e.person_kind, e.trade,
CASE WHEN m.pre_registered AND g.pre_registered_for = e.employer_credit_code THEN g.pre_registered_at END AS pre_registered_at,
CASE WHEN g.registered_for = e.employer_credit_code THEN g.entered_at END AS entered_at,
CASE WHEN g.registered_for = e.employer_credit_code AND NOT {IS_ON_SITE} THEN m.left_at END AS left_at,
coalesce(d.disposition, 'admissible') AS disposition
"""
_BESIDE = """
JOIN shown AS c ON c.contract_no = m.contract_no
LEFT JOIN supervision_employer_v1 AS f ON f.contract_no = m.contract_no AND f.credit_code = e.employer_credit_code
LEFT JOIN disposition_v1 AS d ON d.person_id = m.person_id
"""
_SHOWN_ROWS = """
SELECT statement_timestamp() AS as_of, total.total, p.document_type, p.document, p.name, p.mobile, page.*
FROM total LEFT JOIN page ON true LEFT JOIN person_v1 AS p USING (person_id)
ORDER BY page.contract_no, page.person_id, page.employer_credit_code
"""

# The number is the one that the header shows: both are sums of the same counters.
PEOPLE = f"""
WITH {SHOWN}, total AS (
    SELECT coalesce(sum(n.{{number}}), 0)::bigint AS total FROM people_count_v1 AS n JOIN shown USING (contract_no)
), member AS (
    SELECT m.* FROM membership_v1 AS m JOIN shown USING (contract_no) WHERE {{is_in}}
    ORDER BY m.contract_no, m.person_id OFFSET $8 LIMIT $9
), page AS (
    SELECT {_COLUMNS}, {IS_ON_SITE} AS on_site
    FROM member AS m
    LEFT JOIN engagement_v1 AS g USING (contract_no, person_id)
    LEFT JOIN employment_v1 AS e
        ON (e.contract_no, e.person_id, e.employer_credit_code) = (m.contract_no, m.person_id, {{employer}})
    {_BESIDE}
)
{_SHOWN_ROWS}
"""

EMPLOYMENTS = f"""
WITH {SHOWN}, found AS (
    SELECT {_COLUMNS}, {IS_ON_SITE} AND g.registered_for = e.employer_credit_code AS on_site
    FROM membership_v1 AS m
    JOIN engagement_v1 AS g USING (contract_no, person_id)
    JOIN employment_v1 AS e USING (contract_no, person_id)
    {_BESIDE}
    WHERE (e.registered OR (m.pre_registered AND g.pre_registered_for = e.employer_credit_code))
      AND ($10::uuid[] IS NULL OR m.person_id = ANY ($10))
      AND ($11::text IS NULL OR e.employer_credit_code = $11)
      AND ($12::text IS NULL OR e.person_kind = $12)
      AND ($13::text IS NULL OR e.trade = $13)
      AND ($14::text IS NULL OR coalesce(d.disposition, 'admissible') = $14)
), kept AS (
    SELECT * FROM found WHERE $15::boolean IS NULL OR coalesce(on_site, false) = $15
), total AS (
    SELECT count(*) AS total FROM kept
), page AS (
    SELECT * FROM kept ORDER BY contract_no, person_id, employer_credit_code OFFSET $8 LIMIT $9
)
{_SHOWN_ROWS}
"""

NAMES = """
SELECT p.person_id, p.name FROM person_v1 AS p JOIN membership_v1 AS m USING (person_id)
WHERE m.contract_no = $1 AND (m.registered OR m.pre_registered) AND ($2::uuid IS NULL OR p.person_id > $2)
ORDER BY p.person_id LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody on a contract for a firm. Document, name and mobile are sealed."""

    contract_no: str
    person_id: UUID
    project_name: str
    employer_credit_code: str
    """Empty: not known."""
    employer: str | None
    person_kind: str | None
    trade: str | None
    pre_registered_at: datetime | None
    entered_at: datetime | None
    left_at: datetime | None
    on_site: bool
    disposition: str
    document_type: str | None
    """None, as are the others, as long as registration has not told who it is."""
    document: str | None
    name: str | None
    mobile: str | None


@dataclass(frozen=True, slots=True)
class People:
    """A page of them."""

    as_of: datetime
    total: int
    rows: Sequence[PersonRow]


@dataclass(frozen=True, slots=True)
class EmploymentFilter:
    """Which people of the contracts. None: anybody."""

    employer: str | None = None
    """Credit code."""
    person_kind: PersonKind | None = None
    trade: str | None = None
    disposition: Disposition | None = None
    on_site: bool | None = None
    people: Sequence[UUID] | None = None
    """Only these."""


async def people(pool: asyncpg.Pool, counted: PeopleSet, wanted: ContractFilter, *, page: int) -> People:
    """Exactly whom the number counts, by contract: a row a person and contract, with the firm of that count."""
    statement = PEOPLE.format(number=counted.value, is_in=_IN[counted], employer=_EMPLOYER[counted])
    return _people(await pool.fetch(statement, *wanted.parameters, rows_before(page), PAGE_ROWS))


async def employments(pool: asyncpg.Pool, wanted: ContractFilter, of: EmploymentFilter, *, page: int) -> People:
    """用工查询: a row a person, contract and employer."""
    asked = (of.people, of.employer, of.person_kind, of.trade, of.disposition, of.on_site)
    return _people(await pool.fetch(EMPLOYMENTS, *wanted.parameters, rows_before(page), PAGE_ROWS, *asked))


async def sealed_names(pool: asyncpg.Pool, contract_no: str, *, after: UUID | None, limit: int) -> Sequence[tuple[UUID, str]]:
    """Of everybody on the contract, by `person_id`."""
    return [(row["person_id"], row["name"]) for row in await pool.fetch(NAMES, contract_no, after, limit)]


def _people(found: Sequence[asyncpg.Record]) -> People:
    names = [each.name for each in fields(PersonRow)]
    rows = [PersonRow(*(row[name] for name in names)) for row in found if row["contract_no"] is not None]
    return People(found[0]["as_of"], found[0]["total"], rows)
