"""How far each subscriber has come in one source, on one partition: the positions by which every event counts once.

They are stored in the transaction of what followed from the events. The offset is a hint where to go on reading; the
positions are the truth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import asyncpg
import structlog

from chassis.database import Connection
from chassis.metrics import QUARANTINED
from contracts.event import SHARDS, Recorded

STORE_POSITIONS = """
INSERT INTO position (subscriber, source, shard, epoch, last_pos)
SELECT s, $1, n, e, p FROM unnest($2::text[], $3::smallint[], $4::bigint[], $5::bigint[]) AS r (s, n, e, p)
ON CONFLICT (subscriber, source, shard) DO UPDATE SET epoch = excluded.epoch, last_pos = excluded.last_pos
"""
STORE_OFFSET = """
INSERT INTO next_offset (source, partition, kafka_offset) VALUES ($1, $2, $3)
ON CONFLICT (source, partition) DO UPDATE SET kafka_offset = excluded.kafka_offset
"""

log = structlog.get_logger()


class Hole(Exception):
    """A position is missing: after `last` comes something later than the next."""

    def __init__(self, shard: int, last: int) -> None:
        super().__init__(shard, last)
        self.shard = shard
        self.last = last


@dataclass(frozen=True)
class Step:
    """The way that one batch takes the subscribers."""

    fresh: Mapping[str, Sequence[Recorded]]
    """Subscriber → the events that come next for it, in order."""
    events: Sequence[Recorded]
    """All of the batch's events."""
    next_offset: int | None

    @cached_property
    def reached(self) -> dict[str, dict[int, int]]:
        """Subscriber → shard → the position that it reaches; without those that have nothing new."""
        return {name: {event.shard: event.pos for event in events} for name, events in self.fresh.items() if events}


@dataclass
class Progress:
    """Only `take` moves it, after the step was committed."""

    source: str
    partition: int
    positions: dict[str, dict[int, int]]
    """Subscriber → shard → last position taken in."""
    next_offset: int = 0
    """Where reading goes on, as far as known."""

    @classmethod
    async def load(
        cls, pool: asyncpg.Pool, source: str, partition: int, *, partitions: int, subscribers: Sequence[str]
    ) -> Progress:
        """As stored. A subscriber that is new here begins at the beginning, and the others drop what they have."""
        shards = range(partition, SHARDS, partitions)
        rows = await pool.fetch(
            "SELECT subscriber, shard, last_pos FROM position WHERE source = $1 AND subscriber = ANY($2) AND shard = ANY($3)",
            source,
            list(subscribers),
            list(shards),
        )
        positions = {subscriber: dict.fromkeys(shards, 0) for subscriber in subscribers}
        for row in rows:
            positions[row["subscriber"]][row["shard"]] = row["last_pos"]
        offset = await pool.fetchval("SELECT kafka_offset FROM next_offset WHERE source = $1 AND partition = $2", source, partition)
        is_level = all(each == next(iter(positions.values())) for each in positions.values())
        return cls(source, partition, positions, next_offset=offset if offset and is_level else 0)

    def lowest(self) -> dict[int, int]:
        """Shard → the position that every subscriber has reached."""
        each = list(self.positions.values())
        return {shard: min(positions[shard] for positions in each) for shard in each[0]}

    def is_past(self, obstacle: Exception | None) -> bool:
        """Something new was taken in: has everybody got past what it was stuck at? Anything but a hole is the next event."""
        return not isinstance(obstacle, Hole) or self.lowest()[obstacle.shard] > obstacle.last

    def step(self, events: Sequence[Recorded], next_offset: int | None) -> Step:
        """Where these events, in the order of the source, take the subscribers. Raises: Hole."""
        ours = self._of_this_partition(events)
        return Step({name: _next(ours, positions) for name, positions in self.positions.items()}, ours, next_offset)

    async def store(self, connection: Connection, step: Step) -> None:
        """Write the step's positions in the caller's transaction."""
        epochs = {event.shard: event.epoch for event in step.events}
        rows = sorted(
            (name, shard, epochs[shard], pos) for name, positions in step.reached.items() for shard, pos in positions.items()
        )
        await connection.execute(STORE_POSITIONS, self.source, *map(list, zip(*rows, strict=True)))
        if step.next_offset is not None:
            await connection.execute(STORE_OFFSET, self.source, self.partition, step.next_offset)

    def take(self, step: Step) -> None:
        for name, positions in step.reached.items():
            self.positions[name].update(positions)
        if step.next_offset is not None:
            self.next_offset = step.next_offset

    def _of_this_partition(self, events: Sequence[Recorded]) -> Sequence[Recorded]:
        """Without those that cannot be this source's: an envelope that lies is as bad as none."""
        shards = next(iter(self.positions.values()))
        ours = [event for event in events if event.service == self.source and event.shard in shards]
        if len(ours) < len(events):
            QUARANTINED.inc(len(events) - len(ours))
            log.error("projector.foreign_event", source=self.source, partition=self.partition, count=len(events) - len(ours))
        return ours


def _next(events: Sequence[Recorded], positions: Mapping[int, int]) -> list[Recorded]:
    """The events that come next, in order, without what was taken in before. Raises: Hole."""
    reached = dict(positions)
    fresh = []
    for event in events:
        last = reached[event.shard]
        if event.pos <= last:
            continue
        if event.pos > last + 1:
            raise Hole(event.shard, last)
        reached[event.shard] = event.pos
        fresh.append(event)
    return fresh
