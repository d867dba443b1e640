"""What did this person declare? The latest declaration of each person, as far as a pre-registration needs it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from chassis.gathering import Gatherer
from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.healthcloud_bridge import DeclarationReceived
from contracts.registration import PinnedDeclaration
from registration.domain.declaration import Declaration, declaration_of

SELECT = "SELECT person_id, name_fingerprint, mobile, pinned FROM declaration_v1 WHERE person_id = ANY ($1)"

GROUP_PEOPLE_MAX = 200
"""People in one round trip."""
QUEUE_PEOPLE_MAX = 2_000


@dataclass(slots=True)
class DeclarationRow:
    person_id: UUID
    version: int
    name_fingerprint: str
    mobile: str | None
    """Sealed."""
    pinned: str
    """The `PinnedDeclaration`, as JSON."""


DECLARED = Table("declaration_v1", DeclarationRow, key=("person_id",))


def _received(rows: Rows, fact: Fact[DeclarationReceived], _: int) -> None:
    # A person's declarations come in the order of their versions: the last one counts.
    declaration = declaration_of(fact.event)
    pinned = declaration.pinned.model_dump_json(exclude_none=True)
    rows.put(
        DECLARED,
        DeclarationRow(fact.event.person_id, declaration.version, declaration.name_fingerprint, declaration.mobile, pinned),
    )


DECLARATIONS = ReadModel(name="declaration_v1", tables=(DECLARED,), folds={DeclarationReceived: _received})
"""Answers the endpoint that pre-registers, see `KnownDeclarations`."""


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
