"""Who has looked at this review item (待核), and when?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.review import ReviewItemSettled


@dataclass(slots=True)
class SettlementRow:
    contract_no: str
    person_id: UUID
    kind: str
    declaration_version: int
    settled_by: str
    note: str
    """Sealed."""
    settled_at: datetime


SETTLED = Table("review_settlement_v1", SettlementRow, key=("contract_no", "person_id", "kind", "declaration_version"))


def _settled(rows: Rows, fact: Fact[ReviewItemSettled], _: int) -> None:
    event = fact.event
    row = SettlementRow(
        contract_no=event.contract_no,
        person_id=event.person_id,
        kind=event.kind,
        declaration_version=event.declaration_version,
        settled_by=event.settled_by,
        note=event.note,
        settled_at=event.settled_at,
    )
    rows.put(SETTLED, row)


REVIEW_SETTLEMENTS = ReadModel(name="review_settlement_v1", tables=(SETTLED,), folds={ReviewItemSettled: _settled})
"""Answers the list of what is to be looked at, see `review_items`."""
