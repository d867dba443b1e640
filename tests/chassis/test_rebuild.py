"""Tables made anew from the logs: equal to the live ones, whatever happens meanwhile, or not put in their place."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from structlog.testing import capture_logs

from chassis import rebuild as rebuild_module
from chassis import rebuild_told, replay
from chassis.curing import Cure
from chassis.database import create_pool
from chassis.migrations import LOG, WORK
from chassis.ops import Ops
from chassis.progress import Hole
from chassis.rebuild import Rebuild, RebuildFailed, with_old
from chassis.replay import Decoder, Stalled
from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows
from chassis.testing.wait import eventually
from chassis.twin_tables import TwinTables, moving_stopped
from contracts.event import Recorded
from tests.chassis.rebuilding import OTHER, PARTITIONS, Service, running_service
from tests.chassis.tallies import Counted, append_of
from tests.chassis.tally_rows import LATEST, MODEL, TABLES, LatestRow, OtherCounted
from tests.chassis.tally_topics import make_topic
from tests.conftest import MakeDatabase

TWINS = TwinTables(MODEL)
STAGES = ("make", "fold", "half folded", "index", "catch up", "compare", "switch")

# What a table is beside its rows. The schema's name is left out where it would show.
SHAPE = """
SELECT c.relname, c.reloptions, c.relacl::text, c.relowner,
       (SELECT array_agg(format('%s %s %s %s', attname, atttypid::regtype, attnotnull, pg_get_expr(adbin, adrelid)) ORDER BY attnum)
        FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = c.oid AND attnum > 0),
       (SELECT array_agg(conname || pg_get_constraintdef(oid) ORDER BY conname) FROM pg_constraint WHERE conrelid = c.oid),
       (SELECT array_agg(pg_get_indexdef(indexrelid) ORDER BY 1) FROM pg_index WHERE indrelid = c.oid)
FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1) ORDER BY c.relname
"""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
async def service(database: MakeDatabase, kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Service]:
    """Nothing has happened yet."""
    topic = await make_topic(kafka_bootstrap, topic_prefix, "other.events.v1", partitions=PARTITIONS)
    async with running_service(await database("tally", [LOG, WORK]), kafka_bootstrap, topic) as service:
        yield service


@pytest.fixture
async def filled(service: Service) -> Service:
    """Something has happened, and the read model has taken it in."""
    await service.append(64)
    await service.publish(128)
    async with service.projecting():
        await eventually(service.is_level)
    return service


async def shape(service: Service) -> Sequence[tuple[Any, ...]]:
    return await service.log.rows(SHAPE, [table.name for table in MODEL.tables])


async def schemas(service: Service) -> set[str]:
    rows = await service.log.rows("SELECT nspname FROM pg_namespace WHERE nspname ~ '^(new|old)_'")
    return {name for (name,) in rows}


POSITIONS = "SELECT subscriber, source, shard, epoch, last_pos FROM position ORDER BY 1, 2, 3"


class TestRebuild:
    async def test_of_nothing_ends(self, service: Service) -> None:
        async with service.rebuild() as work:
            differences = await work.run()
        assert [0, 0, 0, 0] == [each.new for each in differences]
        assert {TWINS.old} == await schemas(service)

    async def test_comes_to_the_same_rows_positions_and_tables(self, filled: Service) -> None:
        rows, positions = await filled.stored(), await filled.log.rows(POSITIONS)
        before = await shape(filled)
        async with filled.rebuild() as work:
            differences = await work.run()

        assert all(each.is_none and each.new for each in differences)
        assert rows == await filled.stored() == await filled.folded()
        assert rows == await filled.stored(TWINS.old), "kept until told"
        assert positions == await filled.log.rows(POSITIONS)
        assert before == await shape(filled)

    async def test_ends_equal_beside_traffic_without_an_error_of_worker_or_api(self, filled: Service) -> None:
        switched = asyncio.Event()

        async def traffic() -> None:
            """No faster than it is taken in: else it may never be caught up with, which shows nothing."""
            while not switched.is_set():
                await filled.append(5)
                await filled.publish(5)
                await eventually(filled.is_level)

        async with filled.projecting(), asking(filled) as asked:
            going_on = asyncio.create_task(traffic())
            async with filled.rebuild() as work:
                differences = await work.run()
            before = len(asked)
            await eventually(lambda: len(asked) > before + 50)
            switched.set()
            await going_on
            await eventually(filled.is_level)

        assert all(each.is_none for each in differences), list(map(str, differences))
        assert await filled.folded() == await filled.stored()
        assert len(filled.others) > 128, "there was traffic"

    async def test_repairs_what_was_damaged_but_only_if_told_to(self, filled: Service) -> None:
        right = await filled.stored()
        await filled.log.owner.execute(
            "UPDATE latest_v1 SET amount = 77 WHERE tally_id = (SELECT min(tally_id::text)::uuid FROM latest_v1);"
            "DELETE FROM open_v1 WHERE tally_id IN (SELECT tally_id FROM open_v1 LIMIT 2);"
            "INSERT INTO listed_v1 VALUES (gen_random_uuid(), 5)"
        )
        wrong = await filled.stored()
        async with filled.rebuild() as work:
            found = {each.table: (each.only_live, each.only_new, each.changed) for each in await work.run()}
        assert {"latest_v1": (0, 0, 1), "summed_v1": (0, 0, 0), "listed_v1": (1, 0, 0), "open_v1": (0, 2, 0)} == found
        assert wrong == await filled.stored(), "nothing is switched that differs"

        async with filled.rebuild() as work:
            await work.run(replace=True)
        assert right == await filled.stored()

    async def test_takes_in_what_came_after_it_was_told_of_a_difference(self, filled: Service) -> None:
        await filled.log.owner.execute("DELETE FROM open_v1")
        async with filled.rebuild() as work:
            assert not all(each.is_none for each in await work.run())
        async with filled.projecting():
            await filled.append(10)
            await filled.publish(10)
            await eventually(filled.is_level)
            async with filled.rebuild() as work:
                await work.run(replace=True)
        assert await filled.folded() == await filled.stored()

    async def test_goes_no_further_than_a_read_model_that_halts(self, filled: Service) -> None:
        """What comes next is the worker's, with its alarm."""
        rows = await filled.stored()
        await filled.append(5)
        await filled.publish(5)
        async with filled.rebuild() as work:
            assert all(each.is_none for each in await work.run())
        assert rows == await filled.stored()
        async with filled.projecting():
            await eventually(filled.is_level)
        assert await filled.folded() == await filled.stored()

    async def test_refuses_rows_that_two_partitions_fill(self, filled: Service) -> None:
        def shared(rows: Rows, fact: Fact[OtherCounted], _: int) -> None:
            rows.put(LATEST, LatestRow(UUID(int=0), fact.event.amount))

        async with filled.rebuild() as work:
            work.model = ReadModel(MODEL.name, TABLES, {**MODEL.folds, OtherCounted: shared}, MODEL.reads)
            with pytest.raises(RebuildFailed, match="two partitions fill the same row of latest_v1"):
                await work.run()

    async def test_is_alone(self, filled: Service) -> None:
        async with filled.rebuild() as one, filled.rebuild() as other, one._alone():
            with pytest.raises(RebuildFailed, match="already"):
                await other.run()


