"""When did this person last enter on this contract, let in by the gate or on paper? Until the exit nobody withdraws."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from chassis.subscribers import Fact
from chassis.tables import Key, ReadModel, Rows, Table
from contracts.gatekeeper import EntryAttempted, EntryKind, Outcome, PaperEntryRecorded

ENTERED_AT = "SELECT entered_at FROM entry_v2 WHERE contract_no = $1 AND person_id = $2"


@dataclass(slots=True)
class Entry:
    contract_no: str
    person_id: UUID
    entered_at: datetime


ENTERED = Table("entry_v2", Entry, key=("contract_no", "person_id"))


def _attempted(rows: Rows, fact: Fact[EntryAttempted], _: int) -> None:
    if _is_entry(fact.event):
        _entered(rows, Entry(fact.event.contract_no, fact.event.person_id, fact.event.attempted_at))


def _on_paper(rows: Rows, fact: Fact[PaperEntryRecorded], _: int) -> None:
    _entered(rows, Entry(fact.event.contract_no, fact.event.person_id, fact.event.entered_at))


def _entered(rows: Rows, entry: Entry) -> None:
    known = rows.get(ENTERED, (entry.contract_no, entry.person_id))
    # What stood on paper is told late.
    if known is None or known.entered_at < entry.entered_at:
        rows.put(ENTERED, entry)


def _is_entry(event: EntryAttempted | PaperEntryRecorded) -> bool:
    return isinstance(event, PaperEntryRecorded) or (event.kind is EntryKind.ENTRY and event.outcome is Outcome.ADMITTED)


def _read(fact: Fact[EntryAttempted | PaperEntryRecorded]) -> Iterable[tuple[Table[Any], Key]]:
    if _is_entry(fact.event):
        yield ENTERED, (fact.event.contract_no, fact.event.person_id)


ENTRIES = ReadModel(
    name="entry_v2",
    tables=(ENTERED,),
    folds={EntryAttempted: _attempted, PaperEntryRecorded: _on_paper},
    reads=_read,
)
"""Answers the endpoint that withdraws."""


async def last_entered_at(pool: asyncpg.Pool, contract_no: str, person_id: UUID) -> datetime | None:
    """UTC. None: never. Whether he has left since is not asked."""
    entered_at: datetime | None = await pool.fetchval(ENTERED_AT, contract_no, person_id)
    return entered_at
