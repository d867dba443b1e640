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
from health.domain.policy_set import PolicySet, PolicySets
from health.domain.state import HealthPerson
from health.policies import arrival_policy
from health.read_models.in_force import IN_FORCE, InForceWatch
from health.read_models.known_people import KNOWN_PEOPLE
from health.read_models.missing_reports import MISSING_REPORTS
from health.wired import Wired

SHIPPED_POLICY_SETS = Path(__file__).parent / "policy_sets"


def read_policy_sets(folder: Path = SHIPPED_POLICY_SETS) -> PolicySets:
    """The policy sets of a folder, a file each. Raises: OSError, pydantic.ValidationError: nothing is judged by half a rule."""
    sets = [PolicySet.model_validate_json(file.read_bytes()) for file in folder.glob("*.json")]
    return PolicySets(tuple(sorted(sets, key=lambda each: each.valid_from)))


def person_decider(policies: PolicySets) -> Decider[HealthCommand, HealthPerson, HealthEvent]:
    return Decider(
        kind="person",
        initial=HealthPerson(),
        decide=partial(decide, policies=policies),
        evolve=evolve,
        events={event.TYPE: event for event in get_args(HealthEvent)},
        state_version=2,
    )


def wire(parts: Machinery[ServiceSettings]) -> Application:
    if parts.store is None:
        raise NotConfigured("health has a log")
    policies = read_policy_sets()
    handler = parts.handler(person_decider(policies))
    in_force = InForceWatch(parts.pool)
    return Application(
        routers=[command_api.router, query_api.router, query_api.policies, query_api.site],
        state={"wired": Wired(handler, parts.sealing, parts.pool, parts.clock, in_force, policies)},
        read_models=[KNOWN_PEOPLE, IN_FORCE, MISSING_REPORTS],
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
