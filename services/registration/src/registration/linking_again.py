"""`python -m registration link-again`: for a log that was brought back from a backup (ADR 45).

What the records of one person tell is told in one append, in several shards. Of what was lost with a server's disks the topic gives
back what had reached it: of a link or an unlinking maybe one half. Then a record names another that does not name it. Of an erasure
the keys are gone, whatever was lost of what told it.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from chassis.database import read_at_length
from chassis.restore import is_log_complete
from chassis.service import Operation, Service, machinery
from contracts.event import SHARDS
from contracts.rejection import Rejection
from contracts.same_person import PersonLinked, PersonUnlinked
from registration.domain.erasure import PersonIsErased
from registration.domain.person import PersonCommand
from registration.domain.same_person import Link, Unlink
from registration.erasing import tell_erased, without_key
from registration.linking import People, Records, one_sided, records_of, tell_all
from registration.settings import Settings
from registration.wired import Wired

PAGE_FACTS_MAX = 1_000
LINKED = "SELECT pos, stream_id FROM event WHERE shard = $1 AND type = $2 AND pos > $3 ORDER BY pos LIMIT $4"
"""Whoever names another was told of a link."""
REASON = "数据恢复后补记"

log = structlog.get_logger()


async def link_again(service: Service[Any], settings: Settings, given: Namespace) -> int:
    """Tell what was lost of links, unlinkings and erasures of which a part is there: the log was brought back from a backup."""
    mended = left = 0
    async with machinery(service, settings) as parts:
        if not await is_log_complete(parts.pool):
            log.error("linking.log_is_incomplete", do_first="start registration-api: it completes the log from its topic")
            return 2
        wired: Wired = service.wire(parts).state["wired"]
        async for mend, person_id in _to_mend(wired):
            try:
                mended += await mend(wired, person_id)
            except Rejection as refused:
                log.warning("linking.not_told_again", stream_id=str(person_id), reason=refused.code)
                left += 1
    log.info("linking.told_again", count=mended)
    return 1 if left else 0


async def _to_mend(parts: Wired) -> AsyncIterator[tuple[Callable[[Wired, UUID], Awaitable[int]], UUID]]:
    """Of whom something may be lacking, and what tells it. Erasures first: nothing more can be said of whoever was erased."""
    async for person_id in without_key(parts):
        yield tell_erased, person_id
    for shard in range(SHARDS):
        async for person_id in _linked(parts.pool, shard):
            _, person = await parts.people.read(person_id)
            if not person.is_erased:
                yield _mend, person_id
                yield _names_nobody_erased, person_id


async def _linked(pool: asyncpg.Pool, shard: int) -> AsyncIterator[UUID]:
    reached = 0
    while page := await read_at_length(pool, LINKED, shard, PersonLinked.TYPE, reached, PAGE_FACTS_MAX):
        for row in page:
            yield row["stream_id"]
        reached = page[-1]["pos"]


async def _mend(parts: Wired, person_id: UUID) -> int:
    """Among all records that this one leads to. How often one named another that did not name it."""
    read = await records_of(parts.people, person_id)
    halves = one_sided({each: person for each, (_, person) in read.items()})
    if halves:
        for asking in (_apart, _together):
            await tell_all(parts.people, [person_id], partial(asking, parts, person_id))
    return len(halves)


async def _names_nobody_erased(parts: Wired, person_id: UUID) -> int:
    """Nothing is told: he was to be erased as well, or a restore lost that he was set apart before. Raises: PersonIsErased."""
    _, person = await parts.people.read(person_id)
    others = await parts.people.read_together(sorted(person.records.same_as))
    if any(other.is_erased for _, other in others.values()):
        raise PersonIsErased
    return 0


async def _apart(parts: Wired, person_id: UUID, records: Records) -> Mapping[UUID, PersonCommand]:
    """Whoever was told less often than the other that they are not the same, lacks that."""
    lacking = [pair for pair in one_sided(records) if await _lacks_an_unlinking(parts.people, *pair)]
    reasons = await _reasons(parts, person_id, records)
    at = parts.clock.now()
    return {
        each: Unlink(each, frozenset(other for one, other in lacking if one == each), at, reason)
        for each, reason in reasons.items()
    }


async def _together(parts: Wired, person_id: UUID, records: Records) -> Mapping[UUID, PersonCommand]:
    """Of nobody an unlinking is lacking any more: whoever leads to another is the same."""
    reasons = await _reasons(parts, person_id, records)
    at = parts.clock.now()
    return {each: Link(each, frozenset(reasons.keys() - {each}), at, reason=reason) for each, reason in reasons.items()}


async def _reasons(parts: Wired, person_id: UUID, records: Records) -> Mapping[UUID, str]:
    """Sealed, for everybody of whom something can be told still, and for who was asked about. Raises: StreamIsErased."""
    told = sorted({person_id} | {each for each, person in records.items() if not person.is_erased})
    sealer = await parts.sealing.sealer_for(told)
    return {each: sealer.seal(each, "reason", REASON) for each in told}


async def _lacks_an_unlinking(people: People, one: UUID, other: UUID) -> bool:
    return await _times_apart(people, other, one) > await _times_apart(people, one, other)


async def _times_apart(people: People, record: UUID, other: UUID) -> int:
    """How often the record was told that the other is somebody else's."""
    version, _ = await people.read(record)
    facts = [fact async for fact in people.events(record, version) if isinstance(fact, PersonUnlinked)]
    return sum(other in fact.not_the_same for fact in facts)


LINK_AGAIN = Operation("link-again", link_again)
