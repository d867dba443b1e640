"""The append, beside what the same server does with the plainest insert."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg

from bench.place import SECONDS, Place
from bench.table import Row
from chassis.event_store import QUEUE_COMMANDS_MAX, Append, Appended, EventStore, NewEvent
from contracts.event import Envelope

WRITERS = 128
CLIENTS = 32
WAITING = 50_000
"""Commands that are there before the clock starts."""
DATA = b'{"person_id":"8f14e45f-ceea-467f-a8d4-1c9d5a7f6b21","contract_no":"W2019010100011","filler":"' + b"x" * 220 + b'"}'
INSERT = f"INSERT INTO plain_row (id, data) VALUES (gen_random_uuid(), '{DATA.decode()}');"


def append(stream_id: UUID, *, epoch: int = 1) -> Append:
    """A command with one fact, about as large as most are."""
    event_id = uuid4()
    envelope = Envelope(
        event_id=event_id,
        type="gatehouse.bench.fact.v1",
        service="bench",
        stream_id=stream_id,
        version=1,
        epoch=epoch,
        time=datetime.now(UTC),
        correlation_id=event_id,
        causation_id=event_id,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    event = NewEvent(event_id, envelope.type, DATA, envelope.encode())
    return Append(stream_id, "bench", expected_version=0, events=[event], state=b'{"n":1}', state_version=1)


async def measure(place: Place) -> Sequence[Row]:
    async with place.log("bench") as pool:
        connection = await asyncpg.connect(place.parts.postgres.dsn)
        await connection.execute("CREATE TABLE plain_row (id uuid PRIMARY KEY, data text NOT NULL)")
        await connection.close()
        await _one_by_one(pool)  # Plans are made, pages are there.
        before = await place.pgbench("insert", INSERT, clients=CLIENTS)
        one_by_one = await _one_by_one(pool)
        wal = await pool.fetchval("SELECT pg_current_wal_lsn()")
        waiting = await _waiting(pool)
        kept, written = await _bytes(pool, since=wal)
        after = await place.pgbench("insert", INSERT, clients=CLIENTS)
    reference = (before + after) / 2
    name = f"pgbench insert, {CLIENTS} clients, before and after"
    return [
        Row(f"append, one fact a command, {WRITERS} writers", one_by_one, "/s", reference, "≥ 0.7×", name),
        Row("append, commands already waiting", waiting, "/s", reference, "≥ 1.5×", name),
        Row("…, one event on disk, with its indexes", kept, "bytes", len(DATA), "–", "its data"),
        Row("…, one in the WAL, with its stream", written, "bytes", len(DATA), "–", "the same"),
    ]


async def _one_by_one(pool: asyncpg.Pool) -> float:
    store = await EventStore.open(pool)
    end = time.perf_counter() + SECONDS

    async def write() -> int:
        count = 0
        while time.perf_counter() < end:
            if not isinstance(await store.append(append(uuid4())), Appended):
                raise AssertionError("a new stream cannot conflict")
            count += 1
        return count

    counts = await asyncio.gather(*(write() for _ in range(WRITERS)))
    await store.close()
    return sum(counts) / SECONDS


async def _waiting(pool: asyncpg.Pool) -> float:
    store = await EventStore.open(pool)
    appends = iter([append(uuid4()) for _ in range(WAITING)])
    # As every process does once it is warm; else the collector walks the prepared commands again and again.
    gc.collect()
    gc.freeze()

    async def write() -> None:
        for each in appends:
            await store.append(each)

    began = time.perf_counter()
    # The queue is full all the time: waiting for all of it before it is filled again would measure its draining.
    await asyncio.gather(*(write() for _ in range(QUEUE_COMMANDS_MAX)))
    rate = WAITING / (time.perf_counter() - began)
    gc.unfreeze()
    await store.close()
    return rate


async def _bytes(pool: asyncpg.Pool, *, since: int) -> tuple[float, float]:
    """Of one event: in its table, and in the WAL since then, when `WAITING` were appended."""
    kept = await pool.fetchval("SELECT pg_total_relation_size('event')::float8 / count(*) FROM event")
    written = await pool.fetchval("SELECT pg_current_wal_lsn()") - since
    return kept, written / WAITING
