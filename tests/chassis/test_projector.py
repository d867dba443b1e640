"""Events → rows and commands, each exactly once in effect: whatever comes twice, fails half-way, is missing, or is a zombie's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal
from uuid import UUID

import asyncpg
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from chassis import consumer as consumer_module
from chassis import intake, leases, reacting, tracing
from chassis import projector as projector_module
from chassis import relay as relay_module
from chassis.broker import Broker
from chassis.consumer import Batch, TopicFeed, TopicOffset
from chassis.database import DATABASE_ERRORS, Connection
from chassis.event_store import Append, AppendResult, Conflict, EventStore, StoredStream, append_group
from chassis.faults import Unavailable
from chassis.intake import RacedForEver
from chassis.kafka import ProducerHolder, make_producer
from chassis.leases import Lease, LeaseLost, Leases
from chassis.progress import PositionsMoved
from chassis.projector import ForeignLog, OwnLog, Projector, Source
from chassis.reacting import Reactions
from chassis.relay import Relay, Sent, TopicPublisher
from chassis.shard_heads import ShardHeads
from chassis.subscribers import Fact, Policy, ReadModel
from chassis.testing.wait import eventually
from contracts.event import SHARDS, Envelope, Event, Recorded, recorded_from_meta, shard_of
from tests.chassis.log_database import LogDatabase
from tests.chassis.tallies import (
    SERVICE,
    TALLIES,
    Close,
    Closed,
    Count,
    Counted,
    FixedClock,
    TallyCommand,
    append_of,
    handler,
    in_shard,
    in_shards,
)
from tests.chassis.tally_topics import make_again, make_topic, read_events
from tests.collector import Collector
from tests.measured import risen

PARTITION, PARTITIONS = 1, 4
NAME = f"project/{PARTITION:02}"
TOKEN = 3
WITHIN_S = 10.0

TAKEN = """
CREATE TABLE IF NOT EXISTS taken
    (id bigserial, reader text, service text, shard integer, pos bigint, stream_id uuid, amount bigint);
GRANT SELECT, INSERT ON taken TO tally;
GRANT USAGE ON SEQUENCE taken_id_seq TO tally;
INSERT INTO lease (name, token) VALUES ('project/01', 3);
"""


@pytest.fixture(autouse=True)
async def _prepared(log: LogDatabase, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    await log.owner.execute(TAKEN)
    monkeypatch.setattr(projector_module, "HALTED_PAUSE_S", 0.1)
    with capture_logs():  # Tracebacks would be drawn in colour, for a second each.
        yield


@dataclass
class Taken:
    """A read model that is a plain list of what it was given: a repeat would be a second row."""

    name: str = "taken_v1"
    subscribes: tuple[type[Event], ...] = (Counted,)
    before_writing: Callable[[Connection, Sequence[Fact[Counted]]], Awaitable[None]] | None = None
    after_writing: Callable[[Connection, Sequence[Fact[Counted]]], Awaitable[None]] | None = None

    async def project(self, connection: Connection, facts: Sequence[Fact[Counted]], *, partition: int) -> None:
        if self.before_writing:
            await self.before_writing(connection, facts)
        await connection.executemany(
            "INSERT INTO taken (reader, service, shard, pos, stream_id, amount) VALUES ($1, $2, $3, $4, $5, $6)",
            [
                (
                    self.name,
                    fact.recorded.service,
                    fact.recorded.shard,
                    fact.recorded.pos,
                    fact.recorded.stream_id,
                    fact.event.amount,
                )
                for fact in facts
            ],
        )
        if self.after_writing:
            await self.after_writing(connection, facts)


async def positions_taken(log: LogDatabase, reader: str = "taken_v1", service: str = "other") -> list[tuple[int, int]]:
    """(shard, pos) of the rows, in the order of their writing."""
    rows = await log.rows("SELECT shard, pos FROM taken WHERE reader = $1 AND service = $2 ORDER BY id", reader, service)
    return [(shard, pos) for shard, pos in rows]


async def position(log: LogDatabase, shard: int, subscriber: str = "taken_v1", source: str = "other") -> int | None:
    rows = await log.rows(
        "SELECT last_pos FROM position WHERE subscriber = $1 AND source = $2 AND shard = $3", subscriber, source, shard
    )
    return rows[0][0] if rows else None


def recorded(
    stream_id: UUID,
    pos: int,
    *,
    amount: int | None = None,
    event: Event | None = None,
    service: str = "other",
    type_name: str | None = None,
) -> Recorded:
    """An event of another service as it comes out of the topic. Its amount is its position, unless told otherwise."""
    event = event or Counted(tally_id=stream_id, amount=pos if amount is None else amount)
    event_id = UUID(int=stream_id.int ^ pos)
    envelope = Envelope(
        event_id=event_id,
        type=type_name or event.TYPE,
        service=service,
        stream_id=stream_id,
        version=pos,
        epoch=1,
        time=FixedClock().now(),
        correlation_id=UUID(int=7),
        causation_id=UUID(int=8),
        traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
    )
    return recorded_from_meta(envelope.encode(), pos, event.encode())


class OtherCounted(Counted):
    """What another service's tallies say."""

    TYPE: ClassVar[Literal["gatehouse.other.counted.v1"]] = "gatehouse.other.counted.v1"  # type: ignore[assignment]


def counted(stream_id: UUID, *positions: int) -> list[Recorded]:
    return [recorded(stream_id, pos, event=OtherCounted(tally_id=stream_id, amount=pos)) for pos in positions]


