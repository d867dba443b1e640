"""Somebody's own record: who was given what is known of him, and why; and who changed it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict

from chassis.auth import Principal, allowed
from chassis.faults import NotFound
from chassis.web import Router
from contracts.access import Action
from reporting.query_api import Seen
from reporting.read_models.changes import CHANGES_OF_PEOPLE
from reporting.supervision.access_log import Line, access_log
from reporting.supervision.change_log import Place, is_within_reach, page_of_changes
from reporting.wired import Wired, wired

ITEMS_MAX = 100
ACCESS_ID_MAX = 2**63 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

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
    await parts.wait_for(seen, CHANGES_OF_PEOPLE)
    await _require_within_reach(parts, caller, person_id)
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


# --- Changes ----------------------------------------------------------------------------------------------------------


class ChangeItem(BaseModel):
    """One fact about this person, and whose act it was."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    """UTC, when it was recorded, by the clock of the service."""
    service: str
    """In whose log it stands."""
    version: int
    """Of the person's stream in that log: together they name the fact."""
    kind: str
    """What was changed, as facts are named: `disposition-changed`, `health-reported`, ..."""
    account: str | None
    """Who did it. None: nobody, it followed from something else; or it was told before that was told."""
    role: str | None
    """As what. None also where only the account is known."""
    proposed_by: str | None
    """Of what two people decided: who proposed it."""
    contract_no: str | None
    """On which contract; None where it is about none."""


class ChangeLogAnswer(BaseModel):
    """Who changed what, the latest first."""

    items: list[ChangeItem]
    next: str | None
    """`after` of the next page. None: this was the last one."""


AfterChange = Annotated[
    str, Query(pattern=r"^[0-9]{1,16}_[a-z-]{1,32}_[0-9]{1,18}$", description="`next` of the page before; opaque.")
]
"""Microseconds since 1970, service and version of the last row."""


@router.get("/change-log")
async def list_changes(
    person_id: UUID,
    caller: Viewer,
    seen: Seen,
    parts: Parts,
    after: AfterChange | None = None,
    limit: Annotated[int, Query(ge=1, le=ITEMS_MAX)] = 50,
) -> ChangeLogAnswer:
    """For whoever asks an authority who changed what is known of him. It names accounts, and nothing that is sealed.

    Erasure leaves it as it is, and stands in it.
    """
    await parts.wait_for(seen, CHANGES_OF_PEOPLE)
    await _require_within_reach(parts, caller, person_id)
    rows = await page_of_changes(parts.pool, person_id, after=_place(after), limit=limit + 1)
    items = [ChangeItem.model_validate(row) for row in rows[:limit]]
    return ChangeLogAnswer(items=items, next=_after(items[-1]) if len(rows) > limit else None)


def _after(last: ChangeItem) -> str:
    return f"{(last.at - EPOCH) // timedelta(microseconds=1)}_{last.service}_{last.version}"


def _place(after: str | None) -> Place | None:
    if after is None:
        return None
    microseconds, service, version = after.split("_")
    return Place(EPOCH + timedelta(microseconds=int(microseconds)), service, int(version))


async def _require_within_reach(parts: Wired, caller: Principal, person_id: UUID) -> None:
    """Raises: NotFound."""
    if not await is_within_reach(parts.pool, person_id, caller.reach):
        raise NotFound
