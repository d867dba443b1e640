"""Who is expected, on a roster, inside or gone: a fold of what registration and the gate tell, for every check that needs it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.faults.checker.logs import Log

Key = tuple[str, str]
"""Contract and person."""


_OF_REGISTRATION = (
    "declaration-awaited",
    "person-pre-registered",
    "pre-registration-withdrawn",
    "pre-registration-closed",
    "roster-member-imported",
)


def key_of(data: Mapping[str, Any]) -> Key:
    return data["contract_no"], data["person_id"]


def time_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@dataclass
class People:
    """What registration and the gate tell of people on contracts. Within a stream the order is the log's."""

    expected: dict[Key, dict[str, Any]] = field(default_factory=dict)
    """Pre-registrations that were not withdrawn: an exit closes one, and the count keeps it."""
    withdrawn: dict[Key, dict[str, Any]] = field(default_factory=dict)
    awaited: dict[Key, dict[str, Any]] = field(default_factory=dict)
    latest: dict[Key, tuple[str, dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    """State (awaiting, open, withdrawn, closed), the last form, and the event that brought the state."""
    rostered: dict[Key, dict[str, Any]] = field(default_factory=dict)
    entered: set[Key] = field(default_factory=set)
    """Ever admitted."""
    inside: set[Key] = field(default_factory=set)
    """Admitted, and not left since."""
    left: dict[Key, str] = field(default_factory=dict)
    """When, last."""
    exited_in_all: Counter[Key] = field(default_factory=Counter)


def people_of(logs: Mapping[str, Log]) -> People:
    people = People()
    for event, data in logs["registration"].of(
        "declaration-awaited",
        "person-pre-registered",
        "pre-registration-withdrawn",
        "pre-registration-closed",
        "roster-member-imported",
    ):
        key = key_of(data)
        match event.fact:
            case "declaration-awaited":
                people.awaited[key] = data
                people.latest[key] = ("awaiting", data, data)
            case "person-pre-registered":
                people.awaited.pop(key, None)
                people.withdrawn.pop(key, None)
                people.expected[key] = data
                people.latest[key] = ("open", data, data)
            case "pre-registration-withdrawn":
                people.withdrawn[key] = data
                people.expected.pop(key, None)
                people.latest[key] = ("withdrawn", people.latest[key][1], data)
            case "pre-registration-closed":
                people.latest[key] = ("closed", people.latest[key][1], data)
            case "roster-member-imported":
                people.rostered[key] = data
    for event, data in logs["gatekeeper"].of("entry-attempted", "exit-registered"):
        key = key_of(data)
        if event.fact == "exit-registered":
            people.inside.discard(key)
            people.left[key] = data["exited_at"]
            people.exited_in_all[key] += 1
        elif (data["kind"], data["outcome"]) == ("entry", "admitted"):
            people.entered.add(key)
            people.inside.add(key)
    return people
