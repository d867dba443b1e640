"""Who changed what is known of this person?

A row a fact, so the record holds what the logs hold, each once, and can be made anew from them: a change that is not in it
was not made. What follows from a fact by itself (a hold, an isolation order) stands in it, too, as nobody's act. A look at a
declaration stands in the key server's record of looks, a refused or repeated passage in the gate's list of attempts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.gatekeeper import EntryAttempted, EntryKind, ExitRegistered, Outcome, PaperEntryRecorded, PaperEntrySettled
from contracts.health import DispositionChanged, HealthEvent
from contracts.healthcloud_bridge import DeclarationReceived
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
    RosterMemberImported,
)
from contracts.review import ReviewItemSettled
from contracts.same_person import PersonLinked, PersonUnlinked

ACCOUNTS = ("reported_by", "reviewed_by", "noted_by", "clarified_by", "withdrawn_by", "settled_by")
"""Where facts name an account themselves: for those told before every envelope did."""


@dataclass(slots=True)
class Change:
    person_id: UUID
    service: str
    version: int
    """Of the person's stream there."""
    at: datetime
    kind: str
    """As the fact is named."""
    account: str | None
    role: str | None
    proposed_by: str | None
    contract_no: str | None


CHANGES = Table("change_v1", Change, key=("person_id", "service", "version"))


def _changed(rows: Rows, fact: Fact[Any], _: int) -> None:
    event, recorded = fact.event, fact.recorded
    actor = recorded.actor
    decided_by = (event.decided_by or ()) if isinstance(event, DispositionChanged) else ()
    named = [*decided_by, *filter(None, (getattr(event, name, None) for name in ACCOUNTS))]
    rows.put(
        CHANGES,
        Change(
            person_id=event.person_id,
            service=recorded.service,
            version=recorded.version,
            at=recorded.time,
            kind=event.fact(),
            account=actor.account if actor else named[-1] if named else None,
            role=actor.role if actor else None,
            proposed_by=decided_by[0] if len(decided_by) > 1 else None,
            contract_no=getattr(event, "contract_no", None),
        ),
    )


def _attempted(rows: Rows, fact: Fact[EntryAttempted], partition: int) -> None:
    if fact.event.kind is EntryKind.ENTRY and fact.event.outcome is Outcome.ADMITTED:
        _changed(rows, fact, partition)


CHANGES_OF_PEOPLE = ReadModel(
    name="change_v1",
    tables=(CHANGES,),
    folds={
        **dict.fromkeys(
            (
                DeclarationAwaited,
                FormWithdrawn,
                PersonPreRegistered,
                PersonDetailsCorrected,
                PreRegistrationWithdrawn,
                PreRegistrationClosed,
                FamilyDeclarationAwaited,
                FamilyMemberPreRegistered,
                FamilyDetailsCorrected,
                FamilyMemberWithdrawn,
                RosterMemberImported,
                ReviewItemSettled,
                PersonLinked,
                PersonUnlinked,
                PersonErased,
                DeclarationReceived,
                *get_args(HealthEvent),
                PaperEntryRecorded,
                PaperEntrySettled,
                ExitRegistered,
            ),
            _changed,
        ),
        EntryAttempted: _attempted,
    },
)
"""Every fact about a person, whoever tells it."""
