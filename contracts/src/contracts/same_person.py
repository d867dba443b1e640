"""Facts of `registration` about one person with several documents: a renewed passport, an identity card and a passport.

Each document has a record of its own, which is a `person_id`. Records are never merged: they are said to be of one person,
and what stands against one of them counts for all of them.
"""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from contracts.event import Event
from contracts.identity import DocumentType
from contracts.sealing import Sealed
from contracts.times import UtcTime

RECORDS_MAX = 8
"""Records of one person: as many documents."""

SameAs = Annotated[tuple[UUID, ...], Field(max_length=RECORDS_MAX - 1)]
"""The other records of a person, ascending."""
KnownAs = Annotated[
    SameAs | None,
    Field(
        description="Under which other records the same person was known by then, ascending: for whoever is told only now."
        " Absent: none."
    ),
]


class PersonLinked(Event):
    """The records of several documents are of one person: what stands against one of them counts for all of them."""

    TYPE: ClassVar[Literal["gatehouse.registration.person-linked.v1"]] = "gatehouse.registration.person-linked.v1"
    person_id: UUID
    """This record, which is also the stream. Each of the others tells the same, in the same append."""
    same_as: SameAs
    """All other records of the person, ascending: the whole of what holds."""
    document: Sealed | None = None
    """Canonical number of this record's document, where it is the one that was named."""
    document_type: DocumentType | None = None
    """Its type."""
    reason: Sealed | None = None
    """Why, in the registrar's words. Absent where a form was handed in anew under the right document."""
    linked_at: UtcTime
    """UTC, taken from the command."""


class PersonUnlinked(Event):
    """A link was a mistake: the records are of different people."""

    TYPE: ClassVar[Literal["gatehouse.registration.person-unlinked.v1"]] = "gatehouse.registration.person-unlinked.v1"
    person_id: UUID
    """This record, which is also the stream. Each of the others tells the same, in the same append."""
    not_the_same: SameAs
    """The records of other people, ascending."""
    same_as: SameAs
    """The records that still are of the same person, ascending: the whole of what holds."""
    reason: Sealed | None = None
    """Why, in words. Absent in logs from before each half said it: there it stands with one of the others."""
    unlinked_at: UtcTime
    """UTC, taken from the command."""
