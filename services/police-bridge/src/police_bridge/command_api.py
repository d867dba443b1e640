"""What the police says back."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel, Field

from chassis.auth import Principal, allowed
from chassis.strict_json import StrictModel
from chassis.web import Consistency, Router
from contracts.access import Action
from police_bridge.wired import Wired, wired

RECEIPTS_MAX = 1_000

router = Router(tags=["receipts"])

Subscriber = Annotated[Principal, Depends(allowed(Action.RECEIVE_ARRIVALS))]
Parts = Annotated[Wired, Depends(wired)]


class ReceiptsBody(StrictModel):
    message_ids: Annotated[list[UUID], Field(min_length=1, max_length=RECEIPTS_MAX)]
    """Of messages that are safely kept: `ce_id` on the topic, `id` in the feed."""


class ReceiptsAnswer(BaseModel):
    received: int
    """How many of them are on record now."""
    unknown: list[UUID]
    """Those that the caller's districts were not told. Nothing is kept of them."""


@router.post("/v1/receipts")
async def give_receipts(body: ReceiptsBody, caller: Subscriber, seen: Consistency, parts: Parts) -> ReceiptsAnswer:
    """The messages are there. An id names its receipt: saying it twice, in whatever company, is saying it once."""
    await parts.wait_for(seen)
    asked = set(body.message_ids)
    known = await parts.receipts.receive(asked, caller.districts, account=caller.subject, at=parts.clock.now())
    return ReceiptsAnswer(received=len(known), unknown=sorted(asked.difference(known)))
