"""A ban, entries and passes race over HTTP. Once the ban is known to the gate nobody is let in, whoever asks again and how."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from chassis.testing.wait import eventually
from tests.faults.checker import Log, check
from tests.faults.stack import FaultStack
from tests.faults.traffic import Site, Town, codes, people, somebody, town

PASSES = 160
"""Rounds at the turnstile: people of the roster who are on site."""
ENTRIES = 40
"""Rounds of people who are expected. To have somebody expected takes four requests and an assessment."""
AT_ONCE = 8
RACED_MIN = 20
"""Rounds that must have gone either way. With fewer nothing raced."""


class TestBanAgainstEntry:
    async def test_no_grant_follows_the_ban_and_every_grant_that_was_answered_is_stored(self, stack: FaultStack) -> None:
        async with town(stack) as here:
            (site,) = here.sites
            limit = asyncio.Semaphore(AT_ONCE)
            inside, token = await here.import_roster(site, people(PASSES), on_site=[True] * PASSES)

            async def limited(n: int, person_id: str | None) -> str:
                async with limit:
                    return await _round(here, site, n, person_id or await here.admissible(somebody(), site), token)

            banned = await asyncio.gather(*(limited(n, each) for n, each in enumerate([*inside, *[None] * ENTRIES])))
            verdict = await check(stack, here.diary)
            assert [] == verdict.wrong
            went = Counter(_judge(verdict.logs["gatekeeper"], UUID(person_id)) for person_id in banned)
            assert not went["granted after the ban"]
            assert min(went["granted before"], went["refused only"]) > RACED_MIN or went["both"] > RACED_MIN, f"no race: {went}"


async def _round(here: Town, site: Site, n: int, person_id: str, token: str | None) -> str:
    """Asked, asked again with the same key, asked otherwise, and banned, all at once; then asked once more."""
    key = str(uuid4())
    ask = here.pass_gate if n < PASSES else here.enter
    await eventually(lambda: here.clearance(person_id, site))
    await asyncio.gather(
        ask(person_id, site, key=key),
        ask(person_id, site, key=key),
        here.ban(person_id, site, seen=token),
        ask(person_id, site),
        here.pass_gate(person_id, site),
    )
    await eventually(lambda: _is_in_force(here, person_id, site), within_s=20)
    # Whoever begins now has read that the ban is in force.
    again, anew = await asyncio.gather(ask(person_id, site, key=key), ask(person_id, site))
    assert "refused" == again["outcome"]
    assert "refused" == anew["outcome"]
    assert "quarantine_required" in codes(anew, "forbid")
    return person_id


async def _is_in_force(here: Town, person_id: str, site: Site) -> bool:
    return "quarantine_required" in (await here.reasons(person_id, site) or ())


def _judge(gate: Log, person_id: UUID) -> str:
    """How the round went, from the person's own stream."""
    stream = [(event.fact, event.data) for event in gate.events if event.stream_id == person_id]
    banned_at = next(n for n, (fact, data) in enumerate(stream) if fact == "clearance-changed" and _bans(data))
    before = [data for fact, data in stream[:banned_at] if fact == "entry-attempted"]
    after = [data for fact, data in stream[banned_at:] if fact == "entry-attempted"]
    if any(data["outcome"] == "admitted" for data in after):
        return "granted after the ban"
    granted = any(data["outcome"] == "admitted" for data in before)
    refused_in_the_race = len(after) > 2  # the two that ask once more come last
    return "both" if granted and refused_in_the_race else "granted before" if granted else "refused only"


def _bans(data: Mapping[str, Any]) -> bool:
    return bool(data["clearance"]["disposition"] == "quarantine_required")
