"""The composition root of police-bridge: what hangs together, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from chassis.broker import Broker
from chassis.command_handling import Decider
from chassis.event_store import EventStore
from chassis.measuring import Measure
from chassis.migrations import LOG, WORK
from chassis.service import Application, Machinery, NotConfigured, Service
from contracts.police import PoliceBridgeEvent
from police_bridge import command_api, query_api
from police_bridge.clearing import Clearing
from police_bridge.domain.decider import decide, evolve
from police_bridge.domain.state import SharedPerson
from police_bridge.policies import erasing_policy, sharing_policy
from police_bridge.publishing import PolicePublisher
from police_bridge.read_models.arrivals import ARRIVALS
from police_bridge.read_models.erasures import ERASURES
from police_bridge.receipts import LOOK_EVERY_S, Receipts
from police_bridge.rendering import Renderer
from police_bridge.settings import PoliceBridgeSettings
from police_bridge.wired import FOLLOWED, SERVICE_NAME, Wired

PERSON = Decider(
    kind="person",
    initial=SharedPerson(),
    decide=decide,
    evolve=evolve,
    events={event.TYPE: event for event in get_args(PoliceBridgeEvent)},
    state_version=3,
)


def wire(parts: Machinery[PoliceBridgeSettings]) -> Application:
    renderer = Renderer(parts.sealing)
    handler = parts.handler(PERSON)
    settings = parts.settings
    receipts = Receipts(parts.pool)
    return Application(
        routers=[query_api.router, command_api.router],
        state={"wired": Wired(renderer, _store(parts), parts.pool, receipts, parts.clock)},
        read_models=[ARRIVALS, ERASURES],
        policies=[sharing_policy(handler), erasing_policy(handler)],
        publisher=PolicePublisher(parts.producers, renderer, topic_prefix=settings.topic_prefix, partitions=settings.partitions),
        works=Clearing(
            parts.pool,
            Broker(settings.brokers, kept_s=0.0),
            topic_prefix=settings.topic_prefix,
            partitions=settings.partitions,
            after_s=settings.clear_after_s,
        ).works(),
        measures=[Measure("receipts", receipts.look, LOOK_EVERY_S)],
    )


def _store(parts: Machinery[PoliceBridgeSettings]) -> EventStore:
    if parts.store is None:
        raise NotConfigured(f"{SERVICE_NAME} has a log")
    return parts.store


SERVICE = Service(
    name=SERVICE_NAME,
    title="Gatehouse police-bridge",
    settings=PoliceBridgeSettings,
    migrations=[LOG, WORK, Path(__file__).parent / "migrations"],
    wire=wire,
    reads=[FOLLOWED],
)
