"""What was true of a person at a time that is past, whenever the gate came to know it.

A gate that could not know learned of a ban later than it was recorded. The time of a fact is when its service recorded
it, so a stream's facts may be older than those before them: of each service they are in order, of two they are not. Hence
a clearance counts for that part only which its cause's service tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import assert_never

from contracts.gatekeeper import (
    Clearance,
    ClearanceChanged,
    EntryAttempted,
    ExitRegistered,
    GatekeeperEvent,
    PaperEntryRecorded,
    PaperEntrySettled,
)
from gatekeeper.domain.decider import evolve
from gatekeeper.domain.state import GatePerson

TOLD_BY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "registration": ("pre_registrations", "rostered", "same_as", "unreadable"),
        "health": ("assessed", "disposition", "disposition_id", "orders", "holds", "last_report_at", "unreadable"),
    }
)
"""Service → the parts of a clearance that follow from its facts."""


def stood(history: Iterable[GatekeeperEvent], at: datetime) -> GatePerson:
    """The person as he stood at that time, from the whole stream."""
    person = GatePerson()
    for event in history:
        if time_of(event) <= at:
            person = evolve(person, _part_of(event, person.clearance) if isinstance(event, ClearanceChanged) else event)
    return person


def time_of(event: GatekeeperEvent) -> datetime:
    """When it happened, or was recorded by the service that told it."""
    match event:
        case ClearanceChanged():
            return event.changed_at
        case EntryAttempted():
            return event.attempted_at
        case PaperEntryRecorded():
            return event.entered_at
        case PaperEntrySettled():
            return event.settled_at
        case ExitRegistered():
            return event.exited_at
        case _:
            assert_never(event)


def _part_of(event: ClearanceChanged, clearance: Clearance) -> ClearanceChanged:
    """The same, as if nothing but what its cause's service tells had changed."""
    parts = {name: getattr(event.clearance, name) for name in TOLD_BY[event.caused_by.service]}
    return event.model_copy(update={"clearance": clearance.model_copy(update=parts)})
