"""What happened on each day, on each contract and in the whole city: how many were pre-registered, admitted, refused, and how
many left?

Sums of facts, each counted once on its day in Shanghai: a course over time, and no head-count. Whoever was refused twice counts
twice, and what was withdrawn since did happen. The numbers of people are `read_models/people.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias

from chassis.subscribers import Fact
from chassis.tables import Fold, ReadModel, Rows, Table
from contracts.event import Event
from contracts.gatekeeper import EntryAttempted, EntryKind, ExitRegistered, Outcome, PaperEntryRecorded
from contracts.registration import PersonPreRegistered
from contracts.times import shanghai_date


@dataclass(slots=True)
class Day:
    """One day of one contract, as a partition knows it."""

    contract_no: str
    day: date
    partition: int
    pre_registered: int = 0
    entered: int = 0
    refused: int = 0
    """Attempts to enter, not people."""
    exited: int = 0


@dataclass(slots=True)
class DayOfCity:
    """The same of all contracts."""

    day: date
    partition: int
    pre_registered: int = 0
    entered: int = 0
    refused: int = 0
    exited: int = 0


DAYS = Table("day_v1", Day, key=("contract_no", "day", "partition"), sums=True)
CITY_DAYS = Table("day_of_city_v1", DayOfCity, key=("day", "partition"), sums=True)

RowOf: TypeAlias = Callable[[Rows, str, date, int], Day | DayOfCity]
"""(rows, contract, day, partition) → the row that what happened there and then is added to."""


def _counted_in(row_of: RowOf) -> Mapping[type[Event], Fold]:
    """The folds, each adding to the row that `row_of` gives."""

    def row(rows: Rows, event: Any, at: datetime, partition: int) -> Day | DayOfCity:
        return row_of(rows, event.contract_no, shanghai_date(at), partition)

    def pre_registered(rows: Rows, fact: Fact[PersonPreRegistered], partition: int) -> None:
        row(rows, fact.event, fact.event.pre_registered_at, partition).pre_registered += 1

    def attempted(rows: Rows, fact: Fact[EntryAttempted], partition: int) -> None:
        event = fact.event
        if event.kind is not EntryKind.ENTRY:
            return
        day = row(rows, event, event.attempted_at, partition)
        if event.outcome is Outcome.ADMITTED:
            day.entered += 1
        else:
            day.refused += 1

    def on_paper(rows: Rows, fact: Fact[PaperEntryRecorded], partition: int) -> None:
        """On the day on which he went in."""
        row(rows, fact.event, fact.event.entered_at, partition).entered += 1

    def left(rows: Rows, fact: Fact[ExitRegistered], partition: int) -> None:
        row(rows, fact.event, fact.event.exited_at, partition).exited += 1

    return {PersonPreRegistered: pre_registered, EntryAttempted: attempted, PaperEntryRecorded: on_paper, ExitRegistered: left}


DAYS_OF_CONTRACTS = ReadModel(
    name="days_of_contract_v1",
    tables=(DAYS,),
    folds=_counted_in(lambda rows, contract_no, day, partition: rows.total(DAYS, contract_no, day, partition)),
)
"""One row a contract, day and partition."""

DAYS_OF_CITY = ReadModel(
    name="days_of_city_v1",
    tables=(CITY_DAYS,),
    folds=_counted_in(lambda rows, _, day, partition: rows.total(CITY_DAYS, day, partition)),
)
"""One row a day and partition: for whoever looks at all contracts, so that a fortnight of a city is some two hundred rows. Also of
contracts that are not known here yet, which no filter and no list finds."""
