"""Plain words of whoever was erased leave the topics: all is told again at the end, rendered anew, and the old is deleted.

A partition of the topics is cleared at a time, under a lease. What is told again stands behind where the topics ended before;
when the relay has come to the end of the log, everything before that place is deleted at the broker. A topic is never
without what it has to say, and stays the same topic to its readers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

import asyncpg
import structlog

from chassis.broker import Broker, TopicMissing
from chassis.leases import Lease, LeaseLost, Work, fence
from chassis.relay import DATABASE_FAULTS, PUBLISH_S_MAX
from chassis.republish import rewind
from contracts.event import SHARDS
from contracts.topics import POLICE_PARTITIONS, POLICE_TOPICS
from police_bridge.read_models.erasures import pending

SETTLED_S = 2 * PUBLISH_S_MAX
"""What was rendered before a key was destroyed has reached the broker by then, or never will."""
LOOK_S = 5.0
"""Between two looks for somebody erased, and at how far the relay has come."""

AHEAD = """
SELECT EXISTS (
    SELECT FROM unnest($1::smallint[], $2::bigint[]) AS wanted (shard, pos) LEFT JOIN published AS p USING (shard)
    WHERE coalesce(p.last_pos, 0) < wanted.pos
)
"""

CLEARED = """
INSERT INTO topic_cleared (shard, last_pos) SELECT * FROM unnest($1::smallint[], $2::bigint[])
ON CONFLICT (shard) DO UPDATE SET last_pos = greatest(topic_cleared.last_pos, excluded.last_pos)
"""

log = structlog.get_logger()


class Clearing:
    """Clears the topics of whoever was erased, as far as their partitions are leased here."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        broker: Broker,
        *,
        topic_prefix: str,
        partitions: int,
        after_s: float,
        settled_s: float = SETTLED_S,
        look_s: float = LOOK_S,
    ) -> None:
        """`partitions` of the relay. Erasures are gathered for `after_s`: to clear a topic is to tell all of it again."""
        self._pool = pool
        self._broker = broker
        self._topics = [topic.full_name(topic_prefix) for topic in POLICE_TOPICS.values()]
        self._partitions = partitions
        self._after_s = after_s
        self._settled_s = settled_s
        self._look_s = look_s

    def works(self) -> dict[str, Work]:
        return {f"clearing/{place:02}": partial(self._watch, place) for place in range(POLICE_PARTITIONS)}

    async def _watch(self, place: int, lease: Lease) -> None:
        while True:
            try:
                if erasures := await pending(self._pool, place, settled_s=self._settled_s, after_s=self._after_s):
                    await self.clear(place, erasures, lease)
            except (LeaseLost, *DATABASE_FAULTS):
                raise
            except OSError as error:  # The broker is away, or a topic: what was begun is begun again.
                log.warning("clearing.delayed", place=place, error_type=type(error).__name__)
            await asyncio.sleep(self._look_s)

    async def clear(self, place: int, erasures: Mapping[int, int], lease: Lease) -> None:
        """Have one partition of every topic told again, and delete what stood there before.

        A crash in between leaves what was told twice, and all of it is done again. Raises: LeaseLost, OSError.
        """
        before = await self._broker.topics(self._topics)
        heads = await self._heads(place)
        await rewind(self._pool, self._relayed_to(place), of=self._partitions)
        log.info("clearing.begun", place=place, shards=len(erasures))
        await self._told_again(heads)
        now = await self._broker.topics(self._topics)
        if any(before[topic].topic_id != now[topic].topic_id for topic in self._topics):
            raise TopicMissing("it was made again meanwhile: offsets of the old one mean nothing in it")
        await self._broker.delete_before({(topic, place): before[topic].ends[place] for topic in self._topics})
        async with self._pool.acquire() as connection, connection.transaction():
            await fence(connection, lease)
            await connection.execute(CLEARED, list(erasures), list(erasures.values()))
        log.info("clearing.done", place=place, shards=len(erasures))

    async def _told_again(self, heads: Mapping[int, int]) -> None:
        """Return when the relay is that far, however long it takes: what holds it up is seen there."""
        while True:
            if not await self._pool.fetchval(AHEAD, list(heads), list(heads.values())):
                return
            await asyncio.sleep(self._look_s)

    def _relayed_to(self, place: int) -> Sequence[int]:
        """The partitions of the relay whose facts go to this partition of the topics."""
        return range(place, self._partitions, POLICE_PARTITIONS)

    async def _heads(self, place: int) -> dict[int, int]:
        """Shard → position up to which all must be told again."""
        shards = list(range(place, SHARDS, POLICE_PARTITIONS))
        rows = await self._pool.fetch("SELECT shard, last_pos FROM shard_head WHERE shard = ANY ($1)", shards)
        return {row["shard"]: row["last_pos"] for row in rows}
