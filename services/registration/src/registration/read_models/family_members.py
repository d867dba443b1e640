"""Who comes along with this person (携带家属)? One row a family member and contract."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from chassis.subscribers import Fact
from chassis.tables import Key, ReadModel, Rows, Table
from contracts.registration import (
    FamilyDeclarationAwaited,
    FamilyDetailsCorrected,
    FamilyMemberPreRegistered,
    FamilyMemberWithdrawn,
    PersonErased,
)
from registration.domain.family import State

Told = FamilyDeclarationAwaited | FamilyMemberPreRegistered | FamilyDetailsCorrected

FAMILY_MAX = 100
"""Of one person, as shown. Nobody has more."""

FAMILY = """
SELECT contract_no, person_id, accompanies, state, relation, declaration_version, document_type, document, name, name_fingerprint,
       mobile, changed_at
FROM family_member_v2
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
    state: State
    relation: str | None
    declaration_version: int | None
    """None while one is awaited."""
    document_type: str
    document: str
    name: str
    name_fingerprint: str
    mobile: str | None
    changed_at: datetime

    @property
    def left(self) -> None:
        """Family are never on a site, and so never left it."""


COMING_ALONG = Table("family_member_v2", FamilyMemberRow, key=("contract_no", "person_id"))


def _awaited(rows: Rows, fact: Fact[FamilyDeclarationAwaited], _: int) -> None:
    rows.put(COMING_ALONG, _row(fact.event, state="awaiting", declaration_version=None, at=fact.event.asked_at))


def _pre_registered(rows: Rows, fact: Fact[FamilyMemberPreRegistered | FamilyDetailsCorrected], _: int) -> None:
    event = fact.event
    # A correction leaves somebody in his place on the list.
    rows.put(
        COMING_ALONG,
        _row(event, state="open", declaration_version=event.declaration.version, at=event.pre_registered_at),
    )


def _row(event: Told, *, state: State, declaration_version: int | None, at: datetime) -> FamilyMemberRow:
    return FamilyMemberRow(
        contract_no=event.contract_no,
        person_id=event.person_id,
        accompanies=event.accompanies,
        state=state,
        relation=event.relation,
        declaration_version=declaration_version,
        document_type=event.document_type,
        document=event.document,
        name=event.name,
        name_fingerprint=event.name_fingerprint,
        mobile=event.mobile,
        changed_at=at,
    )


def _withdrawn(rows: Rows, fact: Fact[FamilyMemberWithdrawn], _: int) -> None:
    row = rows.get(COMING_ALONG, (fact.event.contract_no, fact.event.person_id))
    if row is not None:
        rows.put(COMING_ALONG, replace(row, state="withdrawn", changed_at=fact.event.withdrawn_at))


def _erased(rows: Rows, fact: Fact[PersonErased], _: int) -> None:
    for contract_no in fact.event.dropped_forms:
        rows.remove(COMING_ALONG, (contract_no, fact.event.person_id))


def _read(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    if isinstance(fact.event, FamilyMemberWithdrawn):
        yield COMING_ALONG, (fact.event.contract_no, fact.event.person_id)


FAMILY_MEMBERS = ReadModel(
    name="family_member_v2",
    tables=(COMING_ALONG,),
    folds={
        FamilyDeclarationAwaited: _awaited,
        FamilyMemberPreRegistered: _pre_registered,
        FamilyDetailsCorrected: _pre_registered,
        FamilyMemberWithdrawn: _withdrawn,
        PersonErased: _erased,
    },
    reads=_read,
)
"""Answers the list 预进场家属管理."""


async def family_of(pool: asyncpg.Pool, contract_no: str, person_id: UUID) -> list[FamilyMemberRow]:
    """Whoever comes along with the person, or was to, in the order of what happened last."""
    return [FamilyMemberRow(*row) for row in await pool.fetch(FAMILY, contract_no, person_id, FAMILY_MAX)]
