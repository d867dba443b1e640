"""What is to be looked at about whom, on which contract (待核)?

Two sources tell it, in no order: what a person declared, and which contract relies on which version of that. So a person's row
holds both, and what follows is worked out anew with every fact of either. Whether an entry crossed a withdrawal the gate tells,
see `presences`; here stands only who was withdrawn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.subscribers import Fact
from chassis.tables import Fold, Key, ReadModel, Rows, Table
from contracts.healthcloud_bridge import DeclarationReceived
from contracts.registration import (
    DeclarationAwaited,
    PersonDetailsCorrected,
    PersonPreRegistered,
    PreRegistrationClosed,
    PreRegistrationWithdrawn,
)
from contracts.review import ReviewItemKind
from registration.domain.declaration import declaration_of
from registration.domain.review import Said, items_of, journey_of


@dataclass(frozen=True, slots=True)
class ReviewedPersonRow:
    """What a person declared, and what relies on it."""

    person_id: UUID
    declared: str
    """JSON: version → its journey and whether it contradicts itself, in the order of versions."""
    relied_on: str
    """JSON: contract → version of the declaration, and when that was withdrawn, if it was."""


@dataclass(frozen=True, slots=True)
class ReviewItemRow:
    contract_no: str
    person_id: UUID
    kind: str
    declaration_version: int
    withdrawn_at: datetime | None
    """Of what is an item only if the person is on site, or left after that."""


REVIEWED = Table("reviewed_person_v1", ReviewedPersonRow, key=("person_id",))
ITEMS = Table("review_item_v1", ReviewItemRow, key=("contract_no", "person_id", "kind", "declaration_version"))

Relied = dict[str, tuple[int, str | None]]


def _fold(change: Callable[[ReviewedPersonRow, Any], ReviewedPersonRow]) -> Fold:
    def fold(rows: Rows, fact: Fact[Any], _: int) -> None:
        person_id: UUID = fact.event.person_id
        before = rows.get(REVIEWED, person_id) or ReviewedPersonRow(person_id, "{}", "{}")
        after = change(before, fact.event)
        if after == before:
            return
        rows.put(REVIEWED, after)
        was, now = set(_items(before)), set(_items(after))
        for gone in was - now:
            rows.remove(ITEMS, ITEMS.key_of(gone))
        for new in now - was:
            rows.put(ITEMS, new)

    return fold


def _items(row: ReviewedPersonRow) -> Iterator[ReviewItemRow]:
    declared = [Said(int(version), *told) for version, told in json.loads(row.declared).items()]
    for contract_no, (version, withdrawn_at) in json.loads(row.relied_on).items():
        if withdrawn_at is not None:
            kind, at = ReviewItemKind.ENTERED_THOUGH_WITHDRAWN, datetime.fromisoformat(withdrawn_at)
            yield ReviewItemRow(contract_no, row.person_id, kind, version, at)
            continue
        for item in items_of(version, declared):
            yield ReviewItemRow(contract_no, row.person_id, item.kind, item.declaration_version, None)


def _declared(row: ReviewedPersonRow, event: DeclarationReceived) -> ReviewedPersonRow:
    declaration = declaration_of(event)
    said = journey_of(declaration.pinned, declaration.name_fingerprint), bool(event.contradictions)
    return replace(row, declared=json.dumps(json.loads(row.declared) | {str(declaration.version): said}))


def _pre_registered(row: ReviewedPersonRow, event: PersonPreRegistered) -> ReviewedPersonRow:
    return _relying(row, lambda relied: relied | {event.contract_no: (event.declaration.version, None)})


def _corrected(row: ReviewedPersonRow, event: PersonDetailsCorrected) -> ReviewedPersonRow:
    def corrected(relied: Relied) -> Relied:
        return relied | {event.contract_no: (event.declaration.version, None)} if event.contract_no in relied else relied

    return _relying(row, corrected)


def _withdrawn(row: ReviewedPersonRow, event: PreRegistrationWithdrawn) -> ReviewedPersonRow:
    def withdrawn(relied: Relied) -> Relied:
        version, _ = relied.get(event.contract_no, (None, None))
        return relied if version is None else relied | {event.contract_no: (version, event.withdrawn_at.isoformat())}

    return _relying(row, withdrawn)


def _over(row: ReviewedPersonRow, event: PreRegistrationClosed | DeclarationAwaited) -> ReviewedPersonRow:
    return _relying(row, lambda relied: {each: told for each, told in relied.items() if each != event.contract_no})


def _relying(row: ReviewedPersonRow, change: Callable[[Relied], Relied]) -> ReviewedPersonRow:
    return replace(row, relied_on=json.dumps(change(json.loads(row.relied_on))))


def _read(fact: Fact[Any]) -> Iterable[tuple[Table[Any], Key]]:
    yield REVIEWED, fact.event.person_id


REVIEW_ITEMS = ReadModel(
    name="review_item_v1",
    tables=(REVIEWED, ITEMS),
    folds={
        DeclarationReceived: _fold(_declared),
        PersonPreRegistered: _fold(_pre_registered),
        PersonDetailsCorrected: _fold(_corrected),
        PreRegistrationWithdrawn: _fold(_withdrawn),
        PreRegistrationClosed: _fold(_over),
        DeclarationAwaited: _fold(_over),
    },
    reads=_read,
)
"""Answers the lists of what is to be looked at, see `registration.review_items`."""
