"""Reading your own writes: wait until this service's readers have taken in what a consistency token stands for."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

import asyncpg

from chassis.admission import aside
from chassis.consistency import ConsistencyToken
from chassis.faults import Unavailable
from chassis.subscribers import ReadModel, sources_of

WAIT_S_MAX = 2.0
"""How long an answer may wait for the facts that the client has seen. Then it is 503: never stale by accident."""
POLL_S_MIN, POLL_S_MAX = 0.005, 0.050
RETRY_AFTER_S = 1

REACHED = """
SELECT count(*) = cardinality($1::text[]) * cardinality($3::smallint[])
FROM unnest($3::smallint[], $4::bigint[]) AS wanted (shard, pos)
JOIN position AS p ON p.source = $2 AND p.shard = wanted.shard AND p.subscriber = ANY ($1)
WHERE p.last_pos >= wanted.pos AND p.epoch >= $5
"""


def following(source: str, read_models: Iterable[ReadModel]) -> list[str]:
    """Those that take in the source's events, by name: of any other they can show nothing."""
    return [each.name for each in read_models if source in sources_of(each)]


async def wait_for(pool: asyncpg.Pool, token: ConsistencyToken | None, *, subscribers: Collection[str]) -> None:
    """Return once every subscriber (read model or policy) has come as far as the token. Without a token, at once.

    Raises: Unavailable after `WAIT_S_MAX`.
    """
    wanted = {shard: pos for shard, pos in token.positions.items() if pos > 0} if token else {}
    if token is None or not wanted:
        return  # Before the first position there is nothing to have seen.
    pause = POLL_S_MIN
    try:
        with aside():
            async with asyncio.timeout(WAIT_S_MAX):
                while not await pool.fetchval(
                    REACHED, sorted(set(subscribers)), token.service, list(wanted), list(wanted.values()), token.epoch
                ):
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, POLL_S_MAX)
    except TimeoutError:
        raise Unavailable(retry_after_s=RETRY_AFTER_S) from None
