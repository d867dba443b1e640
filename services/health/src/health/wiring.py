"""The composition root of health: what hangs together, in one place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args

from chassis.command_handling import Decider
from chassis.measuring import Measure
from chassis.migrations import LOG, PEOPLE, WORK
from chassis.remembered import RememberedAnswers
from chassis.same_people import SAME_PEOPLE
from chassis.service import Application, Machinery, NotConfigured, Service
from chassis.settings import ServiceSettings
from contracts.health import HealthEvent, PolicyAdopted, PolicyDrafted
from contracts.policy import Policies
from health import ban_api, batch_api, command_api, grounds_api, lists_api, policy_api, query_api, round_api
from health.adopted_policies import watched_policies
from health.domain.adoption import (
    Adoptions,
    AdoptPolicy,
    Draft,
    DraftPolicy,
    adopt_policy,
    draft_policy,
    with_adoption,
    with_draft,
)
from health.domain.commands import HealthCommand
from health.domain.decider import decide, evolve
from health.domain.state import HealthPerson
from health.many_people import ManyPeople
from health.policies import arrival_policy, declared_policy
from health.read_models.ban_reviews import BAN_REVIEWS
from health.read_models.in_force import IN_FORCE, UNKNOWN_EVERY_S, InForceWatch, look_for_unknown_bans
from health.read_models.isolation_ends import ISOLATION_ENDS
from health.read_models.known_people import KNOWN_PEOPLE
from health.read_models.missing_reports import MISSING_EVERY_S, MISSING_REPORTS, count_missing
from health.rehearsing import TodaysPeople
from health.wired import Wired


def person_decider(policies: Callable[[], Policies]) -> Decider[HealthCommand, HealthPerson, HealthEvent]:
    """`policies`: what has been adopted by now."""
    return Decider(
        kind="person",
        initial=HealthPerson(),
        decide=partial(decide, policies=policies),
        evolve=evolve,
        events={event.TYPE: event for event in get_args(HealthEvent)},
        state_version=7,
    )


DRAFT_DECIDER: Decider[DraftPolicy, Draft, PolicyDrafted] = Decider(
    kind="policy_draft",
    initial=Draft(),
    decide=draft_policy,
    evolve=with_draft,
    events={PolicyDrafted.TYPE: PolicyDrafted},
    state_version=1,
)

ADOPTION_DECIDER: Decider[AdoptPolicy, Adoptions, PolicyAdopted] = Decider(
    kind="policy",
    initial=Adoptions(),
    decide=adopt_policy,
    evolve=with_adoption,
    events={PolicyAdopted.TYPE: PolicyAdopted},
    state_version=1,
)


def wire(parts: Machinery[ServiceSettings]) -> Application:
    if parts.store is None:
        raise NotConfigured("health has a log")
    policies = watched_policies(parts.pool)
    handler = parts.handler(person_decider(lambda: policies.value))
    in_force = InForceWatch(parts.pool)
    return Application(
        routers=[
            command_api.router,
            round_api.router,
            batch_api.router,
            ban_api.router,
            query_api.router,
            grounds_api.router,
            lists_api.site,
            lists_api.supervised,
            policy_api.router,
        ],
        state={
            "wired": Wired(
                handler=handler,
                sealing=parts.sealing,
                pool=parts.pool,
                clock=parts.clock,
                in_force=in_force,
                policies=policies,
                drafts=parts.handler(DRAFT_DECIDER),
                adoptions=parts.handler(ADOPTION_DECIDER),
                people=TodaysPeople(parts.pool, handler),
                many=ManyPeople(handler),
                remembered=RememberedAnswers(parts.pool),
            )
        },
        read_models=[KNOWN_PEOPLE, SAME_PEOPLE, IN_FORCE, MISSING_REPORTS, ISOLATION_ENDS, BAN_REVIEWS],
        policies=[arrival_policy(handler), declared_policy(handler)],
        api_tasks=[in_force.run, policies.run],
        ready=[policies.ready],
        worker_tasks=[lambda worker: policies.run()],
        measures=[
            Measure("unknown_bans", partial(look_for_unknown_bans, parts.pool), UNKNOWN_EVERY_S),
            Measure("missing_reports", partial(count_missing, parts.pool, parts.clock), MISSING_EVERY_S),
        ],
    )


SERVICE = Service(
    name="health",
    title="Gatehouse health",
    settings=ServiceSettings,
    migrations=[LOG, WORK, PEOPLE, Path(__file__).parent / "migrations"],
    wire=wire,
    reads=["registration", "healthcloud-bridge", "gatekeeper"],
)
