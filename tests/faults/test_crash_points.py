"""Each process dies at each named step of its work while traffic runs, and is started again. Nothing is lost, nothing twice."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from signal import SIGKILL, SIGTERM

import asyncpg
import pytest

from chassis.crash_points import VARIABLE, CrashPoint
from chassis.migrations import migrate
from chassis.testing.wait import eventually
from devstack import children
from devstack.databases import Database
from devstack.fresh_databases import FreshDatabases
from devstack.processes import Process
from tests.faults.checker import caught_up, check, package
from tests.faults.report import REPORT
from tests.faults.stack import FaultStack, LogTail
from tests.faults.traffic import flowing, people, town

DIES_S_MAX = 60.0
"""How long it may take to start and to get to the step."""
OPERATED_S_MAX = 60.0
PARKED_PEOPLE = 12
LIVES_SINCE_BACKUP = 20

COMMAND = (CrashPoint.COMMAND_DECIDED, CrashPoint.APPEND_BEGUN, CrashPoint.APPEND_COMMITTED, CrashPoint.COMMAND_DONE)
RELAY = tuple(point for point in CrashPoint if point.startswith("relay-"))
INTAKE = tuple(point for point in CrashPoint if point.startswith("intake-"))
REBUILD = tuple(point for point in CrashPoint if point.startswith("rebuild-"))
CURE = tuple(point for point in CrashPoint if point.startswith("cure-"))
RESTORE = tuple(point for point in CrashPoint if point.startswith("restore-"))
WORK = (CrashPoint.LEASE_TAKEN, *INTAKE, CrashPoint.LEASE_RETURNED)
STEPS: Mapping[str, Sequence[CrashPoint]] = {
    "registration-api": (CrashPoint.PERSON_IDENTIFIED, CrashPoint.KEY_MADE, *COMMAND),
    "healthcloud_bridge-api": (CrashPoint.PERSON_IDENTIFIED, CrashPoint.KEY_MADE, *COMMAND),
    "health-api": (CrashPoint.KEY_MADE, *COMMAND),
    "gatekeeper-api": (*COMMAND, CrashPoint.ATTEMPT_RECORDED),
    "registration-worker": (*WORK, *RELAY),
    "healthcloud_bridge-worker": (*WORK, *RELAY, CrashPoint.KEY_MADE, *COMMAND),
    "health-worker": (*WORK, *RELAY),
    "gatekeeper-worker": (*WORK, *RELAY, CrashPoint.FRESHNESS_PROVED),
    "police_bridge-worker": (*WORK, *RELAY),
    "reporting-worker": WORK,
}
"""Process → the steps that it takes, all of them. The apis that are not here only read."""
REBUILT: Sequence[tuple[str, str]] = (("reporting", "people_on_contract_v1"), ("health", "known_person_v1"))
"""Service and read model: of other services' topics alone, and of the own log, too."""


