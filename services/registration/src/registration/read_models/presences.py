"""How many people are on this site (在场) now? One row for each who ever was.

All from the gate's own topic, in the order of each person's stream: who was admitted and has not left, and whom the old
roster says to be there, which the gate repeats with every clearance until the exit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from chassis.subscribers import Fact
from chassis.tables import Key, ReadModel, Rows, Table
from contracts.gatekeeper import ClearanceChanged, EntryAttempted, EntryKind, ExitRegistered, Outcome, PaperEntryRecorded

COUNT = "SELECT count(*) FROM presence_v1 WHERE contract_no = $1 AND inside"


@dataclass(slots=True)
class Presence:
    contract_no: str
    person_id: UUID
    inside: bool
    left_at: datetime | None
    """Last exit, while outside: an entry on paper that is recorded later may be older."""


PRESENT = Table("presence_v1", Presence, key=("contract_no", "person_id"))


def _cleared(rows: Rows, fact: Fact[ClearanceChanged], _: int) -> None:
    for member in fact.event.clearance.rostered:
        if member.on_site:
            rows.put(PRESENT, Presence(member.contract_no, fact.event.person_id, True, None))


def _attempted(rows: Rows, fact: Fact[EntryAttempted], _: int) -> None:
    if fact.event.kind is EntryKind.ENTRY and fact.event.outcome is Outcome.ADMITTED:
        rows.put(PRESENT, Presence(fact.event.contract_no, fact.event.person_id, True, None))


def _on_paper(rows: Rows, fact: Fact[PaperEntryRecorded], _: int) -> None:
    event = fact.event
    row = rows.get(PRESENT, (event.contract_no, event.person_id))
    if row is None or row.left_at is None or row.left_at <= event.entered_at:
        rows.put(PRESENT, Presence(event.contract_no, event.person_id, True, None))


def _left(rows: Rows, fact: Fact[ExitRegistered], _: int) -> None:
    rows.put(PRESENT, Presence(fact.event.contract_no, fact.event.person_id, False, fact.event.exited_at))


def _read(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    if type(fact.event) is PaperEntryRecorded:
        yield PRESENT, (fact.event.contract_no, fact.event.person_id)


PRESENCES = ReadModel(
    name="presence_v1",
    tables=(PRESENT,),
    folds={ClearanceChanged: _cleared, EntryAttempted: _attempted, PaperEntryRecorded: _on_paper, ExitRegistered: _left},
    reads=_read,
)
"""Answers for how many people the supplies have to do."""


async def head_count(pool: asyncpg.Pool, contract_no: str) -> int:
    """People on site, as far as the gate has told."""
    counted: int = await pool.fetchval(COUNT, contract_no)
    return counted
