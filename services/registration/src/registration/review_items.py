"""What is to be looked at (待核): on a contract, with what was declared, and how much on which one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from contracts.registration import (
    PinnedDeclaration,
)
from contracts.review import ReviewItemKind
from registration.domain.review import ReviewItem, differences
from registration.read_models.review_settlements import SettlementRow
from registration.supervised import SUPERVISED, by_contract

STANDS = """(i.withdrawn_at IS NULL OR EXISTS (
    SELECT FROM presence_v1 AS s
    WHERE (s.contract_no, s.person_id) = (i.contract_no, i.person_id) AND (s.inside OR s.left_at > i.withdrawn_at)
))"""
"""On site though withdrawn: the two crossed, and what the gate says holds."""

SETTLEMENT = """review_settlement_v1 AS t
WHERE (t.contract_no, t.person_id, t.kind, t.declaration_version) = (i.contract_no, i.person_id, i.kind, i.declaration_version)"""

OF_CONTRACT = f"""
FROM review_item_v1 AS i
JOIN pre_registration_v2 AS p USING (contract_no, person_id)
LEFT JOIN LATERAL (SELECT * FROM {SETTLEMENT}) AS t ON true
WHERE i.contract_no = $1 AND {STANDS}
  AND ($2::text IS NULL OR p.employer_credit_code = $2)
  AND ($3::boolean IS NULL OR (t.settled_at IS NOT NULL) = $3)
"""  # noqa: S608 - constants

PEOPLE = f"""
SELECT DISTINCT i.person_id {OF_CONTRACT}
  AND ($4::uuid IS NULL OR i.person_id = $4)
  AND ($5::uuid IS NULL OR i.person_id > $5)
ORDER BY i.person_id
LIMIT $6
"""

ITEMS = f"""
SELECT i.person_id, i.kind, i.declaration_version, p.document_type, p.document, p.name, p.declaration_version AS pinned_version,
       t.settled_by, t.note, t.settled_at
{OF_CONTRACT} AND i.person_id = ANY ($4)
ORDER BY i.person_id, i.kind, i.declaration_version
"""

DECLARED = """
SELECT person_id, version, pinned, name_fingerprint, contradictions FROM declaration_version_v1
WHERE person_id = ANY ($1) ORDER BY version
"""

# Of a city all of them are counted each time: without what only a page shows.
BY_CONTRACT = by_contract(
    f"""
    SELECT i.contract_no, count(*) AS items
    FROM review_item_v1 AS i
    WHERE i.contract_no IN {SUPERVISED} AND {STANDS} AND NOT EXISTS (SELECT FROM {SETTLEMENT})
    GROUP BY i.contract_no
    """,  # noqa: S608 - constants
    total="items",
)


@dataclass(frozen=True, slots=True)
class FoundItem:
    """Something to look at. Document and name are sealed."""

    person_id: UUID
    document_type: str
    document: str
    name: str
    item: ReviewItem
    pinned_version: int
    codes: Sequence[str]
    """Which contradictions, or which fields differ."""
    pinned: PinnedDeclaration | None
    """What the pre-registration relies on says."""
    declared: PinnedDeclaration | None
    """What the declaration that the item is about says."""
    latest: PinnedDeclaration | None
    """What the person declared last."""
    settled: SettlementRow | None
    """None: nobody has looked."""


@dataclass(frozen=True, slots=True)
class FoundPage:
    """All that is to be looked at about some people, in the order of their ids."""

    items: Sequence[FoundItem]
    next: UUID | None
    """The last person, where there are more."""


async def review_items(
    pool: asyncpg.Pool,
    contract_no: str,
    *,
    employer: str | None,
    is_settled: bool | None = None,
    person_id: UUID | None = None,
    after: UUID | None = None,
    people_max: int,
) -> FoundPage:
    """Of a contract, or of one person there. `employer` is a credit code: only its people. `is_settled`: None for all."""
    rows = await pool.fetch(PEOPLE, contract_no, employer, is_settled, person_id, after, people_max + 1)
    people = [row["person_id"] for row in rows[:people_max]]
    declared: defaultdict[UUID, list[asyncpg.Record]] = defaultdict(list)
    for version in await pool.fetch(DECLARED, people):
        declared[version["person_id"]].append(version)
    found = await pool.fetch(ITEMS, contract_no, employer, is_settled, people)
    items = [_found(contract_no, row, declared[row["person_id"]]) for row in found]
    return FoundPage(items, people[-1] if len(rows) > people_max else None)


def _found(contract_no: str, row: asyncpg.Record, declared: Sequence[asyncpg.Record]) -> FoundItem:
    item = ReviewItem(ReviewItemKind(row["kind"]), row["declaration_version"])
    key = (contract_no, row["person_id"], row["kind"], row["declaration_version"])
    return FoundItem(
        person_id=row["person_id"],
        document_type=row["document_type"],
        document=row["document"],
        name=row["name"],
        item=item,
        pinned_version=row["pinned_version"],
        codes=_codes(item, row["pinned_version"], declared),
        pinned=_said(_version(declared, row["pinned_version"])),
        declared=_said(_version(declared, item.declaration_version)),
        latest=_said(declared[-1] if declared else None),
        settled=SettlementRow(*key, row["settled_by"], row["note"], row["settled_at"]) if row["settled_at"] else None,
    )


def _codes(item: ReviewItem, pinned_version: int, declared: Sequence[asyncpg.Record]) -> Sequence[str]:
    pinned, newer = _version(declared, pinned_version), _version(declared, item.declaration_version)
    if pinned is None or newer is None or item.kind is ReviewItemKind.ENTERED_THOUGH_WITHDRAWN:
        return ()
    if item.kind is ReviewItemKind.DECLARATION_CONTRADICTS:
        return str(pinned["contradictions"]).split()
    return differences(
        PinnedDeclaration.model_validate_json(pinned["pinned"]),
        PinnedDeclaration.model_validate_json(newer["pinned"]),
        same_name=pinned["name_fingerprint"] == newer["name_fingerprint"],
    )


def _version(declared: Sequence[asyncpg.Record], version: int) -> asyncpg.Record | None:
    return next((each for each in declared if each["version"] == version), None)


def _said(declared: asyncpg.Record | None) -> PinnedDeclaration | None:
    return PinnedDeclaration.model_validate_json(declared["pinned"]) if declared else None
