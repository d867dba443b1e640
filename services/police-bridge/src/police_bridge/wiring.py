"""The composition root of police-bridge: what hangs together, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from chassis.command_handling import Decider
from chassis.event_store import EventStore
from chassis.migrations import LOG, WORK
from chassis.service import Application, Machinery, NotConfigured, Service
from chassis.settings import ServiceSettings
from contracts.police import PoliceBridgeEvent
from police_bridge import query_api
from police_bridge.domain.decider import decide, evolve
from police_bridge.domain.state import SharedPerson
from police_bridge.policies import sharing_policy
from police_bridge.publishing import PolicePublisher
from police_bridge.read_models.arrivals import ARRIVALS
from police_bridge.rendering import Renderer
from police_bridge.wired import FOLLOWED, SERVICE_NAME, Wired

PERSON = Decider(
    kind="person",
    initial=SharedPerson(),
    decide=decide,
    evolve=evolve,
    events={event.TYPE: event for event in get_args(PoliceBridgeEvent)},
    state_version=1,
)


def wire(parts: Machinery[ServiceSettings]) -> Application:
    renderer = Renderer(parts.sealing)
    return Application(
        routers=[query_api.router],
        state={"wired": Wired(renderer, _store(parts), parts.pool)},
        read_models=[ARRIVALS],
        policies=[sharing_policy(parts.handler(PERSON))],
        publisher=PolicePublisher(
            parts.producers, renderer, topic_prefix=parts.settings.topic_prefix, partitions=parts.settings.partitions
        ),
    )


def _store(parts: Machinery[ServiceSettings]) -> EventStore:
    if parts.store is None:
        raise NotConfigured(f"{SERVICE_NAME} has a log")
    return parts.store


SERVICE = Service(
    name=SERVICE_NAME,
    title="Gatehouse police-bridge",
    settings=ServiceSettings,
    migrations=[LOG, WORK, Path(__file__).parent / "migrations"],
    wire=wire,
    reads=[FOLLOWED],
)
