"""Attempts on a real log: what is answered is stored, and no ban is overtaken."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

import chassis.turns
from chassis.clock import SystemClock
from chassis.command_handling import Outcome as Handled
from chassis.command_handling import command_key
from chassis.event_store import Append, AppendResult, StoredStream
from chassis.faults import IdempotencyKeyReused
from chassis.turns import Turns
from contracts.event import shard_of
from contracts.gatekeeper import (
    ClearanceChanged,
    EntryAttempted,
    EntryKind,
    Outcome,
    PaperEntryRecorded,
    PaperEntrySettled,
    ReasonCode,
)
from contracts.health import Disposition
from gatekeeper.domain.commands import Attempt, Confirm
from gatekeeper.domain.settling import Finding, Measure
from tests.gatekeeper import facts
from tests.gatekeeper.conftest import BOUND, Door
from tests.gatekeeper.facts import HERE, disposed
from tests.measured import risen

ROUNDS = 1_000
AT_ONCE = 20
HOUR = timedelta(hours=1)
BAN = disposed(Disposition.QUARANTINE_REQUIRED)


async def attempt(door: Door, person_id: UUID, key: str, kind: EntryKind = EntryKind.ENTRY) -> Handled[EntryAttempted]:
    return await door.gate.attempt(person_id, HERE, kind, key=command_key(principal="operator", key=key, body=kind.encode()))


def codes(handled: Handled[EntryAttempted]) -> list[ReasonCode]:
    return [reason.code for reason in handled.events[0].reasons]


class TestAttempt:
    async def test_is_stored_before_it_is_answered(self, door: Door) -> None:
        person_id = await door.expects_somebody()
        granted = await attempt(door, person_id, "a")
        assert Outcome.ADMITTED is granted.events[0].outcome
        recorded, event = (await door.history(person_id))[-1]
        assert (granted.version, granted.events[0]) == (recorded.version, event)
        assert granted.version - 1 == granted.events[0].clearance_version

    async def test_is_answered_the_same_when_its_key_comes_again(self, door: Door) -> None:
        person_id = await door.expects_somebody()
        first, again = await attempt(door, person_id, "a"), await attempt(door, person_id, "a")
        assert (first.events, first.version, True) == (again.events, again.version, again.replayed)
        assert 3 == len(await door.history(person_id))

    async def test_is_refused_when_its_key_was_used_for_another_request(self, door: Door) -> None:
        person_id = await door.expects_somebody()
        await attempt(door, person_id, "a")
        with pytest.raises(IdempotencyKeyReused):
            await attempt(door, person_id, "a", EntryKind.GATE_PASS)

    async def test_is_refused_when_its_key_comes_again_after_a_ban(self, doors: list[Door]) -> None:
        person_id = await doors[0].expects_somebody()
        await attempt(doors[0], person_id, "a")
        await doors[1].knows(person_id, BAN)
        again = await attempt(doors[2], person_id, "a")
        assert [ReasonCode.QUARANTINE_REQUIRED] == codes(again)
        assert again.events[0] == (await doors[0].history(person_id))[-1][1]

    async def test_is_decided_anew_when_a_ban_comes_between_reading_and_appending(
        self, doors: list[Door], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        person_id = await doors[0].expects_somebody()
        load, loads = doors[0].store.load, 0

        async def load_then_let_the_ban_in(stream_id: UUID) -> StoredStream:
            nonlocal loads
            stored = await load(stream_id)
            loads += 1
            if loads == 1:
                await doors[1].knows(person_id, BAN)
            return stored

        monkeypatch.setattr(doors[0].store, "load", load_then_let_the_ban_in)
        refused = await attempt(doors[0], person_id, "a")
        assert 2 == loads
        assert [ReasonCode.QUARANTINE_REQUIRED] == codes(refused)

    async def test_takes_one_turn_however_often_it_is_decided(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        person_id, waited_for, taken = await door.expects_somebody(), Turns._waited_for, 0

        async def counted(turns: Turns, line: Any) -> bool:
            nonlocal taken
            taken += 1
            return await waited_for(turns, line)

        monkeypatch.setattr(Turns, "_waited_for", counted)
        for _ in range(2):  # A repeat is looked at again.
            await attempt(door, person_id, "a")
        assert 2 == taken


class TestManyAtOnce:
    async def test_of_one_person_on_paper_and_settled_are_each_decided_once(
        self, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        person_id = await door.expects_somebody()
        await door.knows(person_id, BAN)

        def on_paper(n: int) -> Coroutine[Any, Any, Handled[PaperEntryRecorded]]:
            key = command_key(principal="operator", key=f"paper {n}", body=b"")
            at = datetime.now(UTC) - timedelta(seconds=n)
            return door.gate.record_on_paper(person_id, HERE, decided_by=(uuid4(), uuid4()), entered_at=at, key=key)

        def settle(entry: Handled[PaperEntryRecorded]) -> Coroutine[Any, Any, Handled[PaperEntrySettled]]:
            attempt_id = entry.events[0].attempt_id
            return door.gate.settle_paper_entry(
                person_id,
                attempt_id,
                HERE,
                finding=Finding.EMERGENCY,
                measure=Measure.NONE,
                settled_by="officer",
                key=command_key(principal="officer", key=str(attempt_id), body=b""),
            )

        monkeypatch.delattr(chassis.turns, "_give_way")  # Nobody is outrun.
        recorded = await asyncio.gather(*map(on_paper, range(1, 7)))
        await asyncio.gather(*map(settle, recorded))
        assert 2 + 1 + 12 == len(await door.history(person_id))


class TestMetrics:
    async def test_count_each_answer_once_with_all_its_reasons(self, door: Door) -> None:
        admitted, refused = (
            risen("gatehouse_gate_decisions_total", kind="entry", outcome=each) for each in ("admitted", "refused")
        )
        banned = risen("gatehouse_gate_reasons_total", code="quarantine_required", effect="forbid")
        person_id = await door.expects_somebody()
        for _ in range(2):
            await attempt(door, person_id, "a")
        assert (1, 0) == (admitted(), refused()), "a repeat is answered with what was decided"
        await door.knows(person_id, BAN)
        await attempt(door, person_id, "a")
        assert (1, 1, 1) == (admitted(), refused(), banned()), "one that was admitted is decided anew"


class TestFreshness:
    async def test_refuses_everybody_before_the_first_look_at_the_stamps(self, door: Door) -> None:
        person_id = await door.expects_somebody()
        door.view.forget()
        assert [ReasonCode.STATE_STALE] == codes(await attempt(door, person_id, "a"))

    async def test_refuses_when_the_stamp_is_older_than_the_bound_by_the_databases_clock(self, door: Door) -> None:
        person_id = await door.expects_somebody()
        await door.stamp(age=BOUND + timedelta(milliseconds=1))
        assert (await door.gate.known(person_id)).fresh_as_of is not None, "the view itself saw it move just now"
        refused = await attempt(door, person_id, "a")
        assert [ReasonCode.STATE_STALE] == codes(refused)
        assert refused.events[0] == (await door.history(person_id))[-1][1]

    async def test_refuses_when_the_stamp_has_not_moved_for_the_bound(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        person_id = await door.expects_somebody()
        now_s = door.view.now_s
        monkeypatch.setattr(door.view, "now_s", lambda: now_s() + BOUND.total_seconds() + 0.001)
        assert [ReasonCode.STATE_STALE] == codes(await attempt(door, person_id, "a"))
        await door.stamp()
        assert [] == codes(await attempt(door, person_id, "b"))


class TestSetClocks:
    """What is stepped by an hour is the database's clock: then a stamp of before lies an hour ahead of it, or behind."""

    async def test_set_back_while_the_worker_is_dead_does_not_make_its_last_stamp_fresh(
        self, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        person_id = await door.expects_somebody()
        await door.stamp(age=-HOUR)
        stamp = door.view.stamp(shard_of(person_id))
        assert stamp is not None
        now_s = door.view.now_s
        monkeypatch.setattr(door.view, "now_s", lambda: now_s() + BOUND.total_seconds() + 0.001)
        appended = await door.handler.handle(
            person_id, Confirm(question(person_id)), not_after=door.view.not_after(stamp.fresh_as_of)
        )
        assert 2 == appended.version, "the database alone would let it pass"
        assert [ReasonCode.STATE_STALE] == codes(await attempt(door, person_id, "a"))

    async def test_set_back_lets_stamps_go_back_too(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        person_id = await door.expects_somebody()
        await door.stamp(age=-HOUR)
        assert [ReasonCode.STATE_STALE] == codes(await attempt(door, person_id, "a")), "our own clock says otherwise"
        await door.stamp()
        assert [] == codes(await attempt(door, person_id, "b"))

    async def test_set_forward_refuses_until_the_next_stamp(self, door: Door) -> None:
        person_id = await door.expects_somebody()
        await door.stamp(age=HOUR)
        assert [ReasonCode.STATE_STALE] == codes(await attempt(door, person_id, "a"))
        await door.stamp()
        assert [] == codes(await attempt(door, person_id, "b"))

    async def test_of_the_api_refuses_until_it_is_right_again(self, door: Door) -> None:
        person_id = await door.expects_somebody()
        for n, wrong in enumerate((HOUR, -HOUR)):
            off = replace(door, gate=replace(door.gate, clock=OffClock(wrong)))
            assert [ReasonCode.STATE_STALE] == codes(await attempt(off, person_id, f"off-{n}"))
        assert [] == codes(await attempt(door, person_id, "right"))

    async def test_does_not_admit_whoever_was_frozen_on_the_way(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        """Decided, then frozen for longer than the bound; meanwhile the database's clock was set back as far."""
        person_id = await door.expects_somebody()
        append, now_s, frozen_s = door.store.append, door.view.now_s, 0.0

        async def append_much_later(each: Append) -> AppendResult:
            nonlocal frozen_s
            frozen_s = BOUND.total_seconds() + 1
            return await append(each)

        monkeypatch.setattr(door.view, "now_s", lambda: now_s() + frozen_s)
        monkeypatch.setattr(door.store, "append", append_much_later)
        answered = await attempt(door, person_id, "a")
        assert [ReasonCode.STATE_STALE] == codes(answered)
        first, last = (event for _, event in (await door.history(person_id))[-2:])
        assert (Outcome.ADMITTED, Outcome.REFUSED) == (first.outcome, last.outcome), "the database let it pass; nobody was told"

    async def test_does_not_make_fresh_what_moved_while_the_api_was_frozen(
        self, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Somebody stamped after the last look, who knows when: the clock that tells the stamp's own time was set."""
        person_id = await door.expects_somebody()
        await door.pool.execute("UPDATE freshness SET fresh_as_of = fresh_as_of + interval '1 microsecond'")
        now_s = door.view.now_s
        monkeypatch.setattr(door.view, "now_s", lambda: now_s() + BOUND.total_seconds() + 1)
        await door.view.look()
        assert [ReasonCode.STATE_STALE] == codes(await attempt(door, person_id, "a"))
        await door.stamp()
        assert [] == codes(await attempt(door, person_id, "b"))


def question(person_id: UUID) -> Attempt:
    return facts.attempt(person_id=person_id, at=SystemClock().now(), fresh_as_of=SystemClock().now())


@dataclass(frozen=True)
class OffClock:
    """Of an api whose clock was set."""

    by: timedelta

    def now(self) -> datetime:
        return SystemClock().now() + self.by


class TestBanAgainstEntry:
    async def test_no_grant_follows_a_ban_however_they_race(self, doors: list[Door]) -> None:
        seen = Tally()
        limit = asyncio.Semaphore(AT_ONCE)

        async def limited(n: int) -> None:
            async with limit:
                await self._round(doors, n, seen)

        stamping = asyncio.create_task(_stamp_until_cancelled(doors))
        try:
            await asyncio.gather(*(limited(n) for n in range(ROUNDS)))
        finally:
            stamping.cancel()
        assert seen.granted_before > 50, f"the race did not happen: {seen}"
        assert seen.refused_after > 50, f"the race did not happen: {seen}"

    async def _round(self, doors: list[Door], n: int, seen: Tally) -> None:
        person_id = await doors[n % 3].expects_somebody()
        key = str(uuid4())
        answers = await asyncio.gather(
            attempt(doors[0], person_id, key),
            attempt(doors[1], person_id, key),
            self._ban_after(doors[2], person_id, yields=n % 40),
            attempt(doors[1], person_id, f"{key}-other"),
            attempt(doors[2], person_id, f"{key}-pass", EntryKind.GATE_PASS),
        )
        banned_at = answers[2]
        assert isinstance(banned_at, int)
        history = await doors[0].history(person_id)
        stored = {recorded.version: event for recorded, event in history}
        assert list(range(1, len(history) + 1)) == list(stored)
        assert isinstance(stored[banned_at], ClearanceChanged)
        after = [event for version, event in stored.items() if version > banned_at]
        assert all(event.outcome is Outcome.REFUSED for event in after if isinstance(event, EntryAttempted)), (
            "a grant after the ban"
        )
        for handled in answers:
            if isinstance(handled, Handled):
                self._is_stored_as_answered(handled, stored)
        grants = [event for event in stored.values() if isinstance(event, EntryAttempted) and event.outcome is Outcome.ADMITTED]
        seen.granted_before += bool(grants)
        seen.refused_after += bool(after)

    async def _ban_after(self, door: Door, person_id: UUID, *, yields: int) -> int:
        for _ in range(yields):
            await asyncio.sleep(0)
        return await door.knows(person_id, BAN)

    def _is_stored_as_answered(self, handled: Handled[EntryAttempted], stored: dict[int, object]) -> None:
        event = handled.events[0]
        version = next(version for version, each in stored.items() if each == event)
        assert version - 1 == event.clearance_version, "it rested on another version than the one before it"


class Tally:
    """What the rounds came to: without both, nothing raced."""

    granted_before = 0
    refused_after = 0

    def __repr__(self) -> str:
        return f"{self.granted_before} granted before the ban, {self.refused_after} refused after it, of {ROUNDS}"


async def _stamp_until_cancelled(doors: list[Door]) -> None:
    while True:
        for door in doors:
            await door.stamp()
        await asyncio.sleep(1)  # beside the test, as the worker would; nothing waits for it