class TestKilledRebuild:
    @pytest.mark.parametrize("stage", STAGES)
    async def test_is_started_again_and_finishes(self, filled: Service, stage: str) -> None:
        rows = await filled.stored()
        assert -signal.SIGKILL == await killed_at(filled, stage)
        assert rows == await filled.stored(), "nobody sees a half-built one"
        done = len(await filled.log.rows(f"SELECT 1 FROM {TWINS.new}.position")) if stage != "make" else 0
        async with filled.rebuild() as work:
            differences = await work.run()
            folded = work.bar.done

        assert all(each.is_none and each.new for each in differences)
        assert rows == await filled.stored()
        everything = sum((await filled.log.heads()).values()) + len(filled.others)
        expected = {"make": everything, "fold": everything}.get(stage, 0)
        if stage == "half folded":
            assert 0 < done
            assert 0 < folded < everything, "finished partitions are not folded again"
        else:
            assert expected == folded

    async def test_leaves_traffic_alone(self, filled: Service) -> None:
        async with filled.projecting():
            for stage in ("compare", "switch"):
                assert -signal.SIGKILL == await killed_at(filled, stage)
                await filled.append(3)
                await eventually(filled.is_level)
        assert await filled.folded() == await filled.stored()


class TestTold:
    """What an operator is shown, see `chassis.ops`."""

    async def test_is_that_it_was_switched_and_how_many_events_it_took(self, filled: Service) -> None:
        assert [] == await shown(filled)
        async with filled.rebuild() as work:
            await work.run()
        everything = sum((await filled.log.heads()).values()) + len(filled.others)
        [row] = await shown(filled)
        assert (MODEL.name, "switched", everything, everything) == tuple(
            row[each] for each in ("name", "outcome", "events_done", "events_total")
        )
        assert (False, True) == (row["has_new"], row["has_old"])

    async def test_is_that_it_was_switched_back(self, filled: Service) -> None:
        async with filled.rebuild() as work:
            await work.run()
            assert 0 == await with_old(TWINS, work.owner, back=True)
        assert [("switched back", True)] == [(row["outcome"], row["has_old"]) for row in await shown(filled)]

    async def test_is_that_the_tables_differ(self, filled: Service) -> None:
        await filled.log.owner.execute(f"DELETE FROM {TABLES[0].name}")
        async with filled.rebuild() as work:
            await work.run()
        [row] = await shown(filled)
        assert ("different", True, False) == (row["outcome"], row["has_new"], row["has_old"])

    async def test_is_what_went_wrong(self, filled: Service) -> None:
        async with filled.rebuild() as work:
            await work.run()
        async with filled.rebuild() as work:
            with pytest.raises(RebuildFailed):
                await work.run()
        assert ["chassis.rebuild.RebuildFailed"] == [row["outcome"] for row in await shown(filled)]

    async def test_of_one_that_was_killed_is_how_far_it_had_come(self, filled: Service) -> None:
        await killed_at(filled, "compare")
        [row] = await shown(filled)
        assert (None, True) == (row["outcome"], row["has_new"])
        assert 0 < row["silent_s"] < 60

    async def test_goes_on_while_it_is_at_work(self, filled: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rebuild_told, "TELL_EVERY_S", 0.01)
        going_on = asyncio.Event()

        async def held(work: Rebuild) -> None:
            await going_on.wait()

        monkeypatch.setattr(Rebuild, "_switch", held)

        async def is_compared() -> bool:
            return [("compare", None)] == [(row["stage"], row["outcome"]) for row in await shown(filled)]

        async with filled.rebuild() as work:
            running = asyncio.create_task(work.run())
            await eventually(is_compared)
            going_on.set()
            await running


