"""`python -m <package> rebuild NAME`: a read model's tables made anew from the logs, beside live traffic.

    make      empty tables beside the live ones, see `chassis.twin_tables`
    fold      each partition in memory, as far as the live one has come; then one COPY a table, with the positions
    index     keys, indexes, statistics
    catch up  what came meanwhile, by the live path
    compare   both at the same positions: whoever projects is stopped for a moment, while a snapshot is taken
    switch    whoever projects is stopped for a moment: the last events, then tables and positions change places

Killed anywhere, it goes on where it was when it is started again: with the partitions that were not folded, or with what
follows. Only rows are made: policies are no read models, and nothing is ever done twice in the world.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg

from chassis.consumer import BEGINNING, TopicFeed, TopicOffset
from chassis.crash_points import CrashPoint, passing
from chassis.database import Connection
from chassis.progress import AnotherHistory, Hole, Last, PositionsMoved, Progress
from chassis.projector import ForeignLog
from chassis.rebuild_bar import Bar
from chassis.rebuild_told import BACK, Telling, told
from chassis.replay import Decoder, Reading, Stalled, StoredLog, in_order_of_time
from chassis.service import Service, machinery
from chassis.settings import ServiceSettings
from chassis.subscribers import UnknownVersion
from chassis.tables import ReadModel, Rows
from chassis.twin_tables import LIVE, Difference, Positions, TwinTables, moving_stopped, owner_pool
from contracts.event import SHARDS
from contracts.topics import EVENT_TOPICS

PARTITIONS_AT_ONCE = 2
"""Partitions folded at the same time, all of whose rows are held in memory: one folds while the other is written."""
CLOSE_EVENTS = 500
"""So few events behind, the rest is taken in while nobody moves."""
CATCH_UPS_MAX = 20
"""Passes after which it is close enough, or never will be."""
TRIES_MAX = 60
"""Attempts to stop everybody for a moment."""
PAUSE_S = 1.0
"""Between two attempts."""
BUSY = (TimeoutError, asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, asyncpg.DeadlockDetectedError)
"""Somebody needed a lock at the same time, or there was too much left to do: nothing has changed, it is tried again."""

T = TypeVar("T")


class RebuildFailed(Exception):
    """Nothing was switched, for a reason that the operator has to know."""


@dataclass
class Rebuild:
    """Of one read model."""

    model: ReadModel
    owner: asyncpg.Pool
    """As the role that owns the tables, with the new schema first in its search path: see `owner_pool`."""
    own_log: str | None
    """The service's name, where it has a log that the read model subscribes to."""
    feeds: Mapping[str, TopicFeed]
    """The other services that it subscribes to, each with a running feed of its topic."""
    partitions: int
    tell: Callable[[str], None]
    """Is told of each stage as it begins."""
    bar: Bar = field(default_factory=Bar)
    _offsets: dict[tuple[str, int], TopicOffset] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._twins = TwinTables(self.model)
        self._decoder = Decoder(self.model)
        self._telling = Telling(self.owner, self.model.name, self.bar)

    async def run(self, *, replace: bool = False, again: bool = False) -> Sequence[Difference]:
        """Make, compare and switch; how the new tables differed. Where they do, they are switched only if `replace`.

        `again` throws away what an earlier run has made. Raises: RebuildFailed; Stalled; Hole; what the folds raise.
        """
        async with self._alone(), told(self._telling):
            await self._make(again=again)
            passing(CrashPoint.REBUILD_MADE)
            await self._fold_all()
            await self._index()
            passing(CrashPoint.REBUILD_INDEXED)
            differences = await self._compare()
            passing(CrashPoint.REBUILD_COMPARED)
            is_switched = replace or all(each.is_none for each in differences)
            if is_switched:
                await self._switch()
                passing(CrashPoint.REBUILD_SWITCHED)
            self._telling.outcome = "switched" if is_switched else "different"
            return differences

    def _begin(self, stage: str) -> None:
        self._telling.stage = stage
        self.tell(stage)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """No other rebuild of the same read model. The lock goes with the connection."""
        async with self.owner.acquire() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", self._twins.new):
                raise RebuildFailed(f"{self.model.name} is being rebuilt already")
            try:
                yield
            finally:
                await connection.execute("SELECT pg_advisory_unlock_all()")

    async def _make(self, *, again: bool) -> None:
        self._begin("make")
        async with self.owner.acquire() as connection:
            if await self._twins.exists(connection, self._twins.old):
                raise RebuildFailed(f"tables that were replaced are still kept in {self._twins.old}: --drop-old, or --back")
            if again:
                await self._twins.drop(connection, self._twins.new)
            if not await self._twins.exists(connection, self._twins.new):
                await self._twins.make(connection)

    async def _fold_all(self) -> None:
        self._begin("fold")
        async with self.owner.acquire() as connection:
            live = await self._twins.positions(connection, LIVE)
            done = await self._twins.positions(connection, self._twins.new)
        left = [n for n in range(self.partitions) if not all(key in done for key in self._marks(n))]
        self.bar.begin(sum(live.get(key, 0) for partition in left for key in self._marks(partition)))
        limit = asyncio.Semaphore(PARTITIONS_AT_ONCE)
        await _together(self._fold(partition, live, limit) for partition in left)
        self.bar.end()

    async def _fold(self, partition: int, live: Positions, limit: asyncio.Semaphore) -> None:
        """One partition, from the beginning, in memory; written whole or not at all."""
        async with limit:
            rows = Rows(self.model.tables)
            readings = self._readings(partition, {})
            flows = [reading.until(_of_source(live, reading.source.name)) for reading in readings]
            epochs = dict.fromkeys(self._marks(partition), 1)
            async for events in in_order_of_time(flows):
                self.model.fold(rows, self._decoder.facts(events), partition)
                epochs.update({(event.service, event.shard): event.epoch for event in events})
                self.bar.add(len(events))
            reached = {(each.source.name, shard): pos for each in readings for shard, pos in each.progress.lowest().items()}
            async with self.owner.acquire() as connection, connection.transaction():
                for table in self.model.tables:
                    await connection.copy_records_to_table(
                        table.name,
                        schema_name=self._twins.new,
                        columns=table.columns,
                        records=map(table.values_of, rows.of(table)),
                    )
                # Zeros, too: they say that the partition is done.
                await connection.copy_records_to_table(
                    "position",
                    schema_name=self._twins.new,
                    columns=("subscriber", "source", "shard", "epoch", "last_pos"),
                    records=[(self.model.name, *key, epochs[key], pos) for key, pos in reached.items()],
                )
        passing(CrashPoint.REBUILD_FOLDED)
        for reading in readings:
            self._keep_offset(reading)

    async def _index(self) -> None:
        self._begin("index")
        async with self.owner.acquire() as connection:
            try:
                await self._twins.index(connection)
            except asyncpg.UniqueViolationError as error:
                raise RebuildFailed(f"two partitions fill the same row of {error.table_name}") from None

    async def _catch_up(self, connection: Connection) -> int:
        """Take in what the live tables have and the new ones have not; how many events it was."""
        live = await self._twins.positions(connection, LIVE)
        new = await self._twins.positions(connection, self._twins.new)
        one_at_a_time = asyncio.Lock()
        count = 0

        async def follow(partition: int, reading: Reading) -> None:
            nonlocal count
            async for step in reading.until(_of_source(live, reading.source.name)):
                [events] = step.fresh.values()
                facts = list(self._decoder.facts(events))
                async with one_at_a_time, connection.transaction():
                    await reading.progress.store(connection, step)
                    if facts:
                        await self.model.project(connection, facts, partition=partition)
                count += len(events)

        readings = [(partition, each) for partition in range(self.partitions) for each in self._readings(partition, new)]
        await _together(follow(*each) for each in readings)
        if not connection.is_in_transaction():
            for _, reading in readings:
                self._keep_offset(reading)
        return count

    async def _while_nobody_moves(self, act: Callable[[Connection], Awaitable[T]]) -> T:
        """Catch up, and do the rest in a transaction during which nobody projects. Tried again while others need the locks."""
        for _ in range(TRIES_MAX):
            self._begin("catch up")
            async with self.owner.acquire() as connection:
                for _ in range(CATCH_UPS_MAX):
                    if await self._catch_up(connection) <= CLOSE_EVENTS:
                        break
                try:
                    async with moving_stopped(connection):
                        return await act(connection)
                except BUSY as error:
                    self._begin(f"busy ({type(error).__name__})")
            await asyncio.sleep(PAUSE_S)
        raise RebuildFailed(f"the locks could not be had in {TRIES_MAX} attempts: try again at a calmer time")

    async def _compare(self) -> Sequence[Difference]:
        async with self.owner.acquire() as applying, self.owner.acquire() as comparing:

            async def level(_: Connection) -> None:
                await self._catch_up(applying)
                # The first statement takes the snapshot, which outlives the stop. An earlier attempt's is of no use.
                await comparing.execute("ROLLBACK")
                await comparing.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                await self._check_positions(comparing)

            try:
                await self._while_nobody_moves(level)
                self._begin("compare")
                return await self._twins.compare(comparing)
            finally:
                await comparing.execute("ROLLBACK")

    async def _switch(self) -> None:
        async def switch(connection: Connection) -> None:
            await self._catch_up(connection)
            await self._check_positions(connection)
            self._begin("switch")
            await self._twins.switch(connection)
            passing(CrashPoint.REBUILD_SWITCHING)

        await self._while_nobody_moves(switch)

    async def _check_positions(self, connection: Connection) -> None:
        """The new tables hold exactly what the live ones do. Raises: RebuildFailed."""
        live = await self._twins.positions(connection, LIVE)
        new = await self._twins.positions(connection, self._twins.new)
        missing = [key for key in {*live, *new} if live.get(key, 0) != new.get(key, 0)]
        if missing:
            raise RebuildFailed(f"not at the positions of the live read model: {sorted(missing)}")

    def _readings(self, partition: int, positions: Positions) -> list[Reading]:
        """A partition's sources, from these positions on: each shard of the own log, each other service's topic."""
        own = [
            Reading(StoredLog(self.own_log, self.owner), self._progress(self.own_log, shard, SHARDS, positions))
            for shard in range(partition, SHARDS, self.partitions)
            if self.own_log is not None
        ]
        return own + [
            Reading(
                ForeignLog(name, feed),
                self._progress(name, partition, self.partitions, positions),
                self._offsets.get((name, partition), BEGINNING) if positions else BEGINNING,
            )
            for name, feed in self.feeds.items()
        ]

    def _progress(self, source: str, partition: int, partitions: int, positions: Positions) -> Progress:
        shards = range(partition, SHARDS, partitions)
        return Progress(
            source, partition, {self.model.name: {shard: Last(positions.get((source, shard), 0), 0, None) for shard in shards}}
        )

    def _keep_offset(self, reading: Reading) -> None:
        """What was read up to there is stored for good."""
        self._offsets[reading.source.name, reading.progress.partition] = reading.offset

    def _marks(self, partition: int) -> list[tuple[str, int]]:
        names = [*self.feeds, *([self.own_log] if self.own_log else [])]
        return [(name, shard) for name in names for shard in range(partition, SHARDS, self.partitions)]


