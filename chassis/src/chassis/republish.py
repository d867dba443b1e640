"""`python -m <package> republish`: the relay publishes the log again from the beginning, to whoever reads its topics.

Readers drop what they have by its position, so repeating is harmless. The lease is taken away from whoever holds it: a relay
that runs ends where it is, and the next one begins at the beginning.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

import asyncpg
import structlog

from chassis.database import create_pool
from chassis.service import Service
from contracts.event import SHARDS

REWIND = """
WITH taken AS (
    UPDATE lease SET owner = NULL, token = token + 1 WHERE name = ANY ($1) RETURNING name
), forgotten AS (
    DELETE FROM relayed_topic WHERE relay_partition = ANY ($2)
), unmarked AS (
    DELETE FROM published WHERE shard = ANY ($3)
)
SELECT count(*) FROM taken
"""

log = structlog.get_logger()


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--partition", type=int, action="append", help="of the relay; all of them, if none is named")


async def republish(service: Service[Any], settings: Any, given: Namespace) -> int:
    """Publish the log again from the beginning. Readers drop what they have."""
    partitions = sorted(set(given.partition or range(settings.partitions)))
    if not service.has_log or partitions[0] < 0 or partitions[-1] >= settings.partitions:
        log.error("republish.nothing_such", partitions=settings.partitions)
        return 2
    async with await create_pool(settings.database_dsn.get_secret_value(), application_name=f"{service.name} republish") as pool:
        await rewind(pool, partitions, of=settings.partitions)
    log.info("republish.begins", partitions=len(partitions))
    return 0


async def rewind(pool: asyncpg.Pool, partitions: Sequence[int], *, of: int) -> None:
    """Have these of all partitions of the relay begin at the beginning."""
    shards = [shard for shard in range(SHARDS) if shard % of in partitions]
    await pool.fetchval(REWIND, [f"relay/{each:02}" for each in partitions], list(partitions), shards)
