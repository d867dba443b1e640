"""What happened on each contract on each day: how many were pre-registered, admitted, refused, and how many left?

Sums of facts, each counted once on its day in Shanghai: a course over time, and no head-count. Whoever was refused twice counts
twice, and what was withdrawn since did happen. The numbers of people are `read_models/people.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
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


DAYS = Table("day_v1", Day, key=("contract_no", "day", "partition"), sums=True)


def _pre_registered(rows: Rows, fact: Fact[PersonPreRegistered], partition: int) -> None:
    _day(rows, fact.event, fact.event.pre_registered_at, partition).pre_registered += 1


def _attempted(rows: Rows, fact: Fact[EntryAttempted], partition: int) -> None:
    event = fact.event
    if event.kind is not EntryKind.ENTRY:
        return
    day = _day(rows, event, event.attempted_at, partition)
    if event.outcome is Outcome.ADMITTED:
        day.entered += 1
    else:
        day.refused += 1


def _on_paper(rows: Rows, fact: Fact[PaperEntryRecorded], partition: int) -> None:
    """On the day on which he went in."""
    _day(rows, fact.event, fact.event.entered_at, partition).entered += 1


def _left(rows: Rows, fact: Fact[ExitRegistered], partition: int) -> None:
    _day(rows, fact.event, fact.event.exited_at, partition).exited += 1


def _day(rows: Rows, event: Any, at: Any, partition: int) -> Day:
    return rows.total(DAYS, event.contract_no, shanghai_date(at), partition)


DAYS_OF_CONTRACTS = ReadModel(
    name="days_of_contract_v1",
    tables=(DAYS,),
    folds={
        PersonPreRegistered: _pre_registered,
        EntryAttempted: _attempted,
        PaperEntryRecorded: _on_paper,
        ExitRegistered: _left,
    },
)
"""One row a contract, day and partition."""
