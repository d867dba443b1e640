"""Did the gate ever admit this person on this contract? Then the pre-registration can no longer be withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from chassis.database import Connection
from chassis.projector import Fact
from contracts.event import Event
from contracts.gatekeeper import EntryAttempted, EntryKind, Outcome

INSERT = """
INSERT INTO entry_v1 (contract_no, person_id)
SELECT * FROM unnest($1::text[], $2::uuid[])
ON CONFLICT (contract_no, person_id) DO NOTHING
"""

EXISTS = "SELECT EXISTS (SELECT FROM entry_v1 WHERE contract_no = $1 AND person_id = $2)"


class Entries:
    """Answers the endpoint that withdraws."""

    name = "entry_v1"
    subscribes: tuple[type[Event], ...] = (EntryAttempted,)

    async def project(self, connection: Connection, facts: Sequence[Fact[EntryAttempted]], *, partition: int) -> None:
        entered = {(fact.event.contract_no, fact.event.person_id) for fact in facts if _is_entry(fact.event)}
        if entered:
            await connection.execute(INSERT, *map(list, zip(*sorted(entered), strict=True)))


def _is_entry(attempt: EntryAttempted) -> bool:
    return attempt.kind is EntryKind.ENTRY and attempt.outcome is Outcome.ADMITTED


async def has_entered(pool: asyncpg.Pool, contract_no: str, person_id: UUID) -> bool:
    """Whether he was ever admitted there, whether or not he has left since."""
    entered: bool = await pool.fetchval(EXISTS, contract_no, person_id)
    return entered
