"""The composition root of gatekeeper: what hangs together, in one place."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import get_args

from chassis.command_handling import Decider
from chassis.migrations import LOG, WORK
from chassis.service import Application, Machinery, Service
from contracts.gatekeeper import GatekeeperEvent
from gatekeeper import command_api, query_api
from gatekeeper.domain.commands import GateCommand
from gatekeeper.domain.decider import decide, evolve
from gatekeeper.domain.policy_set import GatePolicies
from gatekeeper.domain.state import GatePerson
from gatekeeper.freshness import FreshnessKeeper, FreshnessView
from gatekeeper.gate import Gate
from gatekeeper.policies import clearance_policy
from gatekeeper.read_models.attempts import ATTEMPTS
from gatekeeper.read_models.roster import ROSTER
from gatekeeper.settings import Settings
from gatekeeper.wired import Wired

LISTS_LINGER_S = 0.5
"""By how much attempts and roster may be late: a ban never waits for the lists of those who passed before it."""
SHIPPED_POLICIES = Path(__file__).parent / "switches.json"


def read_policies(file: Path = SHIPPED_POLICIES) -> GatePolicies:
    """The policies of a file. Raises: OSError, pydantic.ValidationError: nobody is judged by half a rule."""
    return GatePolicies.model_validate_json(file.read_bytes())


def person_decider(policies: GatePolicies) -> Decider[GateCommand, GatePerson, GatekeeperEvent]:
    return Decider(
        kind="person",
        initial=GatePerson(),
        decide=partial(decide, policies=policies),
        evolve=evolve,
        events={event.TYPE: event for event in get_args(GatekeeperEvent)},
        state_version=3,
    )


def wire(parts: Machinery[Settings]) -> Application:
    settings = parts.settings
    policies = read_policies()
    handler = parts.handler(person_decider(policies))
    bound = timedelta(seconds=settings.freshness_bound_s)
    view = FreshnessView(parts.pool, settings.partitions, bound)
    keeper = FreshnessKeeper(
        parts.pool, {"registration": settings.registration_url, "health": settings.health_url}, settings.partitions, bound
    )
    gate = Gate(handler, view, parts.clock)
    return Application(
        routers=[command_api.router, query_api.router],
        state={"wired": Wired(gate, parts.identities, parts.pool, policies)},
        read_models=[ATTEMPTS, ROSTER],
        own_log_linger_s=LISTS_LINGER_S,
        policies=[clearance_policy(handler)],
        api_tasks=[view.run],
        worker_tasks=[keeper.run],
    )


SERVICE = Service(
    name="gatekeeper",
    title="Gatehouse gatekeeper",
    settings=Settings,
    migrations=[LOG, WORK, Path(__file__).parent / "migrations"],
    wire=wire,
    reads=["registration", "health"],
)
