"""Each process dies at each named step of its work while traffic runs, and is started again. Nothing is lost, nothing twice."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from signal import SIGKILL, SIGTERM

import pytest

from chassis.crash_points import VARIABLE, CrashPoint
from devstack import children
from devstack.processes import Process
from tests.faults.checker import check, package
from tests.faults.report import REPORT
from tests.faults.stack import FaultStack, LogTail
from tests.faults.traffic import flowing, town

DIES_S_MAX = 60.0
"""How long it may take to start and to get to the step."""
OPERATED_S_MAX = 60.0

COMMAND = (CrashPoint.COMMAND_DECIDED, CrashPoint.APPEND_BEGUN, CrashPoint.APPEND_COMMITTED, CrashPoint.COMMAND_DONE)
RELAY = tuple(point for point in CrashPoint if point.startswith("relay-"))
INTAKE = tuple(point for point in CrashPoint if point.startswith("intake-"))
REBUILD = tuple(point for point in CrashPoint if point.startswith("rebuild-"))
CURE = tuple(point for point in CrashPoint if point.startswith("cure-"))
RESTORE = tuple(point for point in CrashPoint if point.startswith("restore-"))
SELDOM = (CrashPoint.PARKING_WRITTEN, *CURE, *RESTORE, CrashPoint.IMPORT_DECIDED, CrashPoint.KEY_DESTROYED)
"""Of what must first be made to happen: see `test_crashed_acts.py`."""
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
                ("gatekeeper-worker", CrashPoint.INTAKE_COMMITTED),
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

    def test_is_possible_at_every_step_that_has_a_name(self) -> None:
        taken = [point for steps in STEPS.values() for point in steps]
        assert {*CrashPoint} == {*taken, *REBUILD, *SELDOM}


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
    await dies_at(process, point)
    await process.started()


async def dies_at(process: Process, point: CrashPoint, **more: str) -> None:
    """Start it, and see it die there and nowhere else."""
    told = LogTail(process.log)
    process.start(**{VARIABLE: point}, **more)
    if point is CrashPoint.LEASE_RETURNED:
        await process.ready()
        process.send(SIGTERM)
    assert -SIGKILL == await process.child.ended(DIES_S_MAX), f"{process.name} did not get to {point}"
    assert [point] == [line["point"] for line in told.events("crash_point.reached")]
    REPORT.note(f"crash at {point}", f"{process.name} died there")


async def rebuild(stack: FaultStack, service: str, read_model: str, *options: str, **more: str) -> int:
    """The exit code."""
    return await operate(stack, service, "rebuild", read_model, *options, **more)


async def operate(stack: FaultStack, service: str, command: str, *options: str, **more: str) -> int:
    """Run one of the service's commands, with `more` in its environment. 0, or minus the signal that ended it.

    Raises: children.ChildEnded with what it said, where it failed.
    """
    owner = {"GATEHOUSE_MIGRATION_DSN": stack.stack.databases[package(service)].owner_dsn}
    name = f"{service}-{command}"
    child = children.start(
        name,
        [sys.executable, "-m", package(service), command, *options],
        log=stack.stack.state.log(name),
        environment={**stack.environment(package(service)), **owner, **more},
    )
    code = await child.ended(OPERATED_S_MAX)
    if code > 0:
        child.insist()
    return code
