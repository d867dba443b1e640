"""Admission: a process that is full says so at once (503 with Retry-After), instead of letting everybody wait.

Whoever is worked on has a seat. How long an answer takes is seats / throughput, so the seats bound it: what is offered
beyond is turned away for next to nothing, and those who are in are served as if nobody else had come. A request that only
waits for something elsewhere (a position that a token asks for, an upstream) steps aside meanwhile and leaves its seat to
others; the requests of a process together have a bound of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from chassis.faults import Unavailable
from chassis.telemetry import REQUESTS_SHED

SEATS_MAX = 96
"""Requests that one process works on at the same time. `python -m bench overload` shows what that makes of latencies."""
IN_FLIGHT_MAX = 512
"""Requests of one process together, also those that stepped aside."""
RETRY_AFTER_S = 1
"""What a client is told who found no seat. A full process is through with all its requests well before."""


@dataclass
class Admission:
    """Of one process."""

    seated: int = 0
    in_flight: int = 0

    @contextmanager
    def seat(self) -> Iterator[None]:
        """A seat for the block. Raises: Unavailable."""
        if self.seated >= SEATS_MAX or self.in_flight >= IN_FLIGHT_MAX:
            REQUESTS_SHED.inc()
            raise Unavailable(retry_after_s=RETRY_AFTER_S)
        self.seated += 1
        self.in_flight += 1
        reset = _seat.set(_Seat(self))
        try:
            yield
        finally:
            _seat.reset(reset)
            self.seated -= 1
            self.in_flight -= 1


@dataclass
class _Seat:
    admission: Admission
    left_by: int = 0
    """A request may wait for several things at once."""


_seat: ContextVar[_Seat | None] = ContextVar("seat", default=None)


@contextmanager
def aside() -> Iterator[None]:
    """Leave the seat for the block, which only waits. Whoever comes back is seated, full or not: the work is half done."""
    seat = _seat.get()
    if seat is None:
        yield  # nobody's request
        return
    seat.left_by += 1
    seat.admission.seated -= seat.left_by == 1
    try:
        yield
    finally:
        seat.left_by -= 1
        seat.admission.seated += seat.left_by == 0
