"""What health can be asked to do with a person's stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from contracts.health import Disposition, IsolationMethod, ReadingSource
from contracts.registration import PinnedDeclaration
from contracts.symptoms import Symptom, TemperatureMethod


@dataclass(frozen=True, slots=True)
class AssessArrival:
    """A pre-registration relies on a declaration that has to be judged."""

    person_id: UUID
    pre_registration_id: UUID
    """The pre-registration or its correction, by the id of the event: it is judged once, another form with the same declaration
    again."""
    contract_no: str
    district: str
    """Where the contract lies."""
    origin_code: str | None
    """出发地. None: only what was declared is known, as of family."""
    arrival_date: date | None
    """到沪日期, if it was typed."""
    declaration: PinnedDeclaration
    at: datetime


@dataclass(frozen=True, slots=True)
class TakeDeclared:
    """The person declared a temperature in Health Cloud, whether or not a pre-registration relies on that declaration."""

    person_id: UUID
    declaration_version: int
    reading_celsius: float
    reported_on: date
    """上报时间: Health Cloud tells the day only."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Correction:
    """A report was wrong. It may have kept somebody out, or let somebody in."""

    report_id: UUID
    """Which."""
    reason: str
    """Sealed."""


@dataclass(frozen=True, slots=True)
class ReportHealth:
    """Somebody's temperature was taken, and symptoms were asked for (新增健康状态)."""

    person_id: UUID
    report_id: UUID
    contract_no: str
    reading_celsius: float
    method: TemperatureMethod | None
    symptoms: tuple[Symptom, ...]
    source: ReadingSource
    reported_by: str
    read_at: datetime
    at: datetime
    corrects: Correction | None = None
    """What this one replaces."""


@dataclass(frozen=True, slots=True)
class ChangeDisposition:
    """Somebody responsible decides about the person (处置方式)."""

    person_id: UUID
    contract_no: str
    """On whose list the person stands."""
    disposition: Disposition
    isolation_from: date | None
    isolation_until: date | None
    method: IsolationMethod | None
    reason_code: str
    evidence: str | None
    """Sealed."""
    release_document: str | None
    """Sealed."""
    decided_by: tuple[str, ...]
    """One account, or two where that takes two."""
    at: datetime
    review_on: date | None = None
    """Until when a ban has to be looked at again. None: as soon as is usual."""


@dataclass(frozen=True, slots=True)
class ReviewBan:
    """Somebody responsible has looked at a ban again, and it stays."""

    person_id: UUID
    review_on: date | None
    """Until when it has to be looked at again. None: as soon as is usual."""
    evidence: str
    """Sealed."""
    reviewed_by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ObjectToBan:
    """The banned person says that the ban is wrong."""

    person_id: UUID
    note: str
    """Sealed."""
    noted_by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ClarifyTravel:
    """Somebody found out where the unknown stop-over of a declaration was."""

    person_id: UUID
    declaration_version: int
    stopover_code: str | None
    """None: there was no stop-over."""
    evidence: str
    """Sealed."""
    clarified_by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class WithdrawOrder:
    """An isolation order was made from a wrong fact."""

    person_id: UUID
    order_id: UUID
    reason_code: str
    evidence: str
    """Sealed."""
    withdrawn_by: str
    at: datetime


HealthCommand = (
    AssessArrival | TakeDeclared | ClarifyTravel | WithdrawOrder | ReportHealth | ChangeDisposition | ReviewBan | ObjectToBan
)
