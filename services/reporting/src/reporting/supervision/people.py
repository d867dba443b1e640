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
from reporting.supervision.filters import (
    IS_BANNED,
    IS_ON_SITE,
    PAGE_ROWS,
    PEOPLE_COUNTED,
    SHOWN,
    SHOWN_OF_FEW,
    ContractFilter,
    fetch_matching,
    rows_before,
)


class PeopleSet(StrEnum):
    """Which number."""

    PRE_REGISTERED = "pre_registered"  # 预登记人
    REGISTERED = "registered"  # 总登记人数
    ON_SITE = "on_site"  # 在场人数


IS_EMPLOYED_ON_SITE = f"({IS_ON_SITE} AND coalesce(g.registered_for = e.employer_credit_code, false))"
"""For the employer of a row `e` of `employment_v1`."""

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
CASE WHEN g.pre_registered AND g.pre_registered_for = e.employer_credit_code THEN g.pre_registered_at END AS pre_registered_at,
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

# What one page shows is told by counters: how many rows each contract has, and so which contracts the page is about. No page
# passes over the people of those before. The header's numbers are sums of the same counters.
_PAGED = f"""
WITH {SHOWN}, counted AS (
    SELECT contract_no, sum(n.{{number}})::bigint AS number FROM {{counts}} AS n JOIN shown USING (contract_no) GROUP BY contract_no
), running AS (
    SELECT *, (sum(number) OVER (ORDER BY contract_no) - number)::bigint AS before FROM counted
), total AS (
    SELECT coalesce(sum(number), 0)::bigint AS total FROM counted
), member AS (
    SELECT one.* FROM running AS r CROSS JOIN LATERAL (
        {{rows}} OFFSET greatest($10 - r.before, 0) LIMIT least($10 + $11 - r.before, $11)
    ) AS one
    WHERE r.before < $10 + $11 AND r.before + r.number > $10
    ORDER BY one.contract_no, one.person_id LIMIT $11
)"""

PEOPLE = f"""
{_PAGED}, page AS (
    SELECT {_COLUMNS}, {IS_ON_SITE} AS on_site
    FROM member
    JOIN membership_v1 AS m USING (contract_no, person_id)
    LEFT JOIN engagement_v2 AS g USING (contract_no, person_id)
    LEFT JOIN employment_v1 AS e
        ON (e.contract_no, e.person_id, e.employer_credit_code) = (m.contract_no, m.person_id, {{employer}})
    {_BESIDE}
)
{_SHOWN_ROWS}
"""
MEMBERS = """
SELECT m.contract_no, m.person_id FROM membership_v1 AS m
WHERE m.contract_no = r.contract_no AND {is_in} AND NOT EXISTS (
    SELECT FROM same_person_v1 AS s JOIN same_person_v1 AS o USING (first_id)
    CROSS JOIN LATERAL (
        SELECT FROM membership_v1 AS m WHERE m.contract_no = r.contract_no AND m.person_id = o.person_id AND {is_in}
    ) AS counted_already
    WHERE s.person_id = m.person_id AND o.person_id < s.person_id
)
ORDER BY m.person_id
"""
"""Of the records of one person, the first that the number counts."""

IS_EMPLOYED = "(e.registered OR (g.pre_registered AND g.pre_registered_for = e.employer_credit_code))"
_EMPLOYED_PAGE = f"""
page AS (
    SELECT {_COLUMNS}, {IS_EMPLOYED_ON_SITE} AS on_site
    FROM member
    JOIN membership_v1 AS m USING (contract_no, person_id)
    JOIN engagement_v2 AS g USING (contract_no, person_id)
    JOIN employment_v1 AS e USING (contract_no, person_id, employer_credit_code)
    {_BESIDE}
)
{_SHOWN_ROWS}
"""
ALL_EMPLOYMENTS = f"{_PAGED}, {_EMPLOYED_PAGE}".format(
    number="employments",
    counts="employment_count_v2",
    rows=f"""
SELECT e.contract_no, e.person_id, e.employer_credit_code
FROM employment_v1 AS e JOIN engagement_v2 AS g USING (contract_no, person_id)
WHERE e.contract_no = r.contract_no AND {IS_EMPLOYED}
ORDER BY e.person_id, e.employer_credit_code
""",
)

