"""What the worker of the gate stamps, and what it does not. PostgreSQL is real; what the sources say is the test's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from chassis.database import DATABASE_ERRORS
from chassis.internal_api import ShardHeadsAnswer
from chassis.leases import Lease
from chassis.progress import Last
from chassis.testing.wait import eventually
from contracts.event import SHARDS
from gatekeeper.freshness import (
    PROJECT,
    FreshnessKeeper,
    FreshnessView,
    Proof,
    SourceDisagrees,
    boottime_s,
    require_agreement,
    stamped_age_s,
)
from gatekeeper.wired import READERS
from gatekeeper.wiring import SERVICE
from tests.chassis.captured_log import captured_log
from tests.conftest import MakeDatabase

BOUND = timedelta(seconds=3)
SOURCES = ("registration", "health")
SHARD = 5
ROUND_S = 0.05
IDLE_S = 0.2
"""How long a transaction may be left alone; in service 2 s."""


@dataclass
class Log:
    """Of a source, as it tells of it."""

    service: str
    epoch: int = 1
    heads: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Shard → position and epoch."""
    ids: dict[int, UUID] | None = field(default_factory=dict)
    """Shard → the event there. None: it is of the release before."""
    digests: dict[int, bytes] = field(default_factory=dict)
    """Shard → all that is stored of it."""

    def answer(self) -> ShardHeadsAnswer:
        ends = [self.heads.get(shard, (0, self.epoch)) for shard in range(SHARDS)]
        return ShardHeadsAnswer(
            service=self.service,
            epoch=self.epoch,
            heads=[pos for pos, _ in ends],
            head_epochs=[epoch for _, epoch in ends],
            head_ids=None if self.ids is None else [self.ids.get(shard) for shard in range(SHARDS)],
            head_digests=[self.digests[shard].hex() if shard in self.digests else None for shard in range(SHARDS)],
        )


@dataclass
class Gate:
    """A worker of the gatekeeper that holds the only partition, with what it has taken in."""

    keeper: FreshnessKeeper
    logs: Mapping[str, Log]
    lease: Lease
    reached: dict[tuple[str, str, int], int]
    asked: int = 0
    """How often health was asked."""
    ahead_s: float = 0.0
    """How far the worker's own clock has gone on while it was frozen."""

    async def takes_in(
        self, source: str, pos: int, *, epoch: int = 1, event_id: UUID | None = None, digest: bytes | None = None
    ) -> None:
        """Up to that position, and the source's log ends there."""
        await self.keeper.pool.execute(
            "INSERT INTO position VALUES ('clearance_v1', $1, $2, $3, $4, $5, $4, $6) ON CONFLICT (subscriber, source, shard)"
            " DO UPDATE SET epoch = excluded.epoch, last_pos = excluded.last_pos, last_event_id = excluded.last_event_id,"
            " digest_pos = excluded.digest_pos, last_digest = excluded.last_digest",
            source,
            SHARD,
            epoch,
            pos,
            event_id,
            digest,
        )
        self.reaches(source, pos)
        self.logs[source].heads[SHARD] = (pos, epoch)

    def reaches(self, source: str, pos: int) -> None:
        """Whoever a verdict rests on, and nobody else."""
        self.reached |= {(reader, source, SHARD): pos for reader in READERS[source]}

    async def stamp(self) -> datetime | None:
        stamp: datetime | None = await self.keeper.pool.fetchval("SELECT fresh_as_of FROM freshness WHERE partition = 0")
        return stamp

    async def moves(self) -> bool:
        """True as soon as a round has stamped that began after this was called. On a busy machine one may be cut short."""
        await self.rounds(2)
        before = await self.stamp()

        async def has_moved() -> bool:
            return before != await self.stamp()

        return await eventually(has_moved, within_s=10)

    async def stands(self) -> bool:
        """Whether no round has stamped, of some that began after this was called."""
        await self.rounds(2)
        before = await self.stamp()
        await self.rounds(3)
        return before == await self.stamp()

    async def rounds(self, count: int) -> None:
        asked = self.asked
        await eventually(lambda: self.asked >= asked + count, within_s=10)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked += request.url.host == "health"
        return httpx2.Response(200, text=self.logs[request.url.host].answer().model_dump_json())

    def now_s(self) -> float:
        return boottime_s() + self.ahead_s

    def run(self) -> asyncio.Task[None]:
        leases, projector = SimpleNamespace(held={self.lease}), SimpleNamespace(reached=self.reached)
        return asyncio.create_task(self.keeper.run(cast(Any, SimpleNamespace(leases=leases, projector=projector))))


