"""Did this person ever enter on this contract, let in by the gate or on paper? Then the pre-registration can't be withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.gatekeeper import EntryAttempted, EntryKind, Outcome, PaperEntryRecorded

EXISTS = "SELECT EXISTS (SELECT FROM entry_v1 WHERE contract_no = $1 AND person_id = $2)"


@dataclass(slots=True)
class Entry:
    contract_no: str
    person_id: UUID


ENTERED = Table("entry_v1", Entry, key=("contract_no", "person_id"))


def _attempted(rows: Rows, fact: Fact[EntryAttempted], _: int) -> None:
    if fact.event.kind is EntryKind.ENTRY and fact.event.outcome is Outcome.ADMITTED:
        rows.put(ENTERED, Entry(fact.event.contract_no, fact.event.person_id))


def _on_paper(rows: Rows, fact: Fact[PaperEntryRecorded], _: int) -> None:
    rows.put(ENTERED, Entry(fact.event.contract_no, fact.event.person_id))


ENTRIES = ReadModel(name="entry_v1", tables=(ENTERED,), folds={EntryAttempted: _attempted, PaperEntryRecorded: _on_paper})
"""Answers the endpoint that withdraws."""


async def has_entered(pool: asyncpg.Pool, contract_no: str, person_id: UUID) -> bool:
    """Whether he was ever admitted there, whether or not he has left since."""
    entered: bool = await pool.fetchval(EXISTS, contract_no, person_id)
    return entered
