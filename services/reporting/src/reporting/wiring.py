"""The composition root of reporting: what hangs together, in one place."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from chassis.measuring import Measure
from chassis.migrations import PEOPLE, WORK
from chassis.same_people import SAME_PEOPLE
from chassis.service import Application, Machinery, Service
from chassis.settings import ServiceSettings
from reporting import access_api, command_api, overview_api, query_api
from reporting.read_models.changes import CHANGES_OF_PEOPLE
from reporting.read_models.contracts import SUPERVISED_CONTRACTS
from reporting.read_models.days import DAYS_OF_CITY, DAYS_OF_CONTRACTS
from reporting.read_models.employments import PEOPLE_EMPLOYED
from reporting.read_models.people import PEOPLE_ON_CONTRACTS
from reporting.supervision.days import COUNT_EVERY_S, count_today
from reporting.wired import Wired


def wire(parts: Machinery[ServiceSettings]) -> Application:
    return Application(
        routers=[query_api.router, overview_api.router, command_api.router, access_api.router],
        state={"wired": Wired(parts.pool, parts.sealing, parts.identities)},
        read_models=[
            SUPERVISED_CONTRACTS,
            PEOPLE_ON_CONTRACTS,
            PEOPLE_EMPLOYED,
            DAYS_OF_CONTRACTS,
            DAYS_OF_CITY,
            SAME_PEOPLE,
            CHANGES_OF_PEOPLE,
        ],
        measures=[Measure("today", partial(count_today, parts.pool), COUNT_EVERY_S)],
        durable_projections=False,
    )


SERVICE = Service(
    name="reporting",
    title="Gatehouse reporting",
    settings=ServiceSettings,
    migrations=[WORK, PEOPLE, Path(__file__).parent / "migrations"],
    wire=wire,
    has_log=False,
    reads=["registration", "gatekeeper", "health", "healthcloud-bridge"],
)
