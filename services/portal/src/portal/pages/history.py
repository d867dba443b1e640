"""What became of one person: every fact that the services tell of him, in the order of time, with why."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from starlette.responses import Response

from chassis.web import Router
from contracts.access import Action, may
from portal.pages.ban_reviews import Words, words_about
from portal.pages.health import Accompanies, person_of
from portal.upstream.calls import UpstreamAway, UpstreamRefused
from portal.upstream.gatekeeper import Attempts, Exits
from portal.upstream.registration import FamilyMember, PreRegistration
from portal.visits import PAGE, Visit, page

router = Router(prefix="/contracts/{contract_no}/people/{person_id}", tags=["pages"])


SHOWN_MAX = 25
"""Of each kind: with all kinds it keeps the page light enough for a slow line."""


@dataclass(frozen=True)
class Happened:
    """One fact. `kind` says how the page tells it."""

    at: datetime
    kind: str
    fact: object


@router.get("/history", **PAGE)
@page(Action.VIEW_SITE)
async def show_history(visit: Visit, person_id: UUID, accompanies: Accompanies = None) -> Response:
    """The latest of each kind, the last one first."""
    return await _history(visit, person_id)


@router.post("/history", **PAGE)
@page(Action.VIEW_GROUNDS)
async def show_history_with_words(visit: Visit, person_id: UUID, accompanies: Accompanies = None) -> Response:
    """With each correction, by whom and why, and on what decisions rest: in the answer to a form alone, for that it was read is
    recorded."""
    return await _history(visit, person_id, words=await words_about(visit, person_id, [str(visit.contract_no)]))


async def _history(visit: Visit, person_id: UUID, *, words: Words | None = None) -> Response:
    services, contract_no = visit.services(), str(visit.contract_no)
    (person, employers), reports, dispositions, orders, assessments, (attempts, exits) = await asyncio.gather(
        asyncio.gather(person_of(visit, person_id), services.registration.employers(contract_no)),
        services.health.reports(person_id, limit=SHOWN_MAX),
        services.health.dispositions(person_id, limit=SHOWN_MAX),
        services.health.isolation_orders(person_id, limit=SHOWN_MAX),
        services.health.assessments(person_id, limit=SHOWN_MAX),
        _at_the_gate(visit, contract_no, person_id),
    )
    happened = [
        *(_registered(person) if isinstance(person, PreRegistration | FamilyMember) else ()),
        *_told("report", reports.items, "reported_at"),
        *_told("disposition", dispositions.items, "changed_at"),
        *_told("order", orders, "ordered_at"),
        *_told("assessment", assessments.items, "assessed_at"),
        *_told("attempt", attempts.items, "recorded_at"),
        *_told("exit", exits.items if exits else (), "exited_at"),
        *_told("correction", words.corrections if words else (), "corrected_at"),
    ]
    return visit.render(
        "history.html",
        person=person,
        person_id=person_id,
        employers={each.credit_code: each.name for each in employers},
        happened=sorted(happened, key=lambda each: each.at, reverse=True),
        disposition=dispositions.disposition,
        holds=reports.holds,
        words=words,
        evidence={each.changed_at: each.evidence for each in words.grounds} if words else {},
        is_cut=bool(
            reports.next_before
            or dispositions.next_before
            or assessments.next_before
            or attempts.next
            or (exits and exits.next_before)
        ),
        exits_are_told=exits is not None,
    )


def _registered(person: PreRegistration | FamilyMember) -> list[Happened]:
    """When the form was handed in, and what became of it since."""
    if person.registered_by is None:
        return [Happened(person.changed_at, "registered", person)]
    handed_in = Happened(person.registered_by.registered_at, "registered", person)
    is_over = person.state in ("closed", "withdrawn")
    return [handed_in, Happened(person.changed_at, "state", person)] if is_over else [handed_in]


async def _at_the_gate(visit: Visit, contract_no: str, person_id: UUID) -> tuple[Attempts, Exits | None]:
    """Nothing for whoever may not see what the gate says."""
    if visit.principal is None or not may(visit.principal.role, Action.VIEW_CLEARANCE):
        return Attempts(items=[], next=None), Exits(items=[], next_before=None)
    attempts = visit.services().gatekeeper.attempts_of(contract_no, person_id, limit=SHOWN_MAX)
    return await asyncio.gather(attempts, _exits(visit, contract_no, person_id))


async def _exits(visit: Visit, contract_no: str, person_id: UUID) -> Exits | None:
    """None where the gatekeeper does not tell them: of the release before, it registers them there and lists none (405)."""
    try:
        return await visit.services().gatekeeper.exits_of(contract_no, person_id, limit=SHOWN_MAX)
    except UpstreamAway:
        return None
    except UpstreamRefused as refused:
        if refused.status not in (404, 405):
            raise
        return None


def _told(kind: str, facts: Iterable[object], at: str) -> list[Happened]:
    return [Happened(getattr(each, at), kind, each) for each in facts]
