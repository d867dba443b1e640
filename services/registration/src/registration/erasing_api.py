"""Erasing people over HTTP (ADR 19)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.web import Consistency, Router, etag, problems
from contracts.access import Action
from registration.domain.erasure import EpidemicIsNotOver, PersonIsUnknown
from registration.erasing import erase_records
from registration.wired import Wired, wired

router = Router(prefix="/v1")

Eraser = Annotated[Principal, Depends(allowed(Action.ERASE_PERSON))]
Parts = Annotated[Wired, Depends(wired)]


@router.delete(
    "/people/{person_id}/personal-data",
    status_code=204,
    tags=["people"],
    responses=problems(EpidemicIsNotOver, PersonIsUnknown),
)
async def erase_person(person_id: UUID, _: Eraser, seen: Consistency, parts: Parts, response: Response) -> None:
    """Destroy the keys of all records of the person, once the epidemic is over: whoever it was can be read nowhere any more,
    and counts stay.

    It cannot be taken back. After 204 everything is unreadable; after any other answer, ask again.
    """
    await parts.wait_for(seen)
    outcome = await erase_records(parts, person_id)
    response.headers["ETag"] = etag(outcome.version)
    if outcome.token is not None:
        response.headers[CONSISTENCY_TOKEN] = str(outcome.token)
