"""Who was refused for want of a declaration, and has not declared since?

Filled from registration's `DeclarationAwaited` and `FamilyDeclarationAwaited`, emptied by our own `DeclarationReceived` (for all
contracts of the person), by registration's `PersonPreRegistered`, `FormWithdrawn`, `FamilyMemberPreRegistered` and
`FamilyMemberWithdrawn` (for that contract) and by its `PersonErased`. What identifies the person is copied as it is sealed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.healthcloud_bridge import DeclarationReceived
from contracts.registration import (
    DeclarationAwaited,
    FamilyDeclarationAwaited,
    FamilyMemberPreRegistered,
    FamilyMemberWithdrawn,
    FormWithdrawn,
    PersonErased,
    PersonPreRegistered,
)

End = FormWithdrawn | PersonPreRegistered | FamilyMemberPreRegistered | FamilyMemberWithdrawn


@dataclass(slots=True)
class AwaitedRow:
    """Beside these columns the poller keeps its own mark, which begins anew with the row."""

    person_id: UUID
    contract_no: str
    document: str
    document_type: str
    name: str
    asked_at: datetime


WAITING = Table("awaited_v1", AwaitedRow, key=("person_id", "contract_no"), grouped=True)


def _awaited(rows: Rows, fact: Fact[DeclarationAwaited | FamilyDeclarationAwaited], _: int) -> None:
    event = fact.event
    rows.put(
        WAITING,
        AwaitedRow(event.person_id, event.contract_no, event.document, event.document_type, event.name, event.asked_at),
    )


def _over(rows: Rows, fact: Fact[End], _: int) -> None:
    rows.remove(WAITING, (fact.event.person_id, fact.event.contract_no))


def _erased(rows: Rows, fact: Fact[PersonErased], _: int) -> None:
    rows.remove_all(WAITING, fact.event.person_id)


def _declared(rows: Rows, fact: Fact[DeclarationReceived], _: int) -> None:
    rows.remove_all(WAITING, fact.event.person_id)


AWAITED = ReadModel(
    name="awaited_v1",
    tables=(WAITING,),
    folds={
        DeclarationAwaited: _awaited,
        FamilyDeclarationAwaited: _awaited,
        FormWithdrawn: _over,
        PersonPreRegistered: _over,
        FamilyMemberPreRegistered: _over,
        FamilyMemberWithdrawn: _over,
        PersonErased: _erased,
        DeclarationReceived: _declared,
    },
)
"""Answers the poller."""
