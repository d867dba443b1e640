"""Twelve writers with slow commits against one tailing reader: nothing lost, nothing out of order, no hole, no deadlock.

In this very race a sequence that is read as commit order loses events: it is invalid unless later transactions were seen
to commit before earlier ones.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from chassis.shard_heads import shard_heads
from contracts.event import SHARDS
from tests.chassis.log_database import LogDatabase
from tests.chassis.tallies import in_shard

PROCESSES, WRITERS = 3, 4
SECONDS = 2.5
PROCESS_S_MAX = 60.0
STREAMS = 48
SHARDS_USED = 12
"""Few, so that transactions meet in several of them."""
OVERTAKEN_MIN = 100
"""Events that must have been overtaken by younger transactions, or the race did not happen."""
CONFLICTS_MIN = 20


@dataclass
class Tail:
    """Reads every shard behind its last position, as a relay does, while the writers write."""

    log: LogDatabase
    seen: dict[int, list[tuple[int, UUID]]] = field(default_factory=lambda: {shard: [] for shard in range(SHARDS)})
    overtaken: int = 0
    """Events that came into sight only after events of a transaction that began later."""
    _youngest: int = 0

    async def read_until(self, done: asyncio.Event) -> None:
        async with self.log.pool.acquire() as connection:
            is_last = False
            while not is_last:
                is_last = done.is_set()
                for shard in await shard_heads(connection):
                    after = self.seen[shard][-1][0] if self.seen[shard] else 0
                    rows = await connection.fetch(
                        "SELECT pos, event_id, xmin::text::bigint AS xid FROM event WHERE shard = $1 AND pos > $2 ORDER BY pos",
                        shard,
                        after,
                    )
                    self.seen[shard] += [(row["pos"], row["event_id"]) for row in rows]
                    self._note([row["xid"] for row in rows])

    def _note(self, xids: Sequence[int]) -> None:
        self.overtaken += sum(xid < self._youngest for xid in xids)
        self._youngest = max([self._youngest, *xids])


@dataclass
class Race:
    tail: Tail
    acknowledged: list[UUID]
    given_up: list[UUID]
    errors: list[str]


async def run_race(log: LogDatabase) -> Race:
    streams = [str(in_shard(n % SHARDS_USED)) for n in range(STREAMS)]
    tail, done = Tail(log), asyncio.Event()
    reading = asyncio.create_task(tail.read_until(done))
    reports = await asyncio.gather(*(writing_process(log.app_dsn, n * 1_000, streams) for n in range(PROCESSES)))
    done.set()
    await reading
    return Race(
        tail,
        acknowledged=[UUID(event) for report in reports for event in report["acknowledged"]],
        given_up=[UUID(event) for report in reports for event in report["given_up"]],
        errors=[error for report in reports for error in report["errors"]],
    )


async def writing_process(dsn: str, seed: int, streams: Sequence[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.chassis.racing_writer", dsn, str(seed), str(WRITERS), str(SECONDS), *streams]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
    output, _ = await asyncio.wait_for(process.communicate(), timeout=PROCESS_S_MAX)
    assert process.returncode == 0
    report: dict[str, Any] = json.loads(output)
    return report


@pytest.fixture
async def race(log: LogDatabase) -> Race:
    race = await run_race(log)
    assert race.tail.overtaken >= OVERTAKEN_MIN, "invalid: commits did not overtake each other"
    assert len(race.given_up) >= CONFLICTS_MIN, "invalid: writers did not get into each other's way"
    return race


async def test_twelve_writers_lose_nothing_and_leave_no_hole(log: LogDatabase, race: Race) -> None:
    assert [] == race.errors, "a deadlock, or worse"

    stored = [
        tuple(row) for row in await log.rows("SELECT shard, pos, event_id, stream_id, version FROM event ORDER BY shard, pos")
    ]
    positions = {shard: [pos for at, pos, *_ in stored if at == shard] for shard in range(SHARDS)}
    assert {shard: list(range(1, len(found) + 1)) for shard, found in positions.items()} == positions
    assert {shard: len(found) for shard, found in positions.items()} == await log.heads()

    versions: dict[UUID, list[int]] = {}
    for _, _, _, stream, version in stored:
        versions.setdefault(stream, []).append(version)
    assert {stream: list(range(1, len(found) + 1)) for stream, found in versions.items()} == versions, "order within a stream"
    assert {stream: len(found) for stream, found in versions.items()} == dict(
        await log.rows("SELECT stream_id, version FROM stream WHERE version > 0")
    )

    # What was acknowledged, once each; what was not, never.
    assert Counter(race.acknowledged) == Counter(event_id for _, _, event_id, *_ in stored)
    assert not set(race.given_up) & set(race.acknowledged)

    # What the tail saw is what there is, in the same order.
    assert {shard: [(pos, event) for at, pos, event, *_ in stored if at == shard] for shard in range(SHARDS)} == race.tail.seen
