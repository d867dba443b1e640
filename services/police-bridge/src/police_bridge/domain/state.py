"""What the police was told of a person: the fold of the person's own police-bridge stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class Arrival:
    """What was told last of a person on one contract."""

    district: str
    """Whose police knows of it."""
    told_at: datetime
    """Time of the pre-registration or correction that was told last: the same one again is a repeat."""
    is_open: bool
    """False: withdrawn."""


@dataclass(frozen=True)
class SharedPerson:
    """Everything that was told of a person."""

    arrivals: Mapping[str, Arrival] = field(default_factory=dict)
    """By contract number."""
    districts: tuple[str, ...] = ()
    """Whose police was ever told of the person, ascending."""
    same_as: tuple[UUID, ...] = ()
    """As whom the police of these districts was told that the person is the same."""
    is_erased: bool = False