async def _together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of them; where one fails, none goes on. Raises what the first one raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except ExceptionGroup as group_error:
        raise group_error.exceptions[0] from None


def _of_source(positions: Positions, source: str) -> dict[int, int]:
    return {shard: pos for (name, shard), pos in positions.items() if name == source}


@asynccontextmanager
async def rebuild_of(
    model: ReadModel, service: Service[Any], settings: ServiceSettings, tell: Callable[[str], None]
) -> AsyncIterator[Rebuild]:
    """A rebuild with all that it needs open. Raises: RebuildFailed where it is not told how to become the tables' owner."""
    if settings.migration_dsn is None:
        raise RebuildFailed("GATEHOUSE_MIGRATION_DSN is not set: tables are made as the role that owns the database")
    sources = {event.TYPE.split(".")[1] for event in model.subscribes}
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(owner_pool(settings.migration_dsn.get_secret_value(), TwinTables(model).new))
        feeds = {}
        for name in sorted(sources & set(service.reads)):
            feeds[name] = TopicFeed(settings.brokers, {name: EVENT_TOPICS[name].full_name(settings.topic_prefix)})
            fetching = asyncio.create_task(feeds[name].run())
            stack.push_async_callback(_ended, fetching)
        own_log = service.name if service.has_log and service.name in sources else None
        yield Rebuild(model, owner, own_log, feeds, settings.partitions, tell)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="of the read model, such as declaration_v1")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--replace", action="store_true", help="switch even where the rebuilt tables differ from the live ones")
    how.add_argument("--drop-old", action="store_true", help="drop the tables that an earlier rebuild replaced")
    how.add_argument("--back", action="store_true", help="switch back to the tables that an earlier rebuild replaced")
    parser.add_argument("--again", action="store_true", help="throw away what an unfinished rebuild has made")


