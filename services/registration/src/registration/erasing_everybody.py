"""`python -m registration erase-everybody`: the end of the epidemic (docs/runbooks/end-of-epidemic.md).

Everybody is erased whom registration has a record of, or a document leads to, one record after the other; then what was sealed
for a site or a file. Cut short, it goes on when it is repeated. Then it prints a certificate, which says what can be counted still
and that nothing is left.
"""

from __future__ import annotations

import asyncio
import hashlib
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from chassis.database import read_at_length
from chassis.restore import is_log_complete
from chassis.service import Operation, Service, machinery
from contracts.registration import PersonErased
from contracts.times import shanghai_date
from registration.domain.erasure import EpidemicIsNotOver, PersonIsUnknown, require_the_end
from registration.erasing import NOBODY, PEOPLE_MAX, erase_records, pages, records_after
from registration.settings import Settings
from registration.wired import Wired

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
        try:
            require_the_end(wired.epidemic_ended_on, at=wired.clock.now())
        except EpidemicIsNotOver:
            log.error("erasing.epidemic_is_not_over", epidemic_ended_on=str(settings.epidemic_ended_on))
            return 2
        if not await is_log_complete(wired.pool):
            log.error("erasing.log_is_incomplete", do_first="start registration-api: it completes the log from its topic")
            return 2
        [before] = await read_at_length(wired.pool, COUNTS, PersonErased.TYPE)
        while await wired.imports.forget(kept=timedelta()):
            pass  # Else whoever asks for the refused rows would be told to ask again.
        for after, erase in (records_after, _erase), (_people_after, _erase), (_others_after, _destroy):
            async for page in pages(partial(after, wired)):
                await asyncio.gather(*(erase(wired, stream_id) for stream_id in page))
        people, others = await _people_after(wired, NOBODY), await _others_after(wired, NOBODY)
        print(await _certificate(wired, before, people, others, given.decided_by))  # noqa: T201 - what it is asked for
    return 1 if people or others else 0


async def _people_after(parts: Wired, last: UUID) -> Sequence[UUID]:
    return await parts.identities.people_after(last, limit=PEOPLE_MAX)


async def _others_after(parts: Wired, last: UUID) -> Sequence[UUID]:
    return await parts.sealing.others_after(last, limit=PEOPLE_MAX)


async def _erase(parts: Wired, person_id: UUID) -> None:
    try:
        await erase_records(parts, person_id)
    except PersonIsUnknown:  # Only asked for by a document, at a gate say: nobody has to be told.
        await parts.sealing.destroy(person_id)


async def _destroy(parts: Wired, stream_id: UUID) -> None:
    await parts.sealing.destroy(stream_id)


async def _certificate(
    parts: Wired, before: asyncpg.Record, people: Sequence[UUID], others: Sequence[UUID], decided_by: str
) -> str:
    [after] = await read_at_length(parts.pool, COUNTS, PersonErased.TYPE)
    heads = await parts.pool.fetch(HEADS)
    digest = hashlib.sha256("\n".join(f"{row[0]} {row[1]} {row[2]}" for row in heads).encode()).hexdigest()
    now: datetime = parts.clock.now()
    lines = {
        "疫情结束日 epidemic over since": parts.epidemic_ended_on,
        "证明日期 certified on": shanghai_date(now),
        "决定人 decided by": decided_by,
        "登记人员记录 records of people, before": before["people"],
        "现有记录(含仅申报者) records, with who only declared": after["people"],
        "其中已删除 erased, of these": after["erased"],
        "登记日志事件 facts in the log, before": before["events"],
        "登记日志事件 facts in the log, now": after["events"],
        "证件可查到的人 people whom a document leads to": len(people),
        "可解密的其他内容 other things that can be opened": len(others),
        "日志摘要 SHA-256 of the log's ends": digest,
        "签字 signed": "",
    }
    return "\n".join(["个人信息删除证明 Certificate of erasure", *(f"{name:<48} {value}" for name, value in lines.items())])


ERASE_EVERYBODY = Operation("erase-everybody", erase_everybody, arguments)