async def shown(service: Service) -> Sequence[asyncpg.Record]:
    return await Ops("tally", service.log.pool, True, [MODEL], [MODEL], {}, Cure(service.log.pool, {}, PARTITIONS, None)).rebuilds()


class TestLostShard:
    async def test_is_seen_in_the_rows(self, filled: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        """A fold that leaves a shard out, and takes its positions as done."""
        facts = Decoder.facts

        def without_shard_5(self: Decoder, events: Sequence[Recorded]) -> Iterator[Any]:
            return facts(self, [event for event in events if event.shard != 5])

        monkeypatch.setattr(Decoder, "facts", without_shard_5)
        rows = await filled.stored()
        async with filled.rebuild() as work:
            differences = await work.run()
        assert not all(each.is_none for each in differences)
        assert rows == await filled.stored()

    async def test_is_seen_in_the_positions(self, filled: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rebuild_module, "_of_source", without_a_shard(rebuild_module._of_source))
        rows = await filled.stored()
        async with filled.rebuild() as work:
            with pytest.raises(RebuildFailed, match="positions"):
                await work.run(replace=True)
        assert rows == await filled.stored()


def without_a_shard(of_source: Callable[..., dict[int, int]]) -> Callable[..., dict[int, int]]:
    def wanted(*arguments: Any) -> dict[int, int]:
        targets = of_source(*arguments)
        lost = next((shard for shard, pos in sorted(targets.items()) if pos), None)
        return {shard: pos for shard, pos in targets.items() if shard != lost}

    return wanted


class TestSourceThatIsNotComplete:
    async def test_fails_the_rebuild_where_its_beginning_is_gone(self, filled: Service) -> None:
        admin = AdminClient({"bootstrap.servers": filled.bootstrap})
        for future in admin.delete_records([TopicPartition(filled.topic, 1, 3)]).values():
            await asyncio.to_thread(future.result)
        async with filled.rebuild() as work:
            with pytest.raises(Hole):
                await work.run()

    async def test_fails_the_rebuild_where_its_end_is_gone(self, filled: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(replay, "STALLED_S_MAX", 0.5)
        await filled.log.owner.execute("UPDATE position SET last_pos = last_pos + 1 WHERE source = 'other' AND shard = 5")
        async with filled.rebuild() as work:
            with pytest.raises(Stalled, match="shard 5 of other"):
                await work.run()

    async def test_fails_the_rebuild_where_the_own_log_was_set_back(self, filled: Service) -> None:
        await filled.log.owner.execute("UPDATE position SET last_pos = last_pos + 1 WHERE source = 'tally' AND shard = 5")
        async with filled.rebuild() as work:
            with pytest.raises(Stalled, match="shard 5 of tally"):
                await work.run()


class TestReplacedTables:
    async def test_are_in_the_way_of_the_next_rebuild_until_they_are_dropped(self, filled: Service) -> None:
        async with filled.rebuild() as work:
            await work.run()
            with pytest.raises(RebuildFailed, match="--drop-old"):
                await work.run()
            async with work.owner.acquire() as connection:
                await TWINS.drop(connection, TWINS.old)
            await work.run()

    async def test_come_back_with_their_positions_under_a_running_worker(self, filled: Service) -> None:
        async with filled.projecting(), asking(filled):
            async with filled.rebuild() as work:
                await work.run()
                await filled.append(20)
                await filled.publish(20)
                await eventually(filled.is_level)
                async with work.owner.acquire() as connection, moving_stopped(connection):
                    await TWINS.switch_back(connection)
            await eventually(filled.is_level)
        assert await filled.folded() == await filled.stored(), "what came after the switch is taken in anew, once"

    @pytest.mark.parametrize("others", [(), ("another_v1",)])
    async def test_that_come_back_leave_the_others_of_a_source_at_their_offset(
        self, filled: Service, others: tuple[str, ...]
    ) -> None:
        """Nobody else is taken back; whoever is alone, but for one that was retired, would go on beyond what he lacks."""
        async with filled.rebuild() as work:
            await work.run()
            await work.owner.execute("INSERT INTO next_offset VALUES ($1, 0, 1) ON CONFLICT DO NOTHING", OTHER)
            await work.owner.execute(
                "INSERT INTO position (subscriber, source, shard, epoch, last_pos) VALUES ('another_v1', $1, 0, 1, 1)", OTHER
            )
            async with work.owner.acquire() as connection, moving_stopped(connection):
                await TwinTables(MODEL, others).switch_back(connection)
            assert bool(others) == bool(await filled.log.rows("SELECT 1 FROM next_offset WHERE source = $1", OTHER))


class TestParkedEvents:
    async def test_are_in_the_rebuilt_tables_and_wait_no_more_and_wait_again_beside_the_replaced_ones(
        self, service: Service
    ) -> None:
        """The worker, which runs on, takes in what comes in their streams; retried, they would count twice."""
        mended = False

        def stumbling(rows: Rows, fact: Fact[Counted], partition: int) -> None:
            if fact.event.amount == 2 and not mended:
                raise ZeroDivisionError
            MODEL.folds[Counted](rows, fact, partition)

        await service.append(20)
        async with service.projecting(replace(MODEL, folds={**MODEL.folds, Counted: stumbling})):
            await eventually(service.is_level)
            assert [(40,)] == await service.log.rows("SELECT count(*) FROM parked")
            mended = True
            async with service.rebuild() as work:
                assert not all(each.is_none for each in await work.run(replace=True))
                assert [] == await service.log.rows("SELECT 1 FROM parked")
                [stream_id] = [each for (each,) in await service.log.rows("SELECT stream_id FROM event LIMIT 1")]
                await service.store.append(append_of(stream_id, at=3))
                await eventually(service.is_level)
                assert await service.folded() == await service.stored()

                async with work.owner.acquire() as connection, moving_stopped(connection):
                    await TWINS.switch_back(connection)
            await eventually(service.is_level)
            assert [(41,)] == await service.log.rows("SELECT count(*) FROM parked"), "and what came since, behind them"


class TestLocks:
    async def test_that_others_hold_are_waited_for_shortly_again_and_again(
        self, filled: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rebuild_module, "PAUSE_S", 0.01)
        said: list[str] = []
        reader = await filled.log.session()
        reading = reader.transaction()
        await reading.start()
        await reader.execute("SET LOCAL idle_in_transaction_session_timeout = 0; SELECT FROM latest_v1")
        async with filled.rebuild(said.append) as work:
            running = asyncio.create_task(work.run())
            await eventually(lambda: said.count("switch") > 1)
            await asyncio.wait_for(filled.log.pool.fetch("SELECT FROM latest_v1"), timeout=2)
            await reading.rollback()
            assert all(each.is_none for each in await running)
        assert "busy (LockNotAvailableError)" in said


async def killed_at(service: Service, stage: str) -> int:
    """The exit code of a rebuild in a process of its own."""
    command = [sys.executable, "-m", "tests.chassis.rebuilding", service.database.owner_dsn]
    process = await asyncio.create_subprocess_exec(
        *command, service.bootstrap, service.topic, stage, stderr=asyncio.subprocess.DEVNULL, env={"PYTHONPATH": ":".join(sys.path)}
    )
    return await asyncio.wait_for(process.wait(), timeout=60)


@asynccontextmanager
async def asking(service: Service) -> AsyncIterator[list[int]]:
    """Readers as an api has them, each with a statement that was prepared before the switch. Fails where one fails."""
    pool = await create_pool(service.database.app_dsn, application_name="api", size_max=3)
    answers: list[int] = []

    async def ask() -> None:
        while True:
            answers.append(await pool.fetchval("SELECT count(*) FROM latest_v1 WHERE amount >= $1", 0))
            await pool.fetch("SELECT * FROM open_v1 WHERE times > $1", 0)

    tasks = [asyncio.create_task(ask()) for _ in range(3)]
    try:
        await eventually(lambda: len(answers) > 20)
        yield answers
        assert not [task for task in tasks if task.done()]
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [] == [error for error in ended if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError)]
        await pool.close()
