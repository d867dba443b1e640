"""A log that was brought back from a backup: closed, completed from its topic, opened in a later epoch."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from chassis import restore
from chassis.crash_points import CrashPoint
from chassis.event_store import Conflict, EventStore
from chassis.faults import Unavailable
from chassis.kafka import ProducerHolder, make_producer
from chassis.migrations import LOG, WORK
from chassis.probes import NotReady
from chassis.relay import TopicPublisher
from chassis.restore import Examination, accept_loss
from chassis.settings import ServiceSettings
from chassis.testing.wait import eventually
from contracts.event import record_headers
from devstack.databases import Database
from devstack.fresh_databases import FreshDatabases
from tests.chassis.log_database import LogDatabase, opened_log
from tests.chassis.tallies import (
    SERVICE,
    TALLIES,
    Close,
    Count,
    Tally,
    TallyIsClosed,
    append_of,
    handler,
    in_shard,
    key_of,
    new_event,
)
from tests.chassis.tally_topics import delete_topic, make_again, make_topic, started
from tests.chassis.test_relay import TALLY, is_published, is_told, relayed, relaying

NOWHERE = "127.0.0.1:1"
"""No broker."""
KINDS = dict.fromkeys(TALLIES.events, TALLIES.kind)
STORED = "SELECT shard, pos, stream_id, version, event_id, type, data, meta FROM event ORDER BY shard, pos"


@dataclass
class Server:
    """A tally service's database and topic, and what can become of them."""

    databases: FreshDatabases
    database: Database
    bootstrap: str
    topic: str
    opened: AsyncExitStack

    async def log(self) -> LogDatabase:
        return await self.opened.enter_async_context(opened_log(self.database))

    async def publish(self) -> None:
        """All of the log, as its relay does."""
        holder = ProducerHolder(lambda: make_producer(self.bootstrap))
        async with opened_log(self.database) as log:
            await relayed(log, TopicPublisher(holder, self.topic))
        await holder.close()

    async def count(self, stream_id: UUID, *amounts: int) -> None:
        async with opened_log(self.database) as log:
            tallies = handler(await log.store())
            for amount in amounts:
                await tallies.handle(stream_id, Count(stream_id, amount), key=key_of(f"{stream_id}-{amount}"))

    async def stored(self) -> Sequence[tuple[Any, ...]]:
        async with opened_log(self.database) as log:
            return await log.rows(STORED)

    async def examination(self, log: LogDatabase, store: EventStore, *, bootstrap: str | None = None) -> Examination:
        return Examination(log.pool, store, service=SERVICE, address=bootstrap or self.bootstrap, topic=self.topic, kinds=KINDS)

    @property
    def settings(self) -> ServiceSettings:
        return ServiceSettings.model_validate({"database_dsn": self.database.app_dsn})


@pytest.fixture
async def server(
    fresh_databases: FreshDatabases, kafka_bootstrap: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Server]:
    monkeypatch.setenv("GATEHOUSE_KAFKA_BOOTSTRAP", kafka_bootstrap)
    made = await fresh_databases.make("tally", [LOG, WORK])
    topic = await make_topic(kafka_bootstrap, topic_prefix)
    async with AsyncExitStack() as opened:
        yield Server(fresh_databases, made, kafka_bootstrap, topic, opened)


async def restored(server: Server, after_the_backup: Callable[[], Awaitable[None]]) -> Sequence[tuple[Any, ...]]:
    """Back up, let things happen, publish them, and bring the backup back. What was stored when the original was lost."""
    await server.publish()
    backup = await server.databases.backup(server.database)
    await after_the_backup()
    await server.publish()
    lost = await server.stored()
    await server.databases.drop(server.database)
    server.database = backup
    return lost


async def reason(examination: Examination) -> str | None:
    """Why it is not ready; None: it is."""
    try:
        await examination.check()
    except NotReady as error:
        return error.reason
    return None


