"""Load, decide, append: decided anew on a conflict, answered once for a key, folded anew when the fold has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import ClassVar, Literal
from uuid import UUID, uuid4

import pytest

from chassis.auth import Principal
from chassis.command_handling import Decider, Outcome, cause_of, command_key
from chassis.consistency import ConsistencyToken
from chassis.event_store import Append, AppendResult, CommandKey, EventStore
from chassis.faults import IdempotencyKeyReused, TooLate, Unavailable, VersionConflict
from chassis.telemetry import on_behalf_of
from chassis.turns import ROUNDS_MAX
from contracts.access import Role
from contracts.event import EVENT_BYTES_MAX, Actor, Event, shard_of
from tests.chassis.log_database import LogDatabase
from tests.chassis.tallies import (
    EVENTS,
    SERVICE,
    TALLIES,
    Close,
    Closed,
    Count,
    Counted,
    Tally,
    TallyCommand,
    TallyDecider,
    TallyEvent,
    TallyIsClosed,
    append_of,
    decide,
    evolve,
    handler,
    in_shard,
)

PAST = datetime(2020, 1, 1, tzinfo=UTC)


def amounts(outcome: Outcome[TallyEvent]) -> list[int]:
    return [event.amount for event in outcome.events if isinstance(event, Counted)]


def key(text: str = "key", *, body: bytes = b"body", principal: str = "somebody") -> CommandKey:
    return command_key(principal=principal, key=text, body=body)


class Raced(EventStore):
    """A store whose appends are late by one of somebody else's, as long as there are any."""

    def race(self, *appends: Append) -> None:
        self.others = list(appends)

    async def append(self, append: Append) -> AppendResult:
        if self.others:
            await super().append(self.others.pop(0))
        return await super().append(append)


@pytest.fixture
async def raced(log: LogDatabase) -> Raced:
    raced = Raced(log.pool, epoch=1)
    raced.race()
    log.opened.push_async_callback(raced.close)
    return raced


@dataclass
class Decisions:
    """A decider that notes what it decided on."""

    states: list[Tally] = field(default_factory=list)

    @property
    def decider(self) -> TallyDecider:
        def noted(command: TallyCommand, tally: Tally) -> Sequence[TallyEvent]:
            self.states.append(tally)
            return decide(command, tally)

        return replace(TALLIES, decide=noted)


SOMEBODY = Principal("user:1", Role.SITE_OPERATOR)


