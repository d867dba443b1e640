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
from registration.erasing import erase_record
from registration.linking import records_of
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
    erased: set[UUID] = set()
    # The one that was asked for comes last: until it is erased, it knows of the others, also of whom it is linked to meanwhile.
    while left := (await records_of(parts.people, person_id)).keys() - erased - {person_id}:
        for each in sorted(left):
            await erase_record(parts, each)
        erased |= left
    outcome = await erase_record(parts, person_id)
    response.headers["ETag"] = etag(outcome.version)
    if token := await parts.people.token_after(person_id, outcome):
        response.headers[CONSISTENCY_TOKEN] = str(token)
