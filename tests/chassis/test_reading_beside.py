"""Whoever is behind reads beside the others of its source, and joins them: nobody waits for it, and nothing is lost or repeated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar, Literal

import asyncpg
import pytest
from structlog.testing import capture_logs

from chassis import consumer as consumer_module
from chassis import intake as intake_module
from chassis import projector as projector_module
from chassis.consumer import Batch, TopicFeed, TopicOffset
from chassis.crash_points import CrashPoint
from chassis.database import DATABASE_ERRORS, Connection
from chassis.event_store import EventStore
from chassis.kafka import make_producer
from chassis.leases import Lease, LeaseLost
from chassis.progress import NOTHING, PositionsMoved, Progress
from chassis.projector import ForeignLog, OwnLog, lease_name
from chassis.shard_heads import ShardHeads
from chassis.subscribers import Fact
from chassis.testing.wait import eventually
from contracts.event import SHARDS, record_headers
from tests.at_work import at_work
from tests.chassis.log_database import LogDatabase
from tests.chassis.tallies import SERVICE, Counted, append_of, in_shard
from tests.chassis.tally_topics import make_topic, started
from tests.chassis.test_projector import (
    OTHER,
    PARTITION,
    PARTITIONS,
    TAKEN,
    TOKEN,
    Taken,
    Topic,
    by_shard,
    counted,
    ended,
    has_reached,
    is_halted,
    position,
    positions_taken,
    projecting,
    projector_of,
)

HAD = 40
"""Events that the others had before."""
NEW = "second_v1"


@pytest.fixture(autouse=True)
async def _prepared(log: LogDatabase, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    await log.owner.execute(TAKEN)
    monkeypatch.setattr(projector_module, "HALTED_PAUSE_S", 0.1)
    monkeypatch.setattr(projector_module, "NEAR_EVENTS", 2)
    with capture_logs():
        yield


async def had(log: LogDatabase, *, first: int = HAD) -> Topic:
    """A topic that was read by one read model, to its end."""
    topic = Topic(counted(in_shard(PARTITION), *range(1, first + 1)), batch_size=5)
    async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
        await eventually(lambda: has_reached(log, PARTITION, first))
    topic.follows.clear()
    return topic


def news(topic: Topic, count: int = 1) -> None:
    at = len(topic.records)
    topic.add(*counted(topic.records[0].stream_id, *range(at + 1, at + count + 1)))


async def is_shared(log: LogDatabase) -> bool:
    """Whether one transaction moved both."""
    rows = await log.rows("SELECT DISTINCT subscriber, xmin::text FROM position WHERE shard = $1", PARTITION)
    return len(rows) == 2 and len({xmin for _, xmin in rows}) == 1


async def each_once(log: LogDatabase, count: int) -> None:
    for reader in ("taken_v1", NEW):
        assert [(PARTITION, pos) for pos in range(1, count + 1)] == await positions_taken(log, reader)


async def set_back(log: LogDatabase, pos: int) -> None:
    """As a database that lost what it had not synced."""
    await log.owner.execute("UPDATE position SET last_pos = $2, last_event_id = NULL WHERE subscriber = $1", NEW, pos)
    await log.owner.execute("DELETE FROM taken WHERE reader = $1 AND pos > $2", NEW, pos)


class Gate:
    """Lets batches through as far as it is told."""

    def __init__(self, through: int) -> None:
        self.through, self.came, self.opened = through, asyncio.Event(), asyncio.Event()

    async def __call__(self, batch: Batch) -> None:
        if self.through == 0:
            self.came.set()
            await self.opened.wait()
        else:
            self.through -= 1


class OtherCountedAnew(Counted):
    TYPE: ClassVar[Literal["gatehouse.other.counted.v2"]] = "gatehouse.other.counted.v2"  # type: ignore[assignment]


class TestWhoIsNew:
    async def test_holds_up_nobody_while_it_reads(self, log: LogDatabase) -> None:
        topic = await had(log)
        topic.given_beside = gate = Gate(3)
        async with projecting(projector_of(log, Taken(subscribes=OTHER), Taken(NEW, OTHER), source=topic)):
            await asyncio.wait_for(gate.came.wait(), timeout=10)
            news(topic)
            await eventually(lambda: has_reached(log, PARTITION, HAD + 1))
            assert 15 == await position(log, PARTITION, NEW), "invalid: it was not behind"
            gate.opened.set()
            gate.through = HAD
            await eventually(lambda: has_reached(log, PARTITION, HAD + 1, NEW))

        assert [HAD] == topic.follows[:1], "the others went on where they were"
        await each_once(log, HAD + 1)

    async def test_shares_the_pass_of_the_others_once_it_is_near(self, log: LogDatabase) -> None:
        topic = await had(log)
        async with projecting(projector_of(log, Taken(subscribes=OTHER), Taken(NEW, OTHER), source=topic)):
            await eventually(lambda: has_reached(log, PARTITION, HAD, NEW))
            news(topic)
            await eventually(lambda: is_shared(log))

        assert (HAD - 5, [0]) == (topic.follows[-1], topic.beside_follows), "one pass for all, from where it stood"
        assert [(HAD + 1,)] == await log.rows("SELECT kafka_offset FROM next_offset")
        await each_once(log, HAD + 1)

    async def test_joins_though_news_come_with_every_batch(self, log: LogDatabase) -> None:
        """It is behind whenever anybody looks."""
        topic = await had(log)

        async def more(batch: Batch) -> None:
            if len(topic.records) < 20 * HAD:
                news(topic, 2)
                await eventually(lambda: has_reached(log, PARTITION, len(topic.records)))

        topic.given_beside = more
        async with projecting(projector_of(log, Taken(subscribes=OTHER), Taken(NEW, OTHER), source=topic)):
            await eventually(lambda: len(topic.follows) == 2)
            assert len(topic.records) < 20 * HAD, "it had to wait until nobody told anything any more"
            await eventually(lambda: has_reached(log, PARTITION, len(topic.records), NEW))
        await each_once(log, len(topic.records))

    @pytest.mark.parametrize("stood", [HAD - 2, 15])
    async def test_that_was_killed_takes_none_of_the_others_back(self, log: LogDatabase, stood: int) -> None:
        """Wherever it was killed: also where it had joined, and nothing was told since."""
        topic = await had(log)

        async def hang(connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
            if facts[-1].event.amount > stood:
                await asyncio.Event().wait()

        topic.batch_size = 1
        async with projecting(projector_of(log, Taken(subscribes=OTHER), Taken(NEW, OTHER, hang), source=topic)):
            await eventually(lambda: has_reached(log, PARTITION, stood, NEW))
        topic.follows.clear()
        async with projecting(projector_of(log, Taken(subscribes=OTHER), Taken(NEW, OTHER), source=topic)):
            await eventually(lambda: has_reached(log, PARTITION, HAD, NEW))
            news(topic)
            await eventually(lambda: is_shared(log))

        assert min(topic.follows) >= HAD - 3, topic.follows
        assert topic.beside_follows[-1] >= stood - 2, "it went on about where it had been"
        await each_once(log, HAD + 1)

    async def test_reads_from_the_beginning_where_something_was_published_twice_since(self, log: LogDatabase) -> None:
        """So many records before the others are too few."""
        records = counted(in_shard(PARTITION), *range(1, HAD + 1))
        topic = Topic([*records[:30], *records[20:]], batch_size=5)
        both = projector_of(log, Taken(subscribes=OTHER), Taken(NEW, OTHER), source=topic)
        async with projecting(both):
            await eventually(lambda: has_reached(log, PARTITION, HAD, NEW))
        await set_back(log, 15)
        async with projecting(both):
            await eventually(lambda: has_reached(log, PARTITION, HAD, NEW))

        assert [HAD + 10 - 25, 0] == topic.beside_follows
        await each_once(log, HAD)

    async def test_that_cannot_go_on_halts_alone(self, log: LogDatabase) -> None:
        topic = await had(log)
        projector = projector_of(log, Taken(subscribes=OTHER), Taken(NEW, (OtherCountedAnew,)), source=topic)
        async with projecting(projector):
            await eventually(lambda: projector.halts)
            news(topic)
            await eventually(lambda: has_reached(log, PARTITION, HAD + 1))
            assert {("other/behind", PARTITION): "unknown-version"} == projector.halts
        assert {} == projector.halts

    async def test_in_several_partitions_leaves_the_database_to_the_others(
        self, log: LogDatabase, store: EventStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It has few transactions at once, and whoever waits for his turn among those behind holds up nobody."""
        monkeypatch.setattr(projector_module, "BEHIND_AT_ONCE", 1)
        monkeypatch.setattr(projector_module, "READ_EVENTS_MAX", 5)
        partitions = (1, 2)
        streams = [in_shard(each) for each in partitions]
        await log.owner.execute("INSERT INTO lease (name, token) VALUES ('project/02', $1)", TOKEN)
        heads, told = ShardHeads(log.pool), 0

        async def tell(times: int) -> None:
            nonlocal told
            for _ in range(times):
                await asyncio.gather(*(store.append(append_of(stream, at=told)) for stream in streams))
                told += 1

        @asynccontextmanager
        async def projecting_both(*read_models: Taken) -> AsyncIterator[None]:
            works = projector_of(log, *read_models, source=OwnLog(SERVICE, log.pool, heads)).works()
            names = [lease_name(each) for each in partitions]
            async with at_work(*(works[name](Lease(name, TOKEN)) for name in names)):
                yield

        async def all_have(reader: str, *shards: int) -> bool:
            return {told} == {await position(log, shard, reader, SERVICE) for shard in shards}

        polling = asyncio.create_task(heads.run())
        await tell(20)
        async with projecting_both(Taken()):
            await eventually(lambda: all_have("taken_v1", *partitions))
        busy: list[int] = []
        opened = asyncio.Event()

        async def hold(connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            busy.append(facts[0].recorded.shard)
            await opened.wait()

        async with projecting_both(Taken(), Taken(NEW, after_writing=hold)):
            await eventually(lambda: busy)
            await tell(1)
            await eventually(lambda: all_have("taken_v1", *({*partitions} - {busy[0]})))
            assert 1 == len(busy)
            opened.set()
            await eventually(lambda: all_have(NEW, *partitions))
            assert {*partitions} == {*busy}, "invalid: it was behind in one alone"
        polling.cancel()

    async def test_is_told_of_apart_from_the_others(self, log: LogDatabase) -> None:
        topic = await had(log)
        topic.given_beside = gate = Gate(3)
        projector = projector_of(log, Taken(subscribes=OTHER), Taken(NEW, OTHER), source=topic)
        async with projecting(projector):
            await asyncio.wait_for(gate.came.wait(), timeout=10)
            assert (HAD, 15) == tuple(projector.reached[name, "other", PARTITION] for name in ("taken_v1", NEW))


ONE_HINDERED = {
    "a lock": "SET LOCAL lock_timeout = '20ms'; SELECT pg_advisory_xact_lock(7)",
    "a time-out": "SET LOCAL statement_timeout = '20ms'; SELECT pg_sleep(60)",
    "a deadlock": "DO $$ BEGIN RAISE deadlock_detected; END $$",
    "a full disk": "DO $$ BEGIN RAISE disk_full; END $$",
}
"""What may be in the way of one transaction, and of nobody else's."""


class Hindered:
    """A read model in whose way something is, from its third batch until the test takes it away."""

    def __init__(self, statement: str) -> None:
        self.statement, self.batches, self.is_over = statement, 0, False

    async def __call__(self, connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
        self.batches += 1
        if self.batches > 2 and not self.is_over:
            await connection.execute(self.statement)


class TestWhoIsHindered:
    """What may pass by itself is waited for by whoever is behind alone."""

    @pytest.mark.parametrize("statement", ONE_HINDERED.values(), ids=ONE_HINDERED.keys())
    async def test_holds_up_nobody_and_joins_them_once_it_is_over(self, log: LogDatabase, statement: str) -> None:
        topic, hindered = await had(log), Hindered(statement)
        projector = projector_of(log, Taken(subscribes=OTHER), Taken(NEW, OTHER, after_writing=hindered), source=topic)
        async with projecting(projector) as task:
            await log.owner.execute("SELECT pg_advisory_lock(7)")
            await eventually(lambda: hindered.batches > 4)
            news(topic)
            await eventually(lambda: has_reached(log, PARTITION, HAD + 1))
            assert {("other/behind", PARTITION): "hindered"} == projector.halts
            assert (True, False) == (is_halted("other/behind"), is_halted()), "operators are told of whoever is behind"
            assert (10, False) == (await position(log, PARTITION, NEW), task.done())

            await log.owner.execute("SELECT pg_advisory_unlock(7)")
            hindered.is_over = True
            await eventually(lambda: has_reached(log, PARTITION, HAD + 1, NEW))
            news(topic)
            await eventually(lambda: is_shared(log))
            assert {} == projector.halts
            assert not is_halted("other/behind")

        assert HAD == topic.follows[0], "the others went on where they were"
        assert 2 == len(topic.follows), "they began once more, when it joined them, and never else"
        await each_once(log, HAD + 2)

    async def test_does_not_join_them_before_it_is_over(self, log: LogDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        """Though it is near by now, as where much comes at once: it would take them with it."""
        topic, hindered = await had(log), Hindered(ONE_HINDERED["a deadlock"])
        projector = projector_of(log, Taken(subscribes=OTHER), Taken(NEW, OTHER, after_writing=hindered), source=topic)
        async with projecting(projector) as task:
            await eventually(lambda: hindered.batches > 3)
            monkeypatch.setattr(projector_module, "NEAR_EVENTS", 2 * HAD)
            tried = hindered.batches
            await eventually(lambda: hindered.batches > tried + 2)
            news(topic)
            await eventually(lambda: has_reached(log, PARTITION, HAD + 1))
            assert ({("other/behind", PARTITION): "hindered"}, False) == (projector.halts, task.done())
            assert [HAD] == topic.follows, "nobody has joined"

            hindered.is_over = True
            await eventually(lambda: has_reached(log, PARTITION, HAD + 1, NEW))
        await each_once(log, HAD + 1)

    async def test_goes_on_in_the_middle_of_a_batch_whose_first_half_is_stored(self, log: LogDatabase) -> None:
        topic = await had(log)
        topic.batch_size, locked = 20, 2

        async def fail(connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
            nonlocal locked
            if len(facts) > 5:
                raise ValueError
            if locked and facts[0].event.amount == 11:
                locked -= 1
                raise asyncpg.LockNotAvailableError

        async with projecting(projector_of(log, Taken(subscribes=OTHER), Taken(NEW, OTHER, fail), source=topic)) as task:
            await eventually(lambda: has_reached(log, PARTITION, HAD, NEW))
            assert (0, False) == (locked, task.done())
        await each_once(log, HAD)

    @pytest.mark.parametrize("what", ["another's lease", "positions that moved", "a lost connection", "a commit nobody heard of"])
    async def test_ends_with_the_others_where_nobody_knows_what_is_stored(
        self, log: LogDatabase, monkeypatch: pytest.MonkeyPatch, what: str
    ) -> None:
        topic = await had(log)
        topic.given_beside = gate = Gate(3)

        async def cut(connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
            if what == "a lost connection" and gate.opened.is_set():
                await log.owner.execute("SELECT pg_terminate_backend($1)", await connection.fetchval("SELECT pg_backend_pid()"))

        def answer_is_lost(point: CrashPoint) -> None:
            if what == "a commit nobody heard of" and gate.opened.is_set() and point is CrashPoint.INTAKE_COMMITTED:
                raise TimeoutError

        monkeypatch.setattr(intake_module, "passing", answer_is_lost)
        projector = projector_of(log, Taken(subscribes=OTHER), Taken(NEW, OTHER, after_writing=cut), source=topic)
        async with projecting(projector) as task:
            await asyncio.wait_for(gate.came.wait(), timeout=10)
            if what == "another's lease":
                await log.owner.execute("UPDATE lease SET token = token + 1")
            if what == "positions that moved":
                await set_back(log, 5)
            gate.opened.set()
            gate.through = HAD
            with pytest.raises((LeaseLost, PositionsMoved, *DATABASE_ERRORS)):
                await ended(task)

        await log.owner.execute("UPDATE lease SET token = $1", TOKEN)
        monkeypatch.setattr(intake_module, "passing", lambda point: None)
        topic.given_beside = None
        async with projecting(projector_of(log, Taken(subscribes=OTHER), Taken(NEW, OTHER), source=topic)):
            await eventually(lambda: has_reached(log, PARTITION, HAD, NEW))
        await each_once(log, HAD)


class TestOwnLog:
    async def test_is_read_beside_the_others_while_it_grows(self, log: LogDatabase, store: EventStore) -> None:
        streams = [in_shard(shard) for shard in range(PARTITION, SHARDS, PARTITIONS)]
        heads = ShardHeads(log.pool)
        own = OwnLog(SERVICE, log.pool, heads)
        told = 0

        async def tell(times: int) -> None:
            nonlocal told
            for _ in range(times):
                await asyncio.gather(*(store.append(append_of(stream, at=told)) for stream in streams))
                told += 1

        async def have_all(*readers: str) -> bool:
            rows = await log.rows("SELECT DISTINCT subscriber, min(last_pos) OVER (PARTITION BY subscriber) FROM position")
            return {(reader, told) for reader in readers} <= set(map(tuple, rows))

        polling = asyncio.create_task(heads.run())
        await tell(20)
        async with projecting(projector_of(log, Taken(), source=own)):
            await eventually(lambda: have_all("taken_v1"))
        async with projecting(projector_of(log, Taken(), Taken(NEW), source=own)):
            await tell(20)
            await eventually(lambda: have_all("taken_v1", NEW))
            await tell(1)
            await eventually(lambda: have_all("taken_v1", NEW))
            await eventually(lambda: is_shared(log))
        polling.cancel()

        for reader in ("taken_v1", NEW):
            taken = by_shard(await positions_taken(log, reader, SERVICE))
            assert {shard: list(range(1, told + 1)) if shard % PARTITIONS == PARTITION else [] for shard in range(SHARDS)} == taken


class TestOnKafka:
    async def test_reads_beside_the_others_with_a_client_of_its_own(
        self, log: LogDatabase, kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(consumer_module, "BATCH_RECORDS_MAX", 5)
        name = await make_topic(kafka_bootstrap, topic_prefix)
        stream, told = in_shard(PARTITION), 0
        feed = TopicFeed(kafka_bootstrap, {"other": name})
        fetching = asyncio.create_task(feed.run())

        async def tell(count: int) -> None:
            nonlocal told
            async with started(make_producer(kafka_bootstrap)) as producer:
                for each in counted(stream, *range(told + 1, told + count + 1)):
                    headers = record_headers(each.headers, each.pos)
                    await producer.send(name, each.data, key=str(stream).encode(), partition=PARTITION, headers=headers)
                await producer.flush()
            told += count

        source = ForeignLog("other", feed)
        await tell(100)
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=source)):
            await eventually(lambda: has_reached(log, PARTITION, told))
        clients: list[object] = []

        async def look(connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
            clients.append(feed._beside)

        async with projecting(projector_of(log, Taken(subscribes=OTHER), Taken(NEW, OTHER, look), source=source)):
            await tell(50)
            await eventually(lambda: has_reached(log, PARTITION, told, NEW))
            await tell(1)
            await eventually(lambda: is_shared(log))
            assert clients[0] is not None, "invalid: it was not behind"
            assert clients[-1] is None, "its client is there while it is behind, and no longer"
        fetching.cancel()
        await asyncio.wait([fetching])
        await each_once(log, told)


class TestAdmit:
    @pytest.mark.parametrize(
        ("theirs", "his", "next_offset"),
        [((9, "t"), (5, "t"), (5, "t")), ((5, "t"), (9, "t"), (5, "t")), ((9, "t"), (5, "u"), (0, ""))],
    )
    def test_goes_on_at_the_earlier_of_both_places(
        self, theirs: tuple[int, str], his: tuple[int, str], next_offset: tuple[int, str]
    ) -> None:
        """He may be ahead; and what was read of another topic says nothing of this one."""
        level = Progress(SERVICE, 0, {"level_v1": {0: NOTHING}}, TopicOffset(*theirs))
        level.admit(Progress(SERVICE, 0, {"behind_v1": {0: NOTHING}}, TopicOffset(*his), is_behind=True))
        assert next_offset == (level.next_offset, level.next_offset.topic_id)
        assert {"level_v1", "behind_v1"} == level.lasts.keys()
