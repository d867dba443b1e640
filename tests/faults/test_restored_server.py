"""The logs' PostgreSQL is lost with its disk and brought back from its backup and its archive, as docs/runbooks/restore.md says:
each log is completed from its topic and goes on in a later epoch, every projection follows, nothing is lost or done twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from signal import SIGCONT, SIGSTOP
from typing import Any

import pytest

from chassis.testing.wait import eventually
from devstack.backups import Backups
from tests.devstack.test_backups import Notebook
from tests.faults.checker import WITH_LOG, caught_up, check, package, read_log
from tests.faults.report import REPORT
from tests.faults.stack import FaultStack, running_stack
from tests.faults.test_crash_points import REBUILT, operate, rebuild
from tests.faults.traffic import Town, flowing, town

LIVED_S_MAX = 120.0
PUBLISHED_S_MAX = 60.0
UNDER_WAY_S_MAX = 30.0
FOLLOWED_S_MAX = 120.0
RESTORED = "SELECT epoch, events_taken_back FROM restoration"

Facts = Mapping[str, set[tuple[Any, ...]]]
"""Service → its facts, each as told below."""


@pytest.mark.long
class TestRestoredServer:
    async def test_goes_on_from_a_point_in_time_with_everything_that_came_later(self) -> None:
        """Whoever uses the server is stopped before it is restored."""
        async with running_stack() as stack, town(stack, sites=2) as here:
            backups = _backups(stack)
            async with flowing(here) as traffic:
                await traffic.goes_on(within_s=LIVED_S_MAX)
                await backups.back_up()
                await traffic.goes_on(within_s=LIVED_S_MAX)
                until = datetime.now(UTC)
                await traffic.goes_on(within_s=LIVED_S_MAX)
            before = await _whole(stack, here)
            await backups.archive()
            await _lose(stack, backups)
            for process in stack.processes.values():
                await process.stop()
            await backups.backups.put_back(until)
            await stack.start()
            assert before == await _whole(stack, here)
            await _is_restored(stack)
            async with flowing(here) as traffic:
                await traffic.goes_on(within_s=LIVED_S_MAX)
            await _whole(stack, here)

    async def test_loses_nothing_that_was_published_while_everybody_asks(self) -> None:
        """Nobody is stopped, and the archive ends some time before the loss."""
        async with running_stack() as stack, town(stack, sites=2) as here:
            backups = _backups(stack)
            async with flowing(here) as traffic:
                await traffic.goes_on(within_s=LIVED_S_MAX)
                await backups.back_up()
                await traffic.goes_on(within_s=LIVED_S_MAX)
                await backups.archive()
                await traffic.goes_on(within_s=LIVED_S_MAX)
                async with _holding_their_breath(stack, here):
                    before = await _published(stack)
                    await _lose(stack, backups)
                    await backups.backups.put_back()
                    await stack.postgres.start()
                await traffic.goes_on(within_s=LIVED_S_MAX)
            after = await _whole(stack, here)
            assert {} == {service: facts - after[service] for service, facts in before.items() if facts - after[service]}
            await _is_restored(stack)


def _backups(stack: FaultStack) -> Notebook:
    return Notebook(Backups(stack.postgres, kept_days=1, log=stack.stack.state.log("backups")))


@asynccontextmanager
async def _holding_their_breath(stack: FaultStack, here: Town) -> AsyncIterator[None]:
    """Requests are under way, and nothing more is acknowledged."""
    apis = [stack[name] for name in stack.apis()]
    for api in apis:
        api.send(SIGSTOP)
    try:
        await eventually(here.diary.under_way.total, within_s=UNDER_WAY_S_MAX)
        yield
    finally:
        for api in apis:
            api.send(SIGCONT)


async def _published(stack: FaultStack) -> Facts:
    """All that was acknowledged, once it is published: else a moment's facts would be lost with the disk (docs/guarantees.md).

    Workers go on appending: what is told here was there before a moment at which nothing waited for its relay.
    """

    async def told() -> Sequence[Facts]:
        facts = await _facts(stack)
        return [facts] if await caught_up(stack) else []

    return (await eventually(told, within_s=PUBLISHED_S_MAX))[0]


async def _lose(stack: FaultStack, backups: Notebook) -> None:
    stack.lost_at = datetime.now(UTC)
    await backups.lose_disk()


async def _whole(stack: FaultStack, here: Town) -> Facts:
    """Nothing is wrong anywhere. All facts."""
    assert [] == (await check(stack, here.diary, within_s=FOLLOWED_S_MAX)).wrong
    return await _facts(stack)


async def _facts(stack: FaultStack) -> Facts:
    """What is published as stored, byte for byte and where it stands. Of what the police was told: which facts, for they are made
    anew from registration's, in the same order for each person."""
    logs = {service: (await read_log(stack, service)).events for service in WITH_LOG}
    told = {(event.event_id, event.type, event.stream_id, event.version) for event in logs.pop("police-bridge")}
    stored = {
        service: {(each.shard, each.pos, each.version, each.raw, each.meta) for each in events} for service, events in logs.items()
    }
    return {**stored, "police-bridge": told}


async def _is_restored(stack: FaultStack) -> None:
    """In a later epoch, completed; and what operators ask says the same: log, topic and positions, and read models made anew."""
    for service in WITH_LOG:
        async with stack.database(package(service)) as database:
            [(epoch, taken_back)] = await database.fetch(RESTORED)
        assert (True, service != "police-bridge") == (epoch > 1, taken_back > 0), f"{service} took back {taken_back}"
        REPORT.note("PostgreSQL lost with its disk", f"{service} completed from its topic")
        assert 0 == await operate(stack, service, "verify"), service
    for service, read_model in REBUILT:
        assert 0 == await rebuild(stack, service, read_model), read_model