@pytest.fixture
async def gate(database: MakeDatabase, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gate]:
    monkeypatch.setattr("gatekeeper.freshness.ROUND_S", ROUND_S)
    dsn = (await database("gatekeeper", SERVICE.migrations)).app_dsn
    pool = await asyncpg.create_pool(dsn, server_settings={"idle_in_transaction_session_timeout": f"{int(IDLE_S * 1000)}ms"})
    lease = Lease(f"{PROJECT}00", 1)
    await pool.execute("INSERT INTO lease (name, token) VALUES ($1, $2)", lease.name, lease.token)
    logs = {name: Log(name) for name in SOURCES}
    reached = {(reader, name, shard): 0 for name in SOURCES for reader in READERS[name] for shard in range(SHARDS)}
    keeper = FreshnessKeeper(pool, {name: f"http://{name}" for name in SOURCES}, READERS, 1, BOUND)
    gate = Gate(keeper, logs, lease, reached)
    keeper.transport, keeper.now_s = httpx2.MockTransport(gate.answer), gate.now_s
    running = gate.run()
    await eventually(gate.stamp)
    yield gate
    running.cancel()
    await asyncio.wait([running])
    await pool.close()


class TestKeeper:
    async def test_stamps_while_the_sources_say_what_was_taken_in(self, gate: Gate) -> None:
        await gate.takes_in("health", 7)
        assert await gate.moves()

    async def test_does_not_stamp_before_the_news_is_taken_in(self, gate: Gate) -> None:
        gate.logs["health"].heads[SHARD] = (1, 1)
        assert await gate.stands()
        await gate.takes_in("health", 1)
        assert await gate.moves()

    @pytest.mark.parametrize(("source", "late"), [(source, reader) for source in SOURCES for reader in READERS[source]])
    async def test_waits_for_each_on_whom_a_verdict_rests(self, gate: Gate, source: str, late: str) -> None:
        """He may be behind alone, as whoever was halted and reads beside the others since."""
        gate.logs[source].heads[SHARD] = (1, 1)
        gate.reached |= {(reader, source, SHARD): 1 for reader in READERS[source] if reader != late}
        assert await gate.stands()
        gate.reaches(source, 1)
        assert await gate.moves()

    @pytest.mark.parametrize(
        ("epoch", "head", "reason"),
        [
            (2, (9, 2), "went_back"),
            (1, (10, 1), "is_of_an_older_epoch"),
            (3, (10, 3), "has_another_history"),
        ],
    )
    async def test_does_not_believe_an_older_copy_of_a_log_and_says_why(
        self, gate: Gate, epoch: int, head: tuple[int, int], reason: str
    ) -> None:
        health = gate.logs["health"]
        health.epoch = 2
        await gate.takes_in("health", 10, epoch=2)
        assert await gate.moves()
        with captured_log() as log:
            health.epoch, health.heads[SHARD] = epoch, head
            assert await gate.stands()
            assert {f"freshness.source_{reason}"} == {event["event"] for event in log.events}
        health.epoch, health.heads[SHARD] = 2, (10, 2)
        assert await gate.moves(), "it recovers by itself once they agree"

    async def test_does_not_believe_a_log_that_has_another_event_where_it_ends(self, gate: Gate) -> None:
        """An older copy that took a command where others have stood: as far, and in the same epoch."""
        health, taken_in = gate.logs["health"], uuid4()
        health.ids = {SHARD: taken_in}
        await gate.takes_in("health", 2, event_id=taken_in)
        assert await gate.moves()
        with captured_log() as log:
            health.ids = {SHARD: uuid4()}
            assert await gate.stands()
            assert {"freshness.source_has_another_history"} == {event["event"] for event in log.events}
        health.ids = None
        assert await gate.moves(), "a release before does not tell the ids"

    async def test_does_not_believe_a_log_in_which_the_same_command_was_decided_anew(self, gate: Gate) -> None:
        """Repeated to the copy, it made an event of the same id, and another fact."""
        health, taken_in = gate.logs["health"], uuid4()
        health.ids, health.digests = {SHARD: taken_in}, {SHARD: b"as it was"}
        await gate.takes_in("health", 2, event_id=taken_in, digest=b"as it was")
        assert await gate.moves()
        with captured_log() as log:
            health.digests = {SHARD: b"decided anew"}
            assert await gate.stands()
            assert {"freshness.source_has_another_history"} == {event["event"] for event in log.events}
        await gate.keeper.pool.execute("UPDATE position SET digest_pos = digest_pos - 1 WHERE source = 'health'")
        assert await gate.moves(), "a release before took in the last one, and kept no digest of it"

    async def test_believes_a_restored_log_that_goes_on_where_it_was(self, gate: Gate) -> None:
        """Its tail was taken back as it was, so what stands there keeps its epoch, though the log's own has risen."""
        await gate.takes_in("health", 10)
        gate.logs["health"].epoch = 2
        assert await gate.moves()
        await gate.takes_in("health", 11, epoch=2)
        assert await gate.moves()

    async def test_never_stamps_what_it_proved_before_it_was_frozen(self, gate: Gate) -> None:
        """It waits for news when it is frozen, for an hour, while the database's clock is set back as far: by that clock
        what it had asked is young."""
        gate.logs["health"].heads[SHARD] = (1, 1)
        assert await gate.stands()
        gate.ahead_s = 3600.0
        gate.logs["health"].heads[SHARD] = (2, 1)  # what was recorded meanwhile
        gate.reaches("health", 1)
        assert await gate.stands()
        gate.reaches("health", 2)
        assert await gate.moves()

    async def test_never_stamps_what_it_was_about_to_when_it_was_frozen(self, gate: Gate) -> None:
        """Frozen right after its look at the clock, within the transaction: the database has ended the session."""
        proof = Proof(datetime.now(UTC) + timedelta(hours=1), boottime_s(), {})

        def freeze_after_a_look() -> float:
            now_s = boottime_s()
            time.sleep(3 * IDLE_S)  # nothing of the process runs
            return now_s

        frozen = replace(gate.keeper, now_s=freeze_after_a_look)
        with pytest.raises(DATABASE_ERRORS):
            await frozen.stamp({gate.lease: proof})
        assert proof.as_of != await gate.stamp()


