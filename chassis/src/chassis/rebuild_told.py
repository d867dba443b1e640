"""How far a rebuild is, told in the service's database about once a second: for the operator's page, see `chassis.ops`.

Whoever is killed tells nothing any more, by which the page knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import structlog

from chassis.database import DATABASE_ERRORS
from chassis.rebuild_bar import Bar
from chassis.telemetry import type_name

TELL_EVERY_S = 1.0

BEGIN = """
INSERT INTO public.rebuild (name, stage, events_done, events_total) VALUES ($1, $2, 0, 0)
ON CONFLICT (name) DO UPDATE SET
    stage = excluded.stage, events_done = 0, events_total = 0,
    began_at = clock_timestamp(), told_at = clock_timestamp(), outcome = NULL
"""
TELL = """
UPDATE public.rebuild SET stage = $2, events_done = $3, events_total = $4, outcome = $5, told_at = clock_timestamp()
WHERE name = $1
"""
BACK = "UPDATE public.rebuild SET outcome = 'switched back', told_at = clock_timestamp() WHERE name = $1"
"""In the transaction that switches back: what the last rebuild has put in place is in place no more."""

log = structlog.get_logger()


@dataclass
class Telling:
    """Of one rebuild."""

    pool: asyncpg.Pool
    """As the role that owns the tables."""
    name: str
    bar: Bar
    stage: str = "make"
    outcome: str | None = None
    """Set once it is known."""

    async def keep(self) -> None:
        """Tell until cancelled."""
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            await self.tell()

    async def tell(self) -> None:
        """Nothing fails because it could not be told."""
        try:
            await self.pool.execute(TELL, self.name, self.stage, self.bar.done, self.bar.total, self.outcome)
        except DATABASE_ERRORS as error:
            log.warning("rebuild.not_told", error_type=type_name(error))


@asynccontextmanager
async def told(telling: Telling) -> AsyncIterator[None]:
    """While the block rebuilds, and what became of it."""
    await telling.pool.execute(BEGIN, telling.name, telling.stage)
    keeping = asyncio.create_task(telling.keep())
    try:
        yield
    except Exception as error:
        telling.outcome = type_name(error)
        raise
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        await telling.tell()
