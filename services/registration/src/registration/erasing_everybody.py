"""`python -m registration erase-everybody`: the end of the epidemic (docs/runbooks/end-of-epidemic.md).

Everybody is erased whom registration has a record of, or a document leads to, one record after the other; cut short, it goes on
when it is repeated. Then it prints a certificate, which says what can be counted still and that nobody is left.
"""

from __future__ import annotations

import asyncio
import hashlib
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from chassis.service import Operation, Service, machinery
from contracts.registration import PersonErased
from contracts.times import shanghai_date
from registration.domain.erasure import EpidemicIsNotOver, PersonIsUnknown
from registration.erasing import erase_record
from registration.settings import Settings
from registration.wired import Wired

PEOPLE_MAX = 100
"""Erased at once, and asked for at once."""
NOBODY = UUID(int=0)
"""Before everybody."""

RECORDS = "SELECT stream_id FROM stream WHERE kind = 'person' AND stream_id > $1 ORDER BY stream_id LIMIT $2"
COUNTS = """
SELECT (SELECT count(*) FROM stream WHERE kind = 'person') AS people, (SELECT sum(last_pos) FROM shard_head)::bigint AS events,
       (SELECT count(*) FROM event WHERE type = $1) AS erased
"""
HEADS = """
SELECT h.shard, h.last_pos, e.event_id FROM shard_head AS h JOIN event AS e ON e.shard = h.shard AND e.pos = h.last_pos
ORDER BY h.shard
"""

log = structlog.get_logger()


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--decided-by", required=True, help="who decided it: printed on the certificate, kept nowhere")


async def erase_everybody(service: Service[Any], settings: Settings, given: Namespace) -> int:
    """Erase everybody, once the epidemic is over, and print a certificate. Cut short, it goes on when it is repeated."""
    async with machinery(service, settings) as parts:
        wired: Wired = service.wire(parts).state["wired"]
        [before] = await wired.pool.fetch(COUNTS, PersonErased.TYPE)
        try:
            async for page in _everybody(wired):
                await asyncio.gather(*(_erase(wired, person_id) for person_id in page))
        except EpidemicIsNotOver:
            log.error("erasing.epidemic_is_not_over", epidemic_ended_on=str(settings.epidemic_ended_on))
            return 2
        left = await wired.identities.people_after(NOBODY, limit=PEOPLE_MAX)
        print(await _certificate(wired, before, left=len(left), decided_by=given.decided_by))  # noqa: T201 - what it is asked for
    return 1 if left else 0


async def _everybody(parts: Wired) -> AsyncIterator[Sequence[UUID]]:
    last = NOBODY
    while rows := await parts.pool.fetch(RECORDS, last, PEOPLE_MAX):
        yield [row["stream_id"] for row in rows]
        last = rows[-1]["stream_id"]
    last = NOBODY
    while people := await parts.identities.people_after(last, limit=PEOPLE_MAX):
        yield people
        last = people[-1]


async def _erase(parts: Wired, person_id: UUID) -> None:
    try:
        await erase_record(parts, person_id)
    except PersonIsUnknown:  # Only asked for by a document, at a gate say: nobody has to be told.
        await parts.sealing.destroy(person_id)


async def _certificate(parts: Wired, before: asyncpg.Record, *, left: int, decided_by: str) -> str:
    [after] = await parts.pool.fetch(COUNTS, PersonErased.TYPE)
    heads = await parts.pool.fetch(HEADS)
    digest = hashlib.sha256("\n".join(f"{row[0]} {row[1]} {row[2]}" for row in heads).encode()).hexdigest()
    now: datetime = parts.clock.now()
    lines = {
        "疫情结束日 epidemic over since": parts.epidemic_ended_on,
        "证明日期 certified on": shanghai_date(now),
        "决定人 decided by": decided_by,
        "登记人员记录 records of people, before": before["people"],
        "登记人员记录 records of people, now": after["people"],
        "其中已删除 erased, of these": after["erased"],
        "登记日志事件 facts in the log, before": before["events"],
        "登记日志事件 facts in the log, now": after["events"],
        "证件可查到的人 people whom a document leads to": left,
        "日志摘要 SHA-256 of the log's ends": digest,
        "签字 signed": "",
    }
    return "\n".join(["个人信息删除证明 Certificate of erasure", *(f"{name:<44} {value}" for name, value in lines.items())])


ERASE_EVERYBODY = Operation("erase-everybody", erase_everybody, arguments)
