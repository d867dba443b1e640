"""The release before this one and this one work side by side under load, as docs/runbooks/upgrade.md says: tables first, then one
service after the other; back, where it turns out badly; and forth again. No request fails, nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import pytest

from chassis.testing.wait import eventually
from tests.faults.balancer import Balancer
from tests.faults.checker import check, package
from tests.faults.report import REPORT
from tests.faults.stack import WITHOUT_WORKER, FaultStack, running_stack
from tests.faults.test_rolling_restart import LIVES_AT_ONCE, answered, balanced, everybody, is_harmless, stop
from tests.faults.traffic import flowing, town
from tests.release import NoRelease, Release

FIRST = "30dfa83"
"""Since then whoever asks the release before may ask this one the same: imports had other paths."""
LIVED_S_MAX = 240.0
READY_S_MAX = 90.0
CAUGHT_UP_S_MAX = 120.0
LIVES_MAX = 10_000
"""More than are lived while all processes are exchanged three times: the traffic must not run dry."""
ANSWERED_MIN = 2
"""Requests of each service that must have been answered while its processes were exchanged."""


@pytest.mark.long
class TestUpgrade:
    async def test_there_and_back_and_there_fails_nobody_and_loses_nothing(self) -> None:
        before = await asyncio.to_thread(_python_before)
        async with running_stack(python=before) as stack, town(stack, sites=2) as here:
            async with balanced(stack, here, everybody(stack)) as balancers:
                async with flowing(here, lives_at_once=LIVES_AT_ONCE, lives_max=LIVES_MAX) as traffic:
                    await traffic.goes_on(within_s=LIVED_S_MAX)
                    await stack.change_tables(sys.executable)
                    for python in (sys.executable, before, sys.executable):
                        so_far = answered(here)
                        await _exchange(stack, balancers, python)
                        await traffic.goes_on(within_s=LIVED_S_MAX)
                        during = answered(here) - so_far
                        assert min(during[service] for service in balancers) > ANSWERED_MIN, f"hardly anybody asked: {during}"
                        REPORT.note("all processes exchanged", "to another release, under load")
                failed = [(request, each) for request in here.diary.requests for each in request.tries if not is_harmless(each)]
                assert {} == Counter(f"{request.service} {request.method}: {each.said}" for request, each in failed)
            assert [] == (await check(stack, here.diary, within_s=CAUGHT_UP_S_MAX)).wrong


def _python_before() -> str:
    """The interpreter of the release before."""
    try:
        return Release.before(first=FIRST).python()
    except NoRelease as lack:
        pytest.skip(str(lack))


async def _exchange(stack: FaultStack, balancers: Mapping[str, Balancer], python: str) -> None:
    """Everybody by the same of this release, one service after the other."""
    stack.stack = replace(stack.stack, python=python)
    for service, balancer in balancers.items():
        await exchange(stack, service, balancer)
    await _exchange_one(stack, "portal", "api")


async def exchange(stack: FaultStack, service: str, balancer: Balancer) -> None:
    """By the release that is started from now on: an api beside the old one, the worker, the old api."""
    name = package(service)
    async with stack.second_api(name) as second:
        balancer.apis.append(second)
        await eventually(partial(balancer.ready.issuperset, [second]), within_s=READY_S_MAX)
        if name not in WITHOUT_WORKER:
            await _exchange_one(stack, name, "worker")
        balancer.apis.remove(stack.urls[service])
        await _exchange_one(stack, name, "api")
        balancer.apis.append(stack.urls[service])
        await eventually(partial(balancer.ready.issuperset, [stack.urls[service]]), within_s=READY_S_MAX)
        balancer.apis.remove(second)


async def _exchange_one(stack: FaultStack, name: str, role: str) -> None:
    await stop(stack[f"{name}-{role}"])
    await stack.add(name, role).started(READY_S_MAX)
