"""What is not always going on dies at its named steps: parking and its cure, a restore, an import, an erasure. It is done once."""

from __future__ import annotations

import asyncio
from signal import SIGKILL

import asyncpg
import pytest

from chassis.crash_points import VARIABLE, CrashPoint
from chassis.migrations import migrate
from chassis.testing.wait import eventually
from devstack.databases import Database
from devstack.fresh_databases import FreshDatabases
from tests.faults.checker import caught_up, check
from tests.faults.report import REPORT
from tests.faults.stack import FaultStack
from tests.faults.test_crash_points import CURE, DIES_S_MAX, RESTORE, dies_at, operate
from tests.faults.traffic import flowing, people, somebody, town

PEOPLE = 12
LIVES_SINCE_BACKUP = 20
EPIDEMIC_ENDED_ON = {"GATEHOUSE_EPIDEMIC_ENDED_ON": "2020-06-17"}


@pytest.mark.long
class TestCrashedAct:
    async def test_while_events_are_parked_and_cured_applies_each_once(self, stack: FaultStack) -> None:
        """reporting's table takes nobody of one contract, until it is mended."""
        async with town(stack) as here:
            [site] = here.sites
            worker = stack["reporting-worker"]
            await worker.stop()
            async with stack.database("reporting") as database:
                await database.execute(f"ALTER TABLE membership_v1 ADD CONSTRAINT ill CHECK (contract_no <> '{site.contract_no}')")
                await here.import_roster(site, people(PEOPLE), on_site=[True] * PEOPLE)
                await dies_at(worker, CrashPoint.PARKING_WRITTEN)
                worker.start()
                await eventually(lambda: _are_parked(database, PEOPLE))
                await database.execute("ALTER TABLE membership_v1 DROP CONSTRAINT ill")
                for left, point in zip((PEOPLE, PEOPLE - 1), CURE, strict=True):
                    assert -SIGKILL == await operate(stack, "reporting", "parked", "retry", "--all", **{VARIABLE: point}), point
                    assert await _are_parked(database, left), point
                    REPORT.note(f"crash at {point}", "the operator's command died there")
                assert 0 == await operate(stack, "reporting", "parked", "retry", "--all")
            await worker.ready()
            assert [] == (await check(stack, here.diary)).wrong

    async def test_of_a_restore_at_every_step_is_gone_on_from(self, stack: FaultStack) -> None:
        """The backup of registration's database is brought back, which lacks what happened since."""
        api, worker = stack["registration-api"], stack["registration-worker"]
        async with town(stack, sites=2) as here:
            backup = await _backup(stack, "registration")
            async with flowing(here) as traffic:
                await eventually(lambda: traffic.finished >= LIVES_SINCE_BACKUP, within_s=DIES_S_MAX)
            await eventually(lambda: caught_up(stack), within_s=DIES_S_MAX)
            await api.stop()
            await worker.stop()
            await _bring_back(stack, backup, "registration")
            for point in RESTORE:
                await dies_at(api, point)
            await asyncio.gather(api.started(), worker.started())
            async with flowing(here):
                await worker.restart()
            assert [] == (await check(stack, here.diary)).wrong

    async def test_of_an_import_gives_each_row_one_verdict(self, stack: FaultStack) -> None:
        worker = stack["registration-worker"]
        async with town(stack) as here:
            [site], members = here.sites, people(PEOPLE)
            await worker.stop()
            import_id = await here.hand_in_roster(site, members, on_site=[True] * PEOPLE)
            await dies_at(worker, CrashPoint.IMPORT_DECIDED)
            await worker.started()
            await here.imported(import_id, site, members, on_site=[True] * PEOPLE)
            assert [] == (await check(stack, here.diary)).wrong

    async def test_of_an_erasure_is_made_good_by_a_repeat(self, stack: FaultStack) -> None:
        """The key is gone and nobody was told: not even that the fact is missing."""
        api = stack["registration-api"]
        async with town(stack) as here:
            [person_id] = await here.import_roster(here.sites[0], [somebody()], on_site=[False])
            await api.stop()
            erasing = asyncio.create_task(here.city.delete("registration", f"/v1/people/{person_id}/personal-data"))
            await dies_at(api, CrashPoint.KEY_DESTROYED, **EPIDEMIC_ENDED_ON)
            api.start(**EPIDEMIC_ENDED_ON)
            await erasing
            here.acknowledge("registration", person_id, "person-erased")
            await api.restart()
            assert [] == (await check(stack, here.diary)).wrong


async def _are_parked(database: asyncpg.Connection, count: int) -> bool:
    return bool(count == await database.fetchval("SELECT count(DISTINCT stream_id) FROM parked"))


async def _backup(stack: FaultStack, service: str) -> Database:
    """A copy of its database as it is now. Its processes are stopped meanwhile, and up again afterwards."""
    processes = [stack[f"{service}-api"], stack[f"{service}-worker"]]
    await asyncio.gather(*(process.stop() for process in processes))
    copy = await _databases(stack).backup(stack.stack.databases[service])
    await asyncio.gather(*(process.started() for process in processes))
    return copy


async def _bring_back(stack: FaultStack, backup: Database, service: str) -> None:
    """In place of the service's database, which is gone. Nothing of the service runs."""
    await _databases(stack).drop(stack.stack.databases[service])
    admin = await asyncpg.connect(stack.postgres.dsn)
    await admin.execute(f"ALTER DATABASE {backup.name} RENAME TO {stack.stack.databases[service].name}")
    await admin.close()


def _databases(stack: FaultStack) -> FreshDatabases:
    return FreshDatabases(stack.postgres.dsn, stack.stack.state, migrate)