@dataclass
class Topic:
    """Another service's log: a list of records per partition, read from an offset on, in batches of some size."""

    records: list[Recorded] = field(default_factory=list)
    name: str = "other"
    batch_size: int = 1_000
    lost: set[int] = field(default_factory=set)
    """Offsets that the reader does not get to see."""
    follows: list[int] = field(default_factory=list)
    """The offset of every reading, in order."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    given: Callable[[Batch], Awaitable[None]] | None = None
    """Happens before a batch is handed over."""
    given_beside: Callable[[Batch], Awaitable[None]] | None = None
    """The same, to whoever is behind."""
    beside_follows: list[int] = field(default_factory=list)

    def add(self, *records: Recorded) -> None:
        self.records += records
        self.news.set()

    async def follow(self, partition: int, positions: Mapping[int, int], offset: int) -> AsyncIterator[Batch]:
        self.follows.append(offset)
        at = offset if offset <= len(self.records) else 0
        while True:
            found = range(at, min(at + self.batch_size, len(self.records)))
            if not found:
                self.news.clear()
                await self.news.wait()
                continue
            at = found.stop
            shown = [self.records[n] for n in found if n not in self.lost]
            batch = Batch(shown, TopicOffset(at), is_last=at == len(self.records))
            if self.given:
                await self.given(batch)
            yield batch

    def beside(self, others: ShardHeads) -> Topic:
        return replace(self, given=self.given_beside, follows=self.beside_follows)


def projector_of(
    log: LogDatabase,
    *read_models: ReadModel,
    source: Source | Sequence[Source],
    policies: Sequence[Policy[Any]] = (),
    store: EventStore | None = None,
    pool: asyncpg.Pool | None = None,
) -> Projector:
    sources = source if isinstance(source, Sequence) else [source]
    return Projector(
        pool=pool or log.pool, sources=sources, read_models=read_models, policies=policies, partitions=PARTITIONS, store=store
    )


@asynccontextmanager
async def projecting(projector: Projector, *, token: int = TOKEN) -> AsyncIterator[asyncio.Future[None]]:
    """The partition at work. Yields its task; whatever the task raised before is the test's to ask for."""
    task = asyncio.ensure_future(projector.works()[NAME](Lease(NAME, token)))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def ended(task: asyncio.Future[None]) -> None:
    """Raises what ended the work."""
    await asyncio.wait_for(asyncio.shield(task), timeout=WITHIN_S)


def is_halted(source: str = "other") -> bool:
    return bool(REGISTRY.get_sample_value("gatehouse_projector_halted", {"source": source, "partition": str(PARTITION)}))


OTHER = (OtherCounted,)


