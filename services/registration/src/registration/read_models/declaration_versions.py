"""What did each version of a person's declaration say? The journey as far as it can be compared, and what contradicts itself."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.healthcloud_bridge import DeclarationReceived
from registration.domain.declaration import declaration_of


@dataclass(slots=True)
class DeclarationVersionRow:
    person_id: UUID
    version: int
    name_fingerprint: str
    pinned: str
    """The `PinnedDeclaration`, as JSON."""
    contradictions: str
    """Codes, a space between two."""


DECLARED = Table("declaration_version_v1", DeclarationVersionRow, key=("person_id", "version"))


def _received(rows: Rows, fact: Fact[DeclarationReceived], _: int) -> None:
    declaration = declaration_of(fact.event)
    pinned = declaration.pinned.model_dump_json(exclude_none=True)
    contradictions = " ".join(fact.event.contradictions)
    rows.put(
        DECLARED,
        DeclarationVersionRow(fact.event.person_id, declaration.version, declaration.name_fingerprint, pinned, contradictions),
    )


DECLARATION_VERSIONS = ReadModel(name="declaration_version_v1", tables=(DECLARED,), folds={DeclarationReceived: _received})
"""Answers the list of what is to be looked at, see `review_items`."""
