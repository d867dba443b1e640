"""What is read from the database to be told as metrics."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import asyncpg
import pytest
from prometheus_client import CollectorRegistry, Gauge

from chassis import contract_places
from chassis.event_store import EventStore
from chassis.measuring import LabelledGauge, Measure, Positions, Sizes
from chassis.subscribers import Policy
from chassis.testing.wait import eventually
from devstack.postgres import EmbeddedPostgres, Size
from devstack.suite import throwaway_state
from tests.chassis.log_database import LogDatabase
from tests.chassis.tallies import append_of, handler, in_shards
from tests.chassis.test_archive import archived, grow_old
from tests.chassis.test_projector import OTHER, Taken
from tests.measured import measured

PARTITIONS = 16


def projected(subscriber: str, source: str, partition: int) -> float | None:
    return measured("gatehouse_projection_position", subscriber=subscriber, source=source, partition=str(partition))


class TestMeasure:
    async def test_goes_on_when_the_database_was_away(self) -> None:
        looks = 0

        async def look() -> None:
            nonlocal looks
            looks += 1
            if looks < 3:
                raise ConnectionRefusedError

        task = asyncio.create_task(Measure("something", look, 0.0).keep())
        await eventually(lambda: looks > 3)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


class TestPositions:
    async def test_tell_of_each_partition_how_far_log_and_subscribers_are(self, log: LogDatabase, store: EventStore) -> None:
        # Of 16 partitions the first has the shards 0, 16, 32 and 48.
        for stream, events in zip(in_shards(0, 48, 5), (3, 2, 4), strict=True):
            await store.append(append_of(stream, events=events))
        await log.owner.execute(
            "INSERT INTO position (subscriber, source, shard, epoch, last_pos) VALUES"
            " ('taken_v1', 'tally', 0, 1, 3), ('taken_v1', 'tally', 48, 1, 1), ('forgotten_v1', 'tally', 0, 1, 1)"
        )
        await Positions(log.pool, "tally", [Taken()], PARTITIONS).look()
        assert [5, 4, 0] == [measured("gatehouse_log_position", source="tally", partition=str(each)) for each in (0, 5, 15)]
        assert [4, 0] == [projected("taken_v1", "tally", each) for each in (0, 5)]
        assert projected("forgotten_v1", "tally", 0) is None, "nobody subscribes by that name any more"

    async def test_tell_also_of_a_policy_that_has_taken_nothing_in_yet(self, log: LogDatabase, store: EventStore) -> None:
        policy = Policy("new_policy", OTHER, handler(store), lambda fact: ())
        await Positions(log.pool, None, [policy], PARTITIONS).look()
        assert 0.0 == projected("new_policy", "other", 3)


class TestSizes:
    async def test_tell_of_database_and_log(self, log: LogDatabase) -> None:
        await Sizes(log.pool, None, has_log=True, bytes_max=7).look()
        database, of_log = measured("gatehouse_database_bytes"), measured("gatehouse_log_bytes")
        assert database
        assert of_log
        assert database > of_log > 0
        assert 7 == measured("gatehouse_database_limit_bytes")
        assert 0 == measured("gatehouse_backup_completed_timestamp_seconds", server="own")

    async def test_tell_of_the_log_with_what_was_archived(self, log: LogDatabase, store: EventStore) -> None:
        for stream in in_shards(*range(8)):
            await store.append(append_of(stream, events=64))
        await grow_old(log)

        async def without_what_is_dead() -> float | None:
            await log.owner.execute("VACUUM FULL event, archived_event")
            await Sizes(log.pool, None, has_log=True, bytes_max=7).look()
            return measured("gatehouse_log_bytes")

        before = await without_what_is_dead()
        assert 0 == await archived(log)
        assert before == await without_what_is_dead(), "only their place is another"

    async def test_tell_whether_the_wal_is_archived(self) -> None:
        with throwaway_state() as state:
            server = EmbeddedPostgres(state, "test", size=Size(connections_max=20, shared_buffers_mb=16))
            await server.start()
            try:
                async with asyncpg.create_pool(server.dsn, min_size=1, max_size=1) as pool:
                    sizes = Sizes(pool, None, has_log=False, bytes_max=7)

                    async def failing() -> bool:
                        await sizes.look()
                        return measured("gatehouse_wal_archive_failing", server="own") == 1

                    async def archived_again() -> bool:
                        return not await failing()

                    assert not await failing(), "nothing was there to archive"
                    server.backups.mkdir(mode=0o555, parents=True)  # From now on there is an archive, and nobody can write to it.
                    await finish_wal(pool)
                    await eventually(failing, within_s=30)
                    server.backups.rmdir()
                    await finish_wal(pool)
                    await eventually(archived_again, within_s=30)
            finally:
                await server.stop()

    async def test_tell_when_the_last_backup_was_complete(self, log: LogDatabase) -> None:
        await Sizes(log.pool, None, has_log=False, bytes_max=7).look()
        assert 0 == measured("gatehouse_backup_completed_timestamp_seconds", server="own"), "there was none yet"
        told = {"gatehouse.base_backup_at": "2020-02-18T04:26:40Z"}
        async with asyncpg.create_pool(log.app_dsn, min_size=1, max_size=1, server_settings=told) as pool:
            await Sizes(pool, None, has_log=False, bytes_max=7).look()
        assert 1_582_000_000 == measured("gatehouse_backup_completed_timestamp_seconds", server="own")

    async def test_tell_of_the_key_server_too(self, log: LogDatabase) -> None:
        told = {"gatehouse.base_backup_at": "2020-02-19T04:26:40Z"}
        async with asyncpg.create_pool(log.app_dsn, min_size=1, max_size=1, server_settings=told) as keys:
            await Sizes(log.pool, keys, has_log=False, bytes_max=7).look()
        assert [0, 1_582_086_400] == [
            measured("gatehouse_backup_completed_timestamp_seconds", server=each) for each in ("own", "keys")
        ]
        assert 0 == measured("gatehouse_wal_archive_failing", server="keys")


async def finish_wal(pool: asyncpg.Pool) -> None:
    """The server has a file to archive, and tries at once."""
    await pool.execute("SELECT pg_logical_emit_message(false, 'tests', 'something'), pg_switch_wal()")


class TestLabelledGauge:
    def test_tells_nothing_any_more_of_what_is_gone(self) -> None:
        registry = CollectorRegistry()
        gauge = LabelledGauge(Gauge("entries", "Entries", ["station"], registry=registry))
        gauge.tell({("浦东",): 3, ("虹口",): 5})
        gauge.tell({("虹口",): 6})
        assert (None, 6) == tuple(registry.get_sample_value("entries", {"station": each}) for each in ("浦东", "虹口"))


class TestByStation:
    def test_tells_those_with_most_by_name_and_the_others_as_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(contract_places, "STATIONS_TOLD_MAX", 2)
        counted = [("310109", "虹口", 1), ("310115", "浦东", 7), ("310109", "北外滩", 2), ("310109", "四川北路", 1)]
        told = {("310115", "浦东"): 7, ("310109", "北外滩"): 2, ("310109", "其他"): 2}
        assert told == contract_places.by_station(counted)
