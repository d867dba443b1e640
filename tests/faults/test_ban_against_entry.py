"""A ban, entries and passes race over HTTP, at two processes of the gate. Once health has said that the ban is in force nobody
is let in, whoever asks again and how."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.testing.wait import eventually
from tests.faults.checker import Log, check
from tests.faults.stack import FaultStack
from tests.faults.traffic import Answer, Site, Town, codes, people, somebody, town

ENTRIES = 20
"""Rounds of people who are expected. To have somebody expected takes four requests and an assessment."""
AT_ONCE = 8
PASSES_MAX = 40
"""How often somebody tries while he is being banned."""
WITHIN_S = 20


class TestBanAgainstEntry:
    @pytest.mark.parametrize(("passes", "raced_min"), [(60, 12), pytest.param(100, 20, marks=pytest.mark.long)])
    async def test_no_grant_follows_a_ban_in_force_and_every_grant_that_was_answered_is_stored(
        self, stack: FaultStack, passes: int, raced_min: int
    ) -> None:
        """`passes`: rounds at the turnstile, of people of the roster who are on site. With fewer than `raced_min` of all rounds
        that went either way nothing raced."""
        async with town(stack) as here, stack.second_api("gatekeeper") as second:
            (site,) = here.sites
            limit = asyncio.Semaphore(AT_ONCE)
            inside = await here.import_roster(site, people(passes), on_site=[True] * passes)
            said: Counter[int] = Counter()

            async def limited(n: int, person_id: str | None) -> str:
                async with limit:
                    race = Race(here, site, second, n, n < passes, person_id or await here.admissible(somebody(), site))
                    said[await race.run()] += 1
                    return race.person_id

            banned = await asyncio.gather(*(limited(n, each) for n, each in enumerate([*inside, *[None] * ENTRIES])))
            verdict = await check(stack, here.diary)
            assert [] == verdict.wrong
            went = Counter(_judge(verdict.logs["gatekeeper"], UUID(person_id)) for person_id in banned)
            assert not went["granted after the ban"]
            assert min(went["granted before"], went["refused only"]) > raced_min or went["both"] > raced_min, f"no race: {went}"
            assert said[200] > (passes + ENTRIES) / 2, f"hardly a ban was said to be in force: {said}"


class Race:
    """One person is banned while he asks, asks again with the same key, and asks otherwise; then he asks once more."""

    def __init__(self, here: Town, site: Site, second: str, n: int, is_inside: bool, person_id: str) -> None:
        self.here, self.site, self.second, self.n, self.person_id = here, site, second, n, person_id
        self.key = str(uuid4())
        self.ask = here.pass_gate if is_inside else here.enter

    async def run(self) -> int:
        """The status of the ban's answer."""
        here, person_id, site = self.here, self.person_id, self.site
        await eventually(lambda: here.is_known(person_id, site))
        banning = asyncio.create_task(self._ban())
        await asyncio.gather(
            self.ask(person_id, site, key=self.key),
            self.ask(person_id, site, key=self.key, at=self.second),
            self.ask(person_id, site),
            self._pass_until(banning),
        )
        ban = await banning
        assert (ban.status == 200) == (ban.body["in_force_at"] is not None)
        if ban.status != 200:
            await eventually(lambda: here.is_in_force(person_id), within_s=WITHIN_S)
        # Whoever begins now has read that the ban is in force.
        again = await asyncio.gather(
            self.ask(person_id, site, key=self.key), self.ask(person_id, site, key=self.key, at=self.second)
        )
        anew = await asyncio.gather(self.ask(person_id, site), self.ask(person_id, site, at=self.second))
        # Whoever was refused before the ban, because he was in already or the gate could not know, is told so again.
        assert ["refused"] * 4 == [answer["outcome"] for answer in (*again, *anew)]
        for answer in anew:
            assert codes(answer, "forbid") & {"quarantine_required", "state_stale"}
        return int(ban.status)

    async def _pass_until(self, banning: asyncio.Task[Answer]) -> None:
        """At both processes by turns, until the ban is answered."""
        for n in range(PASSES_MAX):
            await self.here.pass_gate(self.person_id, self.site, at=self.second if n % 2 else None)
            if banning.done():
                return

    async def _ban(self) -> Answer:
        """Every fourth time with a ban before it that was lifted at once."""
        if self.n % 4:
            return await self.here.ban(self.person_id, self.site, prefer="wait=5")
        await self.here.ban(self.person_id, self.site, days=14)
        await self.here.lift(self.person_id, self.site)
        return await self.here.ban(self.person_id, self.site, prefer="wait=5", days=15)


def _judge(gate: Log, person_id: UUID) -> str:
    """How the round went, from the person's own stream. The last decision is the one that counts."""
    stream = [(event.fact, event.data) for event in gate.events if event.stream_id == person_id]
    banned_at = max(n for n, (fact, data) in enumerate(stream) if fact == "clearance-changed" and _is_decided(data))
    assert "quarantine_required" == stream[banned_at][1]["clearance"]["disposition"]
    before = [data for fact, data in stream[:banned_at] if fact == "entry-attempted"]
    after = [data for fact, data in stream[banned_at:] if fact == "entry-attempted"]
    if any(data["outcome"] == "admitted" for data in after):
        return "granted after the ban"
    granted = any(data["outcome"] == "admitted" for data in before)
    refused_in_the_race = len(after) > 4  # those that ask once more come last
    return "both" if granted and refused_in_the_race else "granted before" if granted else "refused only"


def _is_decided(data: Mapping[str, Any]) -> bool:
    return bool(data["caused_by"]["type"] == "gatehouse.health.disposition-changed.v1")
