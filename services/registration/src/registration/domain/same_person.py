"""One person with several documents, each of which has a record of its own.

Records are never merged: each says of which others it is the same person's, and whatever asks about the person asks all of
them. So nothing is copied that could come too late, and a link that was a mistake leaves everybody's own facts as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from contracts.identity import DocumentType
from contracts.rejection import Rejection
from contracts.same_person import RECORDS_MAX, PersonLinked, PersonUnlinked
from contracts.sealing import Sealed

APART_KEPT_MAX = 32
"""Of one record, the latest."""


@dataclass(frozen=True, slots=True)
class Named:
    """The document that was shown beside the first one."""

    document: Sealed
    document_type: DocumentType


@dataclass(frozen=True, slots=True)
class Link:
    """These records are of the same person as this one."""

    person_id: UUID
    same_as: frozenset[UUID]
    at: datetime
    named: Named | None = None
    """Of the record whose document was named."""
    reason: Sealed | None = None
    """None: nobody says so, it follows from what another record tells."""


@dataclass(frozen=True, slots=True)
class Unlink:
    """That these records are of the same person was a mistake."""

    person_id: UUID
    not_the_same: frozenset[UUID]
    at: datetime
    reason: Sealed | None = None


LinkCommand = Link | Unlink


@dataclass(frozen=True, slots=True)
class Records:
    """What a record knows of the others of its person."""

    same_as: frozenset[UUID] = frozenset()
    said_at: Mapping[UUID, datetime] = field(default_factory=dict)
    """Of these, those of which somebody said so here: that another record told it before does not keep back who, and why; nor
    does an older mistake that another record tells late undo it."""
    apart: tuple[UUID, ...] = ()
    """Records that were linked by mistake, the latest last: what another record tells late does not link them again."""
    named: Named | None = None


class DocumentIsThePersonsOwn(Rejection):
    """The document that was named is the one under which the person is known."""

    code = "document-is-the-persons-own"
    status = 422
    title_zh = "该证件就是本人已登记的证件"
    title_en = "The person is known by this very document"


class PersonHasTooManyDocuments(Rejection):
    """What one person's records know of each other is bounded (`contracts.same_person.RECORDS_MAX`)."""

    code = "person-has-too-many-documents"
    title_zh = "该人员的证件数量已达上限"
    title_en = "No more documents can be linked to the person"


class ReplacedIsNotWithdrawn(Rejection):
    """Whoever was registered under a wrong document is withdrawn before he is registered under the right one."""

    code = "replaced-is-not-withdrawn"
    title_zh = "请先撤销原证件的进场预登记"
    title_en = "Withdraw the pre-registration under the wrong document first"


class DocumentIsNotLinked(Rejection):
    """The person has no such further document."""

    code = "document-is-not-linked"
    status = 404
    title_zh = "该人员没有关联此证件"
    title_en = "No such document is linked to the person"


def link(command: Link, known: Records) -> Sequence[PersonLinked]:
    wanted = command.same_as - {command.person_id}
    if command.reason is None:
        wanted -= frozenset(known.apart)
    if wanted <= (known.same_as if command.reason is None else known.said_at.keys()):
        return []
    same_as = known.same_as | wanted
    if len(same_as) >= RECORDS_MAX:
        raise PersonHasTooManyDocuments
    return [
        PersonLinked(
            person_id=command.person_id,
            same_as=tuple(sorted(same_as)),
            document=command.named.document if command.named else None,
            document_type=command.named.document_type if command.named else None,
            reason=command.reason,
            linked_at=command.at,
        )
    ]


def unlink(command: Unlink, known: Records) -> Sequence[PersonUnlinked]:
    mistaken = command.not_the_same & known.same_as
    if command.reason is None:
        mistaken -= {each for each, said_at in known.said_at.items() if command.at <= said_at}
    if not mistaken:
        return []
    return [
        PersonUnlinked(
            person_id=command.person_id,
            not_the_same=tuple(sorted(mistaken)),
            same_as=tuple(sorted(known.same_as - mistaken)),
            reason=command.reason,
            unlinked_at=command.at,
        )
    ]


def linked(known: Records, event: PersonLinked) -> Records:
    named = Named(event.document, event.document_type) if event.document and event.document_type else known.named
    apart = tuple(each for each in known.apart if each not in event.same_as)
    said_at = known.said_at if event.reason is None else dict.fromkeys(event.same_as, event.linked_at)
    return replace(known, same_as=frozenset(event.same_as), said_at=said_at, apart=apart, named=named)


def unlinked(known: Records, event: PersonUnlinked) -> Records:
    apart = (*(each for each in known.apart if each not in event.not_the_same), *event.not_the_same)
    said_at = {each: at for each, at in known.said_at.items() if each in event.same_as}
    return replace(known, same_as=frozenset(event.same_as), said_at=said_at, apart=apart[-APART_KEPT_MAX:])
