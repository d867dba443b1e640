"""What is to be looked at on a contract (待核), worked out from the read models at the time of asking."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

import asyncpg

from contracts.registration import (
    PinnedDeclaration,
)
from contracts.review import ReviewItemKind
from registration.domain.review import ReviewItem, differences
from registration.read_models.review_settlements import SettlementRow

PEOPLE = """
SELECT p.person_id, p.state, p.document_type, p.document, p.name, p.declaration_version, v.contradictions
FROM pre_registration_v2 AS p
LEFT JOIN declaration_version_v1 AS v ON v.person_id = p.person_id AND v.version = p.declaration_version
LEFT JOIN presence_v1 AS s ON s.contract_no = p.contract_no AND s.person_id = p.person_id
WHERE p.contract_no = $1
  AND ($2::text IS NULL OR p.employer_credit_code = $2)
  AND ($3::uuid IS NULL OR p.person_id = $3)
  AND ($4::uuid IS NULL OR p.person_id > $4)
  AND (p.state = 'open' AND (v.contradictions <> '' OR EXISTS (
        SELECT FROM declaration_version_v1 AS d WHERE d.person_id = p.person_id AND d.version > p.declaration_version))
    OR p.state = 'withdrawn' AND p.declaration_version IS NOT NULL AND (s.inside OR s.left_at > p.changed_at))
ORDER BY p.person_id
LIMIT $5
"""
"""Whoever there may be something about. On site though withdrawn: the two crossed, and what the gate says holds."""

DECLARED = """
SELECT person_id, version, pinned, name_fingerprint FROM declaration_version_v1 WHERE person_id = ANY ($1) ORDER BY version
"""

SETTLEMENTS = """
SELECT contract_no, person_id, kind, declaration_version, settled_by, note, settled_at FROM review_settlement_v1
WHERE contract_no = $1 AND person_id = ANY ($2)
"""


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
    """The last person, where there may be more."""


async def review_items(
    pool: asyncpg.Pool,
    contract_no: str,
    *,
    employer: str | None,
    person_id: UUID | None = None,
    after: UUID | None = None,
    people_max: int,
) -> FoundPage:
    """Of a contract, or of one person there. `employer` is a credit code: only its people."""
    rows = await pool.fetch(PEOPLE, contract_no, employer, person_id, after, people_max + 1)
    shown = rows[:people_max]
    people = [row["person_id"] for row in shown]
    declared: defaultdict[UUID, list[asyncpg.Record]] = defaultdict(list)
    for version in await pool.fetch(DECLARED, people):
        declared[version["person_id"]].append(version)
    found = await pool.fetch(SETTLEMENTS, contract_no, people)
    settled = {(row["person_id"], row["kind"], row["declaration_version"]): SettlementRow(*row) for row in found}
    items = [
        FoundItem(
            person_id=row["person_id"],
            document_type=row["document_type"],
            document=row["document"],
            name=row["name"],
            item=item,
            pinned_version=row["declaration_version"],
            codes=codes,
            pinned=_said(declared[row["person_id"]], row["declaration_version"]),
            declared=_said(declared[row["person_id"]], item.declaration_version),
            latest=_said(declared[row["person_id"]][-1:]),
            settled=settled.get((row["person_id"], item.kind.value, item.declaration_version)),
        )
        for row in shown
        for item, codes in _of(row, declared[row["person_id"]])
    ]
    return FoundPage(items, shown[-1]["person_id"] if len(rows) > people_max else None)


def _of(row: asyncpg.Record, declared: Sequence[asyncpg.Record]) -> Iterator[tuple[ReviewItem, Sequence[str]]]:
    """Everything about one person, who declared all this, in this order."""
    pinned_version: int = row["declaration_version"]
    if row["state"] == "withdrawn":
        yield ReviewItem(ReviewItemKind.ENTERED_THOUGH_WITHDRAWN, pinned_version), ()
        return
    if row["contradictions"]:
        yield ReviewItem(ReviewItemKind.DECLARATION_CONTRADICTS, pinned_version), row["contradictions"].split()
    since = [each for each in declared if each["version"] >= pinned_version]
    for before, newer in pairwise(since):
        changed = _differences(since[0], newer)
        # What was said before already is an item of that declaration, and stays one whatever is said after it.
        if changed and _differences(before, newer):
            yield ReviewItem(ReviewItemKind.DECLARATION_DIFFERS, newer["version"]), changed


def _said(declared: Sequence[asyncpg.Record], version: int | None = None) -> PinnedDeclaration | None:
    """That version of them; without one, the only one."""
    found = (each["pinned"] for each in declared if version in (None, each["version"]))
    return next((PinnedDeclaration.model_validate_json(each) for each in found), None)


def _differences(one: asyncpg.Record, other: asyncpg.Record) -> Sequence[str]:
    return differences(
        PinnedDeclaration.model_validate_json(one["pinned"]),
        PinnedDeclaration.model_validate_json(other["pinned"]),
        same_name=one["name_fingerprint"] == other["name_fingerprint"],
    )
