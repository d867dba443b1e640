"""A service, as its `wiring.py` describes it, and the machinery that the chassis opens for it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import asyncpg
from fastapi import APIRouter

from chassis.broker import Broker
from chassis.clock import Clock, SystemClock
from chassis.command_handling import CommandHandler, Decider
from chassis.consumer import TopicFeed
from chassis.database import WORKER_ACQUIRE_TIMEOUT_S, create_pool
from chassis.event_store import EventStore
from chassis.identity import Identities
from chassis.index_keys import IndexKeys
from chassis.kafka import ProducerHolder, make_producer
from chassis.leases import Leases, Work
from chassis.measuring import Measure
from chassis.parking import ParkedWatch
from chassis.probes import Check
from chassis.projector import ForeignLog, OwnLog, Projector, Source
from chassis.relay import LOOK_S, Publisher, Relay, TopicPublisher
from chassis.sealing import Sealing
from chassis.settings import ServiceSettings, key_bytes, keys_bytes
from chassis.shard_heads import ShardHeads
from chassis.subscribers import Policy, Subscriber
from chassis.tables import ReadModel
from contracts.event import Event
from contracts.topics import EVENT_TOPICS

KEY_SERVER_POOL_MAX = 4


S = TypeVar("S", bound=ServiceSettings)
C = TypeVar("C")
T = TypeVar("T")
E = TypeVar("E", bound=Event)


class NotConfigured(Exception):
    """The service needs a setting that it was not given."""


@dataclass(frozen=True)
class Machinery(Generic[S]):
    """What the chassis opens before a service is wired."""

    name: str
    settings: S
    clock: Clock
    pool: asyncpg.Pool
    store: EventStore | None
    """None for a service without a log."""
    heads: ShardHeads | None
    producers: ProducerHolder
    key_server: asyncpg.Pool | None
    kinds: dict[str, str] = field(default_factory=dict)
    """Type of event → kind of the streams that hold it, of every decider that a handler was made for."""

    @cached_property
    def identities(self) -> Identities:
        """Raises: NotConfigured."""
        if self.key_server is None or self.settings.index_key is None:
            raise NotConfigured("GATEHOUSE_KEYS_DSN, GATEHOUSE_INDEX_KEY")
        return Identities(self.key_server, IndexKeys(*keys_bytes(self.settings.index_key)))

    @cached_property
    def sealing(self) -> Sealing:
        """Raises: NotConfigured."""
        if self.key_server is None or self.settings.key_encryption_key is None:
            raise NotConfigured("GATEHOUSE_KEYS_DSN, GATEHOUSE_KEY_ENCRYPTION_KEY")
        other = self.settings.other_key_encryption_key
        return Sealing(
            self.key_server,
            key_encryption_key=key_bytes(self.settings.key_encryption_key),
            other_key_encryption_key=None if other is None else key_bytes(other),
        )

    def handler(self, decider: Decider[C, T, E]) -> CommandHandler[C, T, E]:
        """The handler of a kind of stream of this service. Raises: NotConfigured."""
        if self.store is None:
            raise NotConfigured(f"{self.name} has no log")
        self.kinds.update(dict.fromkeys(decider.events, decider.kind))
        return CommandHandler(self.store, decider, service=self.name, clock=self.clock)


@dataclass
class Application:
    """What a service makes of the machinery."""

    routers: Sequence[APIRouter] = ()
    state: Mapping[str, Any] = field(default_factory=dict)
    """What the endpoints find in `request.app.state`."""
    read_models: Sequence[ReadModel] = ()
    policies: Sequence[Policy[Any]] = ()
    publisher: Publisher | None = None
    """Where the relay sends the log. None: to the service's own topic, as stored."""
    works: Mapping[str, Work] = field(default_factory=dict)
    """Leased work of the worker besides relay and projector, such as a poller."""
    api_tasks: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    """Run beside an api until it stops."""
    worker_tasks: Sequence[Callable[[Worker], Coroutine[Any, Any, None]]] = ()
    """Run beside a worker until it stops."""
    ages: Mapping[str, Callable[[], Awaitable[float | None]]] = field(default_factory=dict)
    """What an operator must not let grow old, beside relay and read models: name → seconds, by the service's database, so that
    every api says the same. None: it is not known."""
    measures: Sequence[Measure] = ()
    """What a worker reads to tell it as metrics."""
    ready: Sequence[Callable[[], Awaitable[None]]] = ()
    """Awaited before anything is decided: by an api and a worker when they begin, by an operator's command each time."""
    checks: Mapping[str, Check] = field(default_factory=dict)
    own_log_linger_s: float = 0.0
    """How long the own log may wait for more of it before it is projected again. Where what others tell is urgent, and takes
    its turn with the own log, lists may be so much later: few large batches cost less than many small ones."""
    durable_projections: bool = True
    """False where every row can be derived again: then the database need not sync them."""

    @property
    def subscribers(self) -> Sequence[Subscriber]:
        return [*self.read_models, *self.policies]

    def has_work_in(self, parts: Machinery[Any]) -> bool:
        """Whether there is anything for a worker to do. The portal has no log and reads nobody's."""
        return bool(parts.store or self.read_models or self.works)


