"""A worker of a service on real Kafka, and registration's topic as registration would fill it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chassis.kafka import make_producer, provision
from chassis.operations import provision_topics
from chassis.service import Machinery, Service, machinery, worker
from chassis.settings import ServiceSettings
from contracts.event import record_headers
from contracts.topics import EVENT_TOPICS
from tests.at_work import at_work
from tests.chassis.tally_topics import read_events, started
from tests.told import recorded

REGISTRATION = EVENT_TOPICS["registration"]


async def publish(settings: ServiceSettings, *events: Any) -> None:
    """Registration recorded these, each the first of its person, and relayed them."""
    topic = REGISTRATION.with_partitions(settings.partitions)
    await asyncio.to_thread(provision, settings.kafka_bootstrap, [topic], prefix=settings.topic_prefix)
    async with started(make_producer(settings.kafka_bootstrap)) as producer:
        for event in events:
            record = recorded(event, event.person_id, pos=1)
            await producer.send_and_wait(
                topic.full_name(settings.topic_prefix),
                record.data,
                key=str(record.stream_id).encode(),
                partition=topic.partition_of(record.shard),
                headers=record_headers(record.headers, record.pos),
            )


async def published(service: Service[Any], settings: ServiceSettings) -> list[str]:
    """The types of the events on the service's own topic, without prefix and version."""
    topic = EVENT_TOPICS[service.name].full_name(settings.topic_prefix)
    return [each.type.split(".")[2] for each in await read_events(settings.kafka_bootstrap, topic)]


@asynccontextmanager
async def running_worker(service: Service[Any], settings: ServiceSettings) -> AsyncIterator[Machinery[Any]]:
    """The service's worker as `python -m <package> worker` runs it, until the block ends."""
    await asyncio.to_thread(provision_topics, service, settings)
    read = [EVENT_TOPICS[name].with_partitions(settings.partitions) for name in service.reads]
    await asyncio.to_thread(provision, settings.kafka_bootstrap, read, prefix=settings.topic_prefix)
    async with machinery(service, settings) as parts:
        application = service.wire(parts)
        async with worker(service, parts, application) as running:
            assert running.heads is not None
            own = [task(running) for task in application.worker_tasks]
            async with at_work(running.leases.run(), running.feed.run(), running.heads.run(), *own):
                yield parts