class TestHandle:
    async def test_answers_the_facts_the_version_and_where_they_stand(self, store: EventStore) -> None:
        tally = in_shard(9)
        await handler(store).handle(tally, Count(tally, 5))

        outcome = await handler(store).handle(tally, Count(tally, 6))

        expected = ConsistencyToken(service=SERVICE, epoch=1, positions={9: 2})
        assert Outcome(tally, version=2, events=[Counted(tally_id=tally, amount=6)], token=expected, replayed=False) == outcome

    async def test_of_a_repeat_answers_the_version_and_stores_nothing(self, log: LogDatabase, store: EventStore) -> None:
        tally = uuid4()
        await handler(store).handle(tally, Count(tally, 5))

        outcome = await handler(store).handle(tally, Count(tally, 0))

        assert Outcome(tally, version=1, events=[], token=None, replayed=False) == outcome
        assert len(await log.events_of(tally)) == 1

    async def test_refused_stores_nothing(self, log: LogDatabase, store: EventStore) -> None:
        tally = uuid4()
        await handler(store).handle(tally, Close(tally))

        with pytest.raises(TallyIsClosed):
            await handler(store).handle(tally, Count(tally, 5))
        assert len(await log.events_of(tally)) == 1

    async def test_decides_on_what_happened_so_far(self, store: EventStore) -> None:
        decisions, tally = Decisions(), uuid4()
        for amount in (1, 2, 3):
            await handler(store, decisions.decider).handle(tally, Count(tally, amount))

        assert [(), (1,), (1, 2)] == [state.amounts for state in decisions.states]
        assert await handler(store).read(tally) == (3, Tally(amounts=(1, 2, 3)))

    async def test_names_the_command_as_the_cause_of_its_events(self, store: EventStore) -> None:
        tally = uuid4()
        await handler(store).handle(tally, Count(tally, 1), key=key())
        await handler(store).handle(tally, Count(tally, 2))

        first, second = await store.read_stream(tally)

        assert [1, 2] == [first.version, second.version]
        assert first.causation_id == first.correlation_id != second.causation_id
        assert {SERVICE} == {first.service, second.service}

    async def test_names_whoever_asks_and_nobody_where_nobody_does(self, store: EventStore) -> None:
        tally = uuid4()
        with on_behalf_of(SOMEBODY, doing="a test"):
            await handler(store).handle(tally, Count(tally, 1), key=key())
        with on_behalf_of(None, doing="a test"):
            await handler(store).handle(tally, Count(tally, 2))

        assert [Actor("site_operator", "user:1"), None] == [each.actor for each in await store.read_stream(tally)]

    async def test_names_of_a_repeat_whoever_asked_first(self, store: EventStore) -> None:
        tally = uuid4()
        for asks in (SOMEBODY, None, SOMEBODY):
            with on_behalf_of(asks, doing="a test"):
                await handler(store).handle(tally, Count(tally, 1), key=key())

        [only] = await store.read_stream(tally)
        assert Actor("site_operator", "user:1") == only.actor

    async def test_refuses_a_fact_that_is_too_large_to_publish(self, log: LogDatabase, store: EventStore) -> None:
        class Noted(Event):
            TYPE: ClassVar[Literal["gatehouse.tally.noted.v1"]] = "gatehouse.tally.noted.v1"
            text: str

        notes: Decider[str, int, Noted] = Decider(
            kind="notes",
            initial=0,
            decide=lambda text, _: [Noted(text=text)],
            evolve=lambda n, _: n + 1,
            events={Noted.TYPE: Noted},
            state_version=1,
        )
        stream = uuid4()
        note = handler(store, notes)  # type: ignore[arg-type]

        with pytest.raises(ValueError, match=r"gatehouse\.tally\.noted\.v1 has 65546 bytes, at most 65536"):
            await note.handle(stream, "x" * (EVENT_BYTES_MAX - 1))  # type: ignore[arg-type]
        await note.handle(stream, "x" * (EVENT_BYTES_MAX - 11))  # type: ignore[arg-type]
        assert len(await log.events_of(stream)) == 1


class TestConflict:
    async def test_is_decided_anew_on_the_facts_that_came_between(self, raced: Raced) -> None:
        decisions, tally = Decisions(), uuid4()
        raced.race(append_of(tally), append_of(tally, at=1))

        outcome = await handler(raced, replace(decisions.decider, state_version=2)).handle(tally, Count(tally, 7))

        assert outcome.version == 3
        assert [(), (1,), (1, 2)] == [state.amounts for state in decisions.states]
        assert [1, 2, 7] == [Counted.decode(event.data).amount for event in await raced.read_stream(tally)]

    async def test_may_turn_into_a_rejection(self, raced: Raced) -> None:
        tally = uuid4()
        closer = await EventStore.open(raced._pool)
        closing = handler(closer)

        async def close_first(append: Append) -> AppendResult:
            await closing.handle(tally, Close(tally))
            return await EventStore.append(raced, append)

        raced.append = close_first  # type: ignore[method-assign]
        with pytest.raises(TallyIsClosed):
            await handler(raced).handle(tally, Count(tally, 7))
        await closer.close()

    async def test_ends_after_so_many_decisions(self, raced: Raced) -> None:
        decisions, tally = Decisions(), uuid4()
        raced.race(*(append_of(tally, at=n) for n in range(ROUNDS_MAX + 1)))

        with pytest.raises(VersionConflict) as raised:
            await handler(raced, replace(decisions.decider, state_version=2)).handle(tally, Count(tally, 7))

        assert len(decisions.states) == ROUNDS_MAX
        assert raised.value.version == ROUNDS_MAX - 1, "where it stood when it was last decided"
        assert len(raced.others) == 1

    async def test_of_many_at_once_ends_with_all_of_them_in_the_log(self, log: LogDatabase) -> None:
        tally = uuid4()
        handlers = [handler(await log.store()) for _ in range(4)]

        await asyncio.gather(*(handlers[n % 4].handle(tally, Count(tally, n)) for n in range(1, 5)))

        _, state = await handlers[0].read(tally)
        assert sorted(state.amounts) == [1, 2, 3, 4]


