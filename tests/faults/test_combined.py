"""Faults of all kinds at the same time, drawn by a seed, under traffic. `SEED=7 ROUNDS=20 make faults ARGS='-k combined'`."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from chassis.testing.wait import eventually
from tests.faults.checker import check
from tests.faults.report import REPORT
from tests.faults.stack import FaultStack, PostgresSessions
from tests.faults.traffic import Diary, flowing, town

SEED = int(os.environ.get("GATEHOUSE_FAULTS_SEED", random.SystemRandom().randrange(1_000_000)))
ROUNDS = int(os.environ.get("GATEHOUSE_FAULTS_ROUNDS", "6"))
AT_ONCE_MAX = 3
"""Faults of one round."""
FROZEN_S = (0.5, 6.0)
"""From less than a heartbeat to twice a lease's life."""
AWAY_S = (0.5, 3.0)
RECOVERED_S_MAX = 60.0
PAUSE_S = 2.0
GONE_S_MAX = 10.0


class TestCombined:
    @pytest.mark.long
    async def test_faults_of_many_rounds_lose_nothing(self, stack: FaultStack) -> None:
        choose = random.Random(SEED)
        for n in range(ROUNDS):
            faults = choose.sample(_faults(stack), choose.randint(2, AT_ONCE_MAX))
            async with stack.supervised(), town(stack, sites=2) as here:
                async with flowing(here):
                    await asyncio.gather(*(_inflict(fault, here.diary, choose.random()) for fault in faults))
                    await asyncio.sleep(PAUSE_S)
                wrong = (await check(stack, here.diary)).wrong
                REPORT.violations += len(wrong)
                assert [] == wrong, f"seed {SEED}, round {n}: {[fault.name for fault in faults]}"


@dataclass(frozen=True)
class Fault:
    name: str
    happen: Callable[[float], Awaitable[None]]
    """Begins and ends it. It may last longer or shorter: from 0 to 1."""


async def _inflict(fault: Fault, diary: Diary, share: float) -> None:
    await asyncio.sleep(share)
    await fault.happen(share)
    ended_s = time.monotonic()
    await eventually(lambda: diary.acknowledged_since(ended_s), within_s=RECOVERED_S_MAX)
    REPORT.note(fault.name, "commands acknowledged again", recovery_s=time.monotonic() - ended_s, seed=SEED)


def _faults(stack: FaultStack) -> list[Fault]:
    found = []
    for name in [*stack.apis(), *stack.workers()]:
        kind = "api" if name.endswith("-api") else "worker"
        found += [
            Fault(f"SIGKILL of an {kind}" if kind == "api" else f"SIGKILL of a {kind}", partial(_kill, stack, name)),
            Fault(f"SIGSTOP of an {kind}" if kind == "api" else f"SIGSTOP of a {kind}", partial(_freeze, stack, name)),
        ]
    # As often as the processes, which are many.
    found += 4 * [
        Fault("SIGKILL of PostgreSQL", partial(_crash, stack)),
        Fault("SIGSTOP of PostgreSQL", partial(_freeze_postgres, stack)),
        Fault("SIGKILL of Kafka", partial(_kill_kafka, stack)),
        Fault("SIGSTOP of Kafka", partial(_freeze_kafka, stack)),
    ]
    return found


def _between(bounds: tuple[float, float], share: float) -> float:
    shortest, longest = bounds
    return shortest + share * (longest - shortest)


async def _kill(stack: FaultStack, name: str, share: float) -> None:
    await stack[name].kill()
    await asyncio.sleep(_between(AWAY_S, share))
    stack[name].start()


async def _freeze(stack: FaultStack, name: str, share: float) -> None:
    stack[name].send(SIGSTOP)
    await asyncio.sleep(_between(FROZEN_S, share))
    stack[name].send(SIGCONT)


async def _crash(stack: FaultStack, share: float) -> None:
    async with _of_postgres:
        await PostgresSessions.of(stack.postgres).crash()
        await asyncio.sleep(_between(AWAY_S, share))
        await stack.postgres.start()


async def _freeze_postgres(stack: FaultStack, share: float) -> None:
    async with _of_postgres:
        sessions = PostgresSessions.of(stack.postgres)
        sessions.freeze()
        await asyncio.sleep(_between(FROZEN_S, share))
        sessions.thaw()


async def _kill_kafka(stack: FaultStack, share: float) -> None:
    async with _of_kafka:
        stack.kafka.child.send(SIGKILL)
        await stack.kafka.child.ended(GONE_S_MAX)
        await asyncio.sleep(_between(AWAY_S, share))
        await stack.kafka.start()


async def _freeze_kafka(stack: FaultStack, share: float) -> None:
    async with _of_kafka:
        stack.kafka.child.send(SIGSTOP)
        await asyncio.sleep(_between(FROZEN_S, share))
        stack.kafka.child.send(SIGCONT)


_of_postgres, _of_kafka = asyncio.Lock(), asyncio.Lock()
"""One fault of each at a time."""
