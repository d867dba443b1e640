"""Somebody's own record: who was given what is known of him, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel

from chassis.auth import Principal, allowed
from chassis.faults import NotFound
from chassis.web import Router
from contracts.access import Action
from reporting.query_api import Seen, reach_of
from reporting.supervision.access_log import Line, access_log, is_within_reach
from reporting.wired import Wired, wired

ITEMS_MAX = 100
ACCESS_ID_MAX = 2**63 - 1

router = Router(prefix="/v1/people/{person_id}", tags=["access"])

Viewer = Annotated[Principal, Depends(allowed(Action.VIEW_ACCESS_LOG))]
Parts = Annotated[Wired, Depends(wired)]


class AccessItem(BaseModel):
    """Somebody was given this person's key, and so could read what is sealed under it."""

    access_id: int
    """Orders the items."""
    at: datetime
    """UTC, by the key server's clock."""
    service: str
    """Through which service."""
    actor: str
    """The account; or the service itself, where it worked without anybody's request."""
    purpose: str
    """`masked_page`: in a list, masked; `reveal`: in plain; `process`: for a rule; `share`: for an authority."""
    reason_code: str | None
    """Of a reveal: why, as stated."""
    reference: str | None
    """Of a reveal: the file number, if one was given."""
    contract_no: str | None
    """Of a reveal: the contract on which the person was looked for."""


class AccessLogAnswer(BaseModel):
    """Who saw this person, newest first."""

    items: list[AccessItem]
    next_before: int | None
    """`before` of the next page; None on the last one."""


@router.get("/access-log")
async def list_accesses(
    person_id: UUID,
    caller: Viewer,
    seen: Seen,
    parts: Parts,
    before: Annotated[int, Query(ge=1, le=ACCESS_ID_MAX)] = ACCESS_ID_MAX,
    limit: Annotated[int, Query(ge=1, le=ITEMS_MAX)] = 50,
) -> AccessLogAnswer:
    """For whoever asks an authority who has seen him. To read it shows nothing of the person, and so leaves no line in it.

    Erasure leaves it as it is: it names accounts, and nobody else.
    """
    reach = reach_of(caller)
    if not await is_within_reach(parts.pool, person_id, stations=reach.stations, districts=reach.districts):
        raise NotFound
    found = await access_log(parts.pool, parts.sealing, person_id, before=before, limit=limit)
    items = [_item(each) for each in found]
    return AccessLogAnswer(items=items, next_before=items[-1].access_id if len(items) == limit else None)


def _item(line: Line) -> AccessItem:
    access, reason = line.access, line.reason
    return AccessItem(
        access_id=access.access_id,
        at=access.at,
        service=access.service,
        actor=access.actor,
        purpose=access.purpose,
        reason_code=reason.reason_code if reason else None,
        reference=reason.reference if reason else None,
        contract_no=reason.contract_no if reason else None,
    )