class TestManyAtOnce:
    async def test_on_one_stream_are_each_decided_once(self, store: EventStore) -> None:
        decisions, tally, many = Decisions(), uuid4(), 4 * ROUNDS_MAX
        counting = handler(store, replace(decisions.decider, state_version=2))
        outcomes = await asyncio.gather(*(counting.handle(tally, Count(tally, n)) for n in range(1, many + 1)))
        assert [*range(1, many + 1)] == [outcome.version for outcome in outcomes], "in the order in which they came"
        assert many == len(decisions.states)

    async def test_are_each_decided_once_though_they_read_before_they_ask(self, store: EventStore) -> None:
        tally, counting = uuid4(), handler(store)

        async def count_on(n: int) -> int:
            async with counting.turn(tally):
                version, _ = await counting.read(tally)
                return (await counting.handle(tally, Count(tally, n), expected_version=version)).version

        assert [*range(1, 9)] == await asyncio.gather(*map(count_on, range(1, 9)))

    async def test_in_many_processes_are_all_done(self, log: LogDatabase) -> None:
        tally, processes = uuid4(), [handler(await log.store()) for _ in range(6)]
        outcomes = await asyncio.gather(*(each.handle(tally, Count(tally, n)) for n in range(1, 6) for each in processes))
        assert {*range(1, 31)} == {outcome.version for outcome in outcomes}

    async def test_wait_for_no_other_stream(self, raced: Raced) -> None:
        held, other, goes_on = uuid4(), uuid4(), asyncio.Event()
        genuine = raced.append

        async def hold_one(append: Append) -> AppendResult:
            if append.stream_id == held:
                await goes_on.wait()
            return await genuine(append)

        raced.append = hold_one  # type: ignore[method-assign]
        counting = handler(raced)
        waiting = [asyncio.create_task(counting.handle(held, Count(held, n))) for n in (1, 2)]
        assert 1 == (await counting.handle(other, Count(other, 3))).version
        assert not any(task.done() for task in waiting)
        goes_on.set()
        assert [1, 2] == [outcome.version for outcome in await asyncio.gather(*waiting)]

    async def test_go_on_after_one_that_is_refused_or_given_up(self, raced: Raced) -> None:
        tally, genuine, reached = uuid4(), raced.append, asyncio.Event()

        async def never(append: Append) -> AppendResult:
            reached.set()
            await asyncio.Event().wait()
            return await genuine(append)

        raced.append = never  # type: ignore[method-assign]
        counting = handler(raced)
        given_up, following = (asyncio.create_task(counting.handle(tally, Count(tally, n))) for n in (1, 2))
        await reached.wait()
        raced.append = genuine  # type: ignore[method-assign]
        given_up.cancel()
        assert 1 == (await following).version
        assert 2 == (await counting.handle(tally, Close(tally))).version
        for n in (3, 4):
            with pytest.raises(TallyIsClosed):
                await counting.handle(tally, Count(tally, n))


class TestExpectedVersion:
    async def test_that_is_there_is_fine(self, store: EventStore) -> None:
        tally = uuid4()
        await handler(store).handle(tally, Count(tally, 1), expected_version=0)

        assert (await handler(store).handle(tally, Count(tally, 2), expected_version=1)).version == 2

    @pytest.mark.parametrize("expected", [0, 2])
    async def test_that_is_not_there_tells_where_the_stream_is(self, store: EventStore, expected: int) -> None:
        tally = uuid4()
        await handler(store).handle(tally, Count(tally, 1))

        with pytest.raises(VersionConflict) as raised:
            await handler(store).handle(tally, Count(tally, 2), expected_version=expected)
        assert raised.value.version == 1

    async def test_that_somebody_was_faster_to_leave_is_not_decided_anew(self, raced: Raced) -> None:
        tally = uuid4()
        raced.race(append_of(tally))

        with pytest.raises(VersionConflict) as raised:
            await handler(raced).handle(tally, Count(tally, 2), expected_version=0)
        assert raised.value.version == 1


class TestNotAfter:
    async def test_that_has_passed_is_too_late(self, log: LogDatabase, store: EventStore) -> None:
        tally = uuid4()
        with pytest.raises(TooLate):
            await handler(store).handle(tally, Count(tally, 1), not_after=PAST)
        assert [] == await log.events_of(tally)


