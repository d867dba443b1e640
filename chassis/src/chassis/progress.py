"""How far each subscriber has come in one source, on one partition: the positions by which every event counts once.

They are stored in the transaction of what followed from the events. The offset is a hint where to go on reading; the
positions are the truth.

    Exception
    ├── Hole              an event is missing
    ├── PositionsMoved    they do not stand where they were left: load them anew
    └── AnotherHistory    what is told now contradicts what was taken in: nothing can follow from it
        ├── Fork          another event stands at the last position
        └── WrongEpoch    an event of a restored log at a position that was had before, or one of the time before the restore
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from uuid import UUID

import asyncpg
import structlog

from chassis.consumer import BEGINNING, TopicOffset
from chassis.database import Connection
from chassis.metrics import QUARANTINED
from contracts.event import SHARDS, Recorded

# From where they are believed to stand, and from nowhere else: how many moved.
MOVE_POSITIONS = """
WITH step AS (
    SELECT * FROM unnest($2::text[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::uuid[], $8::bytea[])
        AS s (subscriber, shard, before, last_pos, epoch, last_event_id, last_digest)
), moved AS (
    UPDATE position AS p SET epoch = s.epoch, last_pos = s.last_pos, last_event_id = s.last_event_id,
        digest_pos = s.last_pos, last_digest = s.last_digest
    FROM step AS s
    WHERE p.subscriber = s.subscriber AND p.source = $1 AND p.shard = s.shard AND p.last_pos = s.before
    RETURNING 1
), begun AS (
    INSERT INTO position (subscriber, source, shard, epoch, last_pos, last_event_id, digest_pos, last_digest)
    SELECT subscriber, $1, shard, epoch, last_pos, last_event_id, last_pos, last_digest FROM step WHERE before = 0
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT (SELECT count(*) FROM moved) + (SELECT count(*) FROM begun)
"""
STORE_OFFSET = """
INSERT INTO next_offset (source, partition, kafka_offset, topic_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (source, partition) DO UPDATE SET kafka_offset = excluded.kafka_offset, topic_id = excluded.topic_id
"""

log = structlog.get_logger()


class Hole(Exception):
    """A position is missing: after `last` comes something later than the next."""

    def __init__(self, shard: int, last: int) -> None:
        super().__init__(shard, last)
        self.shard = shard
        self.last = last


class AnotherHistory(Exception):
    """Whoever goes on would have facts that no log ever had together: the log was restored without its end, or forged."""

    def __init__(self, shard: int, pos: int) -> None:
        super().__init__(shard, pos)
        self.shard = shard
        self.pos = pos


class Fork(AnotherHistory):
    """At the last position stands another event than the one that was taken in."""


class WrongEpoch(AnotherHistory):
    """A restored log may go on behind what was taken in, and nowhere else."""


class PositionsMoved(Exception):
    """Not where they were left: a crash of the database took back what was not synced, or somebody set them."""


@dataclass(frozen=True, slots=True)
class Last:
    """The last event of a shard that a subscriber has taken in."""

    pos: int
    epoch: int
    event_id: UUID | None
    """None: it is not known."""
    digest: bytes | None = None
    """None: it is not known, only the id."""


NOTHING = Last(pos=0, epoch=0, event_id=None)


@dataclass(frozen=True)
class Step:
    """The way that one batch takes the subscribers."""

    fresh: Mapping[str, Sequence[Recorded]]
    """Subscriber → the events that come next for it, in order."""
    events: Sequence[Recorded]
    """All of the batch's events."""
    next_offset: TopicOffset | None

    @cached_property
    def reached(self) -> dict[str, dict[int, Recorded]]:
        """Subscriber → shard → the last event that it takes in; without those that have nothing new."""
        return {name: {event.shard: event for event in events} for name, events in self.fresh.items() if events}


@dataclass
class Progress:
    """Only `take` moves it, after the step was committed."""

    source: str
    partition: int
    lasts: dict[str, dict[int, Last]]
    """Subscriber → shard → the last event taken in."""
    next_offset: TopicOffset = BEGINNING
    """Where reading goes on, as far as known."""
    is_behind: bool = False
    """These follow the others of their source. Their offset is not stored then: it is the others'."""

    @classmethod
    async def load(
        cls, pool: asyncpg.Pool, source: str, partition: int, *, partitions: int, subscribers: Sequence[str]
    ) -> Progress:
        """As stored, whether they stand at the same positions or not: see `divided`. Whoever is new begins at the beginning."""
        shards = range(partition, SHARDS, partitions)
        rows = await pool.fetch(
            "SELECT subscriber, shard, last_pos, epoch, last_event_id, CASE WHEN digest_pos = last_pos THEN last_digest END"
            " FROM position WHERE source = $1 AND subscriber = ANY($2) AND shard = ANY($3)",
            source,
            list(subscribers),
            list(shards),
        )
        lasts = {subscriber: dict.fromkeys(shards, NOTHING) for subscriber in subscribers}
        for subscriber, shard, *last in rows:
            lasts[subscriber][shard] = Last(*last)
        hint = await pool.fetchrow(
            "SELECT kafka_offset, topic_id FROM next_offset WHERE source = $1 AND partition = $2", source, partition
        )
        return cls(source, partition, lasts, TopicOffset(*hint) if hint else BEGINNING)

    def divided(self) -> tuple[Progress, Progress]:
        """Those who stand where the furthest does, and whoever is behind: the stored offset is not for him.

        He begins as many records before it as he lacks events, where there are so many. If some were published twice, that is too
        late, and shows as a hole. All are of the first where none is the furthest everywhere: then all read from the beginning.
        """
        each = list(self.lasts.values())
        furthest = {shard: max(lasts[shard].pos for lasts in each) for shard in each[0]}
        level = {name: lasts for name, lasts in self.lasts.items() if all(lasts[shard].pos == furthest[shard] for shard in lasts)}
        ahead, offset = (level, self.next_offset) if level else (self.lasts, BEGINNING)
        others = replace(self, lasts=ahead, next_offset=offset)
        late = replace(self, lasts={name: lasts for name, lasts in self.lasts.items() if name not in ahead}, is_behind=True)
        if late.lasts:
            late.next_offset = TopicOffset(max(0, offset - late.events_to(others)), offset.topic_id)
        return others, late

    def admit(self, other: Progress) -> None:
        """The other's subscribers read with these from now on, from where the earlier of both was to go on. That may be these: what
        stopped the others near the end may have ended while these still waited."""
        self.lasts = self.lasts | other.lasts
        if self.next_offset.topic_id == other.next_offset.topic_id:
            self.next_offset = min(self.next_offset, other.next_offset)
        else:
            self.next_offset = BEGINNING

    def events_to(self, other: Progress) -> int:
        """How many events the last of these is behind the last of the other's."""
        mine, theirs = self.lowest(), other.lowest()
        return sum(max(0, theirs[shard] - pos) for shard, pos in mine.items())

    def lacks_any_of(self, events: Sequence[Recorded]) -> bool:
        """Whether one of the events comes after where the last of these stands."""
        lowest = self.lowest()
        return any(event.pos > lowest.get(event.shard, event.pos) for event in events)

    def lowest(self) -> dict[int, int]:
        """Shard → the position that every subscriber has reached."""
        each = list(self.lasts.values())
        return {shard: min(lasts[shard].pos for lasts in each) for shard in each[0]}

    def is_past(self, obstacle: Exception | None) -> bool:
        """Something new was taken in: has everybody got past what it was stuck at? Anything but a hole is the next event."""
        return not isinstance(obstacle, Hole) or self.lowest()[obstacle.shard] > obstacle.last

    def step(
        self,
        events: Sequence[Recorded],
        next_offset: TopicOffset | None,
        *,
        is_scanning: bool = False,
        subscribers: Sequence[str] | None = None,
    ) -> Step:
        """Where these events, in the order of the source, take the subscribers: all of them, where none is named.

        `is_scanning`: more is to come. What lies before it in the topic and comes after it in the log is passed over: a relay
        that began anew has published it twice. Raises: Hole, unless scanning; AnotherHistory.
        """
        ours = self._of_this_partition(events)
        names = self.lasts if subscribers is None else subscribers
        fresh = {name: _next(ours, self.lasts[name], is_scanning=is_scanning) for name in names}
        return Step(fresh, ours, next_offset)

    async def store(self, connection: Connection, step: Step) -> None:
        """Move the positions as the step says, in the caller's transaction. Raises: PositionsMoved."""
        rows = sorted(
            (name, event.shard, self.lasts[name][event.shard].pos, event.pos, event.epoch, event.event_id, event.digest)
            for name, reached in step.reached.items()
            for event in reached.values()
        )
        if await connection.fetchval(MOVE_POSITIONS, self.source, *map(list, zip(*rows, strict=True))) < len(rows):
            raise PositionsMoved(self.source, self.partition)
        if step.next_offset is not None and not self.is_behind:
            await connection.execute(STORE_OFFSET, self.source, self.partition, int(step.next_offset), step.next_offset.topic_id)

    def take(self, step: Step) -> None:
        for name, reached in step.reached.items():
            self.lasts[name].update({shard: _last(event) for shard, event in reached.items()})
        if step.next_offset is not None:
            self.next_offset = step.next_offset

    def _of_this_partition(self, events: Sequence[Recorded]) -> Sequence[Recorded]:
        """Without those that cannot be this source's: an envelope that lies is as bad as none."""
        shards = next(iter(self.lasts.values()))
        ours = [event for event in events if event.service == self.source and event.shard in shards]
        if len(ours) < len(events):
            QUARANTINED.inc(len(events) - len(ours))
            log.error("projector.foreign_event", source=self.source, partition=self.partition, count=len(events) - len(ours))
        return ours


def _last(event: Recorded) -> Last:
    return Last(event.pos, event.epoch, event.event_id, event.digest)


def _next(events: Sequence[Recorded], lasts: Mapping[int, Last], *, is_scanning: bool) -> list[Recorded]:
    """The events that come next, in order, without what was taken in before. Raises: Hole, AnotherHistory."""
    reached: dict[int, Last | Recorded] = dict(lasts)
    ahead: dict[int, int] = {}
    fresh = []
    for event in events:
        last = reached[event.shard]
        if event.pos == last.pos + 1:
            if event.epoch < last.epoch:
                raise WrongEpoch(event.shard, event.pos)
            reached[event.shard] = event
            fresh.append(event)
        elif event.pos > last.pos:
            ahead[event.shard] = event.pos
        else:
            _check_had(event, last)
    for shard, pos in ahead.items():
        if pos > reached[shard].pos and not is_scanning:
            raise Hole(shard, reached[shard].pos)
    return fresh


def _check_had(event: Recorded, last: Last | Recorded) -> None:
    """An event at a position that was had before should be the one that stood there. Raises: AnotherHistory."""
    if last.epoch and event.epoch > last.epoch:
        raise WrongEpoch(event.shard, event.pos)
    if event.pos == last.pos and not is_same(last.event_id, last.digest, event.event_id, event.digest):
        raise Fork(event.shard, event.pos)


def is_same(event_id: UUID | None, digest: bytes | None, other_id: UUID | None, other_digest: bytes | None) -> bool:
    """Whether two events may be the same one, by what is known of both."""
    if None not in (digest, other_digest):
        return digest == other_digest
    return None in (event_id, other_id) or event_id == other_id
