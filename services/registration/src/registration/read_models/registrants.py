"""Who handed in the form of this person here, and when?

Of a form that waited and was taken up by itself: whoever had handed it in. A correction does not change who that was. Of what
was told before every envelope said who asked, nobody knows it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.registration import (
    DeclarationAwaited,
    FamilyDeclarationAwaited,
    FamilyMemberPreRegistered,
    PersonPreRegistered,
)

OF_PEOPLE = """
SELECT contract_no, person_id, as_family, account, role, registered_at FROM registrant_v1
WHERE contract_no = $1 AND person_id = ANY ($2) AND as_family = $3
"""

HandedIn = DeclarationAwaited | PersonPreRegistered | FamilyDeclarationAwaited | FamilyMemberPreRegistered


@dataclass(slots=True)
class RegistrantRow:
    contract_no: str
    person_id: UUID
    as_family: bool
    account: str
    role: str
    registered_at: datetime
    """When it was recorded."""


REGISTRANTS = Table("registrant_v1", RegistrantRow, key=("contract_no", "person_id", "as_family"))


def _handed_in(rows: Rows, fact: Fact[HandedIn], _: int) -> None:
    event, recorded = fact.event, fact.recorded
    if recorded.actor is None:
        return  # It followed by itself.
    as_family = isinstance(event, FamilyDeclarationAwaited | FamilyMemberPreRegistered)
    row = RegistrantRow(
        contract_no=event.contract_no,
        person_id=event.person_id,
        as_family=as_family,
        account=recorded.actor.account,
        role=recorded.actor.role,
        registered_at=recorded.time,
    )
    rows.put(REGISTRANTS, row)


FORMS_HANDED_IN = ReadModel(
    name="registrant_v1",
    tables=(REGISTRANTS,),
    folds=dict.fromkeys((DeclarationAwaited, PersonPreRegistered, FamilyDeclarationAwaited, FamilyMemberPreRegistered), _handed_in),
)
"""Answers who registered whom, for the lists of 进场预登记 and 携带家属."""


async def registrants_of(
    pool: asyncpg.Pool, contract_no: str, people: Collection[UUID], *, as_family: bool
) -> Mapping[UUID, RegistrantRow]:
    """By person. Who is absent, of him it was not told."""
    rows = await pool.fetch(OF_PEOPLE, contract_no, people, as_family)
    return {row["person_id"]: RegistrantRow(*row) for row in rows}