class TestReplayedKey:
    """A client that did not see the answer sends the same again. It is told what came of the first."""

    async def test_gets_the_first_outcome(self, log: LogDatabase, store: EventStore) -> None:
        tally = uuid4()
        await handler(store).handle(tally, Count(tally, 1))
        first = await handler(store).handle(tally, Count(tally, 2), key=key())
        await handler(store).handle(tally, Count(tally, 3))

        again = await handler(store).handle(tally, Count(tally, 2), key=key())

        assert replace(first, replayed=True) == again
        assert len(await log.events_of(tally)) == 3

    async def test_is_told_the_epoch_in_which_the_facts_were_written(self, log: LogDatabase, store: EventStore) -> None:
        """A log that was restored goes on in a higher one. Readers of a shard in which nothing has happened since know the
        facts in theirs: a token that asked for the higher one would wait for ever."""
        tally = uuid4()
        first = await handler(store).handle(tally, Count(tally, 2), key=key())
        await log.owner.execute("UPDATE store SET epoch = 2")
        await store.learn_epoch()

        again = await handler(store).handle(tally, Count(tally, 2), key=key())
        nothing = await handler(store).handle(tally, Count(tally, 0))

        assert first.token is not None
        assert [first.token] * 2 == [again.token, await handler(store).token_after(nothing)]
        assert first.token == await handler(store).token_of_shards([shard_of(tally)])

    async def test_gets_the_first_outcome_although_the_rules_would_refuse_it_now(self, store: EventStore) -> None:
        """The first one itself is why they would: what is closed cannot be closed."""
        tally = uuid4()
        first = await handler(store).handle(tally, Close(tally), key=key())

        assert replace(first, replayed=True) == await handler(store).handle(tally, Close(tally), key=key())

    async def test_gets_the_first_outcome_although_the_stream_has_left_the_expected_version(self, store: EventStore) -> None:
        tally = uuid4()
        first = await handler(store).handle(tally, Count(tally, 1), key=key(), expected_version=0)

        again = await handler(store).handle(tally, Count(tally, 1), key=key(), expected_version=0)

        assert replace(first, replayed=True) == again

    async def test_gets_the_first_outcome_where_each_request_makes_a_stream(self, log: LogDatabase, store: EventStore) -> None:
        """The route draws a new id for what it creates, so the repeat comes with another one."""
        first_id, second_id = in_shard(1), in_shard(2)
        first = await handler(store).handle(first_id, Count(first_id, 4), key=key())

        again = await handler(store).handle(second_id, Count(second_id, 4), key=key())

        assert replace(first, replayed=True) == again
        assert [Counted(tally_id=first_id, amount=4)] == again.events
        assert [] == await log.events_of(second_id)

    async def test_of_a_command_that_made_nothing_makes_nothing(self, store: EventStore) -> None:
        tally = uuid4()
        await handler(store).handle(tally, Count(tally, 0), key=key())
        await handler(store).handle(tally, Close(tally))

        again = await handler(store).handle(tally, Count(tally, 0), key=key())

        assert Outcome(tally, version=0, events=[], token=None, replayed=True) == again

    async def test_with_another_body_is_told_so(self, store: EventStore) -> None:
        tally = uuid4()
        await handler(store).handle(tally, Count(tally, 1), key=key())

        with pytest.raises(IdempotencyKeyReused):
            await handler(store).handle(tally, Count(tally, 2), key=key(body=b"another"))

    async def test_with_another_body_is_told_so_although_the_rules_would_refuse_it(self, store: EventStore) -> None:
        tally = uuid4()
        await handler(store).handle(tally, Close(tally), key=key())

        with pytest.raises(IdempotencyKeyReused):
            await handler(store).handle(tally, Count(tally, 2), key=key(body=b"another"))

    async def test_of_a_refused_command_is_decided_anew(self, store: EventStore) -> None:
        closed, tally = uuid4(), uuid4()
        await handler(store).handle(closed, Close(closed))
        for _ in range(2):
            with pytest.raises(TallyIsClosed):
                await handler(store).handle(closed, Count(closed, 1), key=key())

        assert amounts(await handler(store).handle(tally, Count(tally, 1), key=key(body=b"another"))) == [1]

    async def test_sent_at_the_same_time_is_done_once(self, log: LogDatabase) -> None:
        tally = uuid4()
        handlers = [handler(await log.store()) for _ in range(6)]

        outcomes = await asyncio.gather(*(each.handle(tally, Count(tally, 1), key=key()) for each in handlers))

        assert len(await log.events_of(tally)) == 1
        assert [False, *[True] * 5] == sorted(outcome.replayed for outcome in outcomes)
        assert all((outcome.version, outcome.token) == (1, outcomes[0].token) for outcome in outcomes)


