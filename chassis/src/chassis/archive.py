"""`python -m <package> archive`: moves old events out of the table that is appended to (ADR 42).

They stay in the log, with their bytes and places: whoever reads it reads both tables. Each range that is moved gets a digest that
holds the one before it; `verify` computes them anew.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

import asyncpg
import structlog

from chassis.service import Service
from chassis.settings import ServiceSettings
from contracts.event import SHARDS

EVENTS_MAX = 5_000
"""Moved in one transaction, and one range with a digest."""
DAYS = 60

log = structlog.get_logger()


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--older-than-days", type=int, default=DAYS, help=f"30 or more; {DAYS} unless said otherwise")


async def archive(service: Service[Any], settings: ServiceSettings, given: Namespace) -> int:
    """Move old events out of the table that is appended to. They stay readable; broken off, it goes on when it is repeated."""
    if not service.has_log or settings.migration_dsn is None:
        log.error("archive.nothing_such", needs="a log, and GATEHOUSE_MIGRATION_DSN: events are moved by the role that owns them")
        return 2
    connection = await asyncpg.connect(settings.migration_dsn.get_secret_value(), server_settings={"statement_timeout": "0"})
    count = 0
    try:
        for shard in range(SHARDS):
            while moved := await connection.fetchval(ARCHIVE, shard, given.older_than_days, EVENTS_MAX):
                count += moved
    except asyncpg.InvalidParameterValueError as error:
        log.error("archive.refused", reason=str(error))
        return 2
    finally:
        await connection.close()
    log.info("archive.moved", count=count)
    return 0


ARCHIVE = "SELECT archive_events($1, $2, $3)"
