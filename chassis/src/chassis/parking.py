"""Parking: what a subscriber cannot take in waits for an operator, with everything that comes behind it in its stream.

Nothing is skipped, and nobody else is kept waiting. The rows of `parked` change in the transaction that moves the positions;
whoever cures them (`chassis.curing`) holds the lease meanwhile and leaves a mark in it, by which the worker notices.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from pydantic import ValidationError

from chassis.crash_points import CrashPoint, passing
from chassis.database import Connection
from chassis.measuring import Measure
from chassis.metrics import PARKED_EVENTS, PARKED_STREAMS
from chassis.probes import NotReady
from chassis.reacting import Raced
from chassis.telemetry import place_in_code, type_name
from contracts.event import Recorded

PARKED_STREAMS_MAX = 100
"""Streams that may wait, of one subscriber, source and partition. Beyond it the code is at fault, not the events: it halts."""
WATCH_S = 1.0
"""Between two looks at how many wait."""
ERROR_CHARACTERS_MAX = 200
MISTAKES_MAX = 3
"""Of one event that is not what its type says, as told."""

# In one statement, so that both are of the same moment.
LOAD = """
SELECT l.interventions, p.subscriber, p.stream_id
FROM lease AS l LEFT JOIN (
    SELECT DISTINCT subscriber, stream_id FROM parked WHERE source = $2 AND shard = ANY ($3)
) AS p ON true
WHERE l.name = $1
"""
PARK = """
INSERT INTO parked (subscriber, source, shard, pos, stream_id, version, type, data, meta, error, attempts)
SELECT * FROM unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[], $5::uuid[], $6::bigint[], $7::text[], $8::bytea[],
                     $9::bytea[], $10::text[], $11::integer[])
"""
COUNT = "SELECT subscriber, count(*) AS events, count(DISTINCT (source, stream_id)) AS streams FROM parked GROUP BY subscriber"

_NAME = re.compile(r"[a-z_]{1,40}")


class TooManyParked(Exception):
    """So many streams wait that it cannot be the events: whoever mends the code had better not find thousands."""


class Intervened(Raced):
    """An operator changed meanwhile what is parked: decide again, on what is parked now."""


class Parked(NamedTuple):
    """An event that is to wait."""

    subscriber: str
    recorded: Recorded
    error: str | None
    """None: it is not at fault, but comes behind one that is."""


@dataclass
class Parking:
    """The streams of one source, on one partition, that wait. Only `take` and `load` change what is known here."""

    pool: asyncpg.Pool
    lease_name: str
    source: str
    shards: Sequence[int]
    _streams: dict[str, set[UUID]] = field(default_factory=dict)
    """Subscriber → streams."""
    _interventions: int = 0
    """As of when: see `chassis.leases.fence`."""

    async def load(self) -> None:
        """As stored."""
        rows = await self.pool.fetch(LOAD, self.lease_name, self.source, list(self.shards))
        self._interventions = rows[0]["interventions"] if rows else 0
        self._streams = {}
        for _, subscriber, stream_id in rows:
            if subscriber is not None:
                self._streams.setdefault(subscriber, set()).add(stream_id)

    def part(self, subscriber: str, events: Sequence[Recorded]) -> tuple[Sequence[Recorded], Sequence[Parked]]:
        """Those that can be taken in, and those that must wait because something of their stream does."""
        streams = self._streams.get(subscriber)
        if not streams:
            return events, ()
        waiting = [event for event in events if event.stream_id in streams]
        return [event for event in events if event.stream_id not in streams], [Parked(subscriber, each, None) for each in waiting]

    def blame(self, subscriber: str, event: Recorded, error: Exception) -> Parked:
        """Raises: TooManyParked."""
        if len(self._streams.get(subscriber, ())) >= PARKED_STREAMS_MAX:
            raise TooManyParked(subscriber) from error
        return Parked(subscriber, event, what_went_wrong(error))

    async def store(self, connection: Connection, parked: Iterable[Parked], *, interventions: int) -> None:
        """Write them in the caller's transaction, whose fence answered `interventions`. Raises: Intervened."""
        if interventions != self._interventions:
            raise Intervened
        if rows := [_row(each) for each in parked]:
            await connection.execute(PARK, *map(list, zip(*rows, strict=True)))
            passing(CrashPoint.PARKING_WRITTEN)

    def take(self, parked: Iterable[Parked]) -> None:
        """They were stored."""
        for each in parked:
            self._streams.setdefault(each.subscriber, set()).add(each.recorded.stream_id)


def _row(parked: Parked) -> tuple[Any, ...]:
    subscriber, event, error = parked
    place = (event.service, event.shard, event.pos, event.stream_id, event.version)
    return (subscriber, *place, event.type, event.data, b"\n".join(event.headers), error, 0 if error is None else 1)


def what_went_wrong(error: Exception) -> str:
    """The error in words of ours: its type, where it happened, which fields. Messages quote input and stay out."""
    told = [type_name(error)]
    if isinstance(error, ValidationError):
        mistakes = error.errors(include_url=False, include_context=False, include_input=False)
        told += [f"{_place(each['loc'])} {each['type']}" for each in mistakes[:MISTAKES_MAX]]
    if isinstance(error, asyncpg.PostgresError):
        told += [error.sqlstate or "", error.constraint_name or ""]
    if frames := traceback.extract_tb(error.__traceback__):
        told.append("at " + place_in_code(frames[-1].filename, frames[-1].lineno or 0))
    return " ".join(filter(None, told))[:ERROR_CHARACTERS_MAX]


def _place(location: Sequence[int | str]) -> str:
    """A field's name is ours. A key that is not one of them might be anybody's."""
    return ".".join(str(each) if isinstance(each, int) or _NAME.fullmatch(each) else "?" for each in location)


@dataclass
class ParkedWatch:
    """How many events of a service wait: a metric, and a reason not to be ready."""

    pool: asyncpg.Pool
    subscribers: Sequence[str]
    _waiting: bool = False

    async def run(self) -> None:
        """Look until cancelled. While the database cannot be reached, what was known last stands."""
        await Measure("parking", self.look, WATCH_S).keep()

    async def look(self) -> None:
        """Read how many wait."""
        found: Mapping[str, asyncpg.Record] = {row["subscriber"]: row for row in await self.pool.fetch(COUNT)}
        for name in {*self.subscribers, *found}:
            PARKED_EVENTS.labels(name).set(found[name]["events"] if name in found else 0)
            PARKED_STREAMS.labels(name).set(found[name]["streams"] if name in found else 0)
        self.subscribers = sorted({*self.subscribers, *found})
        self._waiting = bool(found)

    async def check(self) -> None:
        """Raises: NotReady while anything waits."""
        if self._waiting:
            raise NotReady("parked")