def _no_arguments(parser: ArgumentParser) -> None:
    """Most take none."""


@dataclass(frozen=True)
class Operation:
    """A command of the command line, see `chassis.operations`."""

    name: str
    run: Callable[[Service[Any], Any, Namespace], Coroutine[Any, Any, int]]
    """(service, its settings, the arguments) → exit code. The docstring's first line is the help."""
    arguments: Callable[[ArgumentParser], None] = _no_arguments
    """Says which arguments it takes."""


@dataclass(frozen=True)
class Service(Generic[S]):
    """One service. `python -m <package>` runs it, see `chassis.runner`."""

    name: str
    """As in topics and tokens, such as `healthcloud-bridge`."""
    title: str
    settings: type[S]
    migrations: Sequence[Path]
    wire: Callable[[Machinery[S]], Application]
    """The composition root."""
    has_log: bool = True
    reads: Sequence[str] = ()
    """Services whose topics it reads."""
    operations: Sequence[Operation] = ()
    """What only this one can be told to do."""


@dataclass(frozen=True)
class Worker:
    """The part of a service that relays and projects."""

    leases: Leases
    projector: Projector
    feed: TopicFeed
    parked: ParkedWatch
    heads: ShardHeads | None
    relay: Relay | None
    """None for a service without a log."""


@asynccontextmanager
async def machinery(service: Service[S], settings: S) -> AsyncIterator[Machinery[S]]:
    """Everything open; everything closed again, in reverse."""
    async with AsyncExitStack() as stack:
        pool = await create_pool(settings.database_dsn.get_secret_value(), application_name=service.name)
        stack.push_async_callback(pool.close)
        store = await EventStore.open(pool) if service.has_log else None
        heads = ShardHeads(pool) if store else None
        if store and heads:
            store.on_appended = heads.tell
            stack.push_async_callback(store.close)
        producers = ProducerHolder(lambda: make_producer(settings.brokers))
        stack.push_async_callback(producers.close)
        yield Machinery(
            name=service.name,
            settings=settings,
            clock=SystemClock(),
            pool=pool,
            store=store,
            heads=heads,
            producers=producers,
            key_server=await _key_server(settings, service.name, stack),
        )


async def _key_server(settings: ServiceSettings, name: str, stack: AsyncExitStack) -> asyncpg.Pool | None:
    if settings.keys_dsn is None:
        return None
    pool = await create_pool(settings.keys_dsn.get_secret_value(), application_name=name, size_max=KEY_SERVER_POOL_MAX)
    stack.push_async_callback(pool.close)
    return pool


@asynccontextmanager
async def worker(service: Service[S], parts: Machinery[S], application: Application) -> AsyncIterator[Worker]:
    """The service's worker, not yet running. It has connections of its own, so that an api's load never delays a heartbeat."""
    settings = parts.settings
    dsn = settings.database_dsn.get_secret_value()
    async with AsyncExitStack() as stack:
        pool = await create_pool(dsn, application_name=f"{service.name} worker", acquire_timeout_s=WORKER_ACQUIRE_TIMEOUT_S)
        stack.push_async_callback(pool.close)
        heartbeats = await create_pool(dsn, application_name=f"{service.name} leases", size_max=1)
        stack.push_async_callback(heartbeats.close)
        feed = TopicFeed(settings.brokers, {name: EVENT_TOPICS[name].full_name(settings.topic_prefix) for name in service.reads})
        sources: list[Source] = [ForeignLog(name, feed) for name in service.reads]
        works: dict[str, Work] = dict(application.works)
        relay = None
        if parts.heads is not None:
            sources.append(OwnLog(service.name, pool, parts.heads, application.own_log_linger_s))
            publisher = application.publisher or TopicPublisher(
                parts.producers, EVENT_TOPICS[service.name].full_name(settings.topic_prefix)
            )
            broker = Broker(settings.brokers, kept_s=LOOK_S)
            relay = Relay(pool, parts.heads, publisher, broker, partitions=settings.partitions)
            works |= relay.works()
        projector = Projector(
            pool=pool,
            sources=sources,
            read_models=application.read_models,
            policies=application.policies,
            partitions=settings.partitions,
            store=parts.store,
            durable=application.durable_projections,
        )
        works |= projector.works()
        parked = ParkedWatch(pool, [each.name for each in application.subscribers])

        def obstacles() -> Sequence[str]:
            halted = {f"halted-{reason}" for reason in projector.halts.values()}
            return sorted(halted | (relay.obstacles if relay else set()))

        yield Worker(Leases(heartbeats, works, obstacles=obstacles), projector, feed, parked, parts.heads, relay)