class TestRestoredLog:
    async def test_takes_back_what_its_topic_has_beyond_it(self, server: Server) -> None:
        old, new = in_shard(5), in_shard(9)
        await server.count(old, 1, 2)

        async def go_on() -> None:
            await server.count(old, 3, 4)
            await server.count(new, 7)

        before = await restored(server, go_on)
        log = await server.log()
        store = await log.store()
        examination = await server.examination(log, store)
        await examination.begin()

        assert before == await server.stored()
        assert None is await reason(examination)
        assert [(store.epoch, 3, None)] == await log.rows("SELECT epoch, events_taken_back, loss_accepted_because FROM restoration")
        assert (4, Tally((1, 2, 3, 4))) == await handler(store).read(old)
        assert (1, Tally((7,))) == await handler(store).read(new)

    async def test_tells_of_all_that_was_taken_back_though_it_was_cut_short(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = await restored(server, lambda: server.count(in_shard(5), 1, 2, 3))
        monkeypatch.setattr(restore, "CHUNK_EVENTS_MAX", 1)
        log = await server.log()
        store, left = await log.store(), 2

        def die_after_the_second(point: CrashPoint) -> None:
            nonlocal left
            left -= point is CrashPoint.RESTORE_TAKEN_BACK
            if not left:
                raise OSError

        with monkeypatch.context() as patch:
            patch.setattr(restore, "passing", die_after_the_second)
            await (await server.examination(log, store)).begin()
        assert (2, False) == (len(await server.stored()), (await store.reach()).is_open)
        await (await server.examination(log, store)).begin()
        assert before == await server.stored()
        assert [(3, None)] == await log.rows("SELECT events_taken_back, loss_accepted_because FROM restoration")

    async def test_tells_what_a_release_before_took_back_whose_tables_were_changed_meanwhile(self, server: Server) -> None:
        """It closed the log when nothing was counted yet, and tells what it took back when it opens it."""
        await server.count(in_shard(5), 1, 2, 3)
        log = await server.log()
        await log.owner.execute("UPDATE store SET examined_at_place = NULL")
        await log.pool.execute("SELECT end_restoration(2, NULL)")
        assert [(2,)] == await log.rows("SELECT events_taken_back FROM restoration")

    async def test_takes_nothing_back_of_two_histories(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """The topic itself has both beyond the log: of two copies each has published its own."""
        stream = in_shard(5)
        await server.count(stream, 1)
        await restored(server, lambda: server.count(stream, 2, 3))
        other = new_event(stream, 3, amount=9)
        async with started(make_producer(server.bootstrap)) as copy:
            headers = record_headers(other.meta.split(b"\n"), 3)
            await copy.send_and_wait(server.topic, other.data, partition=1, headers=headers)
        monkeypatch.setattr(restore, "CHUNK_EVENTS_MAX", 1)  # What is met before the fork would be taken back before it is met.
        log = await server.log()
        examination = await server.examination(log, await log.store())
        with capture_logs() as logs:
            await examination.begin()
        assert [("fork-in-topic", 5, 3)] == [(each["reason"], each["shard"], each["pos"]) for each in logs if "reason" in each]
        assert 1 == len(await server.stored())

    async def test_goes_on_in_a_later_epoch(self, server: Server) -> None:
        stream = in_shard(5)
        await restored(server, lambda: server.count(stream, 1))
        log = await server.log()
        store = await log.store()
        await (await server.examination(log, store)).begin()
        await handler(store).handle(stream, Count(stream, 2))

        *_, last = await store.read_stream(stream)
        assert (2, 2, store.epoch) == (last.version, last.pos, last.epoch)
        assert store.epoch > 1

    async def test_goes_on_in_a_later_epoch_than_what_was_written_by_a_clock_that_was_ahead(self, server: Server) -> None:
        """The same backup was restored once before, on a server whose clock was an hour fast."""
        stream = in_shard(5)

        async def go_on() -> None:
            async with opened_log(server.database) as log:
                await log.owner.execute("UPDATE store SET epoch = extract(epoch FROM clock_timestamp())::bigint + 3600")
            await server.count(stream, 1)

        await restored(server, go_on)
        log = await server.log()
        store = await log.store()
        await (await server.examination(log, store)).begin()
        await handler(store).handle(stream, Count(stream, 2))

        before, last = await store.read_stream(stream)
        assert before.epoch < last.epoch == store.epoch

    async def test_takes_nothing_before_it_was_examined(self, server: Server) -> None:
        stream = in_shard(5)
        await restored(server, lambda: server.count(stream, 1))
        log = await server.log()
        with pytest.raises(Unavailable):
            await handler(await log.store()).handle(stream, Count(stream, 2))
        assert [] == await server.stored()

    async def test_refuses_nothing_before_it_was_examined(self, server: Server) -> None:
        """What would be refused may stand on what the log lacks."""
        closed, counted = in_shard(5), in_shard(9)
        async with opened_log(server.database) as log:
            await handler(await log.store()).handle(closed, Close(closed))
        await restored(server, lambda: server.count(counted, 1))
        log = await server.log()
        store, other_process = await log.store(), await log.store()

        with pytest.raises(Unavailable):
            await handler(store).handle(closed, Count(closed, 1))
        with pytest.raises(Unavailable):
            await handler(store).handle(counted, Count(counted, 2), expected_version=1)

        await (await server.examination(log, store)).begin()
        with pytest.raises(TallyIsClosed):
            await handler(store).handle(closed, Count(closed, 1))
        assert 2 == (await handler(store).handle(counted, Count(counted, 2), expected_version=1)).version
        with pytest.raises(Unavailable):  # It cannot know whether it read the log before that was completed.
            await handler(other_process).handle(closed, Count(closed, 1))
        with pytest.raises(TallyIsClosed):
            await handler(other_process).handle(closed, Count(closed, 1))

    async def test_takes_no_event_that_was_made_for_it_as_it_was(self, server: Server) -> None:
        """Of a process that went on through the restore: it was encoded before, and waited."""
        stream = in_shard(5)
        await restored(server, lambda: server.count(stream, 1))
        log = await server.log()
        store = await log.store()
        await (await server.examination(log, store)).begin()
        assert store.epoch > 1

        assert isinstance(await store.append(append_of(in_shard(5))), Conflict), "it was encoded in epoch 1"
        assert [(1,)] == await log.rows("SELECT count(*) FROM event")

    async def test_is_closed_where_only_the_cluster_is_another(self, server: Server) -> None:
        """The same numbers, the same timeline: what is cheap to ask says nothing."""
        log = await server.log()
        await log.owner.execute("UPDATE store SET examined_at_place = '7' || substr(place_of_log(), strpos(place_of_log(), '/'))")
        store = await log.store()
        examination = await server.examination(log, store, bootstrap=NOWHERE)
        await examination.begin()
        assert "restored-without-topic" == await reason(examination)
        with pytest.raises(Unavailable):
            await handler(store).handle(in_shard(5), Count(in_shard(5), 1))

    async def test_answers_a_repeat_whose_answer_was_lost_with_the_first_outcome(self, server: Server) -> None:
        stream = in_shard(5)
        await restored(server, lambda: server.count(stream, 1, 2))
        log = await server.log()
        store = await log.store()
        await (await server.examination(log, store)).begin()

        again = await handler(store).handle(stream, Count(stream, 1), key=key_of(f"{stream}-1"))

        assert (True, 1) == (again.replayed, again.version)
        assert [(2,)] == await log.rows("SELECT count(*) FROM event")

    async def test_answers_a_repeat_that_would_be_refused_now_with_the_first_outcome(self, server: Server) -> None:
        """By the version that it expects, or by the rules: its own facts are why."""
        stream = in_shard(5)

        async def close() -> None:
            async with opened_log(server.database) as log:
                await handler(await log.store()).handle(stream, Close(stream), key=key_of("close"), expected_version=0)

        await restored(server, close)
        log = await server.log()
        store = await log.store()
        await (await server.examination(log, store)).begin()

        for expected_version in (0, None):
            again = await handler(store).handle(stream, Close(stream), key=key_of("close"), expected_version=expected_version)
            assert (True, 1) == (again.replayed, again.version)
        with pytest.raises(TallyIsClosed):
            await handler(store).handle(stream, Close(stream), key=key_of("another"))

    async def test_is_completed_once_by_many_processes(self, server: Server) -> None:
        stream = in_shard(5)
        before = await restored(server, lambda: server.count(stream, 1, 2))
        processes = [await server.log() for _ in range(4)]
        stores = [await each.store() for each in processes]
        examinations = [await server.examination(*each) for each in zip(processes, stores, strict=True)]
        await asyncio.gather(*(each.begin() for each in examinations))
        running = [asyncio.create_task(each.run()) for each in examinations]

        async def all_are_open() -> bool:
            return [None] * 4 == [await reason(each) for each in examinations]

        await eventually(all_are_open, within_s=20)
        for each in running:
            each.cancel()
        await asyncio.wait(running)
        assert before == await server.stored()
        assert [(1,)] == await processes[0].rows("SELECT count(*) FROM restoration")

    async def test_is_not_published_before_it_is_completed(self, server: Server) -> None:
        """What its relay publishes again would stand behind the end that the log lacks, and be taken for all that there is."""
        stream = in_shard(5)
        await server.count(stream, 1)
        await server.publish()
        await server.count(stream, 2)
        backup = await server.databases.backup(server.database)
        await server.count(stream, 3)
        await server.publish()
        before = await server.stored()
        await server.databases.drop(server.database)
        server.database = backup
        log = await server.log()
        producers = ProducerHolder(lambda: make_producer(server.bootstrap))
        async with relaying(log, TopicPublisher(producers, server.topic)) as running:
            await eventually(lambda: is_told(running.relay, "log-closed"))
            await (await server.examination(log, await log.store())).begin()
            await eventually(lambda: is_published(log))
        await producers.close()
        assert before == await server.stored()

    async def test_is_opened_by_itself_when_the_broker_is_back(self, server: Server) -> None:
        stream = in_shard(5)
        before = await restored(server, lambda: server.count(stream, 1))
        log = await server.log()
        store = await log.store()
        alone = await server.examination(log, store, bootstrap=NOWHERE)
        await alone.begin()
        assert "restored-without-topic" == await reason(alone)
        with pytest.raises(Unavailable):
            await handler(store).handle(stream, Count(stream, 2))

        await (await server.examination(log, store)).begin()
        assert before == await server.stored()

    async def test_stays_closed_while_its_topic_is_gone_until_the_operator_accepts_the_loss(self, server: Server) -> None:
        stream = in_shard(5)
        await server.count(stream, 1)
        await restored(server, lambda: server.count(stream, 2))
        await delete_topic(server.bootstrap, server.topic)
        log = await server.log()
        store = await log.store()
        examination = await server.examination(log, store)
        await examination.begin()
        assert "restored-without-topic" == await reason(examination)
        with pytest.raises(Unavailable):
            await handler(store).handle(stream, Count(stream, 3))

        assert 0 == await accept_loss(TALLY, server.settings, Namespace(reason="broker and server burnt; decided by 甲"))
        await handler(store).handle(stream, Count(stream, 3))

        assert (2, Tally((1, 3))) == await handler(store).read(stream)
        assert [(store.epoch, "broker and server burnt; decided by 甲")] == await log.rows(
            "SELECT epoch, loss_accepted_because FROM restoration"
        )

    async def test_is_completed_from_the_whole_topic_where_that_was_made_again(self, server: Server) -> None:
        stream = in_shard(5)
        await server.count(stream, 1)

        async def lose_the_topic() -> None:
            await make_again(server.bootstrap, server.topic)
            await server.count(stream, 2, 3)

        before = await restored(server, lose_the_topic)
        log = await server.log()
        store = await log.store()
        await (await server.examination(log, store)).begin()
        assert before == await server.stored()

    async def test_does_not_take_back_what_was_given_up(self, server: Server) -> None:
        stream = in_shard(5)
        await server.count(stream, 1)
        await restored(server, lambda: server.count(stream, 2))
        log = await server.log()
        store = await log.store()
        await (await server.examination(log, store, bootstrap=NOWHERE)).begin()
        assert 0 == await accept_loss(TALLY, server.settings, Namespace(reason="decided by 甲"))

        examination = await server.examination(log, store)
        await examination.begin()
        assert None is await reason(examination)
        assert [(1,)] == await log.rows("SELECT count(*) FROM restoration")
        assert [(1,)] == await log.rows("SELECT count(*) FROM event")

    async def test_passes_over_what_is_not_its_own_in_its_topic(self, server: Server) -> None:
        stream = in_shard(5)
        before = await restored(server, lambda: server.count(stream, 1))
        [event] = [new_event(in_shard(1), 1)]
        values = event.meta.split(b"\n")
        strangers = [b"/other/1", b"/tally/70"]
        async with started(make_producer(server.bootstrap)) as stranger:
            for source in strangers:
                headers = record_headers([*values[:2], source, *values[3:]], 900)
                await stranger.send_and_wait(server.topic, event.data, partition=1, headers=headers)
        log = await server.log()
        store = await log.store()
        examination = await server.examination(log, store)
        await examination.begin()
        assert None is await reason(examination)
        assert before == await server.stored()


class TestContinuedLog:
    async def test_is_opened_without_a_broker(self, server: Server) -> None:
        stream = in_shard(5)
        log = await server.log()
        store = await log.store()
        examination = await server.examination(log, store, bootstrap=NOWHERE)
        await examination.begin()
        assert None is await reason(examination)
        await handler(store).handle(stream, Close(stream))
        assert 1 == store.epoch

    async def test_that_nothing_tells_from_a_restored_one_is_found_out_by_its_topic(self, server: Server) -> None:
        """The files were copied back in place: the same cluster, timeline and number."""
        stream = in_shard(5)
        before = await restored(server, lambda: server.count(stream, 1, 2))
        log = await server.log()
        await log.owner.execute("UPDATE store SET examined_at_place = place_of_log(), compared_at_start = NULL")
        store = await log.store()
        await (await server.examination(log, store)).begin()
        assert before == await server.stored()
        assert store.epoch > 1

    async def test_keeps_no_process_from_serving_while_another_is_at_it_and_does_not_end(
        self, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As with a broker that hangs. It is completed beside, as soon as that can be done."""
        stream = in_shard(5)
        before = await restored(server, lambda: server.count(stream, 1))
        log = await server.log()
        await log.owner.execute("UPDATE store SET examined_at_place = place_of_log(), compared_at_start = NULL")
        monkeypatch.setattr(restore, "BEGIN_S_MAX", 1.0)
        monkeypatch.setattr(restore, "EXAMINE_S", 0.1)
        examination = await server.examination(log, await log.store())
        await log.owner.fetchval("SELECT pg_advisory_lock($1)", restore.LOCK_ID)
        with capture_logs() as logs:
            await examination.begin()
        assert ["restore.examination_takes_long"] == [each["event"] for each in logs]
        assert [(False,)] == await log.rows("SELECT may_be_published()")

        await log.owner.fetchval("SELECT pg_advisory_unlock($1)", restore.LOCK_ID)
        examining = asyncio.create_task(examination.run())
        await eventually(lambda: log.owner.fetchval("SELECT may_be_published()"))
        examining.cancel()
        assert before == await server.stored()

    async def test_stays_in_its_epoch_while_it_is_published(self, server: Server) -> None:
        """Whoever starts meanwhile sees records that were not there when it read the log."""
        stream = in_shard(5)
        await server.count(stream, 1)
        await server.publish()
        log = await server.log()
        await log.owner.execute("DELETE FROM relayed_topic")
        store = await log.store()
        await (await server.examination(log, store)).begin()
        assert 1 == store.epoch


class TestAcceptLoss:
    async def test_refuses_where_the_log_is_open(self, server: Server) -> None:
        assert 2 == await accept_loss(TALLY, server.settings, Namespace(reason="none"))
