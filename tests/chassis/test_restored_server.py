"""A log's PostgreSQL is lost with its disk and restored to a point in time: its topic gives back what it lacks, and rows follow.

Or older files are copied back where they were.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from subprocess import run

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from chassis import restore
from chassis.faults import Unavailable
from chassis.kafka import ProducerHolder, make_producer
from chassis.migrations import LOG, WORK, migrate
from chassis.relay import TopicPublisher
from chassis.restore import accept_loss
from chassis.testing.wait import eventually
from contracts.event import Recorded
from devstack.backups import Backups
from devstack.databases import Database
from devstack.fresh_databases import FreshDatabases
from devstack.postgres import EmbeddedPostgres, Size
from devstack.suite import throwaway_state
from tests.chassis.log_database import opened_log
from tests.chassis.rebuilding import PARTITIONS, Service
from tests.chassis.swallowing_proxy import SwallowingProxy
from tests.chassis.tallies import SERVICE, Close, Count, Tally, handler, in_shard, key_of
from tests.chassis.tally_rows import MADE
from tests.chassis.tally_topics import make_again, make_topic, read_events
from tests.chassis.test_relay import TALLY, by_shard, is_published, is_told, relaying
from tests.chassis.test_restore import NOWHERE, Server, reason
from tests.devstack.test_backups import Notebook

SIZE = Size(connections_max=60, shared_buffers_mb=16)
LATER = "SELECT extract(epoch FROM clock_timestamp())::bigint > $1"
TAKEN_BACK = "SELECT epoch, events_taken_back, loss_accepted_because FROM restoration"


@dataclass
class Installation:
    """One service, its PostgreSQL and its topics."""

    server: EmbeddedPostgres
    notebook: Notebook
    """Its backups."""
    databases: FreshDatabases
    database: Database
    bootstrap: str
    own_topic: str
    others_topic: str
    others: list[Recorded] = field(default_factory=list)

    @asynccontextmanager
    async def service(self) -> AsyncIterator[Service]:
        """With connections of now."""
        async with opened_log(self.database) as log:
            yield Service(self.database, log, await log.store(), self.bootstrap, self.others_topic, self.others)

    def examined(self, opened: AsyncExitStack) -> Server:
        return Server(self.databases, self.database, self.bootstrap, self.own_topic, opened)

    async def go_on(self, count: int) -> datetime:
        """Facts of its own and of another service, published and projected. A time after that."""
        async with AsyncExitStack() as opened, self.service() as service:
            await service.append(count)
            await service.publish(count)
            await self.examined(opened).publish()
            async with service.projecting():
                await eventually(service.is_level)
            now: datetime = await service.log.owner.fetchval("SELECT clock_timestamp()")
            return now

    async def rows(self) -> object:
        async with self.service() as service:
            return await service.stored()

    async def copy_files(self) -> None:
        await self.server.stop()
        run(["cp", "-a", self.server.data, self.server.home / "copy"], check=True)  # noqa: ASYNC221 - nothing else runs
        await self.server.start()

    async def put_files_back(self) -> None:
        await self.server.stop()
        shutil.rmtree(self.server.data)
        run(["cp", "-a", self.server.home / "copy", self.server.data], check=True)  # noqa: ASYNC221 - nothing else runs
        await self.server.start()

    async def published(self) -> object:
        return by_shard(await read_events(self.bootstrap, self.own_topic))


@pytest.fixture
async def installation(kafka_bootstrap: str, topic_prefix: str) -> AsyncIterator[Installation]:
    own = await make_topic(kafka_bootstrap, topic_prefix)
    others = await make_topic(kafka_bootstrap, topic_prefix, "other.events.v1", partitions=PARTITIONS)
    with throwaway_state() as state:
        server = EmbeddedPostgres(state, "main", size=SIZE)
        await server.start()
        databases = FreshDatabases(server.dsn, state, migrate)
        database = await databases.make(SERVICE, [LOG, WORK])
        notebook = Notebook(Backups(server, kept_days=1, log=state.log("backups")))
        made = Installation(server, notebook, databases, database, kafka_bootstrap, own, others)
        async with made.service() as service:
            await service.log.owner.execute(MADE)
        yield made
        await server.stop()


class TestRestoredServer:
    async def test_goes_on_in_a_later_epoch_with_every_event_and_every_row(self, installation: Installation) -> None:
        await installation.go_on(16)
        await installation.notebook.back_up()
        until = await installation.go_on(16)
        await installation.go_on(16)
        async with AsyncExitStack() as opened:
            before, rows = await installation.examined(opened).stored(), await installation.rows()
        await installation.notebook.archive()

        await installation.notebook.lose_disk()
        await installation.notebook.backups.put_back(until)
        await installation.server.start()

        async with AsyncExitStack() as opened, installation.service() as service:
            server = installation.examined(opened)
            assert 2 * len(before) == 3 * len(await server.stored()), "a third is missing"
            examination = await server.examination(service.log, service.store)
            await examination.begin()
            assert None is await reason(examination)
            assert service.store.epoch > 1
            assert before == await server.stored()
            assert [(service.store.epoch, len(before) // 3, None)] == await service.log.rows(TAKEN_BACK)
            async with service.projecting():
                await eventually(service.is_level)
            assert rows == await service.stored() == await service.folded()
            stream = in_shard(5)
            await handler(service.store).handle(stream, Count(stream, 1))
            assert [service.store.epoch] == [event.epoch for event in await service.store.read_stream(stream)]


class TestFilesThatWereCopiedBack:
    """Nothing in them tells that they were."""

    async def test_are_published_only_when_their_topic_has_given_back_what_they_lack(self, installation: Installation) -> None:
        """The broker is silent when the service starts. Commands go on; what was published would stand behind the missing end."""
        stream, other = in_shard(5), in_shard(9)
        async with AsyncExitStack() as opened:
            await installation.examined(opened).count(stream, 1)
            await installation.examined(opened).publish()
            await installation.examined(opened).count(stream, 2)
        await installation.copy_files()
        async with AsyncExitStack() as opened, installation.service() as service:
            server = installation.examined(opened)
            await (await server.examination(service.log, service.store)).begin()
            assert 1 == service.store.epoch, "it was started anew, and lacks nothing"
            await server.count(stream, 3)
            await server.publish()
            before = await server.stored()
        await installation.put_files_back()

        async with AsyncExitStack() as opened, installation.service() as service:
            server = installation.examined(opened)
            assert 1 == len(before) - len(await server.stored()), "one is missing"
            producers = ProducerHolder(lambda: make_producer(installation.bootstrap))
            opened.push_async_callback(producers.close)
            door = opened.enter_context(socket.socket())
            door.bind(("127.0.0.1", 0))
            examination = await server.examination(service.log, service.store, bootstrap=f"127.0.0.1:{door.getsockname()[1]}")
            relay = (await opened.enter_async_context(relaying(service.log, TopicPublisher(producers, server.topic)))).relay

            await examination.begin()
            assert None is await reason(examination)
            await handler(service.store).handle(other, Count(other, 1))
            await eventually(lambda: is_told(relay, "log-closed"))
            assert {5: [1, 2, 3]} == await installation.published()

            host, _, port = installation.bootstrap.rpartition(":")
            broker = SwallowingProxy("", (host, int(port)))
            opened.callback(broker.abort)
            await opened.enter_async_context(await asyncio.start_server(broker.serve, sock=door))
            examining = asyncio.create_task(examination.run())
            opened.callback(examining.cancel)
            await eventually(lambda: is_published(service.log), within_s=60)
            assert [(service.store.epoch, 1, None)] == await service.log.rows(TAKEN_BACK)
            assert set(before) < set(await server.stored())
            assert {5: [1, 2, 3, 2, 3], 9: [1]} == await installation.published()


class TestFilesThatTookCommandsSince:
    """They were copied back while the broker was silent, and have other events than their topic in the same places by then."""

    STREAM, OTHER = in_shard(5), in_shard(9)

    async def _diverge(self, installation: Installation, *, lost: int, took: int, elsewhere: int = 0) -> object:
        """What is published, of which the log has lost so many events, and some in a shard where it has taken none."""
        async with AsyncExitStack() as opened:
            await installation.examined(opened).count(self.STREAM, 1)
            await installation.examined(opened).publish()
        await installation.copy_files()
        async with AsyncExitStack() as opened, installation.service() as service:
            server = installation.examined(opened)
            await (await server.examination(service.log, service.store)).begin()
            await server.count(self.OTHER, *range(1, 1 + elsewhere))
            await server.publish()
            await server.count(self.STREAM, *range(2, 2 + lost))
            await server.publish()
        await installation.put_files_back()
        async with AsyncExitStack() as opened, installation.service() as service:
            server = installation.examined(opened)
            examination = await server.examination(service.log, service.store, bootstrap=NOWHERE)
            await examination.begin()
            assert None is await reason(examination)
            await server.count(self.STREAM, *range(20, 20 + took))
        return await installation.published()

    @pytest.mark.parametrize(("lost", "took"), [(1, 2), (2, 2), (2, 1)])
    async def test_are_closed_and_published_no_more(
        self, installation: Installation, lost: int, took: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        published = await self._diverge(installation, lost=lost, took=took, elsewhere=2)
        monkeypatch.setattr(restore, "CHUNK_EVENTS_MAX", 1)  # What is met before the fork would be taken back before it is met.
        async with AsyncExitStack() as opened, installation.service() as service:
            server = installation.examined(opened)
            stored = await server.stored()
            producers = ProducerHolder(lambda: make_producer(installation.bootstrap))
            opened.push_async_callback(producers.close)
            relay = (await opened.enter_async_context(relaying(service.log, TopicPublisher(producers, server.topic)))).relay
            examination = await server.examination(service.log, service.store)
            with capture_logs() as logs:
                await examination.begin()
                monkeypatch.delattr(restore, "consuming")  # Its topic is not read again so soon.
                await examination.begin()
                await service.log.owner.fetchval("SELECT pg_advisory_lock($1)", restore.LOCK_ID)
                monkeypatch.setattr(restore, "UNDECIDED_S", 0.0)
                await examination.begin()  # Another process looks: a decision is waited for, and nothing else.
            told = [each for each in logs if each["event"] == "restore.log_closed"]
            assert [("fork-in-topic", 5, 2)] == [(each["reason"], each["shard"], each["pos"]) for each in told]
            assert ("fork-in-topic", 1) == (await reason(examination), REGISTRY.get_sample_value("gatehouse_log_closed"))
            with pytest.raises(Unavailable):
                await handler(service.store).handle(self.STREAM, Count(self.STREAM, 30))
            assert not (await service.store.reach()).is_open
            await eventually(lambda: is_told(relay, "log-closed"))
            assert (stored, published) == (await server.stored(), await installation.published())

    async def test_are_closed_where_a_repeat_that_was_decided_anew_has_the_same_id(self, installation: Installation) -> None:
        await self._diverge(installation, lost=1, took=0)
        async with AsyncExitStack() as opened, installation.service() as service:
            server = installation.examined(opened)
            await handler(service.store).handle(self.STREAM, Close(self.STREAM), key=key_of(f"{self.STREAM}-2"))
            taken, told = await service.store.read_stream(self.STREAM), await read_events(installation.bootstrap, server.topic)
            assert [event.event_id for event in told] == [event.event_id for event in taken]
            examination = await server.examination(service.log, service.store)
            await examination.begin()
            assert "fork-in-topic" == await reason(examination)

    async def test_give_up_what_they_took_where_they_are_put_back_once_more(self, installation: Installation) -> None:
        published = await self._diverge(installation, lost=2, took=1)
        await installation.put_files_back()
        async with AsyncExitStack() as opened, installation.service() as service:
            server = installation.examined(opened)
            examination = await server.examination(service.log, service.store)
            await examination.begin()
            assert (None, 0) == (await reason(examination), REGISTRY.get_sample_value("gatehouse_log_closed"))
            assert [(service.store.epoch, 2, None)] == await service.log.rows(TAKEN_BACK)
            assert (3, Tally((1, 2, 3))) == await handler(service.store).read(self.STREAM)
            assert published == by_shard([*await service.store.read_stream(self.STREAM)])

    async def test_give_up_what_their_topic_has_where_that_is_decided(self, installation: Installation) -> None:
        await self._diverge(installation, lost=2, took=1)
        async with AsyncExitStack() as opened, installation.service() as service:
            server = installation.examined(opened)
            examination = await server.examination(service.log, service.store)
            await examination.begin()
            assert 0 == await accept_loss(TALLY, server.settings, Namespace(reason="the topic is wrong; decided by 甲"))
            await make_again(installation.bootstrap, server.topic)
            examining = asyncio.create_task(examination.run())
            opened.callback(examining.cancel)
            await handler(service.store).handle(self.STREAM, Count(self.STREAM, 30))
            await server.publish()
            told = await read_events(installation.bootstrap, server.topic)
            assert [event.event_id for event in await service.store.read_stream(self.STREAM)] == [event.event_id for event in told]
            assert (3, Tally((1, 20, 30))) == await handler(service.store).read(self.STREAM)


class TestBackupThatIsRestoredTwice:
    async def test_goes_on_in_another_epoch_each_time(self, installation: Installation) -> None:
        """Whoever read the log of the first time must not take the second for it."""
        async with AsyncExitStack() as opened:
            server = installation.examined(opened)
            await server.count(in_shard(5), 1)
            await server.publish()
            backup, epochs = server.database, [1]
            for _ in range(2):
                server.database = await installation.databases.backup(backup)
                log = await server.log()
                await eventually(partial(log.owner.fetchval, LATER, epochs[-1]))
                store = await log.store()
                examination = await server.examination(log, store)
                await examination.begin()
                assert None is await reason(examination)
                epochs.append(store.epoch)
        assert epochs == sorted(set(epochs))
