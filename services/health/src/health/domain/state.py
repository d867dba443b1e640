"""What health knows of a person: the fold of the person's own stream."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from contracts.health import Disposition, Hold, IsolationMethod, IsolationReason


@dataclass(frozen=True)
class Reading:
    """A temperature, as far as holds need it."""

    read_at: datetime
    celsius: float
    measured: bool
    """False: only declared by the person."""


@dataclass(frozen=True)
class Report:
    """A report that may still be corrected, and so is kept by itself."""

    report_id: UUID
    contract_no: str
    reading: Reading
    symptoms: bool | None
    """Whether there were some. None: nobody asked."""
    reported_at: datetime


@dataclass(frozen=True)
class Settled:
    """What all reports together say that nobody can correct any more."""

    readings: tuple[Reading, ...] = ()
    """Only those that can still matter, see `readings.with_reading`."""
    latest_read_at: datetime | None = None
    symptoms_at: datetime | None = None
    """Latest reading time of a report with symptoms."""
    no_symptoms_at: datetime | None = None
    """Latest reading time of a report that says there are none."""


@dataclass(frozen=True)
class Journey:
    """One way to Shanghai, with its day 0."""

    departed_on: date | None
    arrived_on: date


@dataclass(frozen=True)
class Order:
    """An isolation order that was made and not withdrawn."""

    order_id: UUID
    reason: IsolationReason
    anchor_date: date
    admissible_on: date


@dataclass(frozen=True)
class Arrival:
    """The latest judgement of a contract's pre-registration: what another policy would be asked."""

    contract_no: str
    district: str | None
    declaration_version: int
    arrived_on: date
    came_from: tuple[tuple[IsolationReason, str], ...] | None
    """Statement and region. None: judged by a release that did not tell."""


@dataclass(frozen=True)
class Unclear:
    """The latest judgement of a contract's pre-registration, as far as a question of it is open."""

    pre_registration_id: UUID
    contract_no: str
    declaration_version: int
    order_ids: tuple[UUID, ...]
    departed_on: date | None
    arrived_on: date


@dataclass(frozen=True)
class Answer:
    """What was found out about the unknown stop-over of a declaration."""

    declaration_version: int
    stopover_code: str | None
    """None: there was no stop-over."""


@dataclass(frozen=True)
class Withdrawn:
    """An isolation order that was made from a wrong fact."""

    order_id: UUID
    reason: IsolationReason
    anchor_date: date
    declaration_version: int
    """The latest declaration that was judged by then. A later one may make the order again."""

    def covers(self, reason: IsolationReason, arrived_on: date, declaration_version: int) -> bool:
        """Whether an order for this would be made from the same wrong fact."""
        return (reason, arrived_on) == (self.reason, self.anchor_date) and declaration_version <= self.declaration_version


@dataclass(frozen=True)
class Decided:
    """The disposition that stands, without what was sealed."""

    disposition: Disposition = Disposition.ADMISSIBLE
    isolation_from: date | None = None
    isolation_until: date | None = None
    method: IsolationMethod | None = None
    reason_code: str | None = None
    """None: nobody has decided anything yet."""


@dataclass(frozen=True)
class HealthPerson:
    """Everything that the next decision about the person needs."""

    settled: Settled = Settled()
    reports: tuple[Report, ...] = ()
    """In the order in which they came in, a bounded number, see `reports.with_report`."""
    corrected: frozenset[UUID] = frozenset()
    """Reports that another one replaced."""
    holds: frozenset[Hold] = frozenset()
    decided: Decided = Decided()
    review_on: date | None = None
    """Until when the ban that stands has to be looked at again. None: nobody is banned, or it is of before reviews."""
    objects: bool = False
    """Whether the person has objected, and nobody has looked at the ban since, nor lifted it."""
    orders: tuple[Order, ...] = ()
    """Every isolation order that was made and not withdrawn."""
    withdrawn: tuple[Withdrawn, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    """At most one of a contract."""
    unclear: tuple[Unclear, ...] = ()
    """Likewise."""
    answers: tuple[Answer, ...] = ()
    """The last one of a declaration counts."""
    journeys: tuple[Journey, ...] = ()
    """The one that was told of last comes last."""
    assessed: frozenset[UUID] = frozenset()
    """Every pre-registration that was judged, by its event id."""
    declarations: frozenset[int] = frozenset()
    """Versions of the declarations that were judged."""
    declared: frozenset[UUID] = frozenset()
    """Declared readings that were taken, by report: each counts once."""

    @property
    def readings(self) -> tuple[Reading, ...]:
        """All that count and can still matter."""
        return (*self.settled.readings, *(each.reading for each in self.reports))

    @property
    def latest_read_at(self) -> datetime | None:
        return _latest(self.settled.latest_read_at, (each.reading.read_at for each in self.reports))

    @property
    def symptoms_at(self) -> datetime | None:
        """Latest reading time of a report with symptoms."""
        return _latest(self.settled.symptoms_at, (each.reading.read_at for each in self.reports if each.symptoms is True))

    @property
    def no_symptoms_at(self) -> datetime | None:
        """Latest reading time of a report that says there are none."""
        return _latest(self.settled.no_symptoms_at, (each.reading.read_at for each in self.reports if each.symptoms is False))

    @property
    def order_ids(self) -> frozenset[UUID]:
        return frozenset(order.order_id for order in self.orders)


def _latest(settled: datetime | None, others: Iterable[datetime]) -> datetime | None:
    for each in others:
        if settled is None or each > settled:
            settled = each
    return settled
