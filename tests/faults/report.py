"""What a run has injected, what it saw, and how long it took until all went on. Printed when all tests are through."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass
class Injected:
    """One kind of fault."""

    times: int = 0
    recoveries_s: list[float] = field(default_factory=list)
    """From the fault, or from its end where somebody had to end it, to the next acknowledged command."""
    effects: set[str] = field(default_factory=set)
    """What was seen of it."""
    seeds: set[int] = field(default_factory=set)


@dataclass
class Report:
    """Of one run."""

    injected: defaultdict[str, Injected] = field(default_factory=lambda: defaultdict(Injected))
    caught: dict[str, tuple[float, str]] = field(default_factory=dict)
    """Planted fault → seconds until it was found, and the sentence by which it was."""
    effects: dict[str, int] = field(default_factory=dict)
    """What the whole run saw."""
    violations: int = 0

    def note(self, fault: str, *effects: str, recovery_s: float | None = None, seed: int | None = None) -> None:
        """A fault was injected once, and these effects were seen of it."""
        row = self.injected[fault]
        row.times += 1
        row.effects |= set(effects)
        row.recoveries_s += [] if recovery_s is None else [recovery_s]
        row.seeds |= set() if seed is None else {seed}

    def lines(self) -> Iterator[str]:
        """Tables, as Markdown. Violations are those of the whole run: after each test everything is checked."""
        if self.injected:
            yield "| fault | times | seen | violations | recovery p50 | max | seeds |"
            yield "|---|---|---|---|---|---|---|"
            for fault, row in sorted(self.injected.items()):
                times = [f"{at:.1f} s" for at in _p50_and_max(row.recoveries_s)] or ["–", "–"]
                seeds = ", ".join(map(str, sorted(row.seeds))) or "–"
                seen = ", ".join(sorted(row.effects)) or "–"
                yield f"| {fault} | {row.times} | {seen} | {self.violations} | {' | '.join(times)} | {seeds} |"
        if self.effects:
            yield ""
            yield "In all: " + ", ".join(f"{count} {what}" for what, count in self.effects.items()) + "."
        if self.caught:
            yield ""
            yield "| planted fault | found after | by |"
            yield "|---|---|---|"
            for fault, (seconds, sentence) in self.caught.items():
                yield f"| {fault.replace('_', ' ')} | {seconds:.0f} s | {sentence[:90]} |"


def _p50_and_max(seconds: Sequence[float]) -> Sequence[float]:
    return (median(seconds), max(seconds)) if seconds else ()


REPORT = Report()
"""Of this run."""
