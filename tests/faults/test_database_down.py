"""PostgreSQL away: 503 with Retry-After, never a wrong answer; afterwards everything goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from chassis.testing.wait import eventually
from tests.faults.checker import check
from tests.faults.stack import FaultStack, PostgresSessions
from tests.faults.traffic import Caller, Town, flowing, is_polite, somebody, town

BUSY_LIVES = 3
BUSY_S_MAX = 30.0
NOT_READY_S_MAX = 20.0
ANSWER_S_MAX = 30.0
"""While PostgreSQL does not answer at all: the patience that some statements in a row and their cancelling take."""


class TestDatabaseDown:
    async def test_answers_503_and_goes_on_by_itself_after_a_crash(self, stack: FaultStack) -> None:
        pids = stack.pids()
        async with town(stack, sites=2) as here:
            async with flowing(here) as traffic:
                await eventually(lambda: traffic.finished > BUSY_LIVES, within_s=BUSY_S_MAX)
                await stack.sessions.crash()
                assert [] == await _said_wrong(_questions(here))
                await stack.postgres.start()
                lived = traffic.finished
                await eventually(lambda: traffic.finished > lived + BUSY_LIVES, within_s=BUSY_S_MAX)
            verdict = await check(stack, here.diary)
            assert [] == verdict.wrong
            assert here.diary.count()["retried"] > 0, "nobody noticed"
        assert pids == stack.pids()
        assert [] == [name for name, process in stack.processes.items() if not process.runs], "somebody gave up"

    @pytest.mark.long
    async def test_answers_nothing_wrong_while_it_is_frozen(self, stack: FaultStack) -> None:
        """Long enough that every lease runs out and is taken anew."""
        async with town(stack, sites=2) as here:
            async with flowing(here) as traffic:
                await eventually(lambda: traffic.finished > BUSY_LIVES, within_s=BUSY_S_MAX)
                stack.sessions.freeze()
                for name in stack.workers():
                    await eventually(partial(_is_not_ready, stack, name), within_s=NOT_READY_S_MAX)
                # Not registration: the traffic keeps its queue so full that it takes the longest to say no.
                assert [] == await _said_wrong([each for each in _questions(here) if each[2] != "registration"])
                stack.sessions.thaw()
                lived = traffic.finished
                await eventually(lambda: traffic.finished > lived + BUSY_LIVES, within_s=BUSY_S_MAX)
            verdict = await check(stack, here.diary)
            assert [] == verdict.wrong
        assert [] == [name for name, process in stack.processes.items() if not process.runs], "somebody gave up"


class TestKeyServerDown:
    async def test_answers_503_to_whoever_shows_a_document_and_goes_on_with_everybody_else(self, stack: FaultStack) -> None:
        async with town(stack) as here:
            (site,) = here.sites
            known, unknown = await here.admissible(somebody(), site), somebody()
            await here.declare(unknown)
            await PostgresSessions.of(stack.keys_postgres).crash()
            contract, document = f"/v1/contracts/{site.contract_no}", {"document": unknown.document}
            look_up = {**document, "name": unknown.name, "purpose": "pre_registration"}
            questions: list[Question] = [
                (here.operator, "POST", "healthcloud-bridge", "/v1/declaration-lookups", look_up),
                (here.operator, "POST", "registration", f"{contract}/pre-registrations", here.form(unknown, site)),
                (here.operator, "POST", "registration", "/v1/person-lookups", document),
                (here.operator, "POST", "gatekeeper", f"{contract}/entries", document),
            ]
            assert [] == await _said_wrong(questions)
            assert "admitted" == (await here.enter(known, site))["outcome"]
            await stack.keys_postgres.start()
            await here.pre_register(unknown, site, await here.look_up(unknown))
            assert [] == (await check(stack, here.diary)).wrong


Question = tuple[Caller, str, str, str, Mapping[str, Any] | None]


def _questions(here: Town) -> list[Question]:
    """Commands and queries of every service, right in themselves."""
    site = here.sites[0]
    contract, person = f"/v1/contracts/{site.contract_no}", f"/v1/people/{uuid4()}"
    somebody_else = {"person_id": str(uuid4())}
    reading = {
        "contract_no": site.contract_no,
        "read_at": "2020-02-18T08:00:00+08:00",
        "reading_celsius": 36.5,
        "symptoms": ["none"],
    }
    return [
        (here.operator, "GET", "registration", contract, None),
        (here.operator, "GET", "registration", f"{contract}/pre-registrations", None),
        (here.contract_system, "POST", "registration", f"{contract}/employers", dict(site.employer)),
        (here.operator, "POST", "health", f"{person}/health-reports", reading),
        (here.operator, "GET", "health", f"{person}/health-reports", None),
        (here.operator, "POST", "gatekeeper", f"{contract}/entries", somebody_else),
        (here.turnstile, "POST", "gatekeeper", f"{contract}/gate-passes", somebody_else),
        (here.operator, "GET", "gatekeeper", f"{contract}/clearances/{uuid4()}", None),
        (here.city, "GET", "reporting", "/v1/supervision/contracts", None),
        (here.city, "GET", "reporting", f"/v1/supervision/contracts/{site.contract_no}", None),
        (here.police, "GET", "police-bridge", "/v1/arrivals", None),
    ]


async def _said_wrong(questions: Sequence[Question]) -> list[str]:
    """What was answered and is not a 503 as promised."""

    async def ask(caller: Caller, method: str, service: str, path: str, body: Mapping[str, Any] | None) -> str | None:
        response = await caller.try_once(method, service, path, body, within_s=ANSWER_S_MAX)
        return None if is_polite(response) else f"{method} {service} {path}: {response.status_code} {response.text[:200]}"

    answers = await asyncio.gather(*(ask(*question) for question in questions))
    return [answer for answer in answers if answer is not None]


async def _is_not_ready(stack: FaultStack, name: str) -> bool:
    async with httpx2.AsyncClient(trust_env=False, timeout=5.0) as client:
        return (await client.get(stack[name].ready_url)).status_code == 503
