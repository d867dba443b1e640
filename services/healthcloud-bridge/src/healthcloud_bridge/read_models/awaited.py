"""Who was refused for want of a declaration, and has not declared since?

Filled from registration's `DeclarationAwaited`, emptied by our own `DeclarationReceived` (for all contracts of the person)
and by registration's `PersonPreRegistered` (for that contract). What identifies the person is copied as it is sealed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis.database import Connection
from chassis.projector import Fact
from contracts.event import Event
from contracts.healthcloud_bridge import DeclarationReceived
from contracts.registration import DeclarationAwaited, PersonPreRegistered

Key = tuple[UUID, str]
"""Person and contract."""

UPSERT = """
INSERT INTO awaited_v1 (person_id, contract_no, document, document_type, name, asked_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
ON CONFLICT (person_id, contract_no) DO UPDATE SET
    document = excluded.document, document_type = excluded.document_type, name = excluded.name, asked_at = excluded.asked_at
"""


class Awaited:
    """Answers the poller."""

    name = "awaited_v1"
    subscribes: tuple[type[Event], ...] = (DeclarationAwaited, PersonPreRegistered, DeclarationReceived)

    async def project(self, connection: Connection, facts: Sequence[Fact[Any]], *, partition: int) -> None:
        waiting: dict[Key, DeclarationAwaited] = {}
        over: set[Key] = set()
        declared: set[UUID] = set()
        for fact in facts:
            match fact.event:
                case DeclarationAwaited() as event:
                    waiting[event.person_id, event.contract_no] = event
                case PersonPreRegistered() as event:
                    waiting.pop((event.person_id, event.contract_no), None)
                    over.add((event.person_id, event.contract_no))
                case DeclarationReceived(person_id=person_id):
                    waiting = {key: event for key, event in waiting.items() if key[0] != person_id}
                    declared.add(person_id)
        await _remove(connection, sorted(over), sorted(declared))
        await _add(connection, [waiting[key] for key in sorted(waiting)])


async def _remove(connection: Connection, over: Sequence[Key], declared: Sequence[UUID]) -> None:
    if declared:
        await connection.execute("DELETE FROM awaited_v1 WHERE person_id = ANY ($1)", declared)
    if over:
        await connection.execute(
            """
            DELETE FROM awaited_v1 AS a USING unnest($1::uuid[], $2::text[]) AS k (person_id, contract_no)
            WHERE a.person_id = k.person_id AND a.contract_no = k.contract_no
            """,
            *map(list, zip(*over, strict=True)),
        )


async def _add(connection: Connection, events: Sequence[DeclarationAwaited]) -> None:
    if events:
        rows = [
            (event.person_id, event.contract_no, event.document, event.document_type, event.name, event.asked_at)
            for event in events
        ]
        await connection.execute(UPSERT, *map(list, zip(*rows, strict=True)))