# Only what is asked for stands in the statement, so that a search for one person does not pass over all others.
EMPLOYMENTS = f"""
WITH {SHOWN_OF_FEW}, found AS (
    SELECT m.contract_no, m.person_id, e.employer_credit_code
    FROM shown
    JOIN membership_v1 AS m USING (contract_no)
    JOIN engagement_v2 AS g USING (contract_no, person_id)
    JOIN employment_v1 AS e USING (contract_no, person_id)
    {{beside}}
    WHERE {IS_EMPLOYED} {{asked}}
), total AS (
    SELECT count(*) AS total FROM found
), member AS (
    SELECT * FROM found ORDER BY contract_no, person_id, employer_credit_code OFFSET $10 LIMIT $11
), {_EMPLOYED_PAGE}
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
    banned: bool | None = None
    """需隔离, 疑似 or 确诊."""
    people: Sequence[UUID] | None = None
    """Only these."""

    @property
    def conditions(self) -> Sequence[tuple[str, object]]:
        """What was asked for: a condition with the place of its value, and the value."""
        everything: Sequence[tuple[str, object]] = (
            ("m.person_id = ANY ({}::uuid[])", self.people),
            ("e.employer_credit_code = {}", self.employer),
            ("e.person_kind = {}", self.person_kind),
            ("e.trade = {}", self.trade),
            (_DECIDED.get(self.disposition, "d.disposition = {}"), self.disposition),
            (f"{IS_EMPLOYED_ON_SITE} = {{}}", self.on_site),
            (f"{IS_BANNED} AND {{}}::boolean" if self.banned else f"({IS_BANNED}) IS NOT TRUE AND NOT {{}}::boolean", self.banned),
        )
        return [(condition, value) for condition, value in everything if value is not None]


_DECIDED: Mapping[Disposition | None, str] = MappingProxyType(
    {Disposition.ADMISSIBLE: "coalesce(d.disposition, 'admissible') = {}"}
)
"""Of whoever nothing was decided about, too. All others are few, and found by their own rows."""


async def people(pool: asyncpg.Pool, counted: PeopleSet, wanted: ContractFilter, *, page: int, rows_max: int = PAGE_ROWS) -> People:
    """Exactly whom the number counts, by contract: a row a person and contract, with the firm of that count."""
    rows = MEMBERS.format(is_in=_IN[counted])
    statement = PEOPLE.format(number=counted.value, counts=PEOPLE_COUNTED, rows=rows, employer=_EMPLOYER[counted])
    return _people(await fetch_matching(pool, statement, wanted, rows_before(page, rows_max), rows_max))


async def employments(
    pool: asyncpg.Pool, wanted: ContractFilter, of: EmploymentFilter, *, page: int, rows_max: int = PAGE_ROWS
) -> People:
    """用工查询: a row a person, contract and employer."""
    conditions = of.conditions
    asked = "".join(f" AND {condition.format(f'${n}')}" for n, (condition, _) in enumerate(conditions, 12))
    beside = "LEFT JOIN disposition_v1 AS d USING (person_id)" if of.disposition or of.banned is not None else ""
    statement = EMPLOYMENTS.format(asked=asked, beside=beside) if conditions else ALL_EMPLOYMENTS
    others = rows_before(page, rows_max), rows_max, *(value for _, value in conditions)
    # They lead the way, whatever else was asked: one plan is right for all, and after five that a connection made it keeps one.
    if of.people is not None:
        return _people(await pool.fetch(statement, *wanted.parameters, *others))
    return _people(await fetch_matching(pool, statement, wanted, *others))


async def sealed_names(pool: asyncpg.Pool, contract_no: str, *, after: UUID | None, limit: int) -> Sequence[tuple[UUID, str]]:
    """Of everybody on the contract, by `person_id`."""
    return [(row["person_id"], row["name"]) for row in await pool.fetch(NAMES, contract_no, after, limit)]


def _people(found: Sequence[asyncpg.Record]) -> People:
    names = [each.name for each in fields(PersonRow)]
    rows = [PersonRow(*(row[name] for name in names)) for row in found if row["contract_no"] is not None]
    return People(found[0]["as_of"], found[0]["total"], rows)
