"""The composition root of registration: what hangs together, in one place."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import get_args
from uuid import UUID

from chassis.command_handling import Decider
from chassis.contract_places import CONTRACT_PLACES
from chassis.event_store import EventStore
from chassis.measuring import Measure
from chassis.migrations import LOG, WORK
from chassis.service import Application, Machinery, NotConfigured, Service
from contracts.registration import StationRegistered
from registration import (
    awaiting_api,
    checklist_api,
    command_api,
    documents_api,
    erasing_api,
    family_api,
    grounds_api,
    import_api,
    operators_api,
    people_api,
    query_api,
    review_api,
    site_api,
)
from registration.checklist_files import ChecklistFiles
from registration.correcting import Correcting
from registration.domain import contract, operators, person, site, station
from registration.erasing_again import ERASE_AGAIN
from registration.erasing_everybody import ERASE_EVERYBODY
from registration.imports.ledger import LOOK_EVERY_S, Ledger
from registration.imports.running import Imports
from registration.late_take_ups import LateTakeUps
from registration.linking import Linking
from registration.linking_again import LINK_AGAIN
from registration.policies import close_policy, take_up_policy
from registration.pre_registering import PreRegistering
from registration.read_models.declaration_versions import DECLARATION_VERSIONS
from registration.read_models.declarations import DECLARATIONS, KnownDeclarations
from registration.read_models.entries import ENTRIES
from registration.read_models.family_members import FAMILY_MEMBERS
from registration.read_models.operated_contracts import OPERATED_CONTRACTS
from registration.read_models.pre_registrations import PRE_REGISTRATIONS
from registration.read_models.presences import PRESENCES
from registration.read_models.registrants import FORMS_HANDED_IN
from registration.read_models.review_items import REVIEW_ITEMS
from registration.read_models.review_settlements import REVIEW_SETTLEMENTS
from registration.read_models.roster_members import ROSTER_MEMBERS
from registration.read_models.supply_counts import SUPPLY_COUNTS
from registration.reporting_contracts import ContractReporting
from registration.roster_import import RosterImport
from registration.settings import Settings
from registration.wired import Wired

STATION = Decider(
    kind="station",
    initial=station.Station(),
    decide=station.decide,
    evolve=station.evolve,
    events={StationRegistered.TYPE: StationRegistered},
    state_version=1,
)

CONTRACT = Decider(
    kind="contract",
    initial=contract.Contract(),
    decide=contract.decide,
    evolve=contract.evolve,
    events={event.TYPE: event for event in get_args(contract.ContractEvent)},
    state_version=1,
)

SITE = Decider(
    kind="site",
    initial=site.Site(),
    decide=site.decide,
    evolve=site.evolve,
    events={event.TYPE: event for event in get_args(site.SiteEvent)},
    state_version=2,
)

OPERATORS = Decider(
    kind="operators",
    initial=operators.Operators(),
    decide=operators.decide,
    evolve=operators.evolve,
    events={event.TYPE: event for event in get_args(operators.OperatorsEvent)},
    state_version=2,
)

PERSON = Decider(
    kind="person",
    initial=person.Person(),
    decide=person.decide,
    evolve=person.evolve,
    events={event.TYPE: event for event in get_args(person.PersonEvent)},
    state_version=15,
)

ROUTERS = [
    awaiting_api.site,
    awaiting_api.supervised,
    checklist_api.router,
    command_api.router,
    documents_api.router,
    erasing_api.router,
    family_api.router,
    grounds_api.router,
    import_api.router,
    operators_api.router,
    operators_api.signing_in,
    people_api.router,
    query_api.router,
    review_api.router,
    review_api.supervised,
    site_api.router,
]

READ_MODELS = [
    CONTRACT_PLACES,
    DECLARATIONS,
    DECLARATION_VERSIONS,
    ENTRIES,
    FAMILY_MEMBERS,
    FORMS_HANDED_IN,
    OPERATED_CONTRACTS,
    PRE_REGISTRATIONS,
    PRESENCES,
    REVIEW_ITEMS,
    REVIEW_SETTLEMENTS,
    ROSTER_MEMBERS,
    SUPPLY_COUNTS,
]


def wire(parts: Machinery[Settings]) -> Application:
    people, declarations = parts.handler(PERSON), KnownDeclarations(parts.pool)
    stations, contracts, sites = parts.handler(STATION), parts.handler(CONTRACT), parts.handler(SITE)
    reporting = ContractReporting(stations, contracts, parts.clock)
    pre_registering = PreRegistering(people, parts.identities, parts.sealing, declarations, parts.clock)
    roster_import = RosterImport(people, parts.identities, parts.sealing, parts.clock)
    ledger = Ledger(parts.pool)
    imports = Imports(ledger, contracts, reporting, roster_import, pre_registering, parts.sealing, parts.clock)
    files = ChecklistFiles(parts.pool, parts.settings.checklist_folder)
    wired = Wired(
        stations=stations,
        contracts=contracts,
        sites=sites,
        operators=parts.handler(OPERATORS),
        people=people,
        declarations=declarations,
        reporting=reporting,
        pre_registering=pre_registering,
        correcting=Correcting(people, parts.sealing, declarations, parts.clock),
        linking=Linking(people, parts.identities, parts.sealing, parts.clock),
        imports=imports,
        checklist_files=files,
        identities=parts.identities,
        sealing=parts.sealing,
        store=_store(parts),
        pool=parts.pool,
        clock=parts.clock,
        epidemic_ended_on=parts.settings.epidemic_ended_on,
    )

    async def is_uploaded(site_id: UUID, sha256: str) -> bool:
        return (await sites.read(site_id))[1].version_of(sha256) is not None

    return Application(
        routers=ROUTERS,
        state={"wired": wired},
        read_models=READ_MODELS,
        works={"imports": imports.run},
        measures=[Measure("imports", ledger.look, LOOK_EVERY_S)],
        policies=[take_up_policy(people), close_policy(people)],
        worker_tasks=[
            LateTakeUps(parts.pool, people, parts.clock).run,
            *([partial(files.keep_sweeping, is_uploaded)] if files.folder else []),
        ],
    )


def _store(parts: Machinery[Settings]) -> EventStore:
    if parts.store is None:
        raise NotConfigured("registration has a log")
    return parts.store


SERVICE = Service(
    name="registration",
    title="Gatehouse registration",
    settings=Settings,
    migrations=[LOG, WORK, Path(__file__).parent / "migrations"],
    wire=wire,
    reads=["healthcloud-bridge", "gatekeeper"],
    operations=[ERASE_AGAIN, ERASE_EVERYBODY, LINK_AGAIN],
)
