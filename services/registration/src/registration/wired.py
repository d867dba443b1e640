"""What the endpoints of registration work with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any
from uuid import UUID

import asyncpg
from starlette.requests import Request

from chassis.auth import Principal, covers_contract
from chassis.clock import Clock
from chassis.command_handling import CommandHandler
from chassis.consistency import ConsistencyToken
from chassis.event_store import CommandKey, EventStore, KeyReused
from chassis.faults import IdempotencyKeyReused, NotFound
from chassis.identity import Identities
from chassis.sealing import Sealing
from chassis.subscribers import ReadModel
from chassis.waiting import following, wait_for
from contracts.access import covers_employer
from contracts.streams import contract_stream
from registration.checklist_files import ChecklistFiles
from registration.correcting import Correcting
from registration.domain.contract import Contract, ContractCommand, ContractDetails, ContractEvent
from registration.domain.operators import Operators, OperatorsCommand, OperatorsEvent
from registration.domain.person import Person, PersonCommand, PersonEvent, PersonIsNotPreRegistered
from registration.domain.site import Site, SiteCommand, SiteEvent
from registration.domain.station import RegisterStation, Station
from registration.imports.running import Imports
from registration.linking import Linking
from registration.policies import CLOSE_POLICY, TAKE_UP_POLICY
from registration.pre_registering import PreRegistering
from registration.read_models.declarations import DECLARATIONS, KnownDeclarations
from registration.read_models.entries import ENTRIES
from registration.reporting_contracts import ContractReporting

READERS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "healthcloud-bridge": (DECLARATIONS.name, TAKE_UP_POLICY),
        "gatekeeper": (ENTRIES.name, CLOSE_POLICY),
    }
)
"""Service to what reads its events here before anything is decided."""


@dataclass(frozen=True)
class Wired:
    """Made in `wiring.py`."""

    stations: CommandHandler[RegisterStation, Station, Any]
    contracts: CommandHandler[ContractCommand, Contract, ContractEvent]
    sites: CommandHandler[SiteCommand, Site, SiteEvent]
    operators: CommandHandler[OperatorsCommand, Operators, OperatorsEvent]
    people: CommandHandler[PersonCommand, Person, PersonEvent]
    declarations: KnownDeclarations
    reporting: ContractReporting
    pre_registering: PreRegistering
    correcting: Correcting
    linking: Linking
    imports: Imports
    checklist_files: ChecklistFiles
    identities: Identities
    sealing: Sealing
    store: EventStore
    pool: asyncpg.Pool
    clock: Clock
    epidemic_ended_on: date | None
    """Day in Shanghai. None: it has not ended."""

    async def wait_for(self, seen: ConsistencyToken | None, *answering: ReadModel) -> None:
        """Return once what is decided on has seen it, and the read models that the answer is read from. Raises: Unavailable."""
        if seen is not None:
            await wait_for(self.pool, seen, subscribers=[*READERS.get(seen.service, ()), *following(seen.service, answering)])

    async def require_own_key(self, key: CommandKey) -> None:
        """Return unless the key was used for another request. Raises: IdempotencyKeyReused."""
        if isinstance(await self.store.remembered(key), KeyReused):
            raise IdempotencyKeyReused

    async def contract_of(self, caller: Principal, contract_no: str) -> tuple[int, Contract, ContractDetails]:
        """Version, state and details of a reported contract. Raises: NotFound where it is not there, or not the caller's."""
        version, contract = await self.contracts.read(contract_stream(contract_no))
        details = contract.details
        if details is None:
            raise NotFound
        covers_contract(caller, contract_no, station_name=details.station_name, district=details.district)
        return version, contract, details

    async def require_known(self, caller: Principal, contract_no: str, person_id: UUID) -> None:
        """Return if this contract of the caller's, and his firm where he is of one, ever knew the person.

        Raises: NotFound; PersonIsNotPreRegistered."""
        await self.contract_of(caller, contract_no)
        _, person = await self.people.read(person_id)
        is_known = contract_no in person.contracts
        if not is_known or not covers_employer(caller.role, caller.grants, person.employer_on(contract_no) or ""):
            raise PersonIsNotPreRegistered


async def wired(request: Request) -> Wired:
    parts: Wired = request.app.state.wired
    return parts
