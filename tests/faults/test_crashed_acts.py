"""What is not always going on dies at its named steps: parking and its cure, a restore, an import, an erasure. It is done once."""

from __future__ import annotations

import asyncio
from signal import SIGKILL
from typing import Any

import asyncpg
import pytest

from chassis.crash_points import VARIABLE, CrashPoint
from chassis.migrations import migrate
from chassis.testing.wait import eventually
from devstack.databases import Database
from devstack.fresh_databases import FreshDatabases
from devstack.story.cast import Person
from tests.faults.checker import caught_up, check
from tests.faults.report import REPORT
from tests.faults.stack import FaultStack
from tests.faults.test_crash_points import CURE, DIES_S_MAX, RESTORE, dies_at, operate
from tests.faults.traffic import Site, Town, flowing, people, somebody, town
from tests.registration.sheets import as_csv

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
            import_id = await _hand_in(here, site, members)
            await dies_at(worker, CrashPoint.IMPORT_DECIDED)
            await worker.started()

            async def is_finished() -> dict[str, Any] | None:
                done = (await here.operator.get("registration", f"/v1/imports/{import_id}")).body
                return done if done["state"] == "finished" else None

            done = await eventually(is_finished)
            assert done is not None
            assert (PEOPLE, 0) == (done["applied"], done["refused"])
            for member in members:
                found = await here.operator.post("registration", "/v1/person-lookups", {"document": member.document})
                fields = {"contract_no": site.contract_no, "on_site": True}
                here.acknowledge("registration", found.body["person_id"], "roster-member-imported", **fields)
            assert [] == (await check(stack, here.diary)).wrong

    async def test_of_an_erasure_is_made_good_by_a_repeat(self, stack: FaultStack) -> None:
        """The key is gone and nobody was told: not even that the fact is missing."""
        api = stack["registration-api"]
        async with town(stack) as here:
            [person_id], _ = await here.import_roster(here.sites[0], [somebody()], on_site=[False])
            await api.stop()
            erasing = asyncio.create_task(here.city.delete("registration", f"/v1/people/{person_id}/personal-data"))
            await dies_at(api, CrashPoint.KEY_DESTROYED, **EPIDEMIC_ENDED_ON)
            api.start(**EPIDEMIC_ENDED_ON)
            await erasing
            here.acknowledge("registration", person_id, "person-erased")
            await api.restart()
            assert [] == (await check(stack, here.diary)).wrong


async def _hand_in(here: Town, site: Site, members: list[Person]) -> str:
    """A file with these people, all on site. The import's id."""
    employer = f"{site.employer['credit_code']} {site.employer['name']}"
    usual = {"证件类型": "居民身份证", "人员类别": "作业人员", "工种": "020 钢筋工", "用人单位": employer, "在场": "是"}
    answer = await here.client.post(
        f"{here.stack.urls['registration']}/v1/contracts/{site.contract_no}/roster-imports/files",
        content=as_csv([{**usual, "身份证号": member.number, "姓名": member.name} for member in members]),
        headers={"Authorization": f"Bearer {await here.operator.access_token()}", "Content-Type": "text/csv"},
    )
    import_id: str = answer.raise_for_status().json()["import_id"]
    return import_id


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
