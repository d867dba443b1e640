"""Metrics of the test's own process."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import REGISTRY


def measured(name: str, **labels: str) -> float | None:
    """None where nothing is told of these labels."""
    return REGISTRY.get_sample_value(name, labels)


def risen(name: str, **labels: str) -> Callable[[], float]:
    """By how much it has risen since this call."""
    before = measured(name, **labels) or 0.0
    return lambda: (measured(name, **labels) or 0.0) - before
