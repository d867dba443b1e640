"""`python -m registration erase-again`: for a key server that was brought back from a backup (ADR 19).

It holds the keys again of whoever was erased since the backup. Registration's log says who that is, once it is complete. After the
epidemic `erase-everybody` does it, of those, too, of whom the log tells nothing.
"""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import structlog

from chassis.database import read_at_length
from chassis.restore import is_log_complete
from chassis.service import Operation, Service, machinery
from contracts.event import SHARDS
from contracts.registration import PersonErased
from registration.settings import Settings

ERASED = "SELECT stream_id FROM event WHERE shard = $1 AND type = $2 ORDER BY pos"

log = structlog.get_logger()


async def erase_again(service: Service[Any], settings: Settings, given: Namespace) -> int:
    """Destroy the keys of everybody who was erased once more: the key server was brought back from a backup."""
    count = 0
    async with machinery(service, settings) as parts:
        if not await is_log_complete(parts.pool):
            log.error("erasing.log_is_incomplete", do_first="start registration-api: it completes the log from its topic")
            return 2
        for shard in range(SHARDS):
            for (person_id,) in await read_at_length(parts.pool, ERASED, shard, PersonErased.TYPE):
                await parts.sealing.destroy(person_id)
                count += 1
    log.info("erasing.told_again", count=count)
    return 0


ERASE_AGAIN = Operation("erase-again", erase_again)
