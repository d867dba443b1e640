"""One person with several documents at the gate: what stands against one of them stands against all, however they race."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.command_handling import Outcome as Handled
from chassis.command_handling import command_key
from chassis.event_store import Append, AppendResult, Outrun, StoredStream
from chassis.testing.specification import Specification
from contracts.event import SHARDS, shard_of
from contracts.gatekeeper import EntryAttempted, EntryKind, GatekeeperEvent, Outcome, ReasonCode
from contracts.health import Disposition, Hold
from contracts.same_person import RECORDS_MAX, PersonLinked, PersonUnlinked
from gatekeeper.domain.commands import GateCommand, RelevantFact
from gatekeeper.domain.decider import PaperEntryNeedsTwoPeople
from gatekeeper.domain.same_person import RecordNeeded, others_of, record_here
from gatekeeper.domain.state import GatePerson
from tests.gatekeeper.conftest import BOUND, Door
from tests.gatekeeper.facts import (
    DECIDER,
    ELSEWHERE,
    HERE,
    NOW,
    PERSON,
    SEALED,
    assessed,
    attempt,
    disposed,
    held,
    imported,
    mark,
    note,
    ordered,
    pre_registered,
    reported,
)

Gate = Specification[GateCommand, GatePerson, GatekeeperEvent]
BAN = disposed(Disposition.SUSPECTED)
OTHER = UUID("00000000-0000-4000-8000-000000000009")
ROUNDS = 200


def linked(*same_as: UUID) -> PersonLinked:
    return PersonLinked(person_id=PERSON, same_as=same_as, linked_at=NOW)


def unlinked(other: UUID) -> PersonUnlinked:
    return PersonUnlinked(person_id=PERSON, not_the_same=(other,), same_as=(), reason=SEALED, unlinked_at=NOW)


def knows(*facts: RelevantFact) -> Gate:
    gate: Gate = Specification(DECIDER)
    for fact in facts:
        gate = gate.given(*gate.when(note(fact)).events)
    return gate


def other(*facts: RelevantFact) -> dict[UUID, GatePerson]:
    """The record under the other document, of which this is known."""
    return {OTHER: knows(*facts).state}


EXPECTED = knows(pre_registered(), assessed(), linked(OTHER))


def told(others: dict[UUID, GatePerson], **changes: Any) -> list[tuple[ReasonCode, UUID | None]]:
    (attempted,) = EXPECTED.when(attempt(others=others, **changes)).events
    assert isinstance(attempted, EntryAttempted)
    return [(reason.code, reason.record) for reason in attempted.reasons]


class TestAttempt:
    @pytest.mark.parametrize(
        ("fact", "code"),
        [
            (BAN, ReasonCode.SUSPECTED),
            (ordered(date(2020, 2, 19)), ReasonCode.ISOLATION_NOT_COMPLETED),
            (held(Hold.FEVER), ReasonCode.FEVER),
            (held(Hold.SYMPTOMS), ReasonCode.SYMPTOMS),
            (imported(on_site=True), ReasonCode.ALREADY_ENTERED),
            (imported(on_site=True, contract_no=ELSEWHERE), ReasonCode.ON_SITE_ELSEWHERE),
        ],
    )
    def test_is_answered_by_what_stands_against_the_other_record(self, fact: RelevantFact, code: ReasonCode) -> None:
        assert [(code, OTHER)] == told(other(fact))

    def test_is_refused_where_the_other_record_cannot_be_read(self) -> None:
        gate = knows()
        gate = gate.given(*gate.when(mark(unreadable=True)).events)
        assert [(ReasonCode.HISTORY_UNREADABLE, OTHER)] == told({OTHER: gate.state})

    def test_is_told_every_ban_and_the_day_of_the_last_order(self) -> None:
        gate = knows(pre_registered(), assessed(), linked(OTHER), BAN, ordered(date(2020, 2, 20)))
        others = other(disposed(Disposition.CONFIRMED), ordered(date(2020, 2, 25)))
        (attempted,) = gate.when(attempt(others=others)).events
        assert isinstance(attempted, EntryAttempted)
        codes = [ReasonCode.SUSPECTED, ReasonCode.CONFIRMED, ReasonCode.ISOLATION_NOT_COMPLETED]
        assert codes == [reason.code for reason in attempted.reasons]
        assert [None, OTHER, None] == [reason.record for reason in attempted.reasons]
        assert date(2020, 2, 25) == attempted.reasons[-1].earliest

    def test_is_admitted_where_nothing_stands_against_either(self) -> None:
        assert [] == told(other(pre_registered(contract_no=ELSEWHERE)))

    def test_is_not_reminded_of_a_report_that_was_made_under_the_other(self) -> None:
        gate = EXPECTED.given(*EXPECTED.when(attempt(others=other())).events)
        for facts, reminded in (((), 1), ((reported(),), 0)):
            (passed,) = gate.when(attempt(kind=EntryKind.GATE_PASS, others=other(*facts))).events
            assert isinstance(passed, EntryAttempted)
            assert reminded == len(passed.reasons)

    def test_needs_every_record_however_they_know_of_each_other(self) -> None:
        with pytest.raises(RecordNeeded) as needed:
            EXPECTED.when(attempt())
        assert OTHER == needed.value.person_id
        third = UUID(int=3)
        with pytest.raises(RecordNeeded) as needed:
            EXPECTED.when(attempt(others=other(linked(PERSON, third))))
        assert third == needed.value.person_id

    def test_leaves_out_who_was_somebody_else(self) -> None:
        apart = knows(linked(OTHER), unlinked(OTHER)).state
        assert {} == others_of(PERSON, apart, other(BAN))


class TestRecordHere:
    def test_is_the_one_on_site_then_the_one_expected_then_the_one_shown(self) -> None:
        shown, expected, on_site = (UUID(int=n) for n in (1, 2, 3))
        records = {shown: knows().state}
        assert shown == record_here(records, HERE)
        records[expected] = knows(pre_registered()).state
        assert expected == record_here(records, HERE)
        records[on_site] = knows(imported(on_site=True)).state
        assert on_site == record_here(records, HERE)
        assert shown == record_here(records, ELSEWHERE)


async def ask(door: Door, person_id: UUID, kind: EntryKind = EntryKind.ENTRY, key: str = "") -> Handled[EntryAttempted]:
    """At a gate, with the document of this record."""
    given = command_key(principal="operator", key=key or uuid4().hex, body=kind.encode())
    return await door.gate.attempt(person_id, HERE, kind, key=given)


def codes(handled: Handled[EntryAttempted]) -> list[ReasonCode]:
    return [reason.code for reason in handled.events[0].reasons]


async def link(door: Door, *records: UUID) -> None:
    for each in records:
        await door.knows(each, linked(*(other for other in records if other != each)))


async def two_of_one(door: Door) -> Sequence[UUID]:
    """Somebody who is expected here under both documents."""
    records = [await door.expects_somebody() for _ in range(2)]
    await link(door, *records)
    return records


async def two_in_one_shard(door: Door) -> Sequence[UUID]:
    """The same, where positions say which of their facts came first."""
    one = await door.expects_somebody()
    two = UUID(int=uuid4().int & ~(SHARDS - 1) | shard_of(one))
    await door.knows(two, pre_registered(), assessed())
    await link(door, one, two)
    return one, two


async def later(door: Door, yields: int, record: UUID, fact: RelevantFact) -> None:
    for _ in range(yields):
        await asyncio.sleep(0)
    await door.knows(record, fact)


async def stay_fresh(doors: Sequence[Door]) -> None:
    """Before each round: however busy the machine is, nobody is refused as stale."""
    for door in doors:
        await door.stamp()


@pytest.fixture
def outruns(doors: list[Door], monkeypatch: pytest.MonkeyPatch) -> list[Outrun]:
    """Appends that met a record that had moved since it was read."""
    seen: list[Outrun] = []
    for door in doors:
        append = door.store.append

        async def noted(asked: Append, append: Callable[[Append], Awaitable[AppendResult]] = append) -> AppendResult:
            result = await append(asked)
            seen.extend([result] if isinstance(result, Outrun) else [])
            return result

        monkeypatch.setattr(door.store, "append", noted)
    return seen


class TestGate:
    async def test_refuses_one_document_for_a_ban_under_the_other(self, door: Door) -> None:
        one, two = await two_of_one(door)
        await door.knows(one, BAN)
        for each in (one, two):
            refused = await ask(door, each)
            assert ([ReasonCode.SUSPECTED], each) == (codes(refused), refused.events[0].person_id)

    async def test_counts_him_in_once_and_lets_him_out_by_either(self, door: Door) -> None:
        one, two = await two_of_one(door)
        assert Outcome.ADMITTED is (await ask(door, one)).events[0].outcome
        again = await ask(door, two)
        assert ([ReasonCode.ALREADY_ENTERED], one) == (codes(again), again.events[0].person_id)
        passed = (await ask(door, two, EntryKind.GATE_PASS)).events[0]
        assert (Outcome.ADMITTED, one) == (passed.outcome, passed.person_id)
        assert one == await door.gate.record_here(two, HERE)

    async def test_refuses_a_repeated_key_after_a_ban_under_the_other(self, door: Door) -> None:
        one, two = await two_of_one(door)
        assert [] == codes(await ask(door, one, key="a"))
        await door.knows(two, BAN)
        assert [ReasonCode.SUSPECTED] == codes(await ask(door, one, key="a"))

    async def test_asks_a_repeated_key_of_the_document_that_is_shown(self, door: Door) -> None:
        shown, expected = uuid4(), await door.expects_somebody()
        await link(door, shown, expected)
        granted = await ask(door, shown, key="a")
        assert ([], expected) == (codes(granted), granted.events[0].person_id)
        assert [] == codes(await ask(door, shown, key="a"))
        await door.knows(shown, BAN)
        for each, other in ((shown, expected), (expected, shown)):
            await door.knows(each, unlinked(other))
        refused = await ask(door, shown, key="a")
        assert (shown, True) == (refused.events[0].person_id, ReasonCode.SUSPECTED in codes(refused))

    async def test_refuses_where_the_other_record_s_partition_is_stale(self, door: Door) -> None:
        one, two = await two_of_one(door)
        while shard_of(one) % door.view.partitions == shard_of(two) % door.view.partitions:
            one, two = await two_of_one(door)
        await door.pool.execute(
            "UPDATE freshness SET fresh_as_of = fresh_as_of - $1::interval WHERE partition = $2",
            2 * BOUND,
            shard_of(two) % door.view.partitions,
        )
        await door.view.look()
        assert [ReasonCode.STATE_STALE] == codes(await ask(door, one))

    async def test_asks_no_other_record_of_whoever_has_none(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        person_id, load, loads = await door.expects_somebody(), door.store.load, 0

        async def counted(stream_id: UUID) -> Any:
            nonlocal loads
            loads += 1
            return await load(stream_id)

        monkeypatch.setattr(door.store, "load", counted)
        assert [] == codes(await ask(door, person_id))
        assert 1 == loads

    async def test_lets_nobody_decide_twice_on_paper_under_two_documents(self, door: Door) -> None:
        one, two = await two_of_one(door)
        key = command_key(principal="operator", key=uuid4().hex, body=b"paper")
        at = datetime.now(UTC) - timedelta(seconds=1)
        for somebody, deciders in ((uuid4(), (one, two)), (one, (two, uuid4()))):
            with pytest.raises(PaperEntryNeedsTwoPeople):
                await door.gate.record_on_paper(somebody, HERE, decided_by=deciders, entered_at=at, key=key)

    async def test_judges_paper_by_what_stood_under_the_other_document(self, door: Door) -> None:
        one, two = await two_of_one(door)
        await door.knows(two, BAN)
        key = command_key(principal="operator", key=uuid4().hex, body=b"paper")
        at = datetime.now(UTC) - timedelta(seconds=1)
        recorded = await door.gate.record_on_paper(one, HERE, decided_by=(uuid4(), uuid4()), entered_at=at, key=key)
        event = recorded.events[0]
        assert ([(ReasonCode.SUSPECTED, two)], True) == (
            [(reason.code, reason.record) for reason in event.reasons],
            event.needs_review,
        )

    async def test_records_on_paper_whose_documents_were_told_apart_since(self, door: Door) -> None:
        one, two = await two_of_one(door)
        await door.knows(two, BAN)
        at = datetime.now(UTC) - timedelta(seconds=1)
        for each, other in ((one, two), (two, one)):
            fact = unlinked(other).model_copy(update={"person_id": each})
            await door.handler.handle(each, note(fact, at=datetime.now(UTC)))
        key = command_key(principal="operator", key=uuid4().hex, body=b"paper")
        recorded = await door.gate.record_on_paper(one, HERE, decided_by=(uuid4(), uuid4()), entered_at=at, key=key)
        assert [(ReasonCode.SUSPECTED, two)] == [(each.code, each.record) for each in recorded.events[0].reasons]

    async def test_records_on_paper_who_has_every_document_though_something_comes_in_meanwhile(
        self, door: Door, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        records = [await door.expects_somebody() for _ in range(RECORDS_MAX)]
        await link(door, *records)
        append, appends = door.store.append, 0

        async def let_a_fact_in_then_append(appended: Append) -> AppendResult:
            nonlocal appends
            appends += 1
            if appends == 1:
                await door.knows(records[0], reported())
            return await append(appended)

        monkeypatch.setattr(door.store, "append", let_a_fact_in_then_append)
        key = command_key(principal="operator", key=uuid4().hex, body=b"paper")
        at = datetime.now(UTC) - timedelta(seconds=1)
        recorded = await door.gate.record_on_paper(records[0], HERE, decided_by=(uuid4(), uuid4()), entered_at=at, key=key)
        assert records[0] == recorded.events[0].person_id
        assert 3 == appends


class TestAtTheSameMoment:
    """What two records tell is ordered as if they were one stream."""

    @pytest.mark.parametrize("kind", list(EntryKind))
    async def test_a_ban_under_the_other_that_comes_between_reading_and_appending_is_weighed(
        self, doors: list[Door], monkeypatch: pytest.MonkeyPatch, kind: EntryKind
    ) -> None:
        one, two = await two_of_one(doors[0])
        if kind is EntryKind.GATE_PASS:
            await ask(doors[0], one)
        append, appends = doors[0].store.append, 0

        async def let_the_ban_in_then_append(appended: Append) -> AppendResult:
            nonlocal appends
            appends += 1
            if appends == 1:
                await doors[1].knows(two, BAN)
            return await append(appended)

        monkeypatch.setattr(doors[0].store, "append", let_the_ban_in_then_append)
        asked = await ask(doors[0], one, kind)
        assert (Outcome.REFUSED, True) == (asked.events[0].outcome, ReasonCode.SUSPECTED in codes(asked))
        assert 2 == appends

    async def test_of_two_who_show_a_document_each_one_gets_in(self, doors: list[Door], outruns: list[Outrun]) -> None:
        for _ in range(ROUNDS // 2):
            await stay_fresh(doors)
            one, two = await two_of_one(doors[0])
            asked = await asyncio.gather(ask(doors[1], one), ask(doors[2], two))
            assert [[], [ReasonCode.ALREADY_ENTERED]] == sorted((codes(each) for each in asked), key=len)
            assert 1 == len({each.events[0].person_id for each in asked}), "whoever is in is acted on in that record"
        assert len(outruns) > ROUNDS // 20, f"the race did not happen: {len(outruns)} outrun"

    async def test_no_grant_stands_behind_a_ban_under_the_other(
        self, doors: list[Door], outruns: list[Outrun], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        n = loads = before = after = 0
        due, load = asyncio.Event(), doors[0].store.load

        async def load_and_begin_the_ban(stream_id: UUID) -> StoredStream:
            nonlocal loads
            loaded = await load(stream_id)
            loads += 1
            if loads > n % 4:  # Of the four that an entry under one of two documents takes.
                due.set()
            return loaded

        async def bans(record: UUID) -> None:
            await due.wait()
            await doors[1].knows(record, BAN)

        monkeypatch.setattr(doors[0].store, "load", load_and_begin_the_ban)
        for n in range(ROUNDS // 2):
            await stay_fresh(doors)
            one, two = await two_in_one_shard(doors[2])
            loads, due = 0, asyncio.Event()
            entered, _ = await asyncio.gather(ask(doors[0], one), bans(two))
            ((entry, _), (ban, _)) = [(await doors[0].history(each))[-1] for each in (one, two)]
            is_banned = ReasonCode.SUSPECTED in codes(entered)
            assert is_banned is (ban.pos < entry.pos), f"round {n}"
            before, after = before + (not is_banned), after + is_banned
        assert before > ROUNDS // 20, f"the race did not happen: {before} before the ban"
        assert after > ROUNDS // 20, f"the race did not happen: {after} after it"
        assert outruns, "nobody was outrun between reading and appending"


class TestBanAgainstLink:
    async def test_nobody_banned_under_one_document_gets_in_under_the_other(self, doors: list[Door]) -> None:
        """The ban, the link in both records and entries by either race. Whoever asks once ban and link are stored is refused."""
        before = after = 0
        for n in range(ROUNDS):
            await stay_fresh(doors)
            one, two = await doors[0].expects_somebody(), await doors[1].expects_somebody()
            raced = await asyncio.gather(
                ask(doors[0], two),
                later(doors[1], n % 5, one, BAN),
                later(doors[2], n % 7, one, linked(two)),
                later(doors[0], n % 11, two, linked(one)),
                ask(doors[1], two),
                ask(doors[2], one, EntryKind.GATE_PASS),
            )
            before += any(Outcome.ADMITTED is each.events[0].outcome for each in (raced[0], raced[4]))
            after += ReasonCode.SUSPECTED in codes(raced[4])
            for door, record, kind in ((doors[0], two, EntryKind.ENTRY), (doors[1], two, EntryKind.GATE_PASS)):
                asked = await ask(door, record, kind)
                assert Outcome.REFUSED is asked.events[0].outcome
                assert ReasonCode.SUSPECTED in codes(asked), f"round {n}: {codes(asked)}"
        assert before > ROUNDS // 20, f"the race did not happen: {before} granted before"
        assert after > ROUNDS // 20, f"the race did not happen: {after} refused during"
