"""待核: what a person must look at. Nothing is fixed and nobody is refused for it; somebody looks, and says so by name.

What there is to look at follows from what is known: it is worked out when it is asked for, and ends by itself when what it
came from is put right. That somebody looked is a fact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.registration import (
    PinnedDeclaration,
)
from contracts.rejection import Rejection
from contracts.review import ReviewItemKind, ReviewItemSettled
from contracts.sealing import Sealed

SETTLED_KEPT_MAX = 100
"""Of one person on one contract, the latest. One that is forgotten here is settled once more by a repeat."""


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """By kind and declaration it is the same one."""

    kind: ReviewItemKind
    declaration_version: int
    """The declaration that it is about."""


@dataclass(frozen=True, slots=True)
class SettleReviewItem:
    """Somebody has looked."""

    person_id: UUID
    contract_no: str
    item: ReviewItem
    settled_by: str
    """The account."""
    note: Sealed
    at: datetime


class ReviewItemIsUnknown(Rejection):
    """There is nothing of the kind to look at."""

    code = "review-item-is-unknown"
    status = 404
    title_zh = "没有该待核事项"
    title_en = "There is no such review item"


def settle(command: SettleReviewItem, settled: Sequence[ReviewItem]) -> Sequence[ReviewItemSettled]:
    if command.item in settled:
        return []
    return [
        ReviewItemSettled(
            person_id=command.person_id,
            contract_no=command.contract_no,
            kind=command.item.kind,
            declaration_version=command.item.declaration_version,
            settled_by=command.settled_by,
            note=command.note,
            settled_at=command.at,
        )
    ]


def with_settled(settled: Sequence[ReviewItem], event: ReviewItemSettled) -> tuple[ReviewItem, ...]:
    return (*settled, ReviewItem(event.kind, event.declaration_version))[-SETTLED_KEPT_MAX:]


def differences(pinned: PinnedDeclaration, newer: PinnedDeclaration, *, same_name: bool) -> list[str]:
    """What a newer declaration says otherwise of the journey, by field, and `name`.

    Day and temperature of the report are not compared: they differ each time, and what is fever health decides, which takes every
    declared temperature as a reading. Places and addresses are sealed and cannot be.
    """
    fields = ("departed_on", "from_hubei", "from_wuhan", "stopover", "stopover_code")
    changed = [field for field in fields if getattr(pinned, field) != getattr(newer, field)]
    return changed if same_name else [*changed, "name"]
