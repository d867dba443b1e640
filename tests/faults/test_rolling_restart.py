"""Every process is told to stop (SIGTERM) while traffic runs, and started again. No request fails: each gets its answer, or is
refused before anything was done (503, connection refused) and sent again."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import pytest

from chassis.testing.wait import eventually
from devstack.processes import Process
from tests.faults.balancer import Balancer, balancing
from tests.faults.checker import check, package
from tests.faults.stack import FaultStack
from tests.faults.traffic import Outcome, Town, Try, flowing, town

LIVES_AT_ONCE = 2
"""Enough that somebody always asks, and not so many that an api takes long to start beside them."""
BUSY_S_MAX = 30.0
ANSWERED_MIN = 10
"""Requests of each service that must have been answered while processes came and went."""


class TestRollingRestart:
    @pytest.mark.long
    async def test_fails_nobodys_request(self, stack: FaultStack) -> None:
        rolled = everybody(stack)
        async with town(stack, sites=2) as here, balanced(stack, here, rolled) as balancers:
            async with flowing(here, lives_at_once=LIVES_AT_ONCE) as traffic:
                await eventually(lambda: traffic.finished > 2, within_s=BUSY_S_MAX)
                before = answered(here)
                await _roll_apis(stack, balancers)
                for service in rolled:
                    await _restart_worker(stack, f"{package(service)}-worker")
                during = answered(here) - before
            assert [] == [each for each in tries(here) if not is_harmless(each)]
            assert min(during[service] for service in balancers) > ANSWERED_MIN, f"hardly anybody asked: {during}"
            verdict = await check(stack, here.diary)
            assert [] == verdict.wrong


@asynccontextmanager
async def balanced(stack: FaultStack, here: Town, services: Sequence[str]) -> AsyncIterator[Mapping[str, Balancer]]:
    """Everybody asks through a balancer before each of these services."""
    async with AsyncExitStack() as opened:
        balancers = {name: await opened.enter_async_context(balancing(stack.urls[name])) for name in services}
        for name, balancer in balancers.items():
            await eventually(partial(balancer.ready.issuperset, [stack.urls[name]]))
        for caller in here.callers:
            caller.elsewhere = {name: balancer.url for name, balancer in balancers.items()}
        yield balancers
        for caller in here.callers:
            caller.elsewhere = {}


def everybody(stack: FaultStack) -> list[str]:
    """But the portal: tokens come from there directly."""
    return [name.removesuffix("-api").replace("_", "-") for name in stack.apis() if name != "portal-api"]


async def _roll_apis(stack: FaultStack, balancers: Mapping[str, Balancer]) -> None:
    """Another api beside each; one after the other is stopped and started again; the others are stopped."""
    async with AsyncExitStack() as opened:
        for service, balancer in balancers.items():
            second = await opened.enter_async_context(stack.second_api(package(service)))
            balancer.apis.append(second)
            await eventually(partial(balancer.ready.issuperset, [second]))
            process = stack[f"{package(service)}-api"]
            await stop(process)
            process.start()
        for service, balancer in balancers.items():
            await eventually(partial(balancer.ready.issuperset, [stack.urls[service]]), within_s=BUSY_S_MAX)


async def _restart_worker(stack: FaultStack, name: str) -> None:
    process = stack[name]
    await stop(process)
    async with stack.database(name.removesuffix("-worker")) as connection:
        held = await connection.fetchval("SELECT count(*) FROM lease WHERE owner IS NOT NULL")
        announced = await connection.fetchval("SELECT count(*) FROM worker WHERE expires_at > clock_timestamp()")
    assert (0, 0) == (held, announced), f"{name} left without giving its leases back"
    process.start()


async def stop(process: Process) -> None:
    await process.stop()
    assert 0 == process.child.exit_code, f"{process.name} did not end by itself: see {process.log}"


def tries(here: Town) -> list[Try]:
    return [each for request in here.diary.requests for each in request.tries]


def answered(here: Town) -> Counter[str]:
    """Tries that came to an answer, by service."""
    return Counter(request.service for request in here.diary.requests for each in request.tries if each.outcome is Outcome.OK)


def is_harmless(tried: Try) -> bool:
    """An answer, or a refusal before anything was done."""
    return (tried.said.isdigit() and (int(tried.said) < 500 or tried.said == "503")) or tried.said.startswith("Connect")
