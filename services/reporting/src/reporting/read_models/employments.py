"""Who are the people on each contract, for whom do they work, and what was decided about them?

One row a person, contract and employer. Names, numbers and mobiles stay sealed as they were told; the latest form counts.
Registration and the gate come in an order of their own, so that which of them tells something decides, not which came last:
on what footing somebody works tells registration, unless it is silent; for whom somebody is registered tells the last entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.subscribers import Fact
from chassis.tables import Key, ReadModel, Rows, Table
from contracts.gatekeeper import EntryAttempted, EntryKind, Outcome, PaperEntryRecorded
from contracts.health import DispositionChanged
from contracts.registration import PersonDetailsCorrected, PersonPreRegistered, PreRegistrationWithdrawn, RosterMemberImported

UNKNOWN_EMPLOYER = ""
"""Of whoever was let in on paper without being expected."""


@dataclass(slots=True)
class Employment:
    contract_no: str
    person_id: UUID
    employer_credit_code: str
    person_kind: str | None = None
    trade: str | None = None
    registered: bool = False
    """Entered, or stood on the roster of before, for this employer."""


@dataclass(slots=True)
class Engagement:
    """For whom somebody is on a contract, as last told."""

    contract_no: str
    person_id: UUID
    pre_registered: bool = False
    """Not withdrawn."""
    pre_registered_for: str | None = None
    pre_registered_at: datetime | None = None
    registered_for: str | None = None
    """By the last entry; as long as there is none, by the roster of before."""
    entered_at: datetime | None = None
    employers: str = ""
    """For whom he ever was registered: credit codes, each followed by a space, in order."""

    @property
    def employments(self) -> int:
        """How many rows of 用工查询 these are."""
        registered = {*self.employers.split(" ")[:-1]}
        return len(registered | {self.pre_registered_for} if self.pre_registered else registered)

    def register(self, employer: str) -> None:
        """He was registered for this employer, too."""
        self.employers = "".join(f"{each} " for each in sorted({*self.employers.split(" ")[:-1], employer}))


@dataclass(slots=True)
class EmploymentCount:
    """Employments counted: a row for each partition that knows some, so that two partitions never wait for one row."""

    contract_no: str
    partition: int
    employments: int = 0


@dataclass(slots=True)
class Person:
    """Sealed, but for the type of the document."""

    person_id: UUID
    document_type: str
    document: str
    name: str
    mobile: str | None


@dataclass(slots=True)
class Decided:
    person_id: UUID
    disposition: str


EMPLOYMENTS = Table("employment_v1", Employment, key=("contract_no", "person_id", "employer_credit_code"))
ENGAGEMENTS = Table("engagement_v2", Engagement, key=("contract_no", "person_id"))
COUNTS = Table("employment_count_v2", EmploymentCount, key=("contract_no", "partition"), sums=True)
PEOPLE = Table("person_v1", Person, key=("person_id",))
DISPOSITIONS = Table("disposition_v1", Decided, key=("person_id",))


def _pre_registered(rows: Rows, fact: Fact[PersonPreRegistered], partition: int) -> None:
    event = fact.event
    _employ(rows, event, event.employer_credit_code, registered=False)
    with _engagement(rows, event, partition) as engagement:
        engagement.pre_registered = True
        engagement.pre_registered_for, engagement.pre_registered_at = event.employer_credit_code, event.pre_registered_at
    rows.put(PEOPLE, Person(event.person_id, event.document_type, event.document, event.name, event.mobile))


def _corrected(rows: Rows, fact: Fact[PersonDetailsCorrected], partition: int) -> None:
    event = fact.event
    _employ(rows, event, event.employer_credit_code, registered=False)
    with _engagement(rows, event, partition) as engagement:
        engagement.pre_registered_for = event.employer_credit_code
    rows.put(PEOPLE, Person(event.person_id, event.document_type, event.document, event.name, event.mobile))


def _withdrawn(rows: Rows, fact: Fact[PreRegistrationWithdrawn], partition: int) -> None:
    with _engagement(rows, fact.event, partition) as engagement:
        engagement.pre_registered = False


def _imported(rows: Rows, fact: Fact[RosterMemberImported], partition: int) -> None:
    event = fact.event
    _employ(rows, event, event.employer_credit_code, registered=True)
    with _engagement(rows, event, partition) as engagement:
        engagement.register(event.employer_credit_code)
        if engagement.entered_at is None:
            engagement.registered_for = event.employer_credit_code
    known = rows.get(PEOPLE, event.person_id)
    rows.put(PEOPLE, Person(event.person_id, event.document_type, event.document, event.name, known.mobile if known else None))


def _attempted(rows: Rows, fact: Fact[EntryAttempted], partition: int) -> None:
    if _is_entry(fact.event):
        _entered(rows, fact.event, fact.event.attempted_at, partition)


def _on_paper(rows: Rows, fact: Fact[PaperEntryRecorded], partition: int) -> None:
    _entered(rows, fact.event, fact.event.entered_at, partition)


def _entered(rows: Rows, event: EntryAttempted | PaperEntryRecorded, entered_at: datetime, partition: int) -> None:
    employer = event.employer_credit_code or UNKNOWN_EMPLOYER
    _employ(rows, event, employer, registered=True)
    with _engagement(rows, event, partition) as engagement:
        engagement.register(employer)
        if engagement.entered_at is None or entered_at >= engagement.entered_at:
            engagement.registered_for, engagement.entered_at = employer, entered_at


def _decided(rows: Rows, fact: Fact[DispositionChanged], _: int) -> None:
    rows.put(DISPOSITIONS, Decided(fact.event.person_id, fact.event.disposition))


def _employ(rows: Rows, event: Any, employer: str, *, registered: bool) -> None:
    key = (event.contract_no, event.person_id, employer)
    known = rows.get(EMPLOYMENTS, key) or Employment(*key)
    if known.person_kind is None or isinstance(event, PersonPreRegistered | PersonDetailsCorrected | RosterMemberImported):
        known.person_kind, known.trade = event.person_kind, event.trade
    known.registered = known.registered or registered
    rows.put(EMPLOYMENTS, known)


@contextmanager
def _engagement(rows: Rows, event: Any, partition: int) -> Iterator[Engagement]:
    """To be changed; it is put, and what it counts for, in the end."""
    key = (event.contract_no, event.person_id)
    engagement = rows.get(ENGAGEMENTS, key) or Engagement(*key)
    before = engagement.employments
    yield engagement
    rows.put(ENGAGEMENTS, engagement)
    if engagement.employments != before:
        rows.total(COUNTS, event.contract_no, partition).employments += engagement.employments - before


def _is_entry(attempt: EntryAttempted) -> bool:
    return attempt.kind is EntryKind.ENTRY and attempt.outcome is Outcome.ADMITTED


def _read(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    event = fact.event
    if isinstance(event, DispositionChanged) or (isinstance(event, EntryAttempted) and not _is_entry(event)):
        return
    yield ENGAGEMENTS, (event.contract_no, event.person_id)
    if not isinstance(event, PreRegistrationWithdrawn):
        yield EMPLOYMENTS, (event.contract_no, event.person_id, event.employer_credit_code or UNKNOWN_EMPLOYER)
    if isinstance(event, RosterMemberImported):
        yield PEOPLE, event.person_id


PEOPLE_EMPLOYED = ReadModel(
    name="employment_v2",
    tables=(EMPLOYMENTS, ENGAGEMENTS, COUNTS, PEOPLE, DISPOSITIONS),
    folds={
        PersonPreRegistered: _pre_registered,
        PersonDetailsCorrected: _corrected,
        PreRegistrationWithdrawn: _withdrawn,
        RosterMemberImported: _imported,
        EntryAttempted: _attempted,
        PaperEntryRecorded: _on_paper,
        DispositionChanged: _decided,
    },
    reads=_read,
)
"""Rows of the table 用工查询, and the people behind every number."""
