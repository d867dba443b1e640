"""One person with several documents, each of which has a record of its own.

Records are never merged: each says of which others it is the same person's, and whatever asks about the person asks all of
them. So nothing is copied that could come too late, and a link that was a mistake leaves everybody's own facts as they were.
All records of a person are told in one append (`registration.linking`), so each of them names all the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    """None: a form was handed in anew under the right document."""


@dataclass(frozen=True, slots=True)
class Unlink:
    """That these records are of the same person was a mistake."""

    person_id: UUID
    not_the_same: frozenset[UUID]
    at: datetime
    reason: Sealed


LinkCommand = Link | Unlink


@dataclass(frozen=True, slots=True)
class Records:
    """What a record knows of the others of its person."""

    same_as: frozenset[UUID] = frozenset()
    apart: tuple[UUID, ...] = ()
    """Records that were said to be of somebody else since, the latest last."""
    named: Named | None = None

    @property
    def told(self) -> tuple[UUID, ...] | None:
        """As other facts tell it: ascending. None where there are none."""
        return tuple(sorted(self.same_as)) or None

    @property
    def known(self) -> frozenset[UUID]:
        """Of which it was ever said whether they are of the same person, as far as that is kept."""
        return self.same_as | {*self.apart}


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


class ReplacingIsForTheSite(Rejection):
    """A firm's registrar says that two documents are one person's only where that can be of nobody but the firm's own people."""

    code = "replacing-is-for-the-site"
    title_zh = "请由总包现场操作用户关联证件(该人员尚未申报,或另有登记)"
    title_en = "Only the site links these documents: the person has not declared yet, or is registered otherwise, too"


class DocumentIsNotLinked(Rejection):
    """The person has no such further document."""

    code = "document-is-not-linked"
    status = 404
    title_zh = "该人员没有关联此证件"
    title_en = "No such document is linked to the person"


def link(command: Link, known: Records) -> Sequence[PersonLinked]:
    same_as = known.same_as | command.same_as - {command.person_id}
    if same_as == known.same_as:
        return []
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
    mistaken = known.same_as & command.not_the_same
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
    return Records(
        same_as=frozenset(event.same_as),
        apart=tuple(each for each in known.apart if each not in event.same_as),
        named=Named(event.document, event.document_type) if event.document and event.document_type else known.named,
    )


def unlinked(known: Records, event: PersonUnlinked) -> Records:
    before = (each for each in known.apart if each not in event.not_the_same)
    return replace(known, same_as=frozenset(event.same_as), apart=(*before, *event.not_the_same)[-APART_KEPT_MAX:])
