"""How often something may go wrong before it is not even tried."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from chassis.faults import TooManyRequests

WATCHED_MAX = 10_000


@dataclass
class Throttle:
    """Counts per process, in memory: a bound on guessing, not a record of it."""

    failures_max: int
    within_s: float
    _failures: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def let_through(self, who: str) -> None:
        """Return unless `who` failed too often too recently. Raises: TooManyRequests."""
        failures = self._failures.get(who, deque(maxlen=self.failures_max))
        while failures and failures[0] < time.monotonic() - self.within_s:
            failures.popleft()
        if len(failures) >= self.failures_max:
            raise TooManyRequests(retry_after_s=int(self.within_s))

    def note_failure(self, who: str) -> None:
        self._failures.setdefault(who, deque(maxlen=self.failures_max)).append(time.monotonic())
        self._failures.move_to_end(who)
        if len(self._failures) > WATCHED_MAX:
            self._failures.popitem(last=False)
