"""What did this person declare? The latest declaration of each person, as far as a pre-registration needs it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from chassis.database import Connection
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

SELECT = "SELECT name_fingerprint, mobile, pinned FROM declaration_v1 WHERE person_id = $1"


class Declarations:
    """Answers the endpoint that pre-registers."""

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


async def declaration_of_person(pool: asyncpg.Pool, person_id: UUID) -> Declaration | None:
    """The latest one. None: the person has not declared, as far as is known here."""
    row = await pool.fetchrow(SELECT, person_id)
    return None if row is None else declaration_from(row)


def declaration_from(row: asyncpg.Record) -> Declaration:
    """From the columns `name_fingerprint`, `mobile` and `pinned`."""
    return Declaration(
        pinned=PinnedDeclaration.model_validate_json(row["pinned"]),
        name_fingerprint=row["name_fingerprint"],
        mobile=row["mobile"],
    )
