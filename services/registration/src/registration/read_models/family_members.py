"""Who comes along with this person (携带家属)? One row a family member and contract."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from chassis.subscribers import Fact
from chassis.tables import Key, ReadModel, Rows, Table
from contracts.registration import FamilyMemberPreRegistered, FamilyMemberWithdrawn

FAMILY_MAX = 100
"""Of one person, as shown. Nobody has more."""

FAMILY = """
SELECT contract_no, person_id, accompanies, state, relation, declaration_version, document_type, document, name, mobile, changed_at
FROM family_member_v1
WHERE contract_no = $1 AND accompanies = $2
ORDER BY changed_at, person_id
LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class FamilyMemberRow:
    """A row. Relation, document, name and mobile are sealed under the family member's own key."""

    contract_no: str
    person_id: UUID
    accompanies: UUID
    state: Literal["open", "withdrawn"]
    relation: str | None
    declaration_version: int
    document_type: str
    document: str
    name: str
    mobile: str
    changed_at: datetime


COMING_ALONG = Table("family_member_v1", FamilyMemberRow, key=("contract_no", "person_id"))


def _pre_registered(rows: Rows, fact: Fact[FamilyMemberPreRegistered], _: int) -> None:
    event = fact.event
    row = FamilyMemberRow(
        contract_no=event.contract_no,
        person_id=event.person_id,
        accompanies=event.accompanies,
        state="open",
        relation=event.relation,
        declaration_version=event.declaration.version,
        document_type=event.document_type,
        document=event.document,
        name=event.name,
        mobile=event.mobile,
        changed_at=event.pre_registered_at,
    )
    rows.put(COMING_ALONG, row)


def _withdrawn(rows: Rows, fact: Fact[FamilyMemberWithdrawn], _: int) -> None:
    row = rows.get(COMING_ALONG, (fact.event.contract_no, fact.event.person_id))
    if row is not None:
        rows.put(COMING_ALONG, replace(row, state="withdrawn", changed_at=fact.event.withdrawn_at))


def _read(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    if isinstance(fact.event, FamilyMemberWithdrawn):
        yield COMING_ALONG, (fact.event.contract_no, fact.event.person_id)


FAMILY_MEMBERS = ReadModel(
    name="family_member_v1",
    tables=(COMING_ALONG,),
    folds={FamilyMemberPreRegistered: _pre_registered, FamilyMemberWithdrawn: _withdrawn},
    reads=_read,
)
"""Answers the list 预进场家属管理."""


async def family_of(pool: asyncpg.Pool, contract_no: str, person_id: UUID) -> list[FamilyMemberRow]:
    """Whoever comes along with the person, or was to, in the order of what happened last."""
    return [FamilyMemberRow(*row) for row in await pool.fetch(FAMILY, contract_no, person_id, FAMILY_MAX)]
