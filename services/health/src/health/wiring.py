"""The composition root of health: what hangs together, in one place."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import get_args

from chassis.command_handling import Decider
from chassis.migrations import LOG, WORK
from chassis.service import Application, Machinery, NotConfigured, Service
from chassis.settings import ServiceSettings
from contracts.health import HealthEvent
from health import command_api, query_api
from health.domain.commands import HealthCommand
from health.domain.decider import decide, evolve
from health.domain.policy_set import PolicySet
from health.domain.state import HealthPerson
from health.policies import arrival_policy
from health.read_models.in_force import IN_FORCE, InForceWatch
from health.read_models.known_people import KNOWN_PEOPLE
from health.wired import Wired

SHIPPED_POLICY_SET = Path(__file__).parent / "policy_sets" / "2020-02.json"


def read_policy_set(file: Path = SHIPPED_POLICY_SET) -> PolicySet:
    """The policy set of a file. Raises: OSError, pydantic.ValidationError: nothing is judged by half a rule."""
    return PolicySet.model_validate_json(file.read_bytes())


def person_decider(policy: PolicySet) -> Decider[HealthCommand, HealthPerson, HealthEvent]:
    return Decider(
        kind="person",
        initial=HealthPerson(),
        decide=partial(decide, policy=policy),
        evolve=evolve,
        events={event.TYPE: event for event in get_args(HealthEvent)},
        state_version=2,
    )


def wire(parts: Machinery[ServiceSettings]) -> Application:
    if parts.store is None:
        raise NotConfigured("health has a log")
    handler = parts.handler(person_decider(read_policy_set()))
    in_force = InForceWatch(parts.pool)
    return Application(
        routers=[command_api.router, query_api.router],
        state={"wired": Wired(handler, parts.sealing, parts.pool, parts.clock, in_force)},
        read_models=[KNOWN_PEOPLE, IN_FORCE],
        policies=[arrival_policy(handler)],
        api_tasks=[in_force.run],
    )


SERVICE = Service(
    name="health",
    title="Gatehouse health",
    settings=ServiceSettings,
    migrations=[LOG, WORK, Path(__file__).parent / "migrations"],
    wire=wire,
    reads=["registration", "gatekeeper"],
)
