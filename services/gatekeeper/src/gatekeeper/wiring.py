"""The composition root of gatekeeper: what hangs together, in one place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import get_args

from chassis.command_handling import Decider
from chassis.contract_places import CONTRACT_PLACES
from chassis.measuring import Measure
from chassis.migrations import LOG, PEOPLE, WORK
from chassis.same_people import SAME_PEOPLE
from chassis.service import Application, Machinery, Service
from contracts.gatekeeper import GatekeeperEvent
from contracts.policy import Policies
from gatekeeper import command_api, query_api
from gatekeeper.domain.commands import GateCommand
from gatekeeper.domain.decider import decide, evolve
from gatekeeper.domain.state import GatePerson
from gatekeeper.freshness import FreshnessKeeper, FreshnessView, stamped_age_s
from gatekeeper.gate import Gate
from gatekeeper.policies import clearance_policy
from gatekeeper.read_models.adopted_policies import ADOPTED_POLICIES, watched_policies
from gatekeeper.read_models.attempts import ATTEMPTS
from gatekeeper.read_models.banned_on_site import COUNT_EVERY_S, count_bans
from gatekeeper.read_models.paper_entries import PAPER_ENTRIES
from gatekeeper.read_models.roster import ROSTER
from gatekeeper.settings import Settings
from gatekeeper.wired import READERS, Wired

LISTS_LINGER_S = 0.5
"""By how much attempts and roster may be late: a ban never waits for the lists of those who passed before it."""


def person_decider(policies: Callable[[], Policies]) -> Decider[GateCommand, GatePerson, GatekeeperEvent]:
    """`policies`: what has been adopted by now."""
    return Decider(
        kind="person",
        initial=GatePerson(),
        decide=partial(decide, policies=policies),
        evolve=evolve,
        events={event.TYPE: event for event in get_args(GatekeeperEvent)},
        state_version=7,
    )


def wire(parts: Machinery[Settings]) -> Application:
    settings = parts.settings
    policies = watched_policies(parts.pool)
    handler = parts.handler(person_decider(lambda: policies.value))
    bound = timedelta(seconds=settings.freshness_bound_s)
    view = FreshnessView(parts.pool, settings.partitions, bound)
    sources = {"registration": settings.registration_url, "health": settings.health_url}
    keeper = FreshnessKeeper(parts.pool, sources, READERS, settings.partitions, bound)
    gate = Gate(handler, view, parts.clock)
    return Application(
        routers=[command_api.router, command_api.supervised, query_api.router, query_api.supervised],
        state={"wired": Wired(gate, parts.identities, parts.pool, policies)},
        read_models=[ATTEMPTS, PAPER_ENTRIES, ROSTER, ADOPTED_POLICIES, CONTRACT_PLACES, SAME_PEOPLE],
        own_log_linger_s=LISTS_LINGER_S,
        policies=[clearance_policy(handler)],
        api_tasks=[view.run, policies.run],
        ready=[policies.ready],
        ages={"gate_view": partial(stamped_age_s, parts.pool, settings.partitions)},
        worker_tasks=[keeper.run],
        measures=[Measure("bans", partial(count_bans, parts.pool), COUNT_EVERY_S)],
    )


SERVICE = Service(
    name="gatekeeper",
    title="Gatehouse gatekeeper",
    settings=Settings,
    migrations=[LOG, WORK, PEOPLE, Path(__file__).parent / "migrations"],
    wire=wire,
    reads=["registration", "health"],
)
