"""Which holds follow from a person's readings. Only reading times count, never the order in which readings came in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from contracts.policy import NORMAL_CELSIUS_MIN
from health.domain.policy_set import PolicySet
from health.domain.state import Reading


def has_fever(readings: Sequence[Reading], policy: PolicySet) -> bool:
    """Whether the last fever reading was not taken back by a normal one, measured long enough after it.

    What somebody only declared can raise the question; it takes a thermometer to settle it.
    """
    fevers = [reading.read_at for reading in readings if policy.is_fever(reading.celsius)]
    normals = [reading.read_at for reading in readings if reading.measured and policy.is_normal(reading.celsius)]
    return bool(fevers) and (not normals or max(normals) - max(fevers) < policy.remeasured_after)


def has_symptoms(symptoms_at: datetime | None, no_symptoms_at: datetime | None) -> bool:
    """Whether the latest report that was asked for symptoms has some. Of two at the same time the stricter counts."""
    return symptoms_at is not None and (no_symptoms_at is None or no_symptoms_at <= symptoms_at)


def with_reading(readings: Sequence[Reading], new: Reading) -> tuple[Reading, ...]:
    """The readings that can still matter once `new` is known, by reading time.

    A reading matters as the last fever, or as a normal one after it. Where the line between the two runs a later policy may
    change; so one is dropped only if a later one, at least as high, matters more wherever the line runs: both are fever, or
    both are normal, or fever came after the normal one. That leaves two at most for each temperature, however many readings a
    person has.
    """
    if new.celsius < NORMAL_CELSIUS_MIN:
        return tuple(readings)
    every = {*readings, new}
    return tuple(sorted((each for each in every if not any(_outweighs(other, each) for other in every)), key=_in_order))


def _outweighs(later: Reading, reading: Reading) -> bool:
    # What was only declared outweighs nothing that was measured: it is never the normal reading that takes a hold back.
    return (
        later != reading
        and later.read_at >= reading.read_at
        and later.celsius >= reading.celsius
        and later.measured >= reading.measured
    )


def _in_order(reading: Reading) -> tuple[datetime, float, bool]:
    return (reading.read_at, reading.celsius, reading.measured)
