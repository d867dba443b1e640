"""The connection dies between the commit and its answer. Whoever asked cannot know; whoever asks again is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from chassis import leases
from chassis.command_handling import command_key
from chassis.database import DATABASE_ERRORS, create_pool
from chassis.event_store import EventStore
from chassis.leases import Leases
from chassis.projector import Projector
from chassis.subscribers import Policy
from chassis.testing.wait import eventually
from tests.chassis.log_database import LogDatabase
from tests.chassis.swallowing_proxy import SwallowingProxy, swallowing_proxy
from tests.chassis.tallies import Count, handler, in_shard
from tests.chassis.test_projector import NAME, OTHER, PARTITIONS, Topic, counted

KEY = command_key(principal="somebody", key="the-only-key", body=b"body")


@pytest.fixture
async def proxy(log: LogDatabase) -> AsyncIterator[SwallowingProxy]:
    async with swallowing_proxy(log.app_dsn) as proxy:
        yield proxy


@pytest.fixture
async def pool(log: LogDatabase, proxy: SwallowingProxy) -> asyncpg.Pool:
    pool = await create_pool(proxy.dsn, application_name="behind the proxy")
    log.opened.push_async_callback(pool.close)
    return pool


@pytest.fixture
async def store(log: LogDatabase, pool: asyncpg.Pool) -> EventStore:
    store = await EventStore.open(pool)
    log.opened.push_async_callback(store.close)
    return store


class TestCommand:
    async def test_sent_again_with_its_key_gets_the_first_answer(
        self, log: LogDatabase, store: EventStore, proxy: SwallowingProxy
    ) -> None:
        tally = uuid4()
        await handler(store).handle(tally, Count(tally, 1))
        proxy.lose(KEY.stored.encode())
        with pytest.raises(DATABASE_ERRORS):
            await handler(store).handle(tally, Count(tally, 2), key=KEY)
        assert 1 == proxy.lost, "the answer came through"
        assert 2 == len(await log.events_of(tally)), "it was not stored"

        again = await handler(store).handle(tally, Count(tally, 2), key=KEY)
        assert (True, 2, [2]) == (again.replayed, again.version, [event.amount for event in again.events])  # type: ignore[union-attr]
        assert 2 == len(await log.events_of(tally))

    async def test_is_done_once_though_many_shared_its_transaction(
        self, log: LogDatabase, store: EventStore, proxy: SwallowingProxy
    ) -> None:
        tallies = [uuid4() for _ in range(20)]
        keys = [command_key(principal="somebody", key=f"shared-{n}", body=b"") for n in range(20)]

        async def count(n: int) -> bool:
            return (await handler(store).handle(tallies[n], Count(tallies[n], 1), key=keys[n])).replayed

        await handler(store).handle(tallies[0], Count(tallies[0], 1))
        proxy.lose(keys[0].stored.encode())
        first = await asyncio.gather(*map(count, range(20)), return_exceptions=True)
        unknown = [n for n, outcome in enumerate(first) if isinstance(outcome, DATABASE_ERRORS)]
        assert (1, True) == (proxy.lost, len(unknown) > 1), f"nobody shared it: {first}"

        assert all(await asyncio.gather(*map(count, range(20)))), "one was done a second time"
        assert [2, *[1] * 19] == [len(await log.events_of(each)) for each in tallies]


class TestPolicy:
    async def test_appends_once_though_it_never_heard_of_its_commit(
        self, log: LogDatabase, pool: asyncpg.Pool, store: EventStore, proxy: SwallowingProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leases, "HEARTBEAT_S", 0.1)
        foreign = in_shard(1)
        topic = Topic(counted(foreign, 1, 2))
        policy = Policy(
            name="counting_v1",
            subscribes=OTHER,
            handler=handler(store),
            react=lambda fact: [(fact.recorded.stream_id, Count(fact.recorded.stream_id, fact.event.amount))],
        )
        projector = Projector(pool=pool, sources=[topic], read_models=[], policies=[policy], partitions=PARTITIONS, store=store)
        proxy.lose(b"COMMIT")
        with capture_logs() as logs:
            working = asyncio.create_task(Leases(log.pool, {NAME: projector.works()[NAME]}).run())
            try:
                await eventually(lambda: _is_taken_up_again(log))
                topic.add(*counted(foreign, 3))
                await eventually(lambda: _has(log, foreign, 3))
            finally:
                working.cancel()
                await asyncio.wait([working])
        assert 1 == proxy.lost, "the answer came through"
        assert ["leases.work_failed"] == [each["event"] for each in logs if each["log_level"] == "error"]
        assert [1, 2, 3] == [version for _, version, *_ in await log.events_of(foreign)]


async def _is_taken_up_again(log: LogDatabase) -> bool:
    """The partition was given back when its connection broke, and is held again."""
    return bool(await log.rows("SELECT true FROM lease WHERE token >= 2 AND owner IS NOT NULL"))


async def _has(log: LogDatabase, stream_id: UUID, version: int) -> bool:
    return len(await log.events_of(stream_id)) >= version
