"""Which records are of the same person (ADR 38)? For every service that lists or counts people."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.same_person import PersonLinked, PersonUnlinked


@dataclass(slots=True)
class SamePerson:
    """Records with the same first one are of the same person. No row: the only one."""

    person_id: UUID
    first_id: UUID


SAME = Table("same_person_v1", SamePerson, key=("person_id",))


def _told(rows: Rows, fact: Fact[PersonLinked | PersonUnlinked], _: int) -> None:
    event = fact.event
    rows.put(SAME, SamePerson(event.person_id, min((event.person_id, *event.same_as))))


SAME_PEOPLE = ReadModel(name="same_person_v1", tables=(SAME,), folds={PersonLinked: _told, PersonUnlinked: _told})
