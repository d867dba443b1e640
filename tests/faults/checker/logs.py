"""The logs: every position and version in its place, and rows that agree with their envelopes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import asyncpg

from tests.faults.stack import FaultStack

SHARDS = 64
PARTITIONS = 16
WITH_LOG = ("registration", "healthcloud-bridge", "health", "gatekeeper", "police-bridge")
ATTRIBUTES = (
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_time",
    "ce_subject",
    "ce_partitionkey",
    "ce_streamversion",
    "ce_epoch",
    "ce_correlationid",
    "ce_causationid",
    "ce_traceparent",
    "content-type",
)
"""Kafka headers, in the order of the lines of `meta`."""
ACTOR = "ce_actor"
"""The line after them, of whatever somebody asked for."""


def package(service: str) -> str:
    return service.replace("-", "_")


@dataclass(frozen=True, slots=True)
class Stored:
    """A row of `event`."""

    service: str
    shard: int
    pos: int
    stream_id: UUID
    version: int
    event_id: UUID
    type: str
    raw: bytes
    meta: tuple[bytes, ...]
    recorded_at: datetime | None
    """By the database's clock. None: it was taken back from its topic, which does not say when it was recorded first."""

    @property
    def fact(self) -> str:
        """`person-pre-registered` of `gatehouse.registration.person-pre-registered.v1`."""
        return self.type.split(".")[2]

    @property
    def epoch(self) -> int:
        """In which it was appended."""
        return int(self.meta[ATTRIBUTES.index("ce_epoch")])

    @property
    def actor(self) -> tuple[str | None, str | None]:
        """Role and account. Nothing: it followed from something else."""
        if len(self.meta) == len(ATTRIBUTES):
            return None, None
        role, _, account = self.meta[len(ATTRIBUTES)].decode().partition("/")
        return role, unquote(account)

    @property
    def data(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.raw)
        return decoded


@dataclass
class Log:
    """All events of a service, and what its counters say."""

    service: str
    events: Sequence[Stored]
    """By shard and position."""
    heads: Mapping[int, int]
    versions: Mapping[UUID, int]
    """Stream → version, as its row says."""
    states: Mapping[UUID, Any]
    """Stream → cached fold; None where it is folded anew when it is next needed."""

    def of(self, *facts: str) -> Iterator[tuple[Stored, dict[str, Any]]]:
        """Events of these kinds with their content; each stream's in order."""
        return ((event, event.data) for event in self.events if event.fact in facts)


async def read_log(stack: FaultStack, service: str) -> Log:
    async with stack.database(package(service)) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await connection.fetch(
            "SELECT shard, pos, stream_id, version, event_id, type, data, meta, recorded_at FROM event ORDER BY shard, pos"
        )
        heads = {row["shard"]: row["last_pos"] for row in await connection.fetch("SELECT shard, last_pos FROM shard_head")}
        streams = await connection.fetch("SELECT stream_id, version, state FROM stream WHERE version > 0")
        epoch = await connection.fetchval("SELECT epoch FROM store")
    events = [_as_recorded(_stored(service, row), epoch, stack.lost_at) for row in rows]
    versions = {row["stream_id"]: row["version"] for row in streams}
    states = {row["stream_id"]: row["state"] and json.loads(row["state"]) for row in streams}
    return Log(service, events, heads, versions, states)


def _stored(service: str, row: asyncpg.Record) -> Stored:
    shard, pos, stream_id, version, event_id, event_type, data, meta, recorded_at = row
    return Stored(service, shard, pos, stream_id, version, event_id, event_type, data, tuple(meta.split(b"\n")), recorded_at)


def _as_recorded(event: Stored, epoch: int, lost_at: datetime | None) -> Stored:
    was_taken_back = lost_at and event.recorded_at and event.recorded_at > lost_at and event.epoch < epoch
    return replace(event, recorded_at=None) if was_taken_back else event


async def read_logs(stack: FaultStack) -> dict[str, Log]:
    """By service."""
    return {service: await read_log(stack, service) for service in WITH_LOG}


def check_log(log: Log) -> Iterator[str]:
    """Positions 1..n in every shard, versions 1..n in every stream, and rows that agree with their envelope."""
    positions, versions = defaultdict(list), defaultdict(list)
    for event in log.events:
        positions[event.shard].append(event.pos)
        versions[event.stream_id].append((event.version, event.pos))
        yield from _check_row(event)
    for shard in range(SHARDS):
        if positions[shard] != list(range(1, log.heads[shard] + 1)):
            yield f"{log.service}: shard {shard} ends at {log.heads[shard]}, but holds {positions[shard]}"
    for stream_id, found in versions.items():
        if [version for version, _ in found] != list(range(1, len(found) + 1)):
            yield f"{log.service}: stream {stream_id} has versions {found}"
    if {stream_id: len(found) for stream_id, found in versions.items()} != dict(log.versions):
        yield f"{log.service}: the rows of streams do not say how many events there are"


def _check_row(event: Stored) -> Iterator[str]:
    told = (str(event.event_id), event.type, str(event.stream_id), str(event.version), f"/{event.service}/{event.shard}")
    meta = [value.decode() for value in event.meta]
    if told != (meta[1], meta[3], meta[5], meta[7], meta[2]) or len(meta) - len(ATTRIBUTES) not in (0, 1):
        yield f"{event.service}: {event.shard}:{event.pos} has the envelope of another event: {meta}"
    if event.stream_id.int % SHARDS != event.shard:
        yield f"{event.service}: {event.shard}:{event.pos} belongs into another shard"
