"""What a correction changed: each field as it was and as it is since, masked as in lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

from pydantic import BaseModel

from chassis.history import Words
from chassis.subscribers import Fact
from contracts.identity import masked_mobile, masked_name
from contracts.registration import (
    FamilyDetailsCorrected,
    FamilyMemberPreRegistered,
    PersonDetailsCorrected,
    PersonPreRegistered,
)

OfSomebody = PersonPreRegistered | PersonDetailsCorrected
OfFamily = FamilyMemberPreRegistered | FamilyDetailsCorrected
Held = OfSomebody | OfFamily
"""A fact that tells the whole of what holds from then on."""

Field = Literal[
    "name",
    "mobile",
    "relation",
    "origin_code",
    "origin",
    "arrival_date",
    "person_kind",
    "trade",
    "employer_credit_code",
    "declaration_version",
]
SEALED: Mapping[str, Callable[[str], str]] = {
    "name": masked_name,
    "mobile": masked_mobile,
    "relation": str,
    "origin": str,
}
"""As lists show it."""


class FieldChange(BaseModel):
    """A field that a correction changed. Name and number are masked."""

    field: Field
    before: str | None
    """None: it was empty."""
    after: str | None


def changes(held: Held | None, corrected: Held, words: Words) -> list[FieldChange]:
    """Against what held before. Of whoever was erased, what was sealed is not told."""
    if held is None:
        return []
    told = []
    for field in get_args(Field):
        before, after = _value(held, field, words), _value(corrected, field, words)
        if before != after:
            mask = SEALED.get(field, str)
            told.append(FieldChange(field=field, before=before and mask(before), after=after and mask(after)))
    return told


def _value(event: Held, field: str, words: Words) -> str | None:
    if field == "declaration_version":
        return str(event.declaration.version)
    value = getattr(event, field, None)
    if value is None:
        return None
    return words(field, value) if field in SEALED else str(value)


def held_before(version: int, held: Sequence[Fact[Held]]) -> Held | None:
    """The last of these, newest first, that was told before that version."""
    return next((each.event for each in held if each.recorded.version < version), None)
