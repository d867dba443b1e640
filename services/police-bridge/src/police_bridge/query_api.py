"""The topics for those without Kafka: the same messages over HTTP, a page at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import orjson
from fastapi import Depends, Query
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.problems import INVALID_REQUEST, Refused, field_error
from chassis.web import Consistency, Router, problems
from contracts.access import Action
from police_bridge.cursor import CURSOR_CHARS_MAX, Cursor, CursorIsOfOtherDistricts, MalformedCursor
from police_bridge.read_models.arrivals import BEGINNING, facts_after
from police_bridge.wired import Wired, wired

PAGE_MESSAGES_MAX = 100
MEDIA_TYPE = "application/cloudevents-batch+json"
PATH = "/v1/arrivals"

router = Router(tags=["arrivals"])

Subscriber = Annotated[Principal, Depends(allowed(Action.RECEIVE_ARRIVALS))]
Parts = Annotated[Wired, Depends(wired)]
Limit = Annotated[int, Query(ge=1, le=PAGE_MESSAGES_MAX)]


async def _after(
    after: Annotated[
        str | None,
        Query(max_length=CURSOR_CHARS_MAX, description="From the `Link` of the page before; without it, from the beginning."),
    ] = None,
) -> Cursor | None:
    try:
        return Cursor.parse(after) if after is not None else None
    except MalformedCursor:
        raise Refused(INVALID_REQUEST, errors=[field_error("query", "/after", "cursor")]) from None


After = Annotated[Cursor | None, Depends(_after)]

BATCH = {
    "description": "CloudEvents 1.0 in JSON batch format; types and data as on the topics `police.arrivals.<district>.v1`.",
    "headers": {"Link": {"description": 'rel="next": where to go on, now or later.', "schema": {"type": "string"}}},
    "content": {MEDIA_TYPE: {"schema": {"type": "array", "items": {"type": "object"}}}},
}


@router.get(PATH, response_class=Response, responses={200: BATCH, **problems(CursorIsOfOtherDistricts)})
async def read_arrivals(
    caller: Subscriber, seen: Consistency, parts: Parts, after: After, limit: Limit = PAGE_MESSAGES_MAX
) -> Response:
    """What was told to the caller's districts after that point: the oldest first, each person's messages in order.

    At least once, replayable from any point, with the ids of the topics. A page with fewer messages than `limit` is the
    last for now: ask again at its `next` after a while.
    """
    districts = tuple(sorted(caller.districts))
    cursor = after or Cursor(districts, BEGINNING)
    if not caller.districts <= set(cursor.districts):
        raise CursorIsOfOtherDistricts
    await parts.wait_for(seen)
    facts = await facts_after(parts.pool, districts, cursor.positions, limit=limit)
    messages = await parts.renderer.render(facts, actor=caller.subject)
    # From here on the cursor speaks of these districts only: it is past what others were told meanwhile.
    following = replace(cursor, districts=districts).after(facts)
    return Response(
        orjson.dumps([message.as_cloud_event() for message in messages]),
        media_type=MEDIA_TYPE,
        headers={"Link": f'<{PATH}?after={following}&limit={limit}>; rel="next"'},
    )