class TestBatch:
    async def test_is_taken_in_with_its_positions_and_offset(self, log: LogDatabase) -> None:
        first, second = in_shards(1, 5)
        topic = Topic([*counted(first, 1, 2), *counted(second, 1), *counted(first, 3)])
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
            await eventually(lambda: position(log, 1))

        assert [(1, 1), (1, 2), (5, 1), (1, 3)] == await positions_taken(log)
        assert (3, 1, None) == (await position(log, 1), await position(log, 5), await position(log, 9))
        assert [("other", 1, 4)] == await log.rows("SELECT source, partition, kafka_offset FROM next_offset")
        assert 1 == len(await log.rows("SELECT DISTINCT xmin::text FROM taken UNION SELECT DISTINCT xmin::text FROM position"))

    async def test_that_was_cut_off_before_its_commit_is_taken_in_once_afterwards(self, log: LogDatabase) -> None:
        written = asyncio.Event()

        async def hang(connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
            written.set()
            await asyncio.Event().wait()

        topic = Topic(counted(in_shard(1), 1, 2))
        async with projecting(projector_of(log, Taken(subscribes=OTHER, after_writing=hang), source=topic)):
            await asyncio.wait_for(written.wait(), timeout=WITHIN_S)
        assert [] == await positions_taken(log)

        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
            await eventually(lambda: position(log, 1))
        assert [(1, 1), (1, 2)] == await positions_taken(log)

    async def test_tells_how_far_everybody_has_come_and_forgets_it_with_the_lease(self, log: LogDatabase) -> None:
        projector = projector_of(log, Taken(subscribes=OTHER), source=Topic(counted(in_shard(5), 1, 2)))
        async with projecting(projector):
            await eventually(lambda: projector.reached.get(("taken_v1", "other", 5)))
            assert {
                ("taken_v1", "other", shard): 2 if shard == 5 else 0 for shard in range(1, SHARDS, PARTITIONS)
            } == projector.reached

        assert {} == projector.reached

    async def test_passes_over_what_nobody_subscribes_to(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        closed = recorded(stream, 2, type_name="gatehouse.other.closed.v1")
        topic = Topic([*counted(stream, 1), closed, *counted(stream, 3)])
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
            await eventually(lambda: position(log, 1))

        assert [(1, 1), (1, 3)] == await positions_taken(log)
        assert await position(log, 1) == 3


class TestDuplicates:
    async def test_are_dropped_whether_alone_or_among_news(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        topic = Topic(
            [*counted(stream, 1, 2), *counted(stream, 1, 2), *counted(stream, 2, 3), *counted(stream, 1, 2, 3, 4)], batch_size=2
        )
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
            await eventually(lambda: has_reached(log, 1, 4))

        assert [(1, 1), (1, 2), (1, 3), (1, 4)] == await positions_taken(log)

    async def test_are_dropped_after_a_restart_that_lost_its_offset(self, log: LogDatabase) -> None:
        topic = Topic(counted(in_shard(1), 1, 2, 3))
        for _ in range(3):
            async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
                await eventually(lambda: has_reached(log, 1, len(topic.records)))
            await log.owner.execute("DELETE FROM next_offset")
            topic.add(*counted(topic.records[0].stream_id, len(topic.records) + 1))

        assert [0, 0, 0] == topic.follows
        assert [(1, pos) for pos in range(1, 6)] == await positions_taken(log)


class TestPositionsThatWereTakenBack:
    """A crash of the database takes back what was not synced. What comes next must not be written over the gap."""

    @pytest.mark.parametrize("left", [0, 1])
    async def test_end_the_work_and_are_loaded_anew(self, log: LogDatabase, left: int) -> None:
        stream = in_shard(1)
        topic = Topic(counted(stream, 1, 2))
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)) as task:
            await eventually(lambda: has_reached(log, 1, 2))
            await log.owner.execute("DELETE FROM taken WHERE pos > $1", left)
            await log.owner.execute("DELETE FROM next_offset")
            await log.owner.execute("UPDATE position SET last_pos = $1, last_event_id = NULL", left)
            await log.owner.execute("DELETE FROM position WHERE last_pos = 0")
            topic.add(*counted(stream, 3))
            with pytest.raises(PositionsMoved):
                await ended(task)
        assert left == len(await positions_taken(log))

        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
            await eventually(lambda: has_reached(log, 1, 3))
        assert [(1, 1), (1, 2), (1, 3)] == await positions_taken(log)


async def has_reached(log: LogDatabase, shard: int, pos: int, subscriber: str = "taken_v1", source: str = "other") -> bool:
    return pos == await position(log, shard, subscriber, source)


class TestRestart:
    async def test_goes_on_at_the_stored_offset(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        topic = Topic(counted(stream, 1, 2))
        for last in (2, 3):
            async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
                await eventually(lambda: has_reached(log, 1, last))  # noqa: B023
            topic.add(*counted(stream, last + 1))

        assert [0, 2] == topic.follows


class TestHole:
    async def test_that_was_only_a_stale_offset_is_closed_by_scanning_anew(self, log: LogDatabase) -> None:
        topic = Topic(counted(in_shard(1), 1, 2, 3, 4))
        await log.owner.execute("INSERT INTO next_offset VALUES ('other', 1, 2)")
        halts: list[bool] = []

        async def look(connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
            halts.append(is_halted())

        async with projecting(projector_of(log, Taken(subscribes=OTHER, before_writing=look), source=topic)):
            await eventually(lambda: has_reached(log, 1, 4))

        assert [0, 2] == sorted(topic.follows)
        assert [(1, 1), (1, 2), (1, 3), (1, 4)] == await positions_taken(log)
        assert [False] == halts

    async def test_that_persists_halts_the_partition_at_it(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        topic = Topic([*counted(stream, 1, 2), *counted(in_shard(5), 1), *counted(stream, 3, 4)], lost={3})
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)) as task:
            await eventually(is_halted)
            await eventually(lambda: len(topic.follows) >= 4)
            assert is_halted(), "duplicates on the way to the hole are no news"
            assert not task.done(), "it holds the lease and tries again every so often"

        assert [(1, 1), (1, 2), (5, 1)] == await positions_taken(log), "what comes before the hole, and nothing behind it"
        assert await position(log, 1) == 2
        assert not is_halted(), "whoever holds the lease next says how it is"

    async def test_that_persists_is_told_though_the_topic_ends_with_others(self, log: LogDatabase) -> None:
        """And again after a restart: the offset behind it was not stored."""
        stream = in_shard(1)
        topic = Topic([*counted(stream, 1, 2, 3), *counted(in_shard(5), 1)], batch_size=1, lost={1})
        for _ in range(2):
            async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
                await eventually(is_halted)

        assert [(1, 1), (5, 1)] == await positions_taken(log)

    async def test_that_is_filled_lets_the_partition_go_on(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        topic = Topic(counted(stream, 1, 2, 3, 4), lost={1})
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
            await eventually(is_halted)
            topic.lost.clear()
            await eventually(lambda: has_reached(log, 1, 4))
            await eventually(lambda: not is_halted())

        assert [(1, pos) for pos in (1, 2, 3, 4)] == await positions_taken(log)

    async def test_in_one_source_does_not_hold_up_another(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(1)
        topic = Topic(counted(stream, 1, 3))
        own = OwnLog(SERVICE, log.pool, ShardHeads(log.pool))
        polling = asyncio.create_task(own.heads.run())
        async with projecting(projector_of(log, Taken(subscribes=(Counted, OtherCounted)), source=[topic, own])):
            await eventually(is_halted)
            await store.append(append_of(stream, events=2))
            await eventually(lambda: has_reached(log, 1, 2, source=SERVICE))
            assert is_halted()
        polling.cancel()

        assert [(1, 1), (1, 2)] == await positions_taken(log, service=SERVICE)
        assert [(1, 1)] == await positions_taken(log)

    async def test_that_a_relay_left_which_began_anew_is_closed_by_what_it_published_then(self, log: LogDatabase) -> None:
        """It went on from its mark in a topic that was made again, noticed, and published everything from the beginning."""
        stream = in_shard(1)
        topic = Topic(counted(stream, 4, 1, 2, 3, 4, 5), batch_size=1)
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
            await eventually(lambda: has_reached(log, 1, 5))
            await eventually(lambda: not is_halted())

        assert [(1, pos) for pos in range(1, 6)] == await positions_taken(log)


class TestAnotherHistory:
    """What is told contradicts what was taken in: to go on would be to miss something, perhaps a ban."""

    async def test_another_event_at_the_last_position_halts(self, log: LogDatabase) -> None:
        forged, true = in_shard(1), in_shard(1)
        topic = Topic(counted(forged, 1))
        projector = projector_of(log, Taken(subscribes=OTHER), source=topic)
        async with projecting(projector):
            await eventually(lambda: has_reached(log, 1, 1))
            topic.add(*counted(true, 1, 2))
            await eventually(is_halted)
            assert {"fork"} == set(projector.halts.values())

        assert [(1, 1)] == await positions_taken(log)

    async def test_another_event_at_the_last_position_halts_after_a_restart_too(self, log: LogDatabase) -> None:
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=Topic(counted(in_shard(1), 1)))):
            await eventually(lambda: has_reached(log, 1, 1))
        projector = projector_of(log, Taken(subscribes=OTHER), source=Topic(counted(in_shard(1), 1, 2)))
        await log.owner.execute("DELETE FROM next_offset")
        async with projecting(projector):
            await eventually(is_halted)
            assert {"fork"} == set(projector.halts.values())

    @pytest.mark.parametrize("is_restarted", [False, True])
    async def test_the_same_event_with_another_fact_at_the_last_position_halts(self, log: LogDatabase, is_restarted: bool) -> None:
        """A command that was repeated to a copy of the log, and decided anew."""
        [event] = counted(in_shard(1), 1)
        anew, topic = event._replace(data=event.data + b" "), Topic([event])
        projector = projector_of(log, Taken(subscribes=OTHER), source=topic)
        async with projecting(projector):
            await eventually(lambda: has_reached(log, 1, 1))
            if not is_restarted:
                topic.add(anew)
                await eventually(is_halted)
                assert {"fork"} == set(projector.halts.values())
        projector = projector_of(log, Taken(subscribes=OTHER), source=Topic([anew]))
        await log.owner.execute("DELETE FROM next_offset")
        async with projecting(projector):
            await eventually(is_halted)
            assert {"fork"} == set(projector.halts.values())

    async def test_a_restored_log_goes_on_behind_what_was_taken_in(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        topic = Topic([*counted(stream, 1, 2), *in_epoch(2, *counted(stream, 3)), *counted(stream, 1, 2)])
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
            await eventually(lambda: has_reached(log, 1, 3))
            topic.add(*in_epoch(2, *counted(stream, 4)))
            await eventually(lambda: has_reached(log, 1, 4))
            assert not is_halted()

        assert [(2,)] == await log.rows("SELECT epoch FROM position")

    @pytest.mark.parametrize(("epoch", "pos"), [(2, 2), (1, 4)], ids=["restored without its end", "from before the restore"])
    async def test_of_another_epoch_halts_anywhere_else(self, log: LogDatabase, epoch: int, pos: int) -> None:
        stream = in_shard(1)
        start = in_epoch(3 - epoch, *counted(stream, 1, 2, 3))
        projector = projector_of(log, Taken(subscribes=OTHER), source=Topic([*start, *in_epoch(epoch, *counted(stream, pos))]))
        async with projecting(projector):
            await eventually(is_halted)
            assert {"wrong-epoch"} == set(projector.halts.values())

        assert 3 == await position(log, 1)


def in_epoch(epoch: int, *events: Recorded) -> list[Recorded]:
    return [event._replace(epoch=epoch) for event in events]


class TestEventThatCannotBeAppliedHere:
    """Nor any other by this reader, or at this time: it is waited for. What lies in the event itself: see test_parking."""

    async def test_because_its_version_is_newer_than_this_reader(self, log: LogDatabase) -> None:
        """A writer was released before its reader. To pass over what is subscribed to would be to lose it."""
        stream = in_shard(1)
        newer = recorded(stream, 2, type_name="gatehouse.other.counted.v2")
        projector = projector_of(log, Taken(subscribes=OTHER), source=Topic([*counted(stream, 1), newer, *counted(in_shard(5), 1)]))
        async with projecting(projector):
            await eventually(is_halted)
            assert {("other", 1): "unknown-version"} == projector.halts

        assert [(1, 1)] == await positions_taken(log)
        assert [] == await log.rows("SELECT 1 FROM parked")

    async def test_is_not_one_whose_database_was_away(self, log: LogDatabase) -> None:
        async def cut(connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
            await log.pool.execute("SELECT pg_terminate_backend($1)", await connection.fetchval("SELECT pg_backend_pid()"))

        topic = Topic(counted(in_shard(1), 1))
        async with projecting(projector_of(log, Taken(subscribes=OTHER, before_writing=cut), source=topic)) as task:
            with pytest.raises(DATABASE_ERRORS):
                await ended(task)
            assert not is_halted()

        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
            await eventually(lambda: has_reached(log, 1, 1))


class TestForeignRecord:
    async def test_in_the_topic_is_passed_over(self, log: LogDatabase) -> None:
        """It has an envelope, but of another service, or of a shard that this partition does not carry."""
        stream = in_shard(1)
        strangers = [recorded(stream, 2, service="third"), *counted(in_shard(2), 1), counted(stream, 2)[0]._replace(shard=99)]
        topic = Topic([*counted(stream, 1), *strangers, *counted(stream, 2)])
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
            await eventually(lambda: has_reached(log, 1, 2))

        assert [(1, 1), (1, 2)] == await positions_taken(log)


class TestNewSubscriber:
    async def test_begins_at_the_beginning_while_the_others_keep_what_they_have(self, log: LogDatabase) -> None:
        topic = Topic(counted(in_shard(1), 1, 2, 3))
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
            await eventually(lambda: has_reached(log, 1, 3))

        topic.add(*counted(topic.records[0].stream_id, 4))
        both = projector_of(log, Taken(subscribes=OTHER), Taken("second_v1", OTHER), source=topic)
        async with projecting(both):
            await eventually(lambda: has_reached(log, 1, 4, "second_v1"))
            await eventually(lambda: both.reached["second_v1", "other", 1] == 4)

        assert [(1, 1), (1, 2), (1, 3), (1, 4)] == await positions_taken(log)
        assert [(1, 1), (1, 2), (1, 3), (1, 4)] == await positions_taken(log, "second_v1")

    async def test_that_was_interrupted_goes_on_and_the_others_with_it(self, log: LogDatabase) -> None:
        topic = Topic(counted(in_shard(1), *range(1, 7)))
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=topic)):
            await eventually(lambda: has_reached(log, 1, 6))
        topic.add(*counted(topic.records[0].stream_id, 7, 8))
        topic.batch_size = 2

        async def stop_at_five(connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
            if facts[0].event.amount >= 5:
                await asyncio.Event().wait()

        half = Taken("second_v1", OTHER, before_writing=stop_at_five)
        async with projecting(projector_of(log, Taken(subscribes=OTHER), half, source=topic)):
            await eventually(lambda: has_reached(log, 1, 4, "second_v1"))
        async with projecting(projector_of(log, Taken(subscribes=OTHER), Taken("second_v1", OTHER), source=topic)):
            await eventually(lambda: has_reached(log, 1, 8, "second_v1"))
            await eventually(lambda: has_reached(log, 1, 8))

        for reader in ("taken_v1", "second_v1"):
            assert [(1, pos) for pos in range(1, 9)] == await positions_taken(log, reader)


class TestZombie:
    """An owner that was frozen while it worked, and replaced."""

    async def test_that_wakes_with_a_batch_in_its_hands_is_refused(self, log: LogDatabase) -> None:
        holds, wakes = asyncio.Event(), asyncio.Event()

        async def freeze(batch: Batch) -> None:
            holds.set()
            await wakes.wait()

        records = counted(in_shard(1), 1, 2, 3)
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=Topic(records, given=freeze))) as zombie:
            await asyncio.wait_for(holds.wait(), timeout=WITHIN_S)
            await log.owner.execute("UPDATE lease SET token = token + 1")
            async with projecting(projector_of(log, Taken(subscribes=OTHER), source=Topic(records)), token=TOKEN + 1):
                await eventually(lambda: has_reached(log, 1, 3))
            wakes.set()
            with pytest.raises(LeaseLost):
                await ended(zombie)

        assert [(1, 1), (1, 2), (1, 3)] == await positions_taken(log)

    async def test_that_holds_its_transaction_open_keeps_the_lease_until_the_database_ends_it(self, log: LogDatabase) -> None:
        holds, wakes = asyncio.Event(), asyncio.Event()

        async def freeze(connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '400ms'")
            holds.set()
            await wakes.wait()

        records = counted(in_shard(1), 1, 2, 3)
        frozen = projector_of(log, Taken(subscribes=OTHER, after_writing=freeze), source=Topic(records))
        async with projecting(frozen) as zombie:
            await asyncio.wait_for(holds.wait(), timeout=WITHIN_S)
            taken_over = asyncio.create_task(log.rows("UPDATE lease SET token = token + 1 RETURNING token"))
            await eventually(lambda: is_blocked(log))
            assert [(TOKEN + 1,)] == await taken_over, "after the zombie's session was ended, not before"
            async with projecting(projector_of(log, Taken(subscribes=OTHER), source=Topic(records)), token=TOKEN + 1):
                await eventually(lambda: has_reached(log, 1, 3))
            wakes.set()
            with pytest.raises(DATABASE_ERRORS):
                await ended(zombie)

        assert [(1, 1), (1, 2), (1, 3)] == await positions_taken(log)

    async def test_that_is_quicker_to_commit_than_its_successor_to_begin_is_continued(self, log: LogDatabase) -> None:
        records = counted(in_shard(1), 1, 2, 3, 4)
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=Topic(records[:2]))):
            await eventually(lambda: has_reached(log, 1, 2))
        await log.owner.execute("UPDATE lease SET token = token + 1")
        async with projecting(projector_of(log, Taken(subscribes=OTHER), source=Topic(records)), token=TOKEN + 1):
            await eventually(lambda: has_reached(log, 1, 4))

        assert [(1, pos) for pos in (1, 2, 3, 4)] == await positions_taken(log)


