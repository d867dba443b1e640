"""How far a rebuild is, on a terminal: events done of all, rate, remaining time."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

TERMINAL_S, FILE_S = 0.2, 5.0
"""Between two lines: a terminal's is overwritten, a file grows."""
WIDTH = 30


@dataclass
class Bar:
    """Told of every batch; writes now and then."""

    total: int = 0
    done: int = 0
    _began: float = 0.0
    _next: float = 0.0

    def begin(self, total: int) -> None:
        self.total, self.done = total, 0
        self._began = self._next = time.monotonic()

    def add(self, events: int) -> None:
        self.done += events
        if time.monotonic() >= self._next:
            self._write()

    def end(self) -> None:
        self._write()
        if sys.stderr.isatty():
            sys.stderr.write("\n")

    @property
    def per_second(self) -> float:
        return self.done / max(time.monotonic() - self._began, 1e-3)

    def __str__(self) -> str:
        share = self.done / self.total if self.total else 1.0
        left_s = (self.total - self.done) / self.per_second if self.done else 0.0
        filled = "█" * round(min(share, 1.0) * WIDTH)
        return f"{filled:░<{WIDTH}} {self.done:,} of {self.total:,} events, {self.per_second:,.0f}/s, {left_s:,.0f} s left"

    def _write(self) -> None:
        is_terminal = sys.stderr.isatty()
        self._next = time.monotonic() + (TERMINAL_S if is_terminal else FILE_S)
        sys.stderr.write(f"\r{self}\x1b[K" if is_terminal else f"{self}\n")
