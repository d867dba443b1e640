"""Leaves an upstream alone that fails again and again, so that neither side waits for what will not come.

    closed      everybody asks; failures in a row are counted
    open        nobody asks, for a while that grows with every probe that fails
    half open   one asks for all: its answer closes the circuit, its failure opens it again

Each process has its own: what one process learns costs another a handful of queries, and a shared one would be one more
thing that can be away.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

import structlog
from prometheus_client import Gauge

FAILURES_MAX = 5
"""In a row; then the circuit opens."""
OPEN_S_MIN = 1.0
"""How long it stays open at first; twice as long after each probe that fails."""
OPEN_S_MAX = 15.0
"""Short, because a registrar waits: an upstream that is back is noticed within this time."""
JITTER_SHARE = 0.2
"""So much of a pause is random, so that processes do not come back together."""

STATE = Gauge("gatehouse_healthcloud_circuit_state", "1 for the state that the process's circuit is in, else 0.", ["state"])

log = structlog.get_logger()


class CircuitState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitIsOpen(Exception):
    """Nothing was asked."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class Circuit:
    """One upstream, as seen from this process."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._open_s = OPEN_S_MIN
        self._opens_until = 0.0
        self._enter(CircuitState.CLOSED)

    @property
    def state(self) -> CircuitState:
        return self._state

    @contextmanager
    def attempt(self, failure: type[Exception]) -> Iterator[None]:
        """Ask within this block. `failure` counts against the upstream; any other exception is an answer of its kind.

        Raises: CircuitIsOpen, before the block.
        """
        self._admit()
        try:
            yield
        except failure:
            self._failed()
            raise
        except Exception:
            self._succeeded()
            raise
        except BaseException:
            self._abandoned()
            raise
        else:
            self._succeeded()

    def _admit(self) -> None:
        left_s = self._opens_until - self._monotonic()
        if self._state is CircuitState.OPEN and left_s <= 0:
            self._enter(CircuitState.HALF_OPEN)  # Whoever comes first asks for all.
        elif self._state is not CircuitState.CLOSED:
            raise CircuitIsOpen(max(left_s, OPEN_S_MIN))

    def _succeeded(self) -> None:
        if self._state is not CircuitState.CLOSED:
            log.info("circuit.closed")
        self._failures, self._open_s = 0, OPEN_S_MIN
        self._enter(CircuitState.CLOSED)

    def _failed(self) -> None:
        if self._state is CircuitState.OPEN:
            return  # It was asked before the circuit opened, and tells nothing new.
        self._failures += 1
        if self._state is CircuitState.HALF_OPEN:
            self._open_s = min(self._open_s * 2, OPEN_S_MAX)
            self._open(self._open_s)
        elif self._failures >= FAILURES_MAX:
            self._open(self._open_s)

    def _abandoned(self) -> None:
        """Whoever asked has gone and knows nothing. If it was the probe, the next one asks."""
        if self._state is CircuitState.HALF_OPEN:
            self._enter(CircuitState.OPEN)

    def _open(self, open_s: float) -> None:
        jitter = 1 - JITTER_SHARE * random.random()  # noqa: S311 - jitter
        self._opens_until = self._monotonic() + open_s * jitter
        log.warning("circuit.opened", failures=self._failures)
        self._enter(CircuitState.OPEN)

    def _enter(self, state: CircuitState) -> None:
        self._state = state
        for each in CircuitState:
            STATE.labels(each).set(each is state)
