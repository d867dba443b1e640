"""What did this person declare? The latest declaration of each person, as far as a pre-registration needs it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from chassis.database import Connection
from chassis.gathering import Gatherer
from chassis.projector import Fact
from contracts.event import Event
from contracts.healthcloud_bridge import DeclarationReceived
from contracts.registration import PinnedDeclaration
from registration.domain.declaration import Declaration, declaration_of

UPSERT = """
INSERT INTO declaration_v1 (person_id, version, name_fingerprint, mobile, pinned)
SELECT * FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::text[])
ON CONFLICT (person_id) DO UPDATE SET
    version = excluded.version, name_fingerprint = excluded.name_fingerprint,
    mobile = excluded.mobile, pinned = excluded.pinned
"""

SELECT = "SELECT person_id, name_fingerprint, mobile, pinned FROM declaration_v1 WHERE person_id = ANY ($1)"

GROUP_PEOPLE_MAX = 200
"""People in one round trip."""
QUEUE_PEOPLE_MAX = 2_000


class Declarations:
    """Answers the endpoint that pre-registers, see `KnownDeclarations`."""

    name = "declaration_v1"
    subscribes: tuple[type[Event], ...] = (DeclarationReceived,)

    async def project(self, connection: Connection, facts: Sequence[Fact[DeclarationReceived]], *, partition: int) -> None:
        # A person's declarations come in the order of their versions: the last one counts.
        latest = {fact.event.person_id: declaration_of(fact.event) for fact in facts}
        rows = [
            (person_id, each.version, each.name_fingerprint, each.mobile, each.pinned.model_dump_json(exclude_none=True))
            for person_id, each in sorted(latest.items())
        ]
        await connection.execute(UPSERT, *map(list, zip(*rows, strict=True)))


class KnownDeclarations:
    """Declarations as far as they are known here. Concurrent questions share a round trip."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._gatherer = Gatherer(self._read_waiting, name="declarations", batch_max=GROUP_PEOPLE_MAX, queue_max=QUEUE_PEOPLE_MAX)

    async def latest(self, person_id: UUID) -> Declaration | None:
        """The person's latest one; None where there is none. Raises: Unavailable when overloaded."""
        return await self._gatherer.submit(person_id)

    async def _read_waiting(self, person_ids: list[UUID]) -> list[Declaration | None]:
        rows = await self._pool.fetch(SELECT, person_ids)
        found = {row["person_id"]: declaration_from(row) for row in rows}
        return [found.get(person_id) for person_id in person_ids]


def declaration_from(row: asyncpg.Record) -> Declaration:
    """From the columns `name_fingerprint`, `mobile` and `pinned`."""
    return Declaration(
        pinned=PinnedDeclaration.model_validate_json(row["pinned"]),
        name_fingerprint=row["name_fingerprint"],
        mobile=row["mobile"],
    )
