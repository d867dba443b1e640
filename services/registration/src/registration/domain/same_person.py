"""One person with several documents, each of which has a record of its own.

Records are never merged: each says of which others it is the same person's, and whatever asks about the person asks all of
them. So nothing is copied that could come too late, and a link that was a mistake leaves everybody's own facts as they were.

Of any two records what was said last holds, in both, however late and in whatever order the one hears it from the other: what
was said is told on with the time at which it was said, and whoever says something says it later than all that was said before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from contracts.identity import DocumentType
from contracts.rejection import Rejection
from contracts.same_person import RECORDS_MAX, PersonLinked, PersonUnlinked
from contracts.sealing import Sealed

APART_KEPT_MAX = 32
"""Of one record, the latest."""
TICK = timedelta(microseconds=1)


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
    said_at: datetime
    named: Named | None = None
    """Of the record whose document was named."""
    reason: Sealed | None = None
    """None: nobody says so here, it follows from what another record tells."""


@dataclass(frozen=True, slots=True)
class Unlink:
    """That these records are of the same person was a mistake."""

    person_id: UUID
    not_the_same: frozenset[UUID]
    said_at: datetime
    reason: Sealed | None = None


LinkCommand = Link | Unlink


@dataclass(frozen=True, slots=True, order=True)
class Said:
    """That another record is of the same person."""

    at: datetime
    here: bool
    """Whether somebody said so here: that another record told it before does not keep back who, and why."""


@dataclass(frozen=True, slots=True)
class Records:
    """What a record knows of the others of its person."""

    linked: Mapping[UUID, Said] = field(default_factory=dict)
    """As it was said last."""
    apart: Mapping[UUID, datetime] = field(default_factory=dict)
    """When it was said of records that they are of somebody else, the latest last."""
    named: Named | None = None

    @property
    def same_as(self) -> frozenset[UUID]:
        return frozenset(self.linked)

    @property
    def told(self) -> tuple[UUID, ...] | None:
        """As other facts tell it: ascending. None where there are none."""
        return tuple(sorted(self.linked)) or None


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
    others = command.same_as - {command.person_id}
    wanted = {each for each in others if known.apart.get(each, command.said_at) <= command.said_at}
    asked = Said(command.said_at, here=command.reason is not None)
    if all(each in known.linked and known.linked[each] >= asked for each in wanted):
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
            linked_at=command.said_at,
        )
    ]


def replace_document(command: Link, known: Records, *, may_link: bool) -> Sequence[PersonLinked]:
    """Nobody of one firm says whose document it is before a declaration agrees with what was typed."""
    if command.same_as <= {*known.linked, *known.apart}:
        return []
    if not may_link:
        raise ReplacingIsForTheSite
    return link(command, known)


def unlink(command: Unlink, known: Records) -> Sequence[PersonUnlinked]:
    """Told also of records that were never linked here: the link may be on its way, and came before."""
    news = [each for each in sorted(command.not_the_same - {command.person_id}) if _is_news(command.said_at, each, known)]
    # A fact names as many as a person has; those that are linked come first.
    mistaken = frozenset(sorted(news, key=known.linked.__contains__, reverse=True)[: RECORDS_MAX - 1])
    if not mistaken:
        return []
    return [
        PersonUnlinked(
            person_id=command.person_id,
            not_the_same=tuple(sorted(mistaken)),
            same_as=tuple(sorted(known.same_as - mistaken)),
            reason=command.reason,
            unlinked_at=command.said_at,
        )
    ]


def _is_news(said_at: datetime, other: UUID, known: Records) -> bool:
    if other in known.linked:
        return known.linked[other].at < said_at
    return other not in known.apart or known.apart[other] < said_at


def linked(known: Records, event: PersonLinked) -> Records:
    said = Said(event.linked_at, here=event.reason is not None)
    return replace(
        known,
        linked={each: max(known.linked.get(each, said), said) for each in event.same_as},
        apart={each: at for each, at in known.apart.items() if each not in event.same_as},
        named=Named(event.document, event.document_type) if event.document and event.document_type else known.named,
    )


def unlinked(known: Records, event: PersonUnlinked) -> Records:
    before = {each: at for each, at in known.apart.items() if each not in event.not_the_same}
    apart = before | dict.fromkeys(event.not_the_same, event.unlinked_at)
    return replace(
        known,
        linked={each: said for each, said in known.linked.items() if each in event.same_as},
        apart=dict([*apart.items()][-APART_KEPT_MAX:]),
    )


def time_to_link(records: Mapping[UUID, Records], now: datetime) -> datetime:
    """When it is said that all these are of one person: again when it was said, where each of them tells it of all others."""
    told = [known.linked.get(each) for record, known in records.items() for each in records.keys() - {record}]
    if all(said is not None and said.here for said in told):
        return min((said.at for said in told if said is not None), default=now)
    return _later_than_all(records, now)


def time_to_unlink(records: Mapping[UUID, Records], mistaken: UUID, now: datetime) -> datetime:
    """When it is said that this one is of somebody else than all others: again when it was said, where all of them tell it."""
    others = records.keys() - {mistaken}
    told = [*(records[each].apart.get(mistaken) for each in others), *(records[mistaken].apart.get(each) for each in others)]
    if all(told):
        return min((at for at in told if at is not None), default=now)
    return _later_than_all(records, now)


def _later_than_all(records: Mapping[UUID, Records], now: datetime) -> datetime:
    """Clocks of two machines differ: what is said knowing of something else was said after it."""
    known = [at for each in records.values() for at in (*(said.at for said in each.linked.values()), *each.apart.values())]
    return max([now, *(at + TICK for at in known)])
