"""In words: on what bans rest, what the banned say, and why something was put right. Sealed; that it was read is recorded.

For those who decide, and for those who supervise them: bans have been abused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.key_server import Purpose
from chassis.web import Consistency, Router
from contracts.access import Action
from contracts.health import BanObjected, BanReviewed, DispositionChanged, HealthReported, IsolationOrderWithdrawn, TravelClarified
from contracts.sealing import Sealed
from health.history import PAGE_ITEMS_MAX, VERSION_MAX, Versioned, corrections_of, facts_of
from health.query_api import Before, DispositionItem, Item, Limit, Page, disposition_item, next_before, visible
from health.read_models.in_force import in_force_since
from health.wired import Parts, Wired

router = Router(prefix="/v1/people/{person_id}", tags=["health"])

Reader = Annotated[Principal, Depends(allowed(Action.VIEW_GROUNDS))]

Words = Callable[[str, Sealed | None], str | None]
"""Field and envelope to what it says. None: there is nothing, or it was erased."""


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


@router.get("/dispositions/objections")
async def list_objections(
    person_id: UUID, caller: Reader, seen: Consistency, parts: Parts, response: Response, before: Before = None, limit: Limit = 50
) -> Page[ObjectionItem]:
    """What the person has said. Reading it is recorded."""
    await visible(person_id, caller, seen, parts, response)
    found = await facts_of(parts.pool, person_id, BanObjected, before=before, limit=limit)
    words = await _words(person_id, found, caller, parts)
    items = [
        ObjectionItem(**{**dict(each.event), "version": each.version, "note": words("note", each.event.note)}) for each in found
    ]
    return Page(items=items, next_before=next_before(found, limit))


@router.get("/dispositions/grounds")
async def list_grounds(
    person_id: UUID, caller: Reader, seen: Consistency, parts: Parts, response: Response, before: Before = None, limit: Limit = 50
) -> Page[GroundsItem]:
    """What every decision rests on. Reading it is recorded."""
    await visible(person_id, caller, seen, parts, response)
    found = await facts_of(parts.pool, person_id, DispositionChanged, before=before, limit=limit)
    looks: Sequence[Versioned[BanReviewed]] = ()
    if found:
        oldest = found[-1].version
        looks = await facts_of(parts.pool, person_id, BanReviewed, before=before, limit=PAGE_ITEMS_MAX, after=oldest)
    known = await in_force_since(parts.pool, [each.event_id for each in found])
    words = await _words(person_id, found, caller, parts)

    def review(each: Versioned[BanReviewed]) -> ReviewItem:
        return ReviewItem(**{**dict(each.event), "version": each.version, "evidence": words("evidence", each.event.evidence)})

    newer = [VERSION_MAX, *(each.version for each in found)]
    items = [
        GroundsItem(
            **dict(disposition_item(each, known.get(each.event_id))),
            evidence=words("evidence", each.event.evidence),
            release_document=words("release_document", each.event.release_document),
            reviews=[review(look) for look in looks if each.version < look.version < until],
        )
        for each, until in zip(found, newer, strict=False)
    ]
    return Page(items=items, next_before=next_before(found, limit))


@router.get("/corrections")
async def list_corrections(
    person_id: UUID, caller: Reader, seen: Consistency, parts: Parts, response: Response, before: Before = None, limit: Limit = 50
) -> Page[CorrectionItem]:
    """更正: reports that were wrong, answers to what a judgement left open, orders that were withdrawn; and why. Reading it is
    recorded."""
    await visible(person_id, caller, seen, parts, response)
    found = await corrections_of(parts.pool, person_id, before=before, limit=limit)
    words = await _words(person_id, found, caller, parts)
    return Page(items=[_correction(each, words) for each in found], next_before=next_before(found, limit))


def _correction(each: Versioned[Any], words: Words) -> CorrectionItem:
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
    return CorrectionItem(**{**told, "version": each.version})


async def _words(person_id: UUID, found: Sequence[Versioned[Any]], caller: Principal, parts: Wired) -> Words:
    """What opens them. It is recorded, unless there is nothing to open."""
    unsealer = await parts.sealing.unwrap([person_id] if found else [], actor=caller.subject, purpose=Purpose.PROCESS)
    return partial(unsealer.text, person_id)