async def rebuild(service: Service[Any], settings: Any, given: Namespace) -> int:
    """Make a read model's tables anew from the logs, compare them, and put them in the live ones' place."""
    async with machinery(service, settings) as parts:
        application = service.wire(parts)
    models = {model.name: model for model in application.read_models}
    if given.name not in models:
        _say(f"{service.name} has no read model {given.name}; it has {', '.join(sorted(models)) or 'none'}")
        return 2
    model = models[given.name]
    try:
        async with rebuild_of(model, service, settings, _say) as work:
            if given.drop_old or given.back:
                others = {*models, *(policy.name for policy in application.policies)} - {model.name}
                return await with_old(TwinTables(model, others), work.owner, back=given.back)
            gc.disable()  # Rows by the million, and no cycles among them: this process ends when they are written.
            differences = await work.run(replace=given.replace, again=given.again)
    except (RebuildFailed, Stalled, Hole, PositionsMoved, AnotherHistory, UnknownVersion) as error:
        _say(f"{type(error).__name__}: {error}")
        return 1
    for each in differences:
        _say(str(each))
    if all(each.is_none for each in differences) or given.replace:
        _say(f"switched; the replaced tables are kept until `rebuild {model.name} --drop-old`")
        return 0
    _say(f"not switched: `rebuild {model.name} --replace` puts the rebuilt tables in place")
    return 3


async def with_old(twins: TwinTables, owner: asyncpg.Pool, *, back: bool) -> int:
    """Drop the replaced tables, or switch `back` to them; the exit code. Raises: RebuildFailed."""
    async with owner.acquire() as connection:
        if not await twins.exists(connection, twins.old):
            raise RebuildFailed("there are no replaced tables")
        if back and await twins.exists(connection, twins.new):
            raise RebuildFailed("an unfinished rebuild is in the way: finish it")
        for _ in range(TRIES_MAX):
            try:
                if back:
                    async with moving_stopped(connection):
                        await twins.switch_back(connection)
                        await connection.execute(BACK, twins.model.name)
                else:
                    await twins.drop(connection, twins.old)
            except BUSY:
                await asyncio.sleep(PAUSE_S)
            else:
                _say("switched back" if back else "dropped")
                return 0
    raise RebuildFailed(f"the locks could not be had in {TRIES_MAX} attempts")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
