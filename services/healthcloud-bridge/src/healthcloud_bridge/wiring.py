"""The composition root of healthcloud-bridge: what hangs together, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from chassis.command_handling import Decider
from chassis.migrations import LOG, WORK
from chassis.service import Application, Machinery, Service
from contracts.healthcloud_bridge import HealthcloudBridgeEvent
from healthcloud_bridge import command_api
from healthcloud_bridge.client import HealthCloud
from healthcloud_bridge.domain.declarations import DeclaredPerson, decide, evolve
from healthcloud_bridge.poller import POLLERS, Poller
from healthcloud_bridge.quota import Quota
from healthcloud_bridge.read_models.awaited import AWAITED
from healthcloud_bridge.read_models.followed import FOLLOWED
from healthcloud_bridge.receiving import Receiving
from healthcloud_bridge.settings import Settings
from healthcloud_bridge.wired import Wired

PERSON = Decider(
    kind="person",
    initial=DeclaredPerson(),
    decide=decide,
    evolve=evolve,
    events={event.TYPE: event for event in get_args(HealthcloudBridgeEvent)},
    state_version=3,
)


def wire(parts: Machinery[Settings]) -> Application:
    settings = parts.settings
    health_cloud = HealthCloud(settings.healthcloud_url, api_key=settings.healthcloud_api_key.get_secret_value())
    receiving = Receiving(health_cloud, parts.handler(PERSON), parts.sealing, parts.clock)
    poller = Poller(parts.pool, parts.sealing, receiving, settings.poll_interval_s)
    quota = Quota(parts.pool, parts.clock, lookups_per_hour_max=settings.lookups_per_hour_max)
    return Application(
        routers=[command_api.router],
        state={"wired": Wired(receiving, parts.identities, quota)},
        read_models=[AWAITED, FOLLOWED],
        works={f"poll/{n}": poller.run for n in range(POLLERS)},
        api_tasks=[health_cloud.keep],
        worker_tasks=[lambda _worker: health_cloud.keep()],
    )


SERVICE = Service(
    name="healthcloud-bridge",
    title="Gatehouse healthcloud-bridge",
    settings=Settings,
    migrations=[LOG, WORK, Path(__file__).parent / "migrations"],
    wire=wire,
    reads=["registration"],
)
