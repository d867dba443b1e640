"""How many people are expected, registered and on site, on each contract?

Registration tells who is pre-registered and who stood on the old roster, the gate who entered and left. The two logs come
in an order of their own, so what one says never overwrites what the other says: a person's row keeps both, and is counted by
what follows from both. Within one log the order is the order in which it happened. The one thing that only both together
tell, whether a roster that says 在场 is older or younger than an exit, is told by their times.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.subscribers import Fact
from chassis.tables import Key, ReadModel, Rows, Table
from contracts.gatekeeper import EntryAttempted, EntryKind, ExitRegistered, Outcome, PaperEntryRecorded
from contracts.registration import PersonPreRegistered, PreRegistrationWithdrawn, RosterMemberImported


@dataclass(slots=True)
class Member:
    """What is known of one person on one contract."""

    contract_no: str
    person_id: UUID
    pre_registered: bool = False
    """Not withdrawn, whether or not entered or left since."""
    registered: bool = False
    """Ever entered or imported."""
    inside: bool = False
    """Admitted by the gate and not left since."""
    left_at: datetime | None = None
    """Last exit, by the gate's clock."""
    imported_on_site_at: datetime | None = None
    """The old roster says 在场, by registration's clock."""

    @property
    def on_site(self) -> bool:
        imported_at = self.imported_on_site_at
        return self.inside or (imported_at is not None and (self.left_at is None or imported_at > self.left_at))


@dataclass(slots=True)
class PeopleCount:
    """People counted: a row for each partition that knows some, so that two partitions never wait for one row."""

    contract_no: str
    partition: int
    pre_registered: int = 0
    registered: int = 0
    on_site: int = 0


MEMBERS = Table("membership_v1", Member, key=("contract_no", "person_id"))
COUNTS = Table("people_count_v1", PeopleCount, key=("contract_no", "partition"), sums=True)


def _pre_registered(rows: Rows, fact: Fact[PersonPreRegistered], partition: int) -> None:
    member = _member(rows, fact.event)
    if not member.pre_registered:
        member.pre_registered = True
        rows.put(MEMBERS, member)
        rows.total(COUNTS, member.contract_no, partition).pre_registered += 1


def _withdrawn(rows: Rows, fact: Fact[PreRegistrationWithdrawn], partition: int) -> None:
    member = _member(rows, fact.event)
    if member.pre_registered:
        member.pre_registered = False
        rows.put(MEMBERS, member)
        rows.total(COUNTS, member.contract_no, partition).pre_registered -= 1


def _imported(rows: Rows, fact: Fact[RosterMemberImported], partition: int) -> None:
    event = fact.event
    member = _member(rows, event)
    was_on_site = member.on_site
    if event.on_site:
        member.imported_on_site_at = event.imported_at
    _register(rows, member, was_on_site, partition)


def _attempted(rows: Rows, fact: Fact[EntryAttempted], partition: int) -> None:
    if not _is_entry(fact.event):
        return
    member = _member(rows, fact.event)
    was_on_site = member.on_site
    member.inside = True
    _register(rows, member, was_on_site, partition)


def _on_paper(rows: Rows, fact: Fact[PaperEntryRecorded], partition: int) -> None:
    """Recorded afterwards: whoever left since stays outside."""
    member = _member(rows, fact.event)
    was_on_site = member.on_site
    member.inside = member.inside or member.left_at is None or member.left_at <= fact.event.entered_at
    _register(rows, member, was_on_site, partition)


def _left(rows: Rows, fact: Fact[ExitRegistered], partition: int) -> None:
    member = _member(rows, fact.event)
    was_on_site = member.on_site
    member.inside = False
    member.left_at = fact.event.exited_at
    rows.put(MEMBERS, member)
    if member.on_site != was_on_site:
        rows.total(COUNTS, member.contract_no, partition).on_site += member.on_site - was_on_site


def _register(rows: Rows, member: Member, was_on_site: bool, partition: int) -> None:
    is_on_site = member.on_site
    if not member.registered or is_on_site != was_on_site:
        count = rows.total(COUNTS, member.contract_no, partition)
        count.registered += not member.registered
        count.on_site += is_on_site - was_on_site
    member.registered = True
    rows.put(MEMBERS, member)


def _is_entry(attempt: EntryAttempted) -> bool:
    return attempt.kind is EntryKind.ENTRY and attempt.outcome is Outcome.ADMITTED


def _member(rows: Rows, event: Any) -> Member:
    return rows.get(MEMBERS, (event.contract_no, event.person_id)) or Member(event.contract_no, event.person_id)


def _read(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    event = fact.event
    if type(event) is EntryAttempted and not _is_entry(event):
        return ()
    return ((MEMBERS, (event.contract_no, event.person_id)),)


PEOPLE_ON_CONTRACTS = ReadModel(
    name="people_on_contract_v1",
    tables=(MEMBERS, COUNTS),
    folds={
        PersonPreRegistered: _pre_registered,
        PreRegistrationWithdrawn: _withdrawn,
        RosterMemberImported: _imported,
        EntryAttempted: _attempted,
        PaperEntryRecorded: _on_paper,
        ExitRegistered: _left,
    },
    reads=_read,
)
"""Members, and how many they are."""
