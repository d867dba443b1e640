"""Old events out of the way: the log is read as before, from its first event, and nothing of it can be changed."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from chassis.archive import archive
from chassis.event_store import Appended, EventStore
from chassis.migrations import LOG, WORK
from chassis.settings import ServiceSettings
from chassis.shard_heads import read_shard
from chassis.testing.wait import eventually
from contracts.event import SHARDS
from tests.chassis.log_database import LogDatabase
from tests.chassis.rebuilding import PARTITIONS, Service, running_service
from tests.chassis.tallies import Count, Tally, append_of, handler, in_shard, key_of
from tests.chassis.tally_topics import make_topic
from tests.chassis.test_relay import TALLY
from tests.conftest import MakeDatabase

LOG_AS_READ = "SELECT shard, pos, stream_id, version, event_id, type, data, meta, recorded_at FROM event ORDER BY shard, pos"
PLACES = "SELECT count(*) FROM ONLY event UNION ALL SELECT count(*) FROM archived_event"


async def grow_old(log: LogDatabase, *, days: int = 61, to_pos: int = 2**40) -> None:
    """As if that many days had passed since these events were recorded. Only an owner who means it can do this."""
    await log.owner.execute("ALTER TABLE event DISABLE TRIGGER event_is_append_only")
    await log.owner.execute(
        "UPDATE ONLY event SET recorded_at = recorded_at - make_interval(days => $1) WHERE pos <= $2", days, to_pos
    )
    await log.owner.execute("ALTER TABLE event ENABLE TRIGGER event_is_append_only")


async def archived(log: LogDatabase, *, days: int = 60) -> int:
    """The exit code."""
    dsns = {"database_dsn": log.app_dsn, "migration_dsn": log.owner_dsn}
    return await archive(TALLY, ServiceSettings.model_validate(dsns), Namespace(older_than_days=days))


class TestArchive:
    async def test_moves_what_is_old_enough_and_the_log_reads_as_before(self, log: LogDatabase, store: EventStore) -> None:
        for _ in range(3):
            await store.append(append_of(in_shard(5), events=2))
        await grow_old(log, to_pos=4)
        before = await log.rows(LOG_AS_READ)

        assert 0 == await archived(log)

        assert [(2,), (4,)] == await log.rows(PLACES)
        assert before == await log.rows(LOG_AS_READ)
        async with log.pool.acquire() as connection:
            assert [1, 2, 3, 4, 5, 6] == [event.pos for event in await read_shard(connection, 5, after=0)]

    async def test_goes_on_where_it_ended(self, log: LogDatabase, store: EventStore) -> None:
        for _ in range(2):
            await store.append(append_of(in_shard(5), events=2))
            await grow_old(log)
            assert 0 == await archived(log)
        assert 0 == await archived(log), "nothing is left"

        assert [(0,), (4,)] == await log.rows(PLACES)
        assert [(5, 2), (5, 4)] == await log.rows("SELECT shard, last_pos FROM archived_range ORDER BY last_pos")

    async def test_by_two_at_once_moves_each_event_once(self, log: LogDatabase, store: EventStore) -> None:
        await asyncio.gather(*(store.append(append_of(in_shard(shard), events=3)) for shard in range(SHARDS)))
        await grow_old(log)
        assert [0, 0, 0] == await asyncio.gather(*(archived(log) for _ in range(3)))
        assert [(0,), (3 * SHARDS,)] == await log.rows(PLACES)

    async def test_leaves_a_stream_that_folds_from_its_first_event_and_goes_on(self, log: LogDatabase, store: EventStore) -> None:
        stream, tallies = in_shard(5), handler(store)
        for amount in (1, 2, 3):
            await tallies.handle(stream, Count(stream, amount))
        await grow_old(log)
        assert 0 == await archived(log)
        await log.owner.execute("UPDATE stream SET state = NULL, state_version = NULL")

        await tallies.handle(stream, Count(stream, 4))

        assert (4, Tally((1, 2, 3, 4))) == await tallies.read(stream)
        assert [(1,), (3,)] == await log.rows(PLACES)

    async def test_leaves_a_key_that_is_sent_again_its_first_outcome(self, log: LogDatabase, store: EventStore) -> None:
        stream, tallies = in_shard(5), handler(store)
        first = await tallies.handle(stream, Count(stream, 1), key=key_of("again"))
        await grow_old(log)
        assert 0 == await archived(log)
        await log.owner.execute("DELETE FROM remembered_answer")

        neighbour, again = await asyncio.gather(
            store.append(append_of(in_shard(6), key=key_of("another"))),
            tallies.handle(stream, Count(stream, 1), key=key_of("again")),
        )

        assert Appended(version=1, shard=6, last_pos=1) == neighbour
        assert replace(first, replayed=True) == again
        assert [(1,), (1,)] == await log.rows(PLACES)

    async def test_while_a_key_is_sent_again_leaves_one_event_of_its_id(self, log: LogDatabase, store: EventStore) -> None:
        stream, tallies = in_shard(5), handler(store)
        first = await tallies.handle(stream, Count(stream, 1), key=key_of("again"))
        await grow_old(log)
        await log.owner.execute("DELETE FROM remembered_answer")
        mover = await asyncpg.connect(log.owner_dsn)
        async with mover.transaction():
            assert 1 == await mover.fetchval("SELECT archive_events(5::smallint, 60, 10)")
            sent = asyncio.create_task(tallies.handle(stream, Count(stream, 1), key=key_of("again")))
            await log.blocked_session()
        await mover.close()

        assert replace(first, replayed=True) == await sent
        assert [(0,), (1,)] == await log.rows(PLACES)

    async def test_of_young_events_is_refused(self, log: LogDatabase, store: EventStore) -> None:
        await store.append(append_of(in_shard(5)))
        await grow_old(log, days=29)
        assert 2 == await archived(log, days=29)
        assert 0 == await archived(log, days=30)
        assert [(1,), (0,)] == await log.rows(PLACES)

    async def test_is_the_owner_s(self, log: LogDatabase, store: EventStore) -> None:
        await store.append(append_of(in_shard(5)))
        session = await log.session()
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await session.fetchval("SELECT archive_events(5::smallint, 60, 10)")

    async def test_is_read_in_order_by_its_indexes(self, log: LogDatabase, store: EventStore) -> None:
        """However much lies there, a page costs a page: nothing is sorted. So few rows would be planned otherwise."""
        await store.append(append_of(in_shard(5)))
        await log.owner.execute("SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
        page = "EXPLAIN (COSTS off) SELECT data FROM event WHERE shard = 5 AND pos > 9 ORDER BY pos LIMIT 9"
        plan = [line.strip(" ->") for (line,) in await log.rows(page)]
        assert "Merge Append" == plan[1], plan
        assert 2 == sum(line.startswith("Index Scan using") for line in plan), plan


class TestArchived:
    CHANGES = (
        "UPDATE archived_event SET data = 'x'",
        "DELETE FROM archived_event",
        "TRUNCATE archived_event",
        "DELETE FROM archived_range",
        "UPDATE archived_range SET digest = sha256('x')",
        "DELETE FROM event",
        "SELECT set_config('gatehouse.archiving', 'on', false); DELETE FROM event",
        "DO $$ BEGIN DELETE FROM event; END $$",
    )

    @pytest.mark.parametrize("change", CHANGES)
    async def test_can_be_changed_by_nobody(self, log: LogDatabase, store: EventStore, change: str) -> None:
        await store.append(append_of(in_shard(5), events=2))
        await grow_old(log)
        assert 0 == await archived(log)
        for session in (await log.session(), log.owner):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await session.execute(change)
        assert [(0,), (2,)] == await log.rows(PLACES)


class TestTakingItBack:
    """The migration: where nothing was moved, the log is as it was before it."""

    async def test_leaves_the_log_append_only(self, log: LogDatabase, store: EventStore) -> None:
        await store.append(append_of(in_shard(5)))
        async with taken_back(log):
            assert [(None,)] == await log.rows("SELECT to_regclass('archived_event')")
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="the log is append-only"):
                await log.owner.execute("DELETE FROM event")

    async def test_is_refused_where_events_were_moved(self, log: LogDatabase, store: EventStore) -> None:
        await store.append(append_of(in_shard(5), events=2))
        await grow_old(log)
        assert 0 == await archived(log)
        with pytest.raises(asyncpg.ObjectInUseError, match="part of the log"):
            async with taken_back(log):
                pass
        assert [(0,), (2,)] == await log.rows(PLACES)


@asynccontextmanager
async def taken_back(log: LogDatabase) -> AsyncIterator[None]:
    """For the owner, until it ends: other tests use the database."""
    _, _, rollback = (LOG / "log_0005_archive.sql").read_text().partition("-- migrate: rollback")
    transaction = log.owner.transaction()
    await transaction.start()
    try:
        await log.owner.execute(rollback)
        yield
    finally:
        await transaction.rollback()


@pytest.fixture
async def service(database: MakeDatabase, kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Service]:
    topic = await make_topic(kafka_bootstrap, topic_prefix, "other.events.v1", partitions=PARTITIONS)
    async with running_service(await database("tally", [LOG, WORK]), kafka_bootstrap, topic) as service:
        yield service


class TestRebuild:
    async def test_from_the_beginning_comes_to_the_same_rows(self, service: Service) -> None:
        await service.append(SHARDS)
        async with service.projecting():
            await eventually(service.is_level)
        await grow_old(service.log, to_pos=2)
        assert 0 == await archived(service.log)
        assert [(SHARDS,), (2 * SHARDS,)] == await service.log.rows(PLACES)
        rows = await service.stored()

        async with service.rebuild() as work:
            differences = await work.run()

        assert all(each.is_none for each in differences)
        assert rows == await service.stored() == await service.folded()