class TestCrash:
    @pytest.mark.long
    @pytest.mark.parametrize("name", STEPS)
    async def test_at_every_step_loses_nothing(self, stack: FaultStack, name: str) -> None:
        await _crash(stack, [(name, point) for point in STEPS[name]])

    async def test_between_two_steps_loses_nothing(self, stack: FaultStack) -> None:
        """Those where something is done here and not yet known there."""
        await _crash(
            stack,
            [
                ("gatekeeper-api", CrashPoint.APPEND_COMMITTED),
                ("registration-worker", CrashPoint.RELAY_ACKNOWLEDGED),
                ("gatekeeper-worker", CrashPoint.INTAKE_COMMITTED),
                ("reporting-worker", CrashPoint.INTAKE_APPLIED),
            ],
        )

    @pytest.mark.long
    @pytest.mark.parametrize(("service", "read_model"), REBUILT)
    async def test_of_a_rebuild_at_every_step_is_gone_on_from(self, stack: FaultStack, service: str, read_model: str) -> None:
        async with town(stack, sites=2) as here:
            async with flowing(here):
                for point in REBUILD:
                    assert -SIGKILL == await rebuild(stack, service, read_model, **{VARIABLE: point}), point
                    if point is not CrashPoint.REBUILD_SWITCHED:
                        assert 0 == await rebuild(stack, service, read_model), point
                    assert 0 == await rebuild(stack, service, read_model, "--drop-old"), point
            assert [] == (await check(stack, here.diary)).wrong

    @pytest.mark.long
    async def test_while_events_are_parked_and_cured_applies_each_once(self, stack: FaultStack) -> None:
        """reporting's table takes nobody of one contract, until it is mended."""
        async with town(stack) as here:
            [site] = here.sites
            worker = stack["reporting-worker"]
            await worker.stop()
            async with stack.database("reporting") as database:
                await database.execute(f"ALTER TABLE membership_v1 ADD CONSTRAINT ill CHECK (contract_no <> '{site.contract_no}')")
                await here.import_roster(site, people(PARKED_PEOPLE), on_site=[True] * PARKED_PEOPLE)
                await _dies_at(worker, CrashPoint.PARKING_WRITTEN)
                worker.start()
                await eventually(lambda: _are_parked(database, PARKED_PEOPLE))
                await database.execute("ALTER TABLE membership_v1 DROP CONSTRAINT ill")
                for left, point in zip((PARKED_PEOPLE, PARKED_PEOPLE - 1), CURE, strict=True):
                    assert -SIGKILL == await _operate(stack, "reporting", "parked", "retry", "--all", **{VARIABLE: point}), point
                    assert await _are_parked(database, left), point
                    REPORT.note(f"crash at {point}", "the operator's command died there")
                assert 0 == await _operate(stack, "reporting", "parked", "retry", "--all")
            await worker.ready()
            assert [] == (await check(stack, here.diary)).wrong

    @pytest.mark.long
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
                await _dies_at(api, point)
            await asyncio.gather(api.started(), worker.started())
            async with flowing(here):
                await _die_at(stack, "registration-worker", CrashPoint.RELAY_ACKNOWLEDGED)
            assert [] == (await check(stack, here.diary)).wrong

    def test_is_possible_at_every_step_that_has_a_name(self) -> None:
        taken = [point for steps in STEPS.values() for point in steps]
        assert {*CrashPoint} == {*taken, *REBUILD, *CURE, *RESTORE, CrashPoint.PARKING_WRITTEN}


async def _crash(stack: FaultStack, steps: Sequence[tuple[str, CrashPoint]]) -> None:
    async with town(stack, sites=2) as here:
        async with flowing(here):
            for name, point in steps:
                await _die_at(stack, name, point)
        assert [] == (await check(stack, here.diary)).wrong


async def _die_at(stack: FaultStack, name: str, point: CrashPoint) -> None:
    process = stack[name]
    await process.stop()
    if point is CrashPoint.RELAY_BEGUN_ANEW:
        async with stack.database(name.removesuffix("-worker")) as database:
            await database.execute("UPDATE relayed_topic SET topic_id = 'another one'")
    await _dies_at(process, point)
    await process.started()


async def _dies_at(process: Process, point: CrashPoint) -> None:
    """Start it, and see it die there and nowhere else."""
    told = LogTail(process.log)
    process.start(**{VARIABLE: point})
    if point is CrashPoint.LEASE_RETURNED:
        await process.ready()
        process.send(SIGTERM)
    assert -SIGKILL == await process.child.ended(DIES_S_MAX), f"{process.name} did not get to {point}"
    assert [point] == [line["point"] for line in told.events("crash_point.reached")]
    REPORT.note(f"crash at {point}", f"{process.name} died there")


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


async def rebuild(stack: FaultStack, service: str, read_model: str, *options: str, **more: str) -> int:
    """The exit code."""
    return await _operate(stack, service, "rebuild", read_model, *options, **more)


async def _operate(stack: FaultStack, service: str, command: str, *options: str, **more: str) -> int:
    """Run one of the service's commands, with `more` in its environment. The exit code."""
    owner = {"GATEHOUSE_MIGRATION_DSN": stack.stack.databases[package(service)].owner_dsn}
    name = f"{service}-{command}"
    child = children.start(
        name,
        [sys.executable, "-m", package(service), command, *options],
        log=stack.stack.state.log(name),
        environment={**stack.environment(package(service)), **owner, **more},
    )
    return await child.ended(OPERATED_S_MAX)
