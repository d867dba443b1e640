"""Logs of other services, told to a projector without Kafka: in memory, with positions as in a real one."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from chassis.consistency import ConsistencyToken
from chassis.consumer import Batch
from chassis.shard_heads import ShardHeads
from chassis.subscribers import Fact
from contracts.event import Actor, Envelope, Event, Recorded, recorded_from_meta, shard_of

RECORDED_AT = datetime(2020, 2, 18, 1, 0, tzinfo=UTC)


def recorded(event: Event, stream_id: UUID, *, pos: int, version: int = 1, actor: Actor | None = None) -> Recorded:
    """The event as a reader meets it."""
    envelope = Envelope(
        event_id=uuid4(),
        type=event.TYPE,
        service=event.TYPE.split(".")[1],
        stream_id=stream_id,
        version=version,
        epoch=1,
        time=RECORDED_AT,
        correlation_id=uuid4(),
        causation_id=uuid4(),
        traceparent="00-" + "0" * 31 + "1-" + "0" * 15 + "1-01",
        actor=actor,
    )
    return recorded_from_meta(envelope.encode(), pos, event.encode())


def fact(event: Any, stream_id: UUID | None = None, *, pos: int = 1) -> Fact[Any]:
    """The event as a read model or policy meets it. Without a stream: the person's own."""
    return Fact(event, recorded(event, stream_id or event.person_id, pos=pos))


class Told:
    """A `chassis.projector.Source`: the log of another service, as far as the test tells it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._shards: defaultdict[int, list[Recorded]] = defaultdict(list)
        self._versions: Counter[UUID] = Counter()
        self._more = asyncio.Event()

    def tell(self, *events: Any, stream_id: UUID | None = None, actor: Actor | None = None) -> ConsistencyToken:
        """These happened. Answers where they stand. Without a stream: each person's own."""
        positions = {}
        for event in events:
            stream = stream_id or event.person_id
            shard = self._shards[shard_of(stream)]
            self._versions[stream] += 1
            shard.append(recorded(event, stream, pos=len(shard) + 1, version=self._versions[stream], actor=actor))
            positions[shard_of(stream)] = len(shard)
        self._more.set()
        self._more = asyncio.Event()
        return ConsistencyToken(service=self.name, epoch=1, positions=positions)

    def tell_nonsense(self, event: Any) -> None:
        """An event of this type whose content is not what its type says: whoever reads it parks it."""
        self.tell(event)
        shard = self._shards[shard_of(event.person_id)]
        shard[-1] = shard[-1]._replace(data=b"{}")

    def next_of(self, stream_id: UUID) -> ConsistencyToken:
        """Where the next fact of this stream will stand."""
        shard = shard_of(stream_id)
        return ConsistencyToken(service=self.name, epoch=1, positions={shard: len(self._shards[shard]) + 1})

    async def follow(self, partition: int, positions: Mapping[int, int], offset: int) -> AsyncIterator[Batch]:
        marks = dict(positions)
        while True:
            more = self._more
            for shard in marks:
                if events := self._after(shard, marks[shard]):
                    marks[shard] = events[-1].pos
                    yield Batch(events, None)
            await more.wait()

    def beside(self, others: ShardHeads) -> Told:
        """As it is: whoever reads it has a place of his own."""
        return self

    def _after(self, shard: int, pos: int) -> Sequence[Recorded]:
        return self._shards[shard][pos:]
