"""A measurement and how it is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    measured: float
    unit: str
    reference: float | None
    """In the same unit, from the same run. None where there is nothing to compare with."""
    aim: str
    reference_name: str = "–"

    @property
    def ratio(self) -> str:
        return f"{self.measured / self.reference:.2f}×" if self.reference else "–"


def printed(rows: Sequence[Row]) -> str:
    """The table in Markdown."""
    lines = ["| what | measured | reference in the same run | ratio | aim |", "|---|---|---|---|---|"]
    for row in rows:
        reference = f"{row.reference:,.0f} {row.unit} ({row.reference_name})" if row.reference else row.reference_name
        lines.append(
            f"| {row.what} | {row.measured:,.{1 if row.unit == 'ms' else 0}f} {row.unit} | {reference} | {row.ratio} | {row.aim} |"
        )
    return "\n".join(lines)
