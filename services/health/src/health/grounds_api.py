"""In words: on what bans rest, what the banned say, and why something was put right. Sealed; that it was read is recorded.

For those who decide, and for those who supervise them: bans have been abused.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.history import PAGE_ITEMS_MAX, VERSION_MAX, Before, Item, Limit, Page, Words, facts_of, next_before, words_of
from chassis.subscribers import Fact
from chassis.web import Consistency, Router, etag
from contracts.access import Action
from contracts.event import Event
from contracts.health import BanObjected, BanReviewed, DispositionChanged, HealthReported, IsolationOrderWithdrawn, TravelClarified
from health.domain.told_where import TELLING, told_where
from health.query_api import DispositionItem, disposition_item
from health.read_models.in_force import in_force_since
from health.wired import Parts, Wired

router = Router(prefix="/v1/people/{person_id}", tags=["health"])

Reader = Annotated[Principal, Depends(allowed(Action.VIEW_GROUNDS))]

CORRECTIONS: Sequence[type[Event]] = (HealthReported, TravelClarified, IsolationOrderWithdrawn)
CORRECTS = "(type <> $6 OR said ->> 'corrects' IS NOT NULL)"
"""Of reports, those that correct one."""
TOLD_AT_ONCE = 1_000
"""Facts of one person, but for reports: seldom are there as many. All are read, a page of these after the other."""


class ReviewItem(Item):
    """复核: somebody looked, and the ban stayed."""

    evidence: str | None
    """What it still rested on. None: erased."""
    review_on: date
    reviewed_by: str | None
    """The account. None: reviewed before accounts were told."""
    reviewed_at: datetime


class GroundsItem(DispositionItem):
    """A decision whole, with every look at it until the next one."""

    evidence: str | None
    """处置依据. None: there is none, or it was erased."""
    release_document: str | None
    """解除证明文件编号. Likewise."""
    reviews: list[ReviewItem]
    """Newest first."""


class ObjectionItem(Item):
    """What somebody said."""

    note: str | None
    """None: erased."""
    noted_by: str | None
    """The account. None: noted before accounts were told."""
    objected_at: datetime


class CorrectionItem(Item):
    """更正: something that was wrong, and why."""

    kind: Literal["report", "travel", "isolation_order"]
    """A report that another one replaced, a question that was answered, an order that was withdrawn."""
    report_id: UUID | None
    """The report that was wrong."""
    declaration_version: int | None
    """The declaration whose judgement left the question open."""
    stopover_code: str | None
    """停留地点, of an answer. None: there was no stop-over."""
    order_id: UUID | None
    """The order that binds no more."""
    reason_code: str | None
    """Of a withdrawal."""
    grounds: str | None
    """On what it rests. None: that was not asked for then, or it was erased."""
    corrected_by: str | None
    """The account. None: before accounts were told."""
    corrected_at: datetime


@dataclass(frozen=True)
class Readable:
    """What of a person is for whoever reads."""

    parts: Wired
    person_id: UUID
    reader: str
    versions: Collection[int] | None
    """Of the facts. None: all."""

    async def facts(
        self, events: Sequence[type[Event]], *, only: str = "true", given: Sequence[object] = (), **page: Any
    ) -> Sequence[Fact[Any]]:
        """As `facts_of`."""
        shown = f"(${6 + len(given)}::bigint[] IS NULL OR version = ANY (${6 + len(given)}))"
        return await facts_of(
            self.parts.pool, self.person_id, events, only=f"{only} AND {shown}", given=[*given, self.versions], **page
        )

    async def words(self, found: Sequence[Fact[Any]]) -> Words:
        """What opens them. That they were read is recorded."""
        return await words_of(self.parts.sealing, self.person_id, found, reader=self.reader)


async def readable(person_id: UUID, caller: Reader, seen: Consistency, parts: Parts, response: Response) -> Readable:
    """Raises: NotFound, Unavailable."""
    await parts.wait_for(seen)
    within = await parts.sight_of(caller, person_id)
    version, _ = await parts.handler.read(person_id)
    response.headers["ETag"] = etag(version)
    versions = None if within is None else await _told_on(parts, person_id, within)
    return Readable(parts, person_id, caller.subject, versions)


async def _told_on(parts: Wired, person_id: UUID, contracts: Collection[str]) -> list[int]:
    """Versions of the facts that were told there."""
    found, before, given = list[Fact[Any]](), VERSION_MAX, [HealthReported.TYPE]
    while page := await facts_of(parts.pool, person_id, TELLING, before=before, limit=TOLD_AT_ONCE, only=CORRECTS, given=given):
        found += page
        before = page[-1].recorded.version
    where = told_where((told.version, event) for event, told in reversed(found))
    return [version for version, told in where.items() if not told.isdisjoint(contracts)]


Of = Annotated[Readable, Depends(readable)]


@router.get("/dispositions/objections")
async def list_objections(of: Of, before: Before = None, limit: Limit = 50) -> Page[ObjectionItem]:
    """What the person has said. Reading it is recorded."""
    found = await of.facts([BanObjected], before=before, limit=limit)
    words = await of.words(found)
    items = [ObjectionItem(**{**dict(event), "version": told.version, "note": words("note", event.note)}) for event, told in found]
    return Page(items=items, next_before=next_before(found, limit))


@router.get("/dispositions/grounds")
async def list_grounds(of: Of, before: Before = None, limit: Limit = 50) -> Page[GroundsItem]:
    """What every decision rests on. Reading it is recorded."""
    found = await of.facts([DispositionChanged], before=before, limit=limit)
    looks: Sequence[Fact[BanReviewed]] = ()
    if found:
        looks = await of.facts([BanReviewed], before=before, limit=PAGE_ITEMS_MAX, after=found[-1].recorded.version)
    known = await in_force_since(of.parts.pool, [each.recorded.event_id for each in found])
    words = await of.words(found)
    reviews = [
        ReviewItem(**{**dict(event), "version": told.version, "evidence": words("evidence", event.evidence)})
        for event, told in looks
    ]
    newer = [VERSION_MAX, *(each.recorded.version for each in found)]
    items = [
        GroundsItem(
            **dict(disposition_item(each, known.get(each.recorded.event_id))),
            evidence=words("evidence", each.event.evidence),
            release_document=words("release_document", each.event.release_document),
            reviews=[look for look in reviews if each.recorded.version < look.version < until],
        )
        for each, until in zip(found, newer, strict=False)
    ]
    return Page(items=items, next_before=next_before(found, limit))


@router.get("/corrections")
async def list_corrections(of: Of, before: Before = None, limit: Limit = 50) -> Page[CorrectionItem]:
    """更正: reports that were wrong, answers to what a judgement left open, orders that were withdrawn; and why. Reading it is
    recorded."""
    found = await of.facts(CORRECTIONS, before=before, limit=limit, only=CORRECTS, given=[HealthReported.TYPE])
    words = await of.words(found)
    return Page(items=[_correction(each, words) for each in found], next_before=next_before(found, limit))


def _correction(each: Fact[Any], words: Words) -> CorrectionItem:
    told: dict[str, Any] = dict.fromkeys(CorrectionItem.model_fields)
    match each.event:
        case HealthReported() as report:
            told |= {"kind": "report", "report_id": report.corrects, "grounds": words("reason", report.reason)}
            told |= {"corrected_by": report.reported_by, "corrected_at": report.reported_at}
        case TravelClarified() as answer:
            told |= {"kind": "travel", "declaration_version": answer.declaration_version, "stopover_code": answer.stopover_code}
            told |= {"grounds": words("evidence", answer.evidence)}
            told |= {"corrected_by": answer.clarified_by, "corrected_at": answer.clarified_at}
        case IsolationOrderWithdrawn() as withdrawal:
            told |= {"kind": "isolation_order", "order_id": withdrawal.order_id, "reason_code": withdrawal.reason_code}
            told |= {"grounds": words("evidence", withdrawal.evidence)}
            told |= {"corrected_by": withdrawal.withdrawn_by, "corrected_at": withdrawal.withdrawn_at}
    return CorrectionItem(**{**told, "version": each.recorded.version})
