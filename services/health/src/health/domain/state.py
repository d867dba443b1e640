"""What health knows of a person: the fold of the person's own stream."""

from __future__ import annotations

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
class Order:
    """An isolation order."""

    order_id: UUID
    reason: IsolationReason
    anchor_date: date


@dataclass(frozen=True)
class Journey:
    """One way to Shanghai. Its first declaration fixes the day of arrival."""

    departed_on: date | None
    arrived_on: date
    order_ids: tuple[UUID, ...]


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

    readings: tuple[Reading, ...] = ()
    """Only those that can still matter, see `readings.with_reading`."""
    symptoms_at: datetime | None = None
    """Latest reading time of a report with symptoms."""
    no_symptoms_at: datetime | None = None
    """Latest reading time of a report that says there are none."""
    holds: frozenset[Hold] = frozenset()
    decided: Decided = Decided()
    orders: tuple[Order, ...] = ()
    journeys: tuple[Journey, ...] = ()
    assessed: frozenset[tuple[str, int]] = frozenset()
    """(contract, declaration version) of every judgement."""
