"""The checker sees what it is there to see: each kind of damage is done once, to a copy or for a moment, and told of."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.faults.checker import (
    ATTRIBUTES,
    Log,
    Record,
    Stored,
    check,
    check_acknowledged,
    check_bans,
    check_log,
    check_told,
    distinct,
)
from tests.faults.stack import FaultStack
from tests.faults.traffic import Acknowledged, Ban, Diary, GateAnswer, Outcome, Try, people, town

STREAM = UUID(int=64 * 7)
SHARD = 0


def stored(pos: int) -> Stored:
    event_id = uuid4()
    told = dict.fromkeys(ATTRIBUTES, "") | {
        "ce_id": str(event_id),
        "ce_source": f"/health/{SHARD}",
        "ce_type": "gatehouse.health.tried.v1",
        "ce_subject": str(STREAM),
        "ce_streamversion": str(pos),
    }
    meta = tuple(told[name].encode() for name in ATTRIBUTES)
    return Stored("health", SHARD, pos, STREAM, pos, event_id, told["ce_type"], b'{"n":1}', meta, datetime.now(UTC))


def log_of(events: Sequence[Stored]) -> Log:
    heads = dict.fromkeys(range(64), 0) | {SHARD: 3}
    return Log("health", events, heads, versions={STREAM: 3}, states={})


def record(event: Stored) -> Record:
    headers = (("ce_source", event.meta[2]), ("ce_sequence", b"%020d" % event.pos))
    return Record(SHARD, b"", event.raw, headers)


FIRST, SECOND, THIRD = EVENTS = [stored(1), stored(2), stored(3)]


class TestCheckLog:
    def test_finds_nothing_in_a_log_that_is_whole(self) -> None:
        assert [] == list(check_log(log_of(EVENTS)))

    def test_sees_an_event_that_is_missing(self) -> None:
        assert [] != list(check_log(log_of([FIRST, THIRD])))

    def test_sees_the_last_event_missing(self) -> None:
        assert [] != list(check_log(log_of([FIRST, SECOND])))

    def test_sees_a_version_that_comes_twice(self) -> None:
        assert [] != list(check_log(log_of([FIRST, SECOND, replace(THIRD, version=2)])))

    def test_sees_an_envelope_that_lies(self) -> None:
        assert [] != list(check_log(log_of([FIRST, SECOND, replace(THIRD, event_id=uuid4())])))


class TestDistinct:
    def test_drops_what_came_twice(self) -> None:
        found, wrong = distinct([record(FIRST), record(SECOND), record(FIRST), record(SECOND), record(THIRD)])
        assert (3, []) == (len(found), wrong)

    def test_sees_a_copy_that_is_not_the_same(self) -> None:
        assert [] != distinct([record(FIRST), replace(record(FIRST), value=b"{}")])[1]

    def test_sees_what_comes_too_late(self) -> None:
        assert [] != distinct([record(SECOND), record(FIRST)])[1]

    def test_takes_the_place_where_it_belongs_in_a_topic_that_was_filled_again(self) -> None:
        again = [record(THIRD), record(FIRST), record(SECOND), record(THIRD)]
        found, wrong = distinct(again, burnt=True)
        assert ([record(each).place for each in EVENTS], []) == (list(found), wrong)
        assert [] != distinct(again)[1]
        assert [] != distinct([record(SECOND), record(FIRST)], burnt=True)[1]

    def test_drops_what_came_twice_in_a_topic_that_was_filled_again(self) -> None:
        late_copy = [record(FIRST), record(SECOND), record(THIRD), record(SECOND)]
        assert (3, []) == (len(distinct(late_copy, burnt=True)[0]), distinct(late_copy, burnt=True)[1])
        assert [] != distinct([record(FIRST), record(THIRD), record(SECOND)], burnt=True)[1]


class TestCheckAcknowledged:
    def test_sees_a_fact_that_is_not_stored(self) -> None:
        promised = Acknowledged("health", STREAM, "tried", {"n": 2})
        assert [] != list(check_acknowledged([promised], {"health": log_of([FIRST])}))

    def test_sees_a_fact_that_is_stored_twice(self) -> None:
        promised = Acknowledged("health", STREAM, "tried", {"n": 1})
        assert [] == list(check_acknowledged([promised], {"health": log_of([FIRST])}))
        assert [] != list(check_acknowledged([promised], {"health": log_of([FIRST, SECOND])}))


class TestCheckTold:
    """Of one person on one contract, who is expected, expected again in another district, and then no longer."""

    FACTS = (("person-pre-registered", "310115"), ("person-pre-registered", "310109"), ("pre-registration-withdrawn", "310109"))
    TOLD = (
        ("arrival-shared", "310115"),
        ("arrival-withdrawn", "310115"),
        ("arrival-shared", "310109"),
        ("arrival-withdrawn", "310109"),
    )

    @pytest.mark.parametrize(
        ("order", "is_wrong"),
        [([0, 1, 2, 3], False), ([0, 2, 1, 3], True), ([0, 1, 2], True), ([0, 1, 2, 3, 3], True), ([], True)],
        ids=["in order", "in another order", "not all", "one twice", "nothing"],
    )
    def test_sees_what_does_not_follow_from_the_facts(self, order: Sequence[int], is_wrong: bool) -> None:
        told = _log_about_somebody("police-bridge", [self.TOLD[n] for n in order])
        logs = {"registration": _log_about_somebody("registration", self.FACTS), "police-bridge": told}
        assert is_wrong == bool(list(check_told(logs)))


def _log_about_somebody(service: str, facts: Sequence[tuple[str, str]]) -> Log:
    events = []
    for pos, (fact, district) in enumerate(facts, 1):
        data = {"person_id": str(STREAM), "contract_no": "W202000000001", "district": district}
        events.append(replace(stored(pos), type=f"gatehouse.{service}.{fact}.v1", raw=json.dumps(data).encode()))
    return Log(service, events, heads={}, versions={}, states={})


class TestCheckBans:
    """Whoever begins to ask between the answer that a ban is in force and the beginning of its end is not let in."""

    @pytest.mark.parametrize(
        ("began_s", "outcome", "is_wrong"), [(9, "admitted", 0), (11, "admitted", 1), (11, "refused", 0), (21, "admitted", 0)]
    )
    def test_sees_who_is_let_in(self, tmp_path: Path, began_s: float, outcome: str, is_wrong: int) -> None:
        with closing(Diary(tmp_path / "history")) as diary:
            diary.bans.append(Ban("p", known_at_s=10, lifted_at_s=20))
            diary.gate_answers.append(GateAnswer("p", began_s, outcome))
            assert is_wrong == len(list(check_bans(diary)))


class TestHistory:
    async def test_holds_what_was_begun_before_it_is_known_what_becomes_of_it(self, tmp_path: Path) -> None:
        with closing(Diary(tmp_path / "history")) as diary:
            request = diary.begin("health", "POST", "/v1/x", "k")
            number = diary.sending(request)
            (begun,) = _lines(tmp_path)
            assert (number, "k") == (begun["try"], begun["key"])
            diary.note(number, request, Try(0, 1, Outcome.UNKNOWN, "ReadError"))
            assert [number, number] == [line["try"] for line in _lines(tmp_path)]


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history").read_text().splitlines()]


class TestCheck:
    async def test_sees_rows_that_are_wrong(self, stack: FaultStack) -> None:
        async with town(stack) as here:
            await here.import_roster(here.sites[0], people(4), on_site=[True, True, False, False])
            assert [] == (await check(stack, here.diary)).wrong
            async with (
                _damaged(stack, "reporting", "UPDATE people_count_v1 SET on_site = on_site + {0}"),
                _damaged(stack, "gatekeeper", "UPDATE roster_v1 SET on_site = NOT on_site"),
                _damaged(stack, "health", "UPDATE known_person_v1 SET rostered_for = translate(rostered_for, {1}, {2})"),
            ):
                wrong = (await check(stack, here.diary)).wrong
            assert ["people_count_v1", "roster_v1", "known_person_v1"] == [sentence.partition(":")[0] for sentence in wrong]


@asynccontextmanager
async def _damaged(stack: FaultStack, package: str, statement: str) -> AsyncIterator[None]:
    """For the time of the block. The statement has numbers and texts in it that undo it when they are exchanged."""
    async with stack.database(package) as connection:
        await connection.execute(statement.format(1, "'91'", "'19'"))
        try:
            yield
        finally:
            await connection.execute(statement.format(-1, "'19'", "'91'"))
