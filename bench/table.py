"""A measurement and how it is printed."""

from __future__ import annotations

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


HEADER = "| what | measured | reference in the same run | ratio | aim |\n|---|---|---|---|---|"


def printed(row: Row) -> str:
    """A line of the table in Markdown, below `HEADER`."""
    reference = f"{row.reference:,.0f} {row.unit} ({row.reference_name})" if row.reference else row.reference_name
    measured = f"{row.measured:,.{1 if row.unit in ('ms', 's', 'kB') else 0}f} {row.unit}"
    return f"| {row.what} | {measured} | {reference} | {row.ratio} | {row.aim} |"
