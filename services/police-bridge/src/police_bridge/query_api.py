"""The topics for those without Kafka: the same messages over HTTP, a page at a time; and what both sides count by the day."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import Annotated

import orjson
from fastapi import Depends, Query
from pydantic import BaseModel
from starlette.responses import Response

from chassis.admission import aside
from chassis.auth import Principal, allowed
from chassis.preferences import PREFERENCE_APPLIED, Wait
from chassis.problems import INVALID_REQUEST, Refused, field_error
from chassis.web import Consistency, Router, problems
from contracts.access import Action
from contracts.event import Recorded
from contracts.times import Day
from police_bridge.cursor import CURSOR_CHARS_MAX, Cursor, CursorIsOfOtherDistricts, MalformedCursor
from police_bridge.read_models.arrivals import BEGINNING, facts_after, still_there
from police_bridge.wired import Wired, wired

PAGE_MESSAGES_MAX = 100
WAITING_MAX = 64
"""Readers of one process who wait for news at the same time. Whoever comes beyond is told at once that there is none."""
POLL_S = 0.25
MEDIA_TYPE = "application/cloudevents-batch+json"
PATH = "/v1/arrivals"

router = Router(tags=["arrivals"])

Subscriber = Annotated[Principal, Depends(allowed(Action.RECEIVE_ARRIVALS))]
Parts = Annotated[Wired, Depends(wired)]
Limit = Annotated[int, Query(ge=1, le=PAGE_MESSAGES_MAX)]


async def _after(
    after: Annotated[
        str | None,
        Query(
            pattern="^[A-Za-z0-9_-]+$",
            max_length=CURSOR_CHARS_MAX,
            description="From the `Link` of the page before; without it, from the beginning.",
        ),
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
    caller: Subscriber, seen: Consistency, parts: Parts, after: After, wait: Wait, limit: Limit = PAGE_MESSAGES_MAX
) -> Response:
    """What was told to the caller's districts after that point: the oldest first, each person's messages in order.

    At least once, replayable from any point, with the ids of the topics: what was read before the log was restored may come
    again. A page with fewer messages than `limit` is the
    last for now: ask again at its `next` after a while, or with `Prefer: wait=…` at once: then an empty page waits for news.
    """
    districts = tuple(sorted(caller.districts))
    await parts.store.learn_epoch()
    epoch = parts.store.epoch
    cursor = after or Cursor(districts, BEGINNING, epoch)
    if not caller.districts <= set(cursor.districts):
        raise CursorIsOfOtherDistricts
    await parts.wait_for(seen)
    if cursor.epoch != epoch:
        # Of a later epoch it is of a log that this is an older copy of: nothing tells what stood there from what was made since.
        is_of_later = cursor.epoch > epoch
        positions = BEGINNING if is_of_later else await still_there(parts.pool, cursor.positions, epoch=cursor.epoch)
        cursor = replace(cursor, positions=positions, epoch=epoch)
    facts = await facts_after(parts.pool, districts, cursor.positions, limit=limit)
    headers = {}
    if not facts and wait is not None:
        headers[PREFERENCE_APPLIED] = f"wait={wait}"
        facts = await _news(parts, districts, cursor, limit=limit, within_s=wait)
    messages = await parts.renderer.render(facts, actor=caller.subject)
    # From here on the cursor speaks of these districts only: it is past what others were told meanwhile.
    following = replace(cursor, districts=districts).after(facts)
    return Response(
        orjson.dumps([message.as_cloud_event() for message in messages]),
        media_type=MEDIA_TYPE,
        headers=headers | {"Link": f'<{PATH}?after={following}&limit={limit}>; rel="next"'},
    )


_waiting = asyncio.Semaphore(WAITING_MAX)


async def _news(parts: Wired, districts: Sequence[str], cursor: Cursor, *, limit: int, within_s: float) -> list[Recorded]:
    """The next facts as soon as there are any; none when the time is up. Whoever waits has no seat meanwhile."""
    if _waiting.locked():
        return []
    facts: list[Recorded] = []
    with aside():
        async with _waiting:
            deadline = asyncio.get_running_loop().time() + within_s
            while not facts and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(POLL_S)
                facts = await facts_after(parts.pool, districts, cursor.positions, limit=limit)
    return facts


class DistrictAnswer(BaseModel):
    district: str
    messages: int
    """Told on that day: `ce_time`, or `time` in the feed, as a day in Shanghai."""
    receipts: int
    """How many of them were acknowledged, whenever."""
    digest: str
    """SHA-256, hexadecimal, over the ids of these messages: ascending, each followed by a line feed."""


class ReconciliationAnswer(BaseModel):
    date: date
    districts: list[DistrictAnswer]
    """Those of the caller, ascending."""


@router.get("/v1/reconciliations/{date}")
async def reconcile_day(date: Day, caller: Subscriber, seen: Consistency, parts: Parts) -> ReconciliationAnswer:
    """What the caller's districts were told on a day, so that both sides can compare. Of today: so far."""
    await parts.wait_for(seen)
    found = await parts.receipts.day(date, caller.districts)
    return ReconciliationAnswer(date=date, districts=[DistrictAnswer(**asdict(each)) for each in found])
