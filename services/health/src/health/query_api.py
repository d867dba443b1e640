"""What is known about a person's health, for those on whose contract the person is known. Newest first, a page at a time."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pydantic import Field
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.history import Before, Item, Limit, Page, facts_of, next_before
from chassis.subscribers import Fact
from chassis.web import Consistency, Router, etag
from contracts.access import Action
from contracts.health import (
    ArrivalAssessed,
    Disposition,
    DispositionChanged,
    HealthReported,
    Hold,
    IsolationMethod,
    IsolationOrdered,
    IsolationReason,
    ReadingSource,
)
from contracts.symptoms import Symptom, TemperatureMethod
from contracts.times import shanghai_date
from health.domain.state import HealthPerson
from health.read_models.in_force import in_force_since
from health.wired import Parts, Wired

router = Router(prefix="/v1/people/{person_id}", tags=["health"])

Viewer = Annotated[Principal, Depends(allowed(Action.VIEW_SITE))]


class HealthReportItem(Item):
    report_id: UUID
    contract_no: str | None
    reading_celsius: float
    method: TemperatureMethod | None
    symptoms: tuple[Symptom, ...]
    source: ReadingSource
    corrects: UUID | None
    """The report that it replaces."""
    corrected: bool
    """Whether another one replaced it: it no longer counts."""
    read_at: datetime
    reported_by: str | None
    """The account. None: declared by the person, or reported before accounts were told."""
    reported_at: datetime


class HealthReportPage(Page[HealthReportItem]):
    """每日健康状况."""

    holds: list[Hold]
    """What keeps the person out now."""


class DispositionItem(Item):
    contract_no: str | None
    """On whose list the person stood. None: not told."""
    disposition: Disposition
    isolation_from: date | None
    isolation_until: date | None
    method: IsolationMethod | None
    reason_code: str
    review_on: date | None
    """Until when the ban had to be looked at again when it was decided."""
    has_evidence: bool
    """The words themselves are sealed: see `grounds`, for those who decide and those who supervise them."""
    has_release_document: bool
    decided_by: tuple[str, ...] | None
    """The accounts; two where that takes two. None: decided before accounts were told."""
    changed_at: datetime
    in_force_at: datetime | None
    """Since when the gates know it, UTC by the gatekeeper's clock. None: not yet."""


class DispositionPage(Page[DispositionItem]):
    """处置方式, with its history."""

    disposition: Disposition
    """The one that stands. 可进场 until somebody decides otherwise."""
    review_on: date | None
    """复核日期: until when the ban that stands has to be looked at again. None: there is none."""
    objects: bool
    """Whether the person objects to it, and nobody has looked at it since."""


class IsolationOrderItem(Item):
    order_id: UUID
    reason: IsolationReason
    anchor_date: date
    days: int
    admissible_on: date
    """The first day, in Shanghai, on which it no longer bans."""
    day: int
    """Which day of the isolation today is, in Shanghai, from its anchor: 0 on the day of arrival."""
    withdrawn: bool
    """Whether it was made from a wrong fact, and binds no more."""
    policy_version: int
    declaration_version: int
    ordered_at: datetime


class AssessmentItem(Item):
    pre_registration_id: UUID
    contract_no: str
    declaration_version: int
    policy_version: int
    order_ids: tuple[UUID, ...]
    questions: tuple[str, ...]
    arrived_on: Annotated[date | None, Field(description="Day 0 of the journey, in Shanghai, as judged.")]
    assessed_at: datetime


@router.get("/health-reports")
async def list_health_reports(
    person_id: UUID, caller: Viewer, seen: Consistency, parts: Parts, response: Response, before: Before = None, limit: Limit = 50
) -> HealthReportPage:
    """每日健康: what was reported, in the order in which it came in."""
    person = await visible(person_id, caller, seen, parts, response)
    found = await facts_of(parts.pool, person_id, [HealthReported], before=before, limit=limit)
    items = [
        HealthReportItem(version=told.version, corrected=event.report_id in person.corrected, **dict(event))
        for event, told in found
    ]
    return HealthReportPage(items=items, next_before=next_before(found, limit), holds=sorted(person.holds))


@router.get("/dispositions")
async def list_dispositions(
    person_id: UUID, caller: Viewer, seen: Consistency, parts: Parts, response: Response, before: Before = None, limit: Limit = 50
) -> DispositionPage:
    """处置方式: the one that stands and every change before it."""
    person = await visible(person_id, caller, seen, parts, response)
    found = await facts_of(parts.pool, person_id, [DispositionChanged], before=before, limit=limit)
    known = await in_force_since(parts.pool, [each.recorded.event_id for each in found])
    items = [disposition_item(each, known.get(each.recorded.event_id)) for each in found]
    return DispositionPage(
        items=items,
        next_before=next_before(found, limit),
        disposition=person.decided.disposition,
        review_on=person.review_on,
        objects=person.objects,
    )


@router.get("/isolation-orders")
async def list_isolation_orders(
    person_id: UUID, caller: Viewer, seen: Consistency, parts: Parts, response: Response, before: Before = None, limit: Limit = 50
) -> Page[IsolationOrderItem]:
    """隔离要求: one order for each reason; the latest end of those that were not withdrawn counts."""
    person = await visible(person_id, caller, seen, parts, response)
    found = await facts_of(parts.pool, person_id, [IsolationOrdered], before=before, limit=limit)
    today = shanghai_date(parts.clock.now())
    items = [
        IsolationOrderItem(
            version=told.version,
            day=(today - event.anchor_date).days,
            withdrawn=event.order_id not in person.order_ids,
            **dict(event),
        )
        for event, told in found
    ]
    return Page(items=items, next_before=next_before(found, limit))


@router.get("/assessments")
async def list_assessments(
    person_id: UUID, caller: Viewer, seen: Consistency, parts: Parts, response: Response, before: Before = None, limit: Limit = 50
) -> Page[AssessmentItem]:
    """来沪评估: how each pinned declaration was judged, and which questions that left open."""
    await visible(person_id, caller, seen, parts, response)
    found = await facts_of(parts.pool, person_id, [ArrivalAssessed], before=before, limit=limit)
    items = [AssessmentItem(version=told.version, **dict(event)) for event, told in found]
    return Page(items=items, next_before=next_before(found, limit))


async def visible(person_id: UUID, caller: Principal, seen: Consistency, parts: Wired, response: Response) -> HealthPerson:
    """The person, if the caller may see something of him. Raises: NotFound, Unavailable."""
    await parts.wait_for(seen)
    await parts.require_visible(caller, person_id)
    version, person = await parts.handler.read(person_id)
    response.headers["ETag"] = etag(version)
    return person


def disposition_item(fact: Fact[DispositionChanged], in_force_at: datetime | None) -> DispositionItem:
    """A decision without its words."""
    event = fact.event
    return DispositionItem(
        version=fact.recorded.version,
        contract_no=event.contract_no,
        disposition=event.disposition,
        isolation_from=event.isolation_from,
        isolation_until=event.isolation_until,
        method=event.method,
        reason_code=event.reason_code,
        review_on=event.review_on,
        has_evidence=event.evidence is not None,
        has_release_document=event.release_document is not None,
        decided_by=event.decided_by,
        changed_at=event.changed_at,
        in_force_at=in_force_at,
    )
