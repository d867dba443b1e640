"""Two workers at work on the same partitions: one that lives cannot say so, and the other takes all from it. The database
refuses what it still writes, by the token, and nothing is done twice."""

from __future__ import annotations

import time
from contextlib import suppress
from uuid import UUID

import asyncpg
import pytest

from chassis.testing.wait import eventually
from tests.faults.checker import check
from tests.faults.report import REPORT
from tests.faults.stack import FaultStack, LogTail
from tests.faults.test_freeze import TAKEN_OVER_S_MAX, held, two_workers
from tests.faults.traffic import flowing, town

FORCED = 2
"""Times, for each of them."""
REFUSED_S_MAX = 4.0
"""By then a worker that reaches the lease table no more has stopped by itself."""
RECOVERED_S_MAX = 60.0


class TestTwoOwners:
    @pytest.mark.long
    @pytest.mark.parametrize("package", ["gatekeeper", "registration", "health", "police_bridge", "reporting"])
    async def test_of_the_same_partitions_do_nothing_twice(self, stack: FaultStack, package: str) -> None:
        async with two_workers(stack, package) as first, town(stack, sites=2) as here, stack.database(package) as database:
            second = await database.fetchval("SELECT owner FROM worker WHERE owner <> $1 ORDER BY expires_at DESC", first)
            names = {first: f"{package}-worker", second: f"{package}-worker-2"}
            refused = 0
            async with flowing(here):
                for owner in FORCED * (first, second):
                    log = LogTail(stack.log_of(names[owner]))
                    await _take_from(database, owner, log)
                    refused += len(log.events("leases.lost"))
                ended_s = time.monotonic()
                await eventually(lambda: here.diary.acknowledged_since(ended_s), within_s=RECOVERED_S_MAX)
                recovered_s = time.monotonic()
            assert [] == (await check(stack, here.diary)).wrong
            assert refused, "nobody wrote for a partition that was another's by then"
            REPORT.note("two owners of a partition", "refused by the token", recovery_s=recovered_s - ended_s)


async def _take_from(database: asyncpg.Connection, owner: UUID, log: LogTail) -> None:
    """Keep a worker from saying that it lives, until the other has all and the first was refused something."""
    await database.execute("UPDATE worker SET expires_at = clock_timestamp() WHERE owner = $1", owner)
    async with held(database, f"SELECT FROM worker WHERE owner = '{owner}' FOR UPDATE"):

        async def is_robbed() -> bool:
            return not await database.fetchval("SELECT count(*) FROM lease WHERE owner = $1", owner)

        await eventually(is_robbed, within_s=TAKEN_OVER_S_MAX)
        with suppress(TimeoutError):
            await eventually(lambda: bool(log.events("leases.lost")), within_s=REFUSED_S_MAX)
