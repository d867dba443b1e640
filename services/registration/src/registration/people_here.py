"""Who somebody is on a contract: expected, come along, or of the old roster. For those who know a `person_id` and no name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import asyncpg

Standing = Literal["pre_registered", "family", "rostered"]

# What holds now comes first: somebody of the roster may be expected anew, whoever comes along may once have worked here.
PEOPLE = """
SELECT DISTINCT ON (person_id) person_id, standing, accompanies, employer_credit_code, person_kind, trade, document_type, document,
       name
FROM (
    SELECT person_id, 'pre_registered' AS standing, NULL::uuid AS accompanies, employer_credit_code, person_kind, trade,
           document_type, document, name, state NOT IN ('open', 'closed') AS is_over, 1 AS rank
    FROM pre_registration_v2 WHERE contract_no = $1 AND person_id = ANY ($2)
    UNION ALL
    SELECT f.person_id, 'family', f.accompanies, p.employer_credit_code, NULL, NULL, f.document_type, f.document, f.name,
           f.state <> 'open', 2
    FROM family_member_v2 AS f
    LEFT JOIN pre_registration_v2 AS p ON p.contract_no = f.contract_no AND p.person_id = f.accompanies
    WHERE f.contract_no = $1 AND f.person_id = ANY ($2)
    UNION ALL
    SELECT person_id, 'rostered', NULL, employer_credit_code, person_kind, trade, document_type, document, name, false, 3
    FROM roster_member_v1 WHERE contract_no = $1 AND person_id = ANY ($2)
) AS here
WHERE $3::text IS NULL OR employer_credit_code = $3
ORDER BY person_id, is_over, rank
"""


@dataclass(frozen=True, slots=True)
class PersonHere:
    """Document and name are sealed under the person's own key."""

    person_id: UUID
    standing: Standing
    accompanies: UUID | None
    """Of family: with whom."""
    employer_credit_code: str | None
    """Of family: of whom they accompany."""
    person_kind: str | None
    trade: str | None
    document_type: str
    document: str
    name: str


async def people_here(
    pool: asyncpg.Pool, contract_no: str, people: Collection[UUID], *, employer: str | None
) -> Sequence[PersonHere]:
    """Those of them whom the contract knows, by `person_id`. `employer` is a credit code: only its people, and their family."""
    return [PersonHere(*row) for row in await pool.fetch(PEOPLE, contract_no, people, employer)]
