"""The tests are tested: mistakes that somebody could make are planted into one process each, and the checker finds them.

Each scenario runs twice: as the product is, where nothing may be found, and with the fault, where it must be. A stack of
their own each: what a fault has done to the data stays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from uuid import uuid4

import pytest

from chassis.crash_points import VARIABLE, CrashPoint
from chassis.testing.wait import eventually
from tests.faults.checker import caught_up, check
from tests.faults.planted.plants import PLANTS
from tests.faults.report import REPORT
from tests.faults.stack import FRESHNESS_BOUND_S, FaultStack, running_stack
from tests.faults.test_crash_points import rebuild
from tests.faults.traffic import Refusal, Town, people, somebody, town

CAUGHT_S_MAX = 60.0
BEHIND_S_MAX = 20.0
"""How long whoever is behind may take before the checker says so."""
ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "faults" / "planted"
ROSTER, EXPECTED = 24, 8

Scenario = Callable[["Place"], Awaitable[None]]


@dataclass
class Place:
    """A town, and the fault that is planted there, if any."""

    town: Town
    fault: str | None

    @property
    def stack(self) -> FaultStack:
        return self.town.stack

    @property
    def planting(self) -> Mapping[str, str]:
        """The environment of a process that has the fault."""
        return {"PLANTED": self.fault, "PYTHONPATH": f"{FOLDER}:{ROOT}"} if self.fault else {}

    @asynccontextmanager
    async def planted(self, name: str, **more: str) -> AsyncIterator[None]:
        """A process has the fault, for the time of the block."""
        process = self.stack[name]
        await process.stop()
        process.start(**self.planting, **more)
        await process.ready()
        try:
            yield
        finally:
            await process.stop()
            await process.started()

    async def fill_roster(self) -> None:
        site = self.town.sites[0]
        await self.town.import_roster(site, people(ROSTER), on_site=[n % 2 == 0 for n in range(ROSTER)])


# --- Scenarios ---------------------------------------------------------------------------------------------------------


async def killed_after_an_answer(place: Place) -> None:
    """registration's api, right after it has acknowledged."""
    town, site = place.town, place.town.sites[0]
    async with place.planted("registration-api"):
        await asyncio.gather(*(town.expect(somebody(), site) for _ in range(EXPECTED)))
        await place.stack["registration-api"].kill()


async def killed_after_a_mark(place: Place) -> None:
    """registration's relay, right after it has published, as it says."""
    async with place.planted("registration-worker"):
        await place.fill_roster()
        async with place.stack.database("registration") as database:
            query = "SELECT sum(h.last_pos) = sum(p.last_pos) FROM shard_head h LEFT JOIN published p USING (shard)"
            await eventually(lambda: database.fetchval(query))
        await place.stack["registration-worker"].kill()


async def relayed(place: Place) -> None:
    async with place.planted("registration-worker"):
        for _ in range(3):
            await place.fill_roster()
        await asyncio.sleep(1)


async def banned_while_at_the_gate(place: Place) -> None:
    """The ban is noted between the decision and its append."""
    town, site = place.town, place.town.sites[0]
    async with place.planted("gatekeeper-api"):
        for _ in range(3):
            person_id = await town.admissible(somebody(), site)
            await asyncio.gather(town.enter(person_id, site), town.ban(person_id, site))


async def asked_again_after_a_ban(place: Place) -> None:
    town, site = place.town, place.town.sites[0]
    async with place.planted("gatekeeper-api"):
        person_id = await town.admissible(somebody(), site)
        key = str(uuid4())
        await town.enter(person_id, site, key=key)
        await town.ban(person_id, site)
        await eventually(lambda: town.is_in_force(person_id))
        await town.enter(person_id, site, key=key)


async def asked_while_the_gate_is_blind(place: Place) -> None:
    town, site = place.town, place.town.sites[0]
    async with place.planted("gatekeeper-api"):
        person_id = await town.admissible(somebody(), site)
        async with _frozen(place.stack, "gatekeeper-worker"):
            await asyncio.sleep(FRESHNESS_BOUND_S + 1)
            await town.enter(person_id, site)


async def banned_while_the_gate_is_blind(place: Place) -> None:
    """Within the time in which it may still admit."""
    town, site = place.town, place.town.sites[0]
    async with place.planted("health-api"):
        person_id = await town.admissible(somebody(), site)
        async with _frozen(place.stack, "gatekeeper-worker"):
            await town.ban(person_id, site, prefer="wait=1")
            await town.enter(person_id, site)


async def pre_registered_with_what_was_just_seen(place: Place) -> None:
    """registration has not taken in the declaration yet."""
    town, site, person = place.town, place.town.sites[0], somebody()
    async with place.planted("registration-api"):
        await town.declare(person)
        async with _frozen(place.stack, "registration-worker"):
            asking = asyncio.create_task(town.pre_register(person, site, await town.look_up(person)))
            await asyncio.sleep(1)
        await asking