class TestCachedState:
    async def test_is_what_the_next_command_is_decided_on(self, log: LogDatabase, store: EventStore) -> None:
        tally = uuid4()

        def never(state: Tally, event: TallyEvent) -> Tally:
            raise AssertionError("the stream was folded although its state is cached")

        await handler(store).handle(tally, Count(tally, 1))

        assert await handler(store, replace(TALLIES, evolve=never)).read(tally) == (1, Tally(amounts=(1,)))

    async def test_is_folded_anew_when_the_fold_has_changed(self, store: EventStore) -> None:
        tally = uuid4()
        for amount in (1, 2):
            await handler(store).handle(tally, Count(tally, amount))
        negated = replace(TALLIES, evolve=lambda state, event: evolve(state, opposite(event)), state_version=2)

        assert await handler(store, negated).read(tally) == (2, Tally(amounts=(-1, -2)))
        await handler(store, negated).handle(tally, Count(tally, 3))
        stored = await store.load(tally)

        assert stored.state_version == 2
        assert stored.state == negated.cached(Tally(amounts=(-1, -2, -3)))

    async def test_of_a_newer_process_is_not_replaced_by_an_older_fold(self, store: EventStore) -> None:
        tally = uuid4()
        newer = replace(TALLIES, evolve=lambda state, event: evolve(state, opposite(event)), state_version=2)
        await handler(store, newer).handle(tally, Count(tally, 1))

        outcome = await handler(store).handle(tally, Count(tally, 2))

        stored = await store.load(tally)
        assert (outcome.version, amounts(outcome)) == (2, [2])
        assert (stored.version, stored.state, stored.state_version) == (2, None, 2)
        assert await handler(store, newer).read(tally) == (2, Tally(amounts=(-1, -2)))
        assert await handler(store).read(tally) == (2, Tally(amounts=(1, 2)))

    async def test_folds_a_long_stream_in_pages(self, store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
        tally = uuid4()
        await store.append(replace(append_of(tally, events=25), state=None))
        monkeypatch.setattr("chassis.command_handling.READ_EVENTS_MAX", 10)

        assert await handler(store).read(tally) == (25, Tally(amounts=tuple(range(1, 26))))

    async def test_that_cannot_be_folded_for_an_unknown_type_is_unavailable(self, log: LogDatabase, store: EventStore) -> None:
        tally = uuid4()
        await handler(store, replace(TALLIES, state_version=2)).handle(tally, Close(tally))
        older: TallyDecider = replace(TALLIES, events={Counted.TYPE: Counted})

        with pytest.raises(Unavailable):
            await handler(store, older).handle(tally, Count(tally, 1))
        assert len(await log.events_of(tally)) == 1


def opposite(event: TallyEvent) -> TallyEvent:
    return event if isinstance(event, Closed) else event.model_copy(update={"amount": -event.amount})


class TestCause:
    async def test_of_a_policys_commands_leads_back_to_the_first_command(self, store: EventStore) -> None:
        tally = uuid4()
        await handler(store).handle(tally, Count(tally, 1))
        [recorded] = await store.read_stream(tally)

        causes = [cause_of(recorded, policy="doubles", index=index) for index in (0, 1)]

        assert {recorded.event_id} == {cause.causation_id for cause in causes}
        assert {recorded.correlation_id} == {cause.correlation_id for cause in causes}
        assert len({cause.command_id for cause in causes}) == 2
        assert causes[0] == cause_of(recorded, policy="doubles", index=0), "decided again, it makes the same events"


def test_a_decider_knows_every_event_of_its_streams_by_name() -> None:
    assert {event.TYPE: event for event in (Counted, Closed)} == EVENTS
    assert shard_of(UUID(int=5)) == 5
