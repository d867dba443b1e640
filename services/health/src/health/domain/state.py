"""What health knows of a person: the fold of the person's own stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from contracts.health import Disposition, Hold, IsolationMethod


@dataclass(frozen=True)
class Reading:
    """A temperature, as far as holds need it."""

    read_at: datetime
    celsius: float
    measured: bool
    """False: only declared by the person."""


@dataclass(frozen=True)
class Journey:
    """One way to Shanghai, with its day 0."""

    departed_on: date | None
    arrived_on: date


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
    order_ids: frozenset[UUID] = frozenset()
    """Every isolation order that was ever made."""
    journeys: tuple[Journey, ...] = ()
    """The one that was told of last comes last."""
    assessed: frozenset[UUID] = frozenset()
    """Every pre-registration that was judged, by its event id."""
    declarations: frozenset[int] = frozenset()
    """Versions of the declarations that were judged: what each says of temperature counts once."""
