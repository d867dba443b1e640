"""What cannot be taken in waits with its stream, and nobody else waits with it: on a real database, under a real lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from chassis import curing, parking, tracing
from chassis import projector as projector_module
from chassis.curing import Cure, NotTheFirst, Place, Retried, Stream, Unknown
from chassis.database import Connection
from chassis.event_store import EventStore
from chassis.leases import LeaseLost
from chassis.parking import ParkedWatch
from chassis.probes import NotReady
from chassis.projector import OwnLog
from chassis.reacting import Reactions
from chassis.shard_heads import ShardHeads
from chassis.subscribers import Fact, Policy, Subscriber
from chassis.testing.wait import eventually
from contracts.event import Recorded
from tests.chassis.log_database import LogDatabase
from tests.chassis.tallies import (
    SERVICE,
    Count,
    Counted,
    TallyCommand,
    handler,
    in_shard,
    in_shards,
)
from tests.chassis.test_projector import (
    NAME,
    OTHER,
    PARTITIONS,
    TAKEN,
    TOKEN,
    WITHIN_S,
    OtherCounted,
    RacedLoads,
    Taken,
    Topic,
    amounts_of,
    count_it,
    counted,
    ended,
    has_reached,
    is_halted,
    position,
    positions_taken,
    projecting,
    projector_of,
    recorded,
)
from tests.collector import Collector

PARKED = "SELECT shard, pos FROM parked WHERE subscriber = $1 ORDER BY source, shard, pos"


class Broken(Exception):
    pass


@pytest.fixture(autouse=True)
async def _prepared(log: LogDatabase, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    await log.owner.execute(TAKEN)
    monkeypatch.setattr(projector_module, "HALTED_PAUSE_S", 0.1)
    with capture_logs():
        yield


@dataclass
class Picky:
    """Cannot take in some amounts, until it is mended."""

    amounts: set[int]
    error: type[Exception] = Broken

    async def __call__(self, connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
        if any(fact.event.amount in self.amounts for fact in facts):
            raise self.error


def picky(*amounts: int, name: str = "taken_v1", subscribes: Any = OTHER) -> tuple[Picky, Taken]:
    rule = Picky(set(amounts))
    return rule, Taken(name, subscribes, after_writing=rule)


def count_or_break(*amounts: int) -> Callable[[Fact[Counted]], Sequence[tuple[UUID, TallyCommand]]]:
    def react(fact: Fact[Counted]) -> Sequence[tuple[UUID, TallyCommand]]:
        if fact.event.amount in amounts:
            raise Broken
        return count_it(fact)

    return react


UNREADABLE, READABLE = 1_000, 2_000
"""What the policy counts in the stream when it is parked, and when it is cured."""


def watchful(store: EventStore, *amounts: int, subscribes: Any = OTHER) -> Policy[TallyCommand]:
    """Tells in the stream of the same id that something of it waits, and that nothing waits any more."""
    return Policy(
        "watchful",
        subscribes,
        handler(store),
        count_or_break(*amounts),
        when_parked=lambda recorded: [(recorded.stream_id, Count(recorded.stream_id, UNREADABLE))],
        when_cured=lambda recorded: [(recorded.stream_id, Count(recorded.stream_id, READABLE))],
    )


def cure_of(log: LogDatabase, *subscribers: Subscriber, store: EventStore | None = None, pool: asyncpg.Pool | None = None) -> Cure:
    return Cure(pool or log.pool, {each.name: each for each in subscribers}, PARTITIONS, Reactions(store) if store else None)


async def waiting(log: LogDatabase, subscriber: str = "taken_v1") -> list[tuple[int, int]]:
    """(shard, pos) of what is parked."""
    return [(shard, pos) for shard, pos in await log.rows(PARKED, subscriber)]


async def is_parked(log: LogDatabase, count: int = 1, subscriber: str = "taken_v1") -> bool:
    return count == len(await waiting(log, subscriber))


async def are_at_fault(log: LogDatabase, count: int) -> bool:
    return [(count,)] == await log.rows("SELECT count(*) FROM parked WHERE error IS NOT NULL")


def stream_of(stream_id: UUID, subscriber: str = "taken_v1", source: str = "other") -> Stream:
    return Stream(subscriber, source, stream_id)


class TestEventThatCannotBeApplied:
    async def test_waits_with_all_that_follows_in_its_stream_and_nobody_else_waits(self, log: LogDatabase) -> None:
        bad, good, elsewhere = in_shards(1, 1, 5)
        topic = Topic()
        for pos, stream in enumerate((bad, bad, good, bad, good, bad), 1):
            topic.add(*counted(stream, pos))
        topic.add(*counted(elsewhere, 1))
        _, model = picky(2)
        async with projecting(projector_of(log, model, Taken("second_v1", OTHER), source=topic)) as task:
            await eventually(lambda: has_reached(log, 5, 1))
            topic.add(*counted(bad, 7), *counted(good, 8))
            await eventually(lambda: has_reached(log, 1, 8))
            assert not is_halted()
            assert not task.done()

        assert [(1, 1), (1, 3), (1, 5), (5, 1), (1, 8)] == await positions_taken(log)
        assert [(1, 2), (1, 4), (1, 6), (1, 7)] == await waiting(log)
        assert [(1, pos) for pos in range(1, 9)] == [at for at in await positions_taken(log, "second_v1") if at[0] == 1]
        assert 8 == await position(log, 1, "second_v1")

    async def test_is_kept_with_all_that_it_takes_to_apply_it_later(self, log: LogDatabase) -> None:
        bad = in_shard(1)
        topic = Topic(counted(bad, 1, 2))
        _, model = picky(1)
        async with projecting(projector_of(log, model, source=topic)):
            await eventually(lambda: is_parked(log, 2))

        first, second = topic.records
        rows = await log.rows("SELECT stream_id, version, type, data, meta, attempts, error IS NULL FROM parked ORDER BY pos")
        assert [
            (bad, 1, first.type, first.data, b"\n".join(first.headers), 1, False),
            (bad, 2, second.type, second.data, b"\n".join(second.headers), 0, True),
        ] == rows
        assert 1 == len(
            await log.rows("SELECT DISTINCT xmin::text FROM parked WHERE pos = 2 UNION SELECT xmin::text FROM position")
        )

    async def test_moves_position_and_offset_in_the_transaction_that_parks_it(self, log: LogDatabase) -> None:
        _, model = picky(1)
        async with projecting(projector_of(log, model, source=Topic(counted(in_shard(1), 1)))):
            await eventually(lambda: is_parked(log))

        told = "SELECT xmin::text FROM parked UNION SELECT xmin::text FROM position UNION SELECT xmin::text FROM next_offset"
        assert 1 == len(await log.rows(told))
        assert [("other", 1, 1)] == await log.rows("SELECT source, partition, kafka_offset FROM next_offset")

    async def test_is_found_among_many_and_so_is_every_other_one(self, log: LogDatabase) -> None:
        streams = [in_shard(1) for _ in range(40)]
        topic = Topic([event for pos in range(1, 121) for event in counted(streams[pos % 40], pos)])
        bad = {3, 44, 45, 119}
        _, model = picky(*bad)
        async with projecting(projector_of(log, model, source=topic)):
            await eventually(lambda: has_reached(log, 1, 120))

        parked = [pos for pos in range(1, 121) if any(first <= pos and first % 40 == pos % 40 for first in bad)]
        assert [(1, pos) for pos in parked] == await waiting(log)
        assert [(1, pos) for pos in range(1, 121) if pos not in parked] == await positions_taken(log)

    async def test_is_told_without_a_word_of_what_it_says(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        spoilt = counted(stream, 1)[0]._replace(data='{"tally_id": "张三", "amount": "310109199001010000"}'.encode())
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=Topic([spoilt]))):
            await eventually(lambda: is_parked(log))

        [(error,)] = await log.rows("SELECT error FROM parked")
        assert error.startswith("pydantic_core._pydantic_core.ValidationError tally_id uuid_parsing")
        assert "张三" not in error
        assert "3101091990" not in error

    @pytest.mark.parametrize("amount", [2**63, -(2**63) - 1])
    async def test_may_be_one_whose_value_no_column_holds(self, log: LogDatabase, amount: int) -> None:
        """The client refuses to send it, by an exception that looks like a broken connection's."""
        stream = in_shard(1)
        too_big = recorded(stream, 1, event=OtherCounted(tally_id=stream, amount=amount))
        async with projecting(
            projector_of(log, Taken(subscribes=OTHER), source=Topic([too_big, *counted(in_shard(5), 1)]))
        ) as task:
            await eventually(lambda: has_reached(log, 5, 1))
            assert not task.done()

        assert [(1, 1)] == await waiting(log)

    async def test_may_be_one_that_the_database_refuses(self, log: LogDatabase) -> None:
        await log.owner.execute("ALTER TABLE taken ADD CONSTRAINT small CHECK (amount < 7)")
        try:
            topic = Topic([*counted(in_shard(1), *range(1, 8)), *counted(in_shard(5), 1)])
            async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
                await eventually(lambda: has_reached(log, 5, 1))
        finally:
            await log.owner.execute("ALTER TABLE taken DROP CONSTRAINT small")

        [(pos, error)] = await log.rows("SELECT pos, error FROM parked")
        assert 7 == pos
        assert error.startswith("asyncpg.exceptions.CheckViolationError 23514 small")

    async def test_keeps_its_stream_waiting_after_a_restart(self, log: LogDatabase) -> None:
        bad, good = in_shards(1, 1)
        topic = Topic(counted(bad, 1))
        rule, model = picky(1)
        async with projecting(projector_of(log, model, source=topic)):
            await eventually(lambda: is_parked(log))
        rule.amounts.clear()
        topic.add(*counted(bad, 2), *counted(good, 3))
        async with projecting(projector_of(log, model, source=topic)):
            await eventually(lambda: has_reached(log, 1, 3))

        assert [(1, 3)] == await positions_taken(log)
        assert [(1, 1), (1, 2)] == await waiting(log)

    async def test_does_not_keep_what_nobody_wants_of_its_stream(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        closed = recorded(stream, 2, type_name="gatehouse.other.closed.v1")
        _, model = picky(1)
        async with projecting(projector_of(log, model, source=Topic([*counted(stream, 1), closed, *counted(stream, 3)]))):
            await eventually(lambda: has_reached(log, 1, 3))

        assert [(1, 1), (1, 3)] == await waiting(log)

    async def test_is_not_one_that_no_event_could_be_applied_by(self, log: LogDatabase) -> None:
        """A table is missing: whoever forgot the migration finds nothing parked."""

        async def miss(connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
            await connection.execute("SELECT FROM nowhere")

        projector = projector_of(log, Taken(subscribes=OTHER, before_writing=miss), source=Topic(counted(in_shard(1), 1)))
        async with projecting(projector):
            await eventually(is_halted)
            assert {("other", 1): "cannot-apply"} == projector.halts

        assert [] == await waiting(log)
        assert await position(log, 1) is None

    async def test_halts_the_partition_when_too_many_wait_and_lets_it_go_on_when_they_are_cured(
        self, log: LogDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(parking, "PARKED_STREAMS_MAX", 2)
        streams = in_shards(1, 1, 1)
        topic = Topic([event for pos, stream in enumerate(streams, 1) for event in counted(stream, pos)])
        rule, model = picky(1, 2, 3)
        projector = projector_of(log, model, source=topic)
        async with projecting(projector):
            await eventually(is_halted)
            assert {("other", 1): "too-many-parked"} == projector.halts
            assert [(1, 1), (1, 2)] == await waiting(log)

            rule.amounts = {3}
            await cure_of(log, model).retry(stream_of(streams[0]))
            await eventually(lambda: has_reached(log, 1, 3))
            await eventually(lambda: not is_halted())

        assert [(1, 2), (1, 3)] == await waiting(log)


class TestPolicy:
    async def test_that_cannot_take_an_event_in_tells_so_in_the_same_transaction(self, log: LogDatabase, store: EventStore) -> None:
        bad, good = in_shards(1, 1)
        topic = Topic([*counted(bad, 1), *counted(bad, 2), *counted(good, 3), *counted(bad, 4)])
        policy = watchful(store, 2)
        async with projecting(projector_of(log, source=topic, policies=[policy], store=store)):
            await eventually(lambda: has_reached(log, 1, 4, "watchful"))

        assert (1, UNREADABLE) == await amounts_of(store, bad)
        assert (3,) == await amounts_of(store, good)
        assert [(1, 2), (1, 4)] == await waiting(log, "watchful")
        [(parked_in,)] = await log.rows("SELECT xmin::text FROM parked WHERE pos = 2")
        [(told_in,)] = await log.rows("SELECT xmin::text FROM event WHERE stream_id = $1 AND version = 2", bad)
        assert parked_in == told_in

    async def test_tells_again_when_somebody_else_came_between(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        store = RacedLoads(log.pool, epoch=1)
        other = await log.store()
        store.races = [lambda n=n: handler(other).handle(stream, Count(stream, n)) for n in (5, 6, 7)]  # type: ignore[misc]
        async with projecting(projector_of(log, source=Topic(counted(stream, 1)), policies=[watchful(store, 1)], store=store)):
            await eventually(lambda: is_parked(log, 1, "watchful"))

        assert [] == store.races, "invalid: nobody came between"
        assert (5, 6, 7, UNREADABLE) == await amounts_of(other, stream)

    async def test_that_cannot_tell_so_halts_the_partition(self, log: LogDatabase, store: EventStore) -> None:
        """Whoever must be warned would not be."""

        def fail(recorded: Recorded) -> Sequence[tuple[UUID, TallyCommand]]:
            raise Broken

        policy = replace(watchful(store, 1), when_parked=fail)
        projector = projector_of(log, source=Topic(counted(in_shard(1), 1)), policies=[policy], store=store)
        async with projecting(projector):
            await eventually(is_halted)
            assert {("other", 1): "cannot-apply"} == projector.halts

        assert [] == await log.rows("SELECT 1 FROM parked UNION ALL SELECT 1 FROM position UNION ALL SELECT 1 FROM event")

    async def test_goes_on_where_only_a_read_model_cannot(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(1)
        _, model = picky(1)
        policies = [watchful(store)]
        async with projecting(projector_of(log, model, source=Topic(counted(stream, 1, 2)), policies=policies, store=store)):
            await eventually(lambda: has_reached(log, 1, 2))

        assert (1, 2) == await amounts_of(store, stream)
        assert [(1, 1), (1, 2)] == await waiting(log)


async def parked_events(log: LogDatabase, model: Taken, *events: Recorded) -> Topic:
    """After a worker has parked whatever the model cannot take in."""
    topic = Topic(list(events))
    async with projecting(projector_of(log, model, source=topic)):
        await eventually(lambda: has_reached(log, events[-1].shard, events[-1].pos))
    return topic


class TestRetry:
    async def test_applies_what_waits_in_order_and_the_stream_goes_on(self, log: LogDatabase) -> None:
        bad, good = in_shards(1, 1)
        rule, model = picky(2)
        topic = Topic([*counted(bad, 1, 2), *counted(good, 3), *counted(bad, 4)])
        async with projecting(projector_of(log, model, source=topic)) as task:
            await eventually(lambda: has_reached(log, 1, 4))
            rule.amounts.clear()
            assert Retried(2, None, None) == await cure_of(log, model).retry(stream_of(bad))
            topic.add(*counted(bad, 5))
            await eventually(lambda: has_reached(log, 1, 5))
            assert not task.done()

        assert [(1, 1), (1, 3), (1, 2), (1, 4), (1, 5)] == await positions_taken(log)
        assert [] == await waiting(log)
        assert [(NAME, TOKEN, None, 1)] == await log.rows("SELECT name, token, owner, interventions FROM lease")

    async def test_makes_ready_what_deciding_needs(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        rule, model = picky(1)
        await parked_events(log, model, *counted(stream, 1))

        async def ready() -> None:
            rule.amounts.clear()

        cure = replace(cure_of(log, model), ready=[ready])
        assert Retried(1, None, None) == await cure.retry(stream_of(stream))

    async def test_applies_all_up_to_one_that_fails_still(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        rule, model = picky(1)
        await parked_events(log, model, *counted(stream, *range(1, 21)))
        rule.amounts = {14}
        retried = await cure_of(log, model).retry(stream_of(stream))
        assert (13, Place("taken_v1", "other", 1, 14)) == (retried.applied, retried.stopped_at)
        assert "Broken" in str(retried.error)
        await cure_of(log, model).retry(stream_of(stream))

        assert [(1, pos) for pos in range(1, 14)] == await positions_taken(log)
        assert [(14, 2)] == await log.rows("SELECT pos, attempts FROM parked WHERE error IS NOT NULL")

    async def test_of_a_long_stream_takes_several_transactions(self, log: LogDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(curing, "RETRY_EVENTS_MAX", 4)
        stream = in_shard(1)
        rule, model = picky(1)
        await parked_events(log, model, *counted(stream, *range(1, 11)))
        rule.amounts.clear()
        assert 10 == (await cure_of(log, model).retry(stream_of(stream))).applied
        assert [(1, pos) for pos in range(1, 11)] == await positions_taken(log)
        assert 3 == len(await log.rows("SELECT DISTINCT xmin::text FROM taken"))

    async def test_begins_no_batch_when_time_is_up_and_says_where_it_stopped(
        self, log: LogDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream = in_shard(1)
        rule, model = picky(1)
        await parked_events(log, model, *counted(stream, *range(1, 11)))
        rule.amounts.clear()
        monkeypatch.setattr(curing, "RETRY_EVENTS_MAX", 4)
        monkeypatch.setattr(curing, "time", SimpleNamespace(monotonic=iter([1.0, 2.0, 3.0]).__next__))
        retried = await cure_of(log, model).retry(stream_of(stream), until_s=2.0)
        assert Retried(8, Place("taken_v1", "other", 1, 9), None) == retried
        assert [(1, pos) for pos in range(1, 9)] == await positions_taken(log)
        assert [(9, 0)] == await log.rows("SELECT pos, attempts FROM parked ORDER BY pos LIMIT 1"), "it was not tried"

    async def test_that_finds_in_time_nothing_but_that_it_fails_counts_as_an_attempt(
        self, log: LogDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream = in_shard(1)
        _, model = picky(1)
        await parked_events(log, model, *counted(stream, *range(1, 11)))
        monkeypatch.setattr(curing, "time", SimpleNamespace(monotonic=iter([1.0, 3.0]).__next__))
        retried = await cure_of(log, model).retry(stream_of(stream), until_s=2.0)
        assert Retried(0, Place("taken_v1", "other", 1, 1), None) == retried
        assert [(1, 2)] == await log.rows("SELECT pos, attempts FROM parked WHERE error IS NOT NULL")

    async def test_that_the_database_cannot_do_now_is_told_with_what_was_applied(
        self, log: LogDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream = in_shard(1)
        rule, model = picky(1)
        await parked_events(log, model, *counted(stream, *range(1, 7)))
        rule.amounts, rule.error = {5}, ConnectionResetError
        monkeypatch.setattr(curing, "RETRY_EVENTS_MAX", 4)
        retried = await cure_of(log, model).retry(stream_of(stream))
        assert Retried(4, Place("taken_v1", "other", 1, 5), "builtins.ConnectionResetError") == retried
        assert [(5, 1), (6, 0)] == await log.rows("SELECT pos, attempts FROM parked ORDER BY pos")

    async def test_of_a_subscriber_that_is_gone_says_so(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        _, model = picky(1)
        await parked_events(log, model, *counted(stream, 1))
        retried = await cure_of(log).retry(stream_of(stream))
        assert Retried(0, Place("taken_v1", "other", 1, 1), "nobody subscribes under that name any more") == retried
        assert await is_parked(log)

    async def test_of_a_policy_appends_what_follows_and_that_it_is_cured(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(1)
        broken, mended = watchful(store, 2), watchful(store)
        async with projecting(projector_of(log, source=Topic(counted(stream, 1, 2, 3)), policies=[broken], store=store)):
            await eventually(lambda: has_reached(log, 1, 3, "watchful"))
        assert (1, UNREADABLE) == await amounts_of(store, stream)

        assert 2 == (await cure_of(log, mended, store=store).retry(stream_of(stream, "watchful"))).applied
        assert (1, UNREADABLE, 2, 3, READABLE) == await amounts_of(store, stream)
        assert [(5,)] == await log.rows("SELECT last_pos FROM shard_head WHERE shard = 1")

    async def test_is_told_in_the_trace_of_what_waited_and_so_is_what_follows(
        self, log: LogDatabase, store: EventStore, collector: Collector
    ) -> None:
        stream = in_shard(1)
        async with projecting(projector_of(log, source=Topic(counted(stream, 1)), policies=[watchful(store, 1)], store=store)):
            await eventually(lambda: is_parked(log, 1, "watchful"))
        with tracing.recorded(service="tally", role="api"):
            await cure_of(log, watchful(store), store=store).retry(stream_of(stream, "watchful"))

        [span] = collector.spans
        assert ("project other", "1" * 32, "2" * 16) == (span.name, span.trace_id, span.parent_id)
        assert (["watchful"], 1) == (span.attributes["gatehouse.subscribers"], span.attributes["messaging.batch.message_count"])
        _, counted_it, readable = await store.read_stream(stream)
        assert {f"00-{span.trace_id}-{span.span_id}-01"} == {counted_it.traceparent, readable.traceparent}

    async def test_of_a_policy_decides_again_when_somebody_else_came_between(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        store = RacedLoads(log.pool, epoch=1)
        store.races = []
        async with projecting(projector_of(log, source=Topic(counted(stream, 1)), policies=[watchful(store, 1)], store=store)):
            await eventually(lambda: is_parked(log, 1, "watchful"))
        other = await log.store()
        store.races = [lambda n=n: handler(other).handle(stream, Count(stream, n)) for n in (5, 6)]  # type: ignore[misc]
        await cure_of(log, watchful(store), store=store).retry(stream_of(stream, "watchful"))

        assert [] == store.races, "invalid: nobody came between"
        assert (UNREADABLE, 5, 6, 1, READABLE) == await amounts_of(other, stream)

    async def test_cures_only_when_nothing_waits_from_any_source(self, log: LogDatabase, store: EventStore) -> None:
        """The same person's stream has the same id in every service."""
        stream = in_shard(1)
        both = (Counted, OtherCounted)
        own = OwnLog(SERVICE, log.pool, ShardHeads(log.pool))
        polling = asyncio.create_task(own.heads.run())
        await handler(store).handle(stream, Count(stream, 1))
        broken = replace(watchful(store, 1, subscribes=both), handler=handler(store))
        topic = Topic(counted(stream, 1))
        async with projecting(projector_of(log, source=[topic, own], policies=[broken], store=store)):
            await eventually(lambda: are_at_fault(log, 2))
        polling.cancel()

        mended = replace(broken, react=lambda fact: [])
        cure = cure_of(log, mended, store=store)
        await cure.retry(stream_of(stream, "watchful"))
        assert READABLE not in await amounts_of(store, stream)
        await cure.retry(stream_of(stream, "watchful", SERVICE))
        assert READABLE == (await amounts_of(store, stream))[-1]
        assert [] == await waiting(log, "watchful")


@dataclass
class Gate:
    """Stops whoever comes, in the middle of a transaction, until it is opened."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
        self.reached.set()
        await self.opened.wait()

    async def is_reached(self) -> None:
        await asyncio.wait_for(self.reached.wait(), timeout=WITHIN_S)


@asynccontextmanager
async def running(act: Any) -> AsyncIterator[asyncio.Future[Any]]:
    task = asyncio.ensure_future(act)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


class TestRetryAgainstWorker:
    """Neither applies what the other has, and none is overtaken."""

    async def test_that_comes_during_a_retry_waits_and_applies_what_comes_behind_it(self, log: LogDatabase) -> None:
        bad = in_shard(1)
        rule, model = picky(1)
        topic = await parked_events(log, model, *counted(bad, 1, 2))
        rule.amounts.clear()
        gate = Gate()
        cure = cure_of(log, replace(model, before_writing=gate), pool=await log.another_pool())
        async with projecting(projector_of(log, model, source=topic)) as worker, running(cure.retry(stream_of(bad))) as retry:
            await gate.is_reached()
            topic.add(*counted(bad, 3))
            await log.blocked_session()
            assert [] == await positions_taken(log)
            gate.opened.set()
            assert Retried(2, None, None) == await retry
            await eventually(lambda: has_reached(log, 1, 3))
            assert not worker.done()

        assert [(1, 1), (1, 2), (1, 3)] == await positions_taken(log)
        assert [] == await waiting(log)

    async def test_that_is_at_work_is_waited_for_by_a_retry(self, log: LogDatabase) -> None:
        """It parks one more event of the stream meanwhile: that one is applied, too."""
        bad, good = in_shards(1, 1)
        rule, model = picky(1)
        topic = await parked_events(log, model, *counted(bad, 1))
        rule.amounts.clear()
        gate = Gate()
        at_work = replace(model, before_writing=gate)
        topic.add(*counted(bad, 2), *counted(good, 3))
        async with projecting(projector_of(log, at_work, source=topic)):
            await gate.is_reached()
            cure = cure_of(log, model, pool=await log.another_pool())
            async with running(cure.retry(stream_of(bad))) as retry:
                await log.blocked_session()
                gate.opened.set()
                assert 2 == (await retry).applied
            topic.add(*counted(bad, 4))
            await eventually(lambda: has_reached(log, 1, 4))

        assert [(1, 3), (1, 1), (1, 2), (1, 4)] == await positions_taken(log)
        assert [] == await waiting(log)

    async def test_that_has_decided_already_decides_anew(self, log: LogDatabase) -> None:
        """Its policy left an event aside, because its stream waits: by the time it writes, it waits no more."""
        bad, good = in_shards(1, 1)
        store = RacedLoads(log.pool, epoch=1)
        store.races = []
        topic = Topic(counted(bad, 1))
        async with projecting(projector_of(log, source=topic, policies=[watchful(store, 1)], store=store)):
            await eventually(lambda: is_parked(log, 1, "watchful"))

        other = await log.store()
        mended = watchful(store)
        cure = cure_of(log, watchful(other), store=other, pool=await log.another_pool())
        store.races = [lambda: cure.retry(stream_of(bad, "watchful"))]
        topic.add(*counted(bad, 2), *counted(good, 3))
        async with projecting(projector_of(log, source=topic, policies=[mended], store=store)):
            await eventually(lambda: has_reached(log, 1, 3, "watchful"))

        assert [] == store.races, "invalid: nobody came between"
        assert (UNREADABLE, 1, READABLE, 2) == await amounts_of(other, bad)
        assert [] == await waiting(log, "watchful")

    async def test_of_two_operators_applies_once(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        rule, model = picky(1)
        await parked_events(log, model, *counted(stream, 1, 2, 3))
        rule.amounts.clear()
        gate = Gate()
        first = cure_of(log, replace(model, before_writing=gate), pool=await log.another_pool())
        second = cure_of(log, model)
        async with running(first.retry(stream_of(stream))) as one:
            await gate.is_reached()
            async with running(second.retry(stream_of(stream))) as two:
                await log.blocked_session()
                gate.opened.set()
                assert [3, 0] == [(await each).applied for each in (one, two)]

        assert [(1, 1), (1, 2), (1, 3)] == await positions_taken(log)

    async def test_that_was_replaced_parks_nothing(self, log: LogDatabase) -> None:
        store = RacedLoads(log.pool, epoch=1)
        store.races = [lambda: log.owner.execute("UPDATE lease SET token = token + 1")]
        topic = Topic(counted(in_shard(1), 1))
        async with projecting(projector_of(log, source=topic, policies=[watchful(store, 1)], store=store)) as zombie:
            with pytest.raises(LeaseLost):
                await ended(zombie)

        assert [] == store.races, "invalid: nobody replaced it"
        assert [] == await log.rows("SELECT 1 FROM parked UNION ALL SELECT 1 FROM position UNION ALL SELECT 1 FROM event")


class TestDiscard:
    async def test_is_kept_with_its_reason_and_what_comes_behind_can_be_retried(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        _, model = picky(1)
        topic = await parked_events(log, model, *counted(stream, 1, 2))
        cure = cure_of(log, model)
        await cure.discard(Place("taken_v1", "other", 1, 1), reason="counted on paper", by="somebody on call")
        assert [(1, 2)] == await waiting(log)
        assert 1 == (await cure.retry(stream_of(stream))).applied

        assert [(1, 2)] == await positions_taken(log)
        assert [("taken_v1", 1, 1, topic.records[0].event_id, "counted on paper", "somebody on call")] == await log.rows(
            "SELECT subscriber, shard, pos, event_id, reason, discarded_by FROM discarded"
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await log.pool.execute("DELETE FROM discarded")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await log.owner.execute("UPDATE discarded SET reason = 'another'")

    async def test_of_one_behind_another_is_refused(self, log: LogDatabase) -> None:
        _, model = picky(1)
        await parked_events(log, model, *counted(in_shard(1), 1, 2))
        with pytest.raises(NotTheFirst, match="taken_v1/other/1:1"):
            await cure_of(log, model).discard(Place("taken_v1", "other", 1, 2), reason="because", by="somebody")
        assert await is_parked(log, 2)
        assert [] == await log.rows("SELECT 1 FROM discarded")

    async def test_of_what_is_not_parked_is_refused(self, log: LogDatabase) -> None:
        with pytest.raises(Unknown):
            await cure_of(log).discard(Place("taken_v1", "other", 1, 2), reason="because", by="somebody")

    async def test_of_the_last_that_waits_cures(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(1)
        policy = watchful(store, 1)
        async with projecting(projector_of(log, source=Topic(counted(stream, 1)), policies=[policy], store=store)):
            await eventually(lambda: is_parked(log, 1, "watchful"))
        cure = cure_of(log, policy, store=store)
        await cure.discard(Place("watchful", "other", 1, 1), reason="because", by="somebody")

        assert (UNREADABLE, READABLE) == await amounts_of(store, stream)


class TestWatch:
    async def test_is_not_ready_while_anything_waits_and_counts_it(self, log: LogDatabase) -> None:
        watch = ParkedWatch(log.pool, ["taken_v1", "second_v1"])
        await watch.look()
        await watch.check()
        rule, model = picky(1, 2)
        streams = in_shards(1, 1)
        await parked_events(log, model, *counted(streams[0], 1), *counted(streams[1], 2, 3))
        await watch.look()
        with pytest.raises(NotReady, match="parked"):
            await watch.check()
        assert [(3, 2), (0, 0)] == [counts(name) for name in ("taken_v1", "second_v1")]

        rule.amounts.clear()
        for stream in streams:
            await cure_of(log, model).retry(stream_of(stream))
        await watch.look()
        await watch.check()
        assert (0, 0) == counts("taken_v1")


def counts(subscriber: str) -> tuple[float | None, ...]:
    names = ("gatehouse_parked_events", "gatehouse_parked_streams")
    return tuple(REGISTRY.get_sample_value(name, {"subscriber": subscriber}) for name in names)
