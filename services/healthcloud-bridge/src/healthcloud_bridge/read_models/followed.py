"""Whose declarations does a site rely on, or wait for, so that a new one must not go unnoticed?

Filled from registration's `PersonPreRegistered`, `FamilyMemberPreRegistered`, `DeclarationAwaited` and
`FamilyDeclarationAwaited`, a row a contract, and anew from `PersonDetailsCorrected` and `FamilyDetailsCorrected`, because
Health Cloud is asked by name, too; emptied by `FormWithdrawn`, `PreRegistrationWithdrawn`, `FamilyMemberWithdrawn`,
`PreRegistrationClosed` (an exit) and `PersonErased`. What identifies the person is copied as it is sealed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.registration import (
    DeclarationAwaited,
    FamilyDeclarationAwaited,
    FamilyDetailsCorrected,
    FamilyMemberPreRegistered,
    FamilyMemberWithdrawn,
    FormWithdrawn,
    PersonDetailsCorrected,
    PersonErased,
    PersonPreRegistered,
    PreRegistrationClosed,
    PreRegistrationWithdrawn,
)

Waiting = DeclarationAwaited | FamilyDeclarationAwaited
Beginning = Waiting | PersonPreRegistered | PersonDetailsCorrected | FamilyMemberPreRegistered | FamilyDetailsCorrected
End = FormWithdrawn | PreRegistrationWithdrawn | PreRegistrationClosed | FamilyMemberWithdrawn


@dataclass(slots=True)
class FollowedRow:
    """Beside these columns the poller keeps its own mark, which begins anew with the row."""

    person_id: UUID
    contract_no: str
    document: str
    document_type: str
    name: str
    followed_since: datetime


FOLLOWING = Table("followed_v1", FollowedRow, key=("person_id", "contract_no"), grouped=True)


def _awaited(rows: Rows, fact: Fact[Waiting], _: int) -> None:
    _follow(rows, fact.event, since=fact.event.asked_at)


def _pre_registered(rows: Rows, fact: Fact[PersonPreRegistered | FamilyMemberPreRegistered], _: int) -> None:
    _follow(rows, fact.event, since=fact.event.pre_registered_at)


def _corrected(rows: Rows, fact: Fact[PersonDetailsCorrected | FamilyDetailsCorrected], _: int) -> None:
    _follow(rows, fact.event, since=fact.event.corrected_at)


def _follow(rows: Rows, event: Beginning, *, since: datetime) -> None:
    row = FollowedRow(event.person_id, event.contract_no, event.document, event.document_type, event.name, since)
    rows.put(FOLLOWING, row)


def _over(rows: Rows, fact: Fact[End], _: int) -> None:
    rows.remove(FOLLOWING, (fact.event.person_id, fact.event.contract_no))


def _erased(rows: Rows, fact: Fact[PersonErased], _: int) -> None:
    rows.remove_all(FOLLOWING, fact.event.person_id)


FOLLOWED = ReadModel(
    name="followed_v1",
    tables=(FOLLOWING,),
    folds={
        DeclarationAwaited: _awaited,
        FamilyDeclarationAwaited: _awaited,
        PersonPreRegistered: _pre_registered,
        FamilyMemberPreRegistered: _pre_registered,
        PersonDetailsCorrected: _corrected,
        FamilyDetailsCorrected: _corrected,
        FormWithdrawn: _over,
        PreRegistrationWithdrawn: _over,
        FamilyMemberWithdrawn: _over,
        PreRegistrationClosed: _over,
        PersonErased: _erased,
    },
)
"""Answers the poller."""