class TestAgreement:
    def test_is_not_asked_of_shards_that_nothing_was_taken_in_of(self) -> None:
        require_agreement(Log("health").answer(), {})

    def test_is_asked_of_every_shard(self) -> None:
        with pytest.raises(SourceDisagrees):
            require_agreement(Log("health", heads={1: (3, 1)}).answer(), {1: Last(3, 1, None), 2: Last(1, 1, None)})


class TestAge:
    async def test_is_that_of_the_partition_that_is_worst(self, gate: Gate) -> None:
        view = FreshnessView(gate.keeper.pool, 1, BOUND)
        assert view.age_s() == float("inf")
        await view.look()
        assert view.age_s() == float("inf"), "nobody was seen at work"
        assert await gate.moves()
        await view.look()
        assert view.age_s() < BOUND.total_seconds()

    async def test_by_the_database_is_that_of_the_stamp_that_is_oldest(self, gate: Gate) -> None:
        pool = gate.keeper.pool
        assert await stamped_age_s(pool, 2) is None, "nobody ever knew the other partition"
        await pool.execute("INSERT INTO freshness SELECT 1, clock_timestamp() - interval '1 hour'")
        age_s = await stamped_age_s(pool, 2)
        assert age_s is not None
        assert 3600 <= age_s < 3660
