"""From a form that registration kept to the declaration that it waits for, on real Kafka, PostgreSQL and HTTP."""

from __future__ import annotations

from typing import Any

from chassis.service import Machinery, machinery
from chassis.testing.wait import eventually
from devstack.databases import Database
from healthcloud_bridge.wiring import SERVICE
from tests.conftest import MakeDatabase
from tests.health.on_kafka import publish, published, running_worker
from tests.health.service import settings_of
from tests.healthcloud_bridge.test_awaiting import awaited
from tests.healthcloud_bridge.upstream import API_KEY, Upstream, form


async def test_a_late_declaration_is_found_and_told(
    database: MakeDatabase,
    keys_databases: dict[str, Database],
    kafka_bootstrap: str,
    topic_prefix: str,
    upstream: Upstream,
    number: str,
) -> None:
    own = {
        "kafka_bootstrap": kafka_bootstrap,
        "topic_prefix": topic_prefix,
        "healthcloud_url": upstream.url,
        "healthcloud_api_key": API_KEY,
        "poll_interval_s": 0.2,
    }
    made = await database("healthcloud_bridge", SERVICE.migrations)
    settings: Any = settings_of(SERVICE, made, keys_databases["healthcloud_bridge"], own)
    parts: Machinery[Any]
    async with machinery(SERVICE, settings) as parts:
        await publish(settings, await awaited(parts, number))
    async with running_worker(SERVICE, settings) as parts:

        async def asked_for() -> bool:
            asked: bool = await parts.pool.fetchval("SELECT EXISTS (SELECT FROM awaited_v1 WHERE due_at > '-infinity')")
            return asked

        assert await eventually(asked_for, within_s=20)
        await upstream.declare(form(number))

        async def told() -> bool:
            return ["declaration-received"] == await published(SERVICE, settings)

        assert await eventually(told, within_s=20)

        async def nobody_waits() -> bool:
            return not await parts.pool.fetch("SELECT FROM awaited_v1")

        assert await eventually(nobody_waits)
