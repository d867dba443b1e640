"""The clock of one process is set forth and back by an hour while people work. Nobody is let in for it, and nothing is lost."""

from __future__ import annotations

import asyncio
import time

import pytest

from chassis.testing.wait import eventually
from tests.faults.checker import check
from tests.faults.clocks import Clock, clock
from tests.faults.report import REPORT
from tests.faults.stack import FaultStack
from tests.faults.traffic import Town, flowing, is_polite, somebody, town

STEPS_S = (3600, -3600)
SET_S = 4.0
"""How long each stays so: longer than a lease lives and the gate's bound."""
RECOVERED_S_MAX = 60.0
ANSWER_S_MAX = 20.0


class TestSetClock:
    @pytest.mark.long
    async def test_of_postgres_loses_nothing(self, stack: FaultStack) -> None:
        with clock() as of_postgres:
            await stack.postgres.stop()
            await stack.postgres.start(**of_postgres.environment)
            async with town(stack, sites=2) as here:
                async with flowing(here):
                    await _set(of_postgres, here, "PostgreSQL")
                assert [] == (await check(stack, here.diary)).wrong
            await stack.postgres.stop()
        await stack.postgres.start()

    @pytest.mark.long
    async def test_of_a_worker_loses_nothing(self, stack: FaultStack) -> None:
        with clock() as of_worker:
            for name in stack.workers():
                async with town(stack, sites=2) as here:
                    async with flowing(here):
                        await stack[name].stop()
                        stack[name].start(**of_worker.environment)
                        await stack[name].ready()
                        await _set(of_worker, here, "a worker")
                        await stack[name].restart()
                    assert [] == (await check(stack, here.diary)).wrong, name

    @pytest.mark.long
    async def test_of_an_api_admits_nobody_and_answers_politely(self, stack: FaultStack) -> None:
        """Whose tokens have not begun, or are over, by its clock: nobody is known to it."""
        with clock() as of_api:
            async with town(stack) as here:
                (site,) = here.sites
                person_id = await here.admissible(somebody(), site)
                path = f"/v1/contracts/{site.contract_no}"
                questions = {
                    "registration": ("GET", path),
                    "health": ("GET", f"/v1/people/{person_id}/dispositions"),
                    "gatekeeper": ("POST", f"{path}/entries"),
                    "reporting": ("GET", f"/v1/supervision/contracts/{site.contract_no}"),
                }
                for service, (method, asked) in questions.items():
                    process = stack[f"{service}-api"]
                    await process.stop()
                    process.start(**of_api.environment)
                    await process.ready()
                    for step_s in STEPS_S:
                        of_api.set(step_s)
                        body = {"person_id": person_id} if method == "POST" else None
                        answer = await here.operator.try_once(method, service, asked, body, within_s=ANSWER_S_MAX)
                        assert answer.status_code == 401 or is_polite(answer), f"{service} at {step_s:+} s: {answer.text}"
                        REPORT.note("clock of an api set by an hour", "401, or 503 with Retry-After")
                    of_api.set(0)
                    await process.restart()
                assert "admitted" == (await here.enter(person_id, site))["outcome"]
                assert [] == (await check(stack, here.diary)).wrong


async def _set(clock: Clock, here: Town, whose: str) -> None:
    for step_s in STEPS_S:
        clock.set(step_s)
        await asyncio.sleep(SET_S)
    clock.set(0)
    ended_s = time.monotonic()
    await eventually(lambda: here.diary.acknowledged_since(ended_s), within_s=RECOVERED_S_MAX)
    REPORT.note(f"clock of {whose} set by an hour", "commands acknowledged again", recovery_s=time.monotonic() - ended_s)
