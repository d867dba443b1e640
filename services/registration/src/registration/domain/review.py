"""待核: what a person must look at. Nothing is fixed and nobody is refused for it; somebody looks, and says so by name.

What there is to look at follows from what is known: it is worked out when it is asked for, and ends by itself when what it
came from is put right. That somebody looked is a fact.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from contracts.registration import (
    PinnedDeclaration,
)
from contracts.rejection import Rejection
from contracts.review import ReviewItemKind, ReviewItemSettled
from contracts.sealing import Sealed

SETTLED_KEPT_MAX = 100
"""Of one person on one contract, the latest. One that is forgotten here is settled once more by a repeat."""
COMPARED = ("departed_on", "from_hubei", "from_wuhan", "stopover", "stopover_code")
"""Of two declarations."""


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
    changed = [field for field in COMPARED if getattr(pinned, field) != getattr(newer, field)]
    return changed if same_name else [*changed, "name"]


@dataclass(frozen=True, slots=True)
class Said:
    """A declaration, as far as it makes something to look at."""

    version: int
    journey: str
    """The same for two declarations between which there are no `differences`."""
    contradicts: bool
    """Whether it contradicts itself."""


def journey_of(declared: PinnedDeclaration, name_fingerprint: str) -> str:
    told = [str(getattr(declared, field)) for field in COMPARED]
    return hashlib.sha256(" ".join([*told, name_fingerprint]).encode()).hexdigest()[:16]


def items_of(pinned_version: int, declared: Sequence[Said]) -> Iterator[ReviewItem]:
    """What there is to look at about whoever relies on that version and declared all this, in this order."""
    pinned = next((each for each in declared if each.version == pinned_version), None)
    if pinned is None:
        return  # It was told elsewhere, and will be here.
    if pinned.contradicts:
        yield ReviewItem(ReviewItemKind.DECLARATION_CONTRADICTS, pinned_version)
    for before, newer in pairwise(each for each in declared if each.version >= pinned_version):
        # What was said before already is an item of that declaration, and stays one whatever is said after it.
        if newer.journey not in (pinned.journey, before.journey):
            yield ReviewItem(ReviewItemKind.DECLARATION_DIFFERS, newer.version)