async def is_blocked(log: LogDatabase) -> bool:
    """The owner's session waits for somebody's lock."""
    pid = log.owner.get_server_pid()
    return bool(await log.pool.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid))


class TestOwnLog:
    async def test_is_followed_from_the_beginning_and_on(self, log: LogDatabase, store: EventStore) -> None:
        first, second = in_shards(1, 5)
        await asyncio.gather(*(store.append(append_of(stream, events=3)) for stream in (first, second, in_shard(2))))
        own = OwnLog(SERVICE, log.pool, ShardHeads(log.pool))
        polling = asyncio.create_task(own.heads.run())
        async with projecting(projector_of(log, Taken(), source=own)):
            await eventually(lambda: has_reached(log, 5, 3, source=SERVICE))
            await store.append(append_of(first, at=3, events=2))
            await eventually(lambda: has_reached(log, 1, 5, source=SERVICE))
        polling.cancel()

        taken = await positions_taken(log, service=SERVICE)
        assert [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5)] == [at for at in taken if at[0] == 1]
        assert [(5, 1), (5, 2), (5, 3)] == [at for at in taken if at[0] == 5]
        assert len(taken) == 8


class RacedLoads(EventStore):
    """A store in whose absence of mind, between a policy's load and its append, somebody else appends."""

    races: list[Callable[[], Awaitable[object]]]

    async def load_many(self, stream_ids: Sequence[UUID]) -> list[StoredStream]:
        loaded = await super().load_many(stream_ids)
        if self.races:
            await self.races.pop(0)()
        return loaded


