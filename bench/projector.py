"""The projector with reporting's read models, beside the bare upsert of the same rows."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

import reporting
from bench.place import Place
from bench.table import Row
from chassis.consumer import Batch, TopicFeed
from chassis.kafka import make_producer, provision
from chassis.leases import Leases
from chassis.migrations import WORK
from chassis.projector import ForeignLog, Projector, Source
from chassis.shard_heads import ShardHeads
from contracts.event import Envelope, Event, Recorded, record_headers, recorded_from_meta
from contracts.identity import DocumentType
from contracts.people import PersonKind
from contracts.registration import RosterMemberImported
from contracts.topics import Topic
from reporting.read_models.contracts import SUPERVISED_CONTRACTS
from reporting.read_models.people import MEMBERS, PEOPLE_ON_CONTRACTS

EVENTS = 200_000
BATCH = 500
PARTITIONS = 16
MIGRATIONS = (WORK, Path(reporting.__file__).parent / "migrations")
TOPIC = Topic("bench.registration.v1", owner="bench", carries="registration", readers=(), partitions=PARTITIONS, retention_ms=None)
SEALED = "g1.1." + "A" * 60


@dataclass(frozen=True)
class Memory:
    """A source that has everything already: what is measured is the projector alone."""

    batches: Mapping[int, Sequence[Batch]]
    name: str = "registration"

    async def follow(self, partition: int, positions: Mapping[int, int], offset: int) -> AsyncIterator[Batch]:
        for batch in self.batches[partition]:
            yield batch
        await asyncio.Event().wait()

    def beside(self, others: ShardHeads) -> Memory:
        return self


async def measure(place: Place) -> Sequence[Row]:
    recorded = [recorded_of(*each) for each in positions(EVENTS)]
    batches = batched(recorded)
    # As every process does once it is warm; else the collector walks the prepared events again and again.
    gc.collect()
    gc.freeze()
    async with place.log("bench_upsert", MIGRATIONS) as pool:
        reference = await _bare_upsert(pool)
    async with place.log("bench_live", MIGRATIONS) as pool:
        live = await _project(pool, Memory(batches))
    await asyncio.to_thread(provision, place.parts.kafka.bootstrap, [TOPIC], prefix="")
    await publish(place.parts.kafka.bootstrap, TOPIC, batches)
    async with place.log("bench_zero", MIGRATIONS) as pool:
        feed = TopicFeed(place.parts.kafka.bootstrap, {"registration": TOPIC.name})
        fetching = asyncio.create_task(feed.run())
        zero = await _project(pool, ForeignLog("registration", feed))
        fetching.cancel()
        await asyncio.gather(fetching, return_exceptions=True)
    return [
        Row(
            f"projector live, batches of {BATCH}, one process",
            live,
            "/s",
            reference,
            "≥ 0.6×",
            f"bare sorted upsert, batches of {BATCH}",
        ),
        Row("projector from zero, Kafka → rows, one process", zero, "/s", None, "≥ 60,000/s"),
    ]


def positions(count: int, last: dict[int, int] | None = None) -> list[tuple[UUID, int]]:
    """New people, with their positions in their shards, after the last ones there."""
    last = defaultdict(int) if last is None else last
    found = []
    for _ in range(count):
        person_id = uuid4()
        last[person_id.int & 63] += 1
        found.append((person_id, last[person_id.int & 63]))
    return found


def recorded_of(person_id: UUID, pos: int) -> Recorded:
    event: Event = RosterMemberImported(
        person_id=person_id,
        contract_no=f"W20190101{person_id.int % 500:05}",
        employer_credit_code="91310109MA1A000006",
        person_kind=PersonKind.WORKER,
        trade="390",
        on_site=False,
        document=SEALED,
        document_type=DocumentType.CITIZEN_ID,
        name=SEALED,
        imported_at=datetime(2020, 2, 18, tzinfo=UTC),
    )
    event_id = uuid4()
    envelope = Envelope(
        event_id=event_id,
        type=event.TYPE,
        service="registration",
        stream_id=person_id,
        version=1,
        epoch=1,
        time=datetime.now(UTC),
        correlation_id=event_id,
        causation_id=event_id,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    return recorded_from_meta(envelope.encode(), pos, event.encode())


def batched(recorded: Sequence[Recorded], *, events_max: int = BATCH) -> Mapping[int, Sequence[Batch]]:
    by_partition: dict[int, list[Recorded]] = {partition: [] for partition in range(PARTITIONS)}
    for each in recorded:
        by_partition[each.shard % PARTITIONS].append(each)
    return {
        partition: [Batch(events[first : first + events_max], None) for first in range(0, len(events), events_max)]
        for partition, events in by_partition.items()
    }


async def _bare_upsert(pool: asyncpg.Pool) -> float:
    rows = [(f"W20190101{person_id.int % 500:05}", person_id, False, True, False, None, None) for person_id, _ in positions(EVENTS)]
    began = time.perf_counter()
    async with pool.acquire() as connection:
        await connection.execute("SET synchronous_commit = off")
        for first in range(0, len(rows), BATCH):
            batch = sorted(rows[first : first + BATCH], key=lambda row: row[:2])
            await connection.execute(MEMBERS.upsert, *map(list, zip(*batch, strict=True)))
    return len(rows) / (time.perf_counter() - began)


async def publish(bootstrap: str, topic: Topic, batches: Mapping[int, Sequence[Batch]]) -> None:
    producer = make_producer(bootstrap)
    await producer.start()
    for partition, of_partition in batches.items():
        for batch in of_partition:
            builder = producer.create_batch()
            for each in batch.events:
                key = str(each.stream_id).encode()
                headers = record_headers(each.headers, each.pos)
                if builder.append(key=key, value=each.data, headers=headers, timestamp=None) is None:
                    raise ValueError(f"{len(batch.events)} such events are too many for one batch")
            await (await producer.send_batch(builder, topic.name, partition=partition))
    await producer.stop()


async def _project(pool: asyncpg.Pool, source: Source) -> float:
    projector = Projector(
        pool=pool,
        sources=[source],
        read_models=[SUPERVISED_CONTRACTS, PEOPLE_ON_CONTRACTS],
        policies=[],
        partitions=PARTITIONS,
        durable=False,
    )
    leases = Leases(pool, projector.works())
    began = time.perf_counter()
    running = asyncio.create_task(leases.run())
    while sum(projector.reached.values()) < EVENTS * len(projector.read_models):  # noqa: ASYNC110 - another task makes it true
        await asyncio.sleep(0.01)
    rate = EVENTS / (time.perf_counter() - began)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return rate
