"""From registration's topic to health's own, on real Kafka and PostgreSQL."""

from __future__ import annotations

from uuid import uuid4

from chassis.testing.wait import eventually
from devstack.databases import Database
from health.wiring import SERVICE
from tests.conftest import MakeDatabase
from tests.health.facts import HUBEI, declaration, pre_registered
from tests.health.on_kafka import publish, published, running_worker
from tests.health.service import settings_of


async def test_a_pre_registration_is_judged_and_told(
    database: MakeDatabase, keys_databases: dict[str, Database], kafka_bootstrap: str, topic_prefix: str
) -> None:
    own = {"kafka_bootstrap": kafka_bootstrap, "topic_prefix": topic_prefix}
    settings = settings_of(SERVICE, await database("health", SERVICE.migrations), keys_databases["health"], own)
    pinned = declaration(temperature_celsius=38.0)
    await publish(settings, pre_registered(uuid4(), origin_code=HUBEI, declaration=pinned))
    async with running_worker(SERVICE, settings):
        judged = ["health-reported", "health-hold-placed", "isolation-ordered", "arrival-assessed"]

        async def told() -> bool:
            return judged == await published(SERVICE, settings)

        assert await eventually(told, within_s=20)
