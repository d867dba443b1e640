"""What services ask each other outside any command: how far a log reaches. Counters only, nothing of anybody."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from chassis.event_store import CLOSED_RETRY_AFTER_S, EventStore
from chassis.faults import Unavailable
from chassis.probes import SHARD_HEADS_PATH
from chassis.web import Router, public
from contracts.event import SHARDS

router = Router(tags=["internal"])


class ShardHeadsAnswer(BaseModel):
    """How far a service's log reaches."""

    model_config = ConfigDict(extra="ignore")

    service: str
    epoch: int
    heads: Annotated[list[int], Field(min_length=SHARDS, max_length=SHARDS)]
    """The last position of shard 0, 1, … 63."""
    head_epochs: Annotated[list[int], Field(min_length=SHARDS, max_length=SHARDS)]
    """The epoch in which the event at each of them was written."""
    head_ids: Annotated[list[UUID | None], Field(min_length=SHARDS, max_length=SHARDS)] | None = None
    """The id of the event at each of them; None where there is none. A release before tells none of them."""
    head_digests: Annotated[list[str | None], Field(min_length=SHARDS, max_length=SHARDS)] | None = None
    """Of all that is stored of the same events, in hexadecimal digits. A release before tells none of them."""


@router.get(SHARD_HEADS_PATH, include_in_schema=False)
@public
async def read_shard_heads(request: Request) -> ShardHeadsAnswer:
    """The heads as committed when the answer was made. A log that is closed reaches nobody knows how far."""
    store: EventStore = request.app.state.store
    reach = await store.reach()
    if not reach.is_open:
        raise Unavailable(retry_after_s=CLOSED_RETRY_AFTER_S)
    return ShardHeadsAnswer(
        service=request.app.state.service_name,
        epoch=reach.epoch,
        heads=[head.pos for head in reach.heads],
        head_epochs=[head.epoch for head in reach.heads],
        head_ids=list(reach.head_ids),
        head_digests=[None if digest is None else digest.hex() for digest in reach.head_digests],
    )