def follow_up(
    store: EventStore, react: Callable[[Fact[Counted]], Sequence[tuple[UUID, TallyCommand]]], name: str = "follow_up"
) -> Policy[TallyCommand]:
    return Policy(name, OTHER, handler(store), react)


def count_it(fact: Fact[Counted]) -> Sequence[tuple[UUID, TallyCommand]]:
    """What they counted is counted here, too, on the stream of the same id."""
    return [(fact.event.tally_id, Count(fact.event.tally_id, fact.event.amount))]


async def amounts_of(store: EventStore, tally: UUID) -> tuple[int, ...]:
    _, state = await handler(store).read(tally)
    return state.amounts


class TestPolicy:
    async def test_appends_in_the_transaction_that_moves_its_position(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(1)
        told: list[tuple[int, int]] = []
        appended = risen("gatehouse_events_appended_total", type=Counted.TYPE)
        store.on_appended = lambda shard, pos: told.append((shard, pos))
        projector = projector_of(log, source=Topic(counted(stream, 1, 2)), policies=[follow_up(store, count_it)], store=store)
        async with projecting(projector):
            await eventually(lambda: has_reached(log, 1, 2, "follow_up"))

        assert await amounts_of(store, stream) == (1, 2)
        assert [(1, 2)] == told
        assert 2 == appended()
        assert 1 == len(await log.rows("SELECT DISTINCT xmin::text FROM event UNION SELECT DISTINCT xmin::text FROM position"))

    async def test_reacts_once_to_what_comes_twice(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(1)
        topic = Topic([*counted(stream, 1, 2), *counted(stream, 1, 2, 3)], batch_size=2)
        for _ in range(2):
            async with projecting(projector_of(log, source=topic, policies=[follow_up(store, count_it)], store=store)):
                await eventually(lambda: has_reached(log, 1, 3, "follow_up"))
            await log.owner.execute("DELETE FROM next_offset")

        assert await amounts_of(store, stream) == (1, 2, 3)

    async def test_decides_each_command_on_what_the_ones_before_it_made(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(1)

        def count_or_close(fact: Fact[Counted]) -> Sequence[tuple[UUID, TallyCommand]]:
            return [(stream, Close(stream) if fact.event.amount == 3 else Count(stream, fact.event.amount))]

        policies = [follow_up(store, count_or_close)]
        projector = projector_of(log, source=Topic(counted(stream, 1, 2, 3, 4)), policies=policies, store=store)
        with capture_logs() as logs:
            async with projecting(projector):
                await eventually(lambda: has_reached(log, 1, 4, "follow_up"))

        [refused] = [each for each in logs if each["event"] == "policy.refused"]
        assert ("follow_up", "tally-is-closed", "1" * 32) == (refused["policy"], refused["problem"], refused["trace_id"])
        stored = await log.events_of(stream)
        assert [Counted.TYPE, Counted.TYPE, Closed.TYPE] == [type_name for *_, type_name, _ in stored], "the fourth was refused"

    async def test_may_ask_several_streams_for_several_things(self, log: LogDatabase, store: EventStore) -> None:
        stream, others = in_shard(1), in_shards(60, 2, 33)

        def count_everywhere(fact: Fact[Counted]) -> Sequence[tuple[UUID, TallyCommand]]:
            return [(other, Count(other, amount)) for other in others for amount in (fact.event.amount, 100)]

        policies = [follow_up(store, count_everywhere)]
        async with projecting(projector_of(log, source=Topic(counted(stream, 1, 2)), policies=policies, store=store)):
            await eventually(lambda: has_reached(log, 1, 2, "follow_up"))

        assert [(1, 100, 2, 100)] * 3 == [await amounts_of(store, other) for other in others]

    async def test_names_the_event_as_the_cause(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(1)
        [cause] = counted(stream, 1)
        async with projecting(projector_of(log, source=Topic([cause]), policies=[follow_up(store, count_it)], store=store)):
            await eventually(lambda: has_reached(log, 1, 1, "follow_up"))

        [effect] = await store.read_stream(stream)
        assert (cause.event_id, cause.correlation_id, cause.traceparent) == (
            effect.causation_id,
            effect.correlation_id,
            effect.traceparent,
        )

    async def test_goes_on_in_the_trace_of_its_cause(self, log: LogDatabase, store: EventStore, collector: Collector) -> None:
        stream = in_shard(1)
        [cause] = counted(stream, 1)
        topic = Topic([cause])
        with tracing.recorded(service="tally", role="worker"):
            async with projecting(projector_of(log, source=topic, policies=[follow_up(store, count_it)], store=store)):
                await eventually(lambda: has_reached(log, 1, 1, "follow_up"))

        [span] = collector.spans
        assert ("project other", "consumer", "1" * 32, "2" * 16) == (span.name, span.kind, span.trace_id, span.parent_id)
        assert (["follow_up"], 1) == (span.attributes["gatehouse.subscribers"], span.attributes["messaging.batch.message_count"])
        [effect] = await store.read_stream(stream)
        assert f"00-{span.trace_id}-{span.span_id}-01" == effect.traceparent, "what comes next is told below it"

    async def test_decides_again_when_somebody_else_came_between(self, log: LogDatabase) -> None:
        stream, neighbour = in_shards(1, 1)
        store = RacedLoads(log.pool, epoch=1)
        other = await log.store()
        store.races = [lambda n=n: handler(other).handle(stream, Count(stream, n)) for n in (100, 200, 300)]  # type: ignore[misc]
        topic = Topic([*counted(stream, 1), *counted(neighbour, 2), *counted(stream, 3), *counted(neighbour, 4)])
        async with projecting(projector_of(log, source=topic, policies=[follow_up(store, count_it)], store=store)):
            await eventually(lambda: has_reached(log, 1, 4, "follow_up"))

        assert [] == store.races, "invalid: nobody came between"
        amounts = await amounts_of(other, stream)
        assert {100, 200, 300, 1, 3} == set(amounts)
        assert len(amounts) == 5
        assert amounts.index(1) < amounts.index(3)
        assert await amounts_of(other, neighbour) == (2, 4)

    async def test_may_be_refused_when_it_decides_again(self, log: LogDatabase) -> None:
        stream = in_shard(1)
        store = RacedLoads(log.pool, epoch=1)
        other = await log.store()
        store.races = [lambda: handler(other).handle(stream, Close(stream))]
        async with projecting(
            projector_of(log, source=Topic(counted(stream, 1)), policies=[follow_up(store, count_it)], store=store)
        ):
            await eventually(lambda: has_reached(log, 1, 1, "follow_up"))

        assert [Closed.TYPE] == [type_name for *_, type_name, _ in await log.events_of(stream)]

    async def test_raced_all_the_while_loses_nothing(
        self, log: LogDatabase, store: EventStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Commands of another process on the same streams."""
        conflicts = 0

        async def counted_conflicts(connection: Connection, appends: Sequence[Append], *, epoch: int) -> list[AppendResult]:
            nonlocal conflicts
            results = await append_group(connection, appends, epoch=epoch)
            conflicts += sum(isinstance(result, Conflict) for result in results)
            return results

        monkeypatch.setattr(reacting, "append_group", counted_conflicts)
        monkeypatch.setattr(intake, "RACES_MAX", 1_000)  # Nobody is there to take the lease again.
        streams = in_shards(1, 5, 9)
        topic = Topic(batch_size=16)
        policies = [follow_up(store, count_it)]
        other = await log.store()
        positions = dict.fromkeys(streams, 0)

        async def commands(stream: UUID) -> None:
            for n in range(1_000, 1_030):
                await handler(other).handle(stream, Count(stream, n))
                positions[stream] += 1
                topic.add(*counted(stream, positions[stream]))

        async with projecting(projector_of(log, source=topic, policies=policies, store=store)):
            await asyncio.gather(*map(commands, streams))
            for stream in streams:
                await eventually(lambda: has_reached(log, shard_of(stream), 30, "follow_up"))  # noqa: B023

        assert conflicts > 0, "invalid: nobody came between"
        for stream in streams:
            amounts = await amounts_of(other, stream)
            assert list(range(1, 31)) == [amount for amount in amounts if amount < 1_000]
            assert list(range(1_000, 1_030)) == [amount for amount in amounts if amount >= 1_000]

    async def test_raced_for_ever_gives_the_lease_back(
        self, log: LogDatabase, store: EventStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        races = 0

        async def always_late(connection: Connection, appends: Sequence[Append], *, epoch: int) -> list[AppendResult]:
            nonlocal races
            races += 1
            return [Conflict(version=7) for _ in appends]

        monkeypatch.setattr(reacting, "append_group", always_late)
        policies = [follow_up(store, count_it)]
        async with projecting(projector_of(log, source=Topic(counted(in_shard(1), 1)), policies=policies, store=store)) as task:
            with pytest.raises(RacedForEver):
                await ended(task)
        assert intake.RACES_MAX + 1 == races

    async def test_makes_the_same_events_when_it_is_interrupted_and_decides_again(
        self, log: LogDatabase, store: EventStore
    ) -> None:
        stream = in_shard(1)
        made: list[list[UUID]] = []

        async def note_and_cut(connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
            raise ConnectionError

        policy = follow_up(store, count_it)
        topic = Topic(counted(stream, 1))

        class Noted(Reactions):
            async def decide(self, asked: Any, *, is_careful: bool) -> Any:
                appends = await super().decide(asked, is_careful=is_careful)
                made.extend([event.event_id for event in append.events] for append in appends)
                return appends

        failing = projector_of(
            log, Taken(subscribes=OTHER, before_writing=note_and_cut), source=topic, policies=[policy], store=store
        )
        failing.__dict__["_reactions"] = Noted(store)
        for _ in range(2):
            async with projecting(failing) as task:
                with pytest.raises(ConnectionError):
                    await ended(task)
        async with projecting(projector_of(log, source=topic, policies=[policy], store=store)):
            await eventually(lambda: has_reached(log, 1, 1, "follow_up"))

        [(_, _, event_id, _, _)] = await log.events_of(stream)
        assert [[event_id]] * 2 == made

    async def test_learns_that_the_log_was_restored(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(1)
        await log.owner.execute("UPDATE store SET epoch = 2")
        async with projecting(
            projector_of(log, source=Topic(counted(stream, 1)), policies=[follow_up(store, count_it)], store=store)
        ):
            await eventually(lambda: has_reached(log, 1, 1, "follow_up"))

        [event] = await store.read_stream(stream)
        assert (event.epoch, store.epoch) == (2, 2)

    async def test_leaves_a_stream_that_it_cannot_understand_to_a_newer_worker(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(1)
        await handler(store, replace(TALLIES, state_version=2)).handle(stream, Close(stream))
        older = replace(TALLIES, events={Counted.TYPE: Counted})
        policy: Policy[TallyCommand] = Policy("follow_up", OTHER, handler(store, older), count_it)
        async with projecting(projector_of(log, source=Topic(counted(stream, 1)), policies=[policy], store=store)) as task:
            with pytest.raises(Unavailable):
                await ended(task)

        assert await position(log, 1, "follow_up") is None


class TestProjector:
    def test_has_no_work_where_nobody_subscribes(self, log: LogDatabase) -> None:
        assert {} == projector_of(log, source=Topic()).works()
        assert {} == projector_of(log, Taken(subscribes=(Counted,)), source=Topic(name="other")).works()

    def test_refuses_policies_that_could_lose_what_they_append(self, log: LogDatabase, store: EventStore) -> None:
        policies = [follow_up(store, count_it)]
        with pytest.raises(ValueError, match="stored for good"):
            Projector(pool=log.pool, sources=[], read_models=[], policies=policies, partitions=4, store=store, durable=False)
        with pytest.raises(ValueError, match="stored for good"):
            Projector(pool=log.pool, sources=[], read_models=[], policies=policies, partitions=4, store=None)

    def test_refuses_two_subscribers_of_one_name(self, log: LogDatabase) -> None:
        with pytest.raises(ValueError, match="taken_v1"):
            projector_of(log, Taken(), Taken(), source=Topic())

    async def test_that_need_not_be_durable_is_exact_all_the_same(self, log: LogDatabase) -> None:
        async def look(connection: Connection, facts: Sequence[Fact[Counted]]) -> None:
            settings.append(await connection.fetchval("SHOW synchronous_commit"))

        settings: list[str] = []
        model = Taken(subscribes=OTHER, after_writing=look)
        topic = Topic(counted(in_shard(1), 1, 2))
        projector = Projector(
            pool=log.pool, sources=[topic], read_models=[model], policies=[], partitions=PARTITIONS, durable=False
        )
        async with projecting(projector):
            await eventually(lambda: has_reached(log, 1, 2))

        assert ["off"] == settings
        assert [(1, 1), (1, 2)] == await positions_taken(log)
        assert {"on"} == {await log.pool.fetchval("SHOW synchronous_commit") for _ in range(8)}


class Worker:
    """A worker process, as far as the database and the broker can tell: relay and projector under leases."""

    def __init__(self, pool: asyncpg.Pool, bootstrap: str, topic: str, interrupt: Callable[[], Awaitable[None]]) -> None:
        self.pool = pool
        self.heads = ShardHeads(pool)
        self.producers = ProducerHolder(lambda: make_producer(bootstrap))
        self.feed = TopicFeed(bootstrap, {SERVICE: topic})
        publisher = Interrupted(TopicPublisher(self.producers, topic), interrupt)
        relay = Relay(pool, self.heads, publisher, Broker(bootstrap, kept_s=1.0), partitions=PARTITIONS)
        projector = Projector(
            pool=pool, sources=[ForeignLog(SERVICE, self.feed)], read_models=[Taken()], policies=[], partitions=PARTITIONS
        )
        self.leases = Leases(pool, relay.works() | projector.works())
        self.tasks = [asyncio.create_task(coroutine) for coroutine in (self.leases.run(), self.feed.run(), self.heads.run())]

    async def die(self) -> None:
        """As if killed: connections break, nothing is given back."""
        self.pool.terminate()
        for task in [*self.tasks, *self.leases._tasks.values()]:
            task.cancel()
        await asyncio.wait([*self.tasks, *self.leases._tasks.values()])
        await self.producers.close()


@dataclass
class Interrupted:
    """A publisher after whose work, before it can be marked, something happens."""

    real: TopicPublisher
    interrupt: Callable[[], Awaitable[None]]

    def places(self, partition: int) -> Mapping[str, int]:
        return self.real.places(partition)

    async def publish(self, partition: int, rows: Sequence[asyncpg.Record]) -> Mapping[str, Sent]:
        sent = await self.real.publish(partition, rows)
        await self.interrupt()
        return sent


ROUNDS_MAX = 150
"""Of appends to every shard, while a topic burns."""


class TestFromLogToRows:
    async def test_every_event_arrives_once_though_workers_die_between_publishing_and_marking(
        self, log: LogDatabase, store: EventStore, kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leases, "TTL_S", 0.8)
        monkeypatch.setattr(leases, "HEARTBEAT_S", 0.1)
        topic = await make_topic(kafka_bootstrap, topic_prefix)
        streams = [in_shard(n % SHARDS) for n in range(2 * SHARDS)]

        async def work_and_die(version: int) -> None:
            """A worker that dies with three published batches unmarked, while a second one projects what it can."""
            published, hung = asyncio.Event(), 0

            async def hang() -> None:
                nonlocal hung
                hung += 1
                if hung == 3:
                    published.set()
                await asyncio.Event().wait()

            worker = Worker(await log.another_pool(), kafka_bootstrap, topic, hang)
            await asyncio.gather(*(store.append(append_of(stream, at=version, events=2)) for stream in streams))
            await asyncio.wait_for(published.wait(), timeout=20)
            await worker.die()

        async def go_on() -> None:
            pass

        for generation in range(3):
            await work_and_die(2 * generation)
        last = Worker(await log.another_pool(), kafka_bootstrap, topic, go_on)
        expected = {shard: list(range(1, 13)) for shard in range(SHARDS)}
        await eventually(lambda: has_all_rows(log, sum(map(len, expected.values()))), within_s=30)
        await last.die()

        assert expected == by_shard(await positions_taken(log, service=SERVICE))
        in_topic = [(event.shard, event.pos) for event in await read_events(kafka_bootstrap, topic)]
        assert len(in_topic) > len(set(in_topic)) == 12 * SHARDS, "invalid: nothing was published twice"

    async def test_every_event_arrives_once_though_the_topic_burns_under_load(
        self, log: LogDatabase, store: EventStore, kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for module, name, value in (
            (relay_module, "LOOK_S", 0.1),
            (relay_module, "PAUSE_S_MAX", 0.2),
            (consumer_module, "CHECK_S", 0.1),
            (projector_module, "HALTED_PAUSE_S", 0.2),
        ):
            monkeypatch.setattr(module, name, value)
        topic = await make_topic(kafka_bootstrap, topic_prefix)
        streams = [in_shard(n) for n in range(SHARDS)]
        lost = REGISTRY.get_sample_value("gatehouse_relay_topics_lost_total") or 0.0
        burnt = asyncio.Event()
        appended = 0

        async def load() -> None:
            nonlocal appended
            # Bounded, so that a slow machine is not left with ever more to publish again.
            while not burnt.is_set() and appended < ROUNDS_MAX:
                await asyncio.gather(*(store.append(append_of(stream, at=appended)) for stream in streams))
                appended += 1

        async def nothing() -> None:
            pass

        worker = Worker(await log.another_pool(), kafka_bootstrap, topic, nothing)
        loading = asyncio.create_task(load())
        for published in (10, 20):
            await eventually(lambda: has_rows(log, published * SHARDS), within_s=30)  # noqa: B023 - asked before it changes
            await make_again(kafka_bootstrap, topic)
        burnt.set()
        await loading
        await eventually(lambda: has_all_rows(log, appended * SHARDS), within_s=60)
        await worker.die()

        assert {shard: list(range(1, appended + 1)) for shard in range(SHARDS)} == by_shard(
            await positions_taken(log, service=SERVICE)
        )
        in_topic = {(event.shard, event.pos) for event in await read_events(kafka_bootstrap, topic)}
        assert len(in_topic) == appended * SHARDS, "the topic that there is now does not hold the whole log"
        assert (REGISTRY.get_sample_value("gatehouse_relay_topics_lost_total") or 0.0) >= lost + PARTITIONS


async def has_rows(log: LogDatabase, count: int) -> bool:
    [(taken,)] = await log.rows("SELECT count(*) FROM taken")
    return bool(taken >= count)


def by_shard(positions: Sequence[tuple[int, int]]) -> dict[int, list[int]]:
    return {shard: [pos for at, pos in positions if at == shard] for shard in range(SHARDS)}


async def has_all_rows(log: LogDatabase, count: int) -> bool:
    return [(count,)] == await log.rows("SELECT count(*) FROM taken")