async def cut_off_after_the_commit(place: Place) -> None:
    """health's api dies between commit and answer, and the request is sent again."""
    town, site = place.town, place.town.sites[0]
    person_id = await town.admissible(somebody(), site)
    process = place.stack["health-api"]
    await process.stop()
    process.start(**place.planting, **{VARIABLE: CrashPoint.APPEND_COMMITTED})
    measuring = asyncio.create_task(town.measure(person_id, site, 36.5))
    await process.child.ended(CAUGHT_S_MAX)
    process.start(**place.planting)
    await measuring
    await process.restart()


async def restarted_with_events_waiting(place: Place) -> None:
    stack = place.stack
    await stack["reporting-worker"].stop()
    await place.fill_roster()
    await eventually(lambda: _is_relayed(stack))
    async with place.planted("reporting-worker"):
        await place.fill_roster()
        await asyncio.sleep(2)


async def pre_registered_by_mistake(place: Place) -> None:
    """And withdrawn once that was taken in."""
    town, site = place.town, place.town.sites[0]
    async with place.planted("reporting-worker"):
        expected = await town.expect(somebody(), site)
        await eventually(lambda: caught_up(place.stack))
        await town.withdraw(expected, site)
        await asyncio.sleep(2)


async def met_what_it_cannot_apply(place: Place) -> None:
    async with place.planted("reporting-worker"):
        await place.fill_roster()
        await asyncio.sleep(2)


async def rebuilt(place: Place) -> None:
    await place.fill_roster()
    await eventually(lambda: caught_up(place.stack))
    assert 0 == await rebuild(place.stack, "reporting", "people_on_contract_v1", **place.planting)
    assert 0 == await rebuild(place.stack, "reporting", "people_on_contract_v1", "--drop-old")


@asynccontextmanager
async def _frozen(stack: FaultStack, name: str) -> AsyncIterator[None]:
    stack[name].send(SIGSTOP)
    try:
        yield
    finally:
        stack[name].send(SIGCONT)


async def _is_relayed(stack: FaultStack) -> bool:
    async with stack.database("registration") as database:
        query = "SELECT sum(h.last_pos) = sum(p.last_pos) FROM shard_head h LEFT JOIN published p USING (shard)"
        return bool(await database.fetchval(query))


PLANTED: Mapping[str, tuple[Scenario, str]] = {
    "acknowledges_before_the_commit": (killed_after_an_answer, "acknowledged, and stored 0 times"),
    "appends_at_whatever_version_there_is": (banned_while_at_the_gate, "rested on version"),
    "takes_every_request_for_a_new_one": (cut_off_after_the_commit, "times health-reported are stored"),
    "ignores_consistency_tokens": (pre_registered_with_what_was_just_seen, "409"),
    "marks_before_the_broker_has_answered": (killed_after_a_mark, "of registration"),
    "publishes_in_another_order": (relayed, "of registration"),
    "begins_where_the_broker_says": (restarted_with_events_waiting, "of registration"),
    "applies_what_is_delivered_again": (pre_registered_by_mistake, "membership_v1"),
    "skips_what_it_cannot_apply": (met_what_it_cannot_apply, "membership_v1"),
    "rebuilds_without_a_shard": (rebuilt, "membership_v1"),
    "admits_on_a_stale_view": (asked_while_the_gate_is_blind, "is a grant of"),
    "answers_a_repeat_from_memory": (asked_again_after_a_ban, "and was let in"),
    "says_in_force_at_once": (banned_while_the_gate_is_blind, "and was let in"),
}
"""Fault → what happens then, and what the checker says of it."""


@pytest.mark.long
class TestPlantedFault:
    @pytest.mark.parametrize("fault", PLANTED)
    async def test_is_found(self, fault: str) -> None:
        scenario, expected = PLANTED[fault]
        async with running_stack() as stack:
            assert [] == await _found(stack, scenario, None)
            began = time.monotonic()
            found = await _found(stack, scenario, fault)
            took_s = time.monotonic() - began
        [sentence, *_] = [each for each in found if expected in each] or [f"not found; but {found}"]
        REPORT.caught[fault] = took_s, sentence
        assert expected in sentence
        assert took_s < CAUGHT_S_MAX

    def test_is_each_looked_for(self) -> None:
        assert PLANTED.keys() == PLANTS.keys()


async def _found(stack: FaultStack, scenario: Scenario, fault: str | None) -> list[str]:
    """What the checker says, or the client was told that nobody may ever be told."""
    found: list[str] = []
    async with town(stack) as here:
        try:
            await scenario(Place(here, fault))
        except Refusal as refusal:
            found.append(str(refusal))
        try:
            found += (await check(stack, here.diary, within_s=BEHIND_S_MAX)).wrong
        except TimeoutError as behind:
            found.append(str(behind))
        here.diary.faults.clear()
    return found
