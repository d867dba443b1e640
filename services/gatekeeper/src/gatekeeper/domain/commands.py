"""What gatekeeper can be asked to do with a person's stream."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from contracts.gatekeeper import Cause, EntryKind
from contracts.health import (
    ArrivalAssessed,
    DispositionChanged,
    HealthHoldPlaced,
    HealthHoldWithdrawn,
    HealthReported,
    IsolationOrdered,
    IsolationOrderWithdrawn,
)
from contracts.registration import (
    PersonDetailsCorrected,
    PersonPreRegistered,
    PreRegistrationWithdrawn,
    RosterMemberImported,
)
from contracts.same_person import PersonLinked, PersonUnlinked
from gatekeeper.domain.same_person import Records
from gatekeeper.domain.settling import SettlePaperEntry
from gatekeeper.domain.state import GatePerson

RelevantFact = (
    PersonPreRegistered
    | PersonDetailsCorrected
    | PreRegistrationWithdrawn
    | RosterMemberImported
    | PersonLinked
    | PersonUnlinked
    | ArrivalAssessed
    | IsolationOrdered
    | IsolationOrderWithdrawn
    | HealthReported
    | HealthHoldPlaced
    | HealthHoldWithdrawn
    | DispositionChanged
)
"""The facts of other services that matter at the door."""


@dataclass(frozen=True, slots=True)
class TakeNote:
    """Another service told a fact about the person."""

    fact: RelevantFact
    cause: Cause
    at: datetime


@dataclass(frozen=True, slots=True)
class MarkHistory:
    """A fact about the person could not be read and waits for an operator; or none waits any more."""

    person_id: UUID
    unreadable: bool
    cause: Cause
    at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """The person wants to enter (进场登记) or to pass the turnstile (过闸)."""

    person_id: UUID
    attempt_id: UUID
    contract_no: str
    kind: EntryKind
    at: datetime
    fresh_as_of: datetime | None
    """Everything recorded until then is known here. None: the gate cannot prove that its view is recent enough."""
    others: Records = field(default_factory=dict)
    """The person's records under other documents, as far as they were read."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """A grant is asked for again with its key: does it still hold? Only a refusal is a new fact."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class RecordPaperEntry:
    """Two people let the person in on paper while the gate could not know; it is recorded afterwards."""

    person_id: UUID
    attempt_id: UUID
    contract_no: str
    decided_by: tuple[UUID, UUID]
    deciders: tuple[Set[UUID], Set[UUID]]
    """All records of each of the two."""
    entered_at: datetime
    stood: GatePerson
    """What was true of the person at `entered_at`, whenever the gate came to know it."""
    at: datetime
    fresh_as_of: datetime | None
    """Everything recorded until then is known here. None: the gate cannot prove how recent its view is."""
    others: Records = field(default_factory=dict)
    """As they stood at `entered_at`, too."""


@dataclass(frozen=True, slots=True)
class RegisterExit:
    """The person leaves the site for good (退场登记)."""

    person_id: UUID
    contract_no: str
    at: datetime


GateCommand = TakeNote | MarkHistory | Attempt | Confirm | RecordPaperEntry | SettlePaperEntry | RegisterExit
