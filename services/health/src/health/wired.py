"""What the endpoints of health work with."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import Depends
from starlette.requests import Request

from chassis.auth import Principal, covers_contract
from chassis.clock import Clock
from chassis.command_handling import CommandHandler
from chassis.consistency import ConsistencyToken
from chassis.faults import NotFound
from chassis.remembered import RememberedAnswers
from chassis.same_people import SAME_PEOPLE
from chassis.sealing import Sealing
from chassis.subscribers import ReadModel
from chassis.waiting import following, wait_for
from chassis.watched import Watched
from contracts.access import EVERYWHERE, Action, Role, Site, covers, covers_employer, may
from contracts.health import HealthEvent, PolicyAdopted, PolicyDrafted
from contracts.policy import Policies
from health.domain.adoption import Adoptions, AdoptPolicy, Draft, DraftPolicy
from health.domain.commands import HealthCommand
from health.domain.state import HealthPerson
from health.many_people import ManyPeople
from health.policies import ARRIVAL_POLICY, DECLARED_POLICY
from health.read_models.ban_reviews import BAN_REVIEWS
from health.read_models.in_force import IN_FORCE, InForceWatch
from health.read_models.isolation_ends import ISOLATION_ENDS, places_of
from health.read_models.known_people import KNOWN_PEOPLE, KnownPerson, everywhere, of_contract, on_contract, told_on
from health.rehearsing import TodaysPeople

READERS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "registration": (KNOWN_PEOPLE.name, SAME_PEOPLE.name, ISOLATION_ENDS.name, ARRIVAL_POLICY),
        "healthcloud-bridge": (DECLARED_POLICY,),
        "gatekeeper": (IN_FORCE.name,),
        "health": (BAN_REVIEWS.name, ISOLATION_ENDS.name),
    }
)
"""Service to what reads its events here before anything is decided, or shown: whom the caller may see, and what the gates know."""


@dataclass(frozen=True)
class Wired:
    """Made in `wiring.py`."""

    handler: CommandHandler[HealthCommand, HealthPerson, HealthEvent]
    sealing: Sealing
    pool: asyncpg.Pool
    clock: Clock
    in_force: InForceWatch
    policies: Watched[Policies]
    drafts: CommandHandler[DraftPolicy, Draft, PolicyDrafted]
    adoptions: CommandHandler[AdoptPolicy, Adoptions, PolicyAdopted]
    people: TodaysPeople
    many: ManyPeople
    remembered: RememberedAnswers

    async def wait_for(self, seen: ConsistencyToken | None, *answering: ReadModel) -> None:
        """Return once health knows, and has judged, what the token stands for, and so do the read models that the answer is read
        from. Raises: Unavailable."""
        if seen is not None and seen.service == self.handler.service:
            await self.policies.look()  # It may stand for a policy.
        else:
            await self.policies.ready()
        if seen is not None:
            await wait_for(self.pool, seen, subscribers=[*READERS.get(seen.service, ()), *following(seen.service, answering)])

    async def require_known(self, caller: Principal, person_id: UUID, contract_no: str) -> None:
        """Return if the person is known on this contract of the caller's. Raises: NotFound."""
        covers_contract(caller, contract_no)
        if not _is_within_reach(caller, await on_contract(self.pool, contract_no, person_id)):
            raise NotFound

    async def known_of(self, caller: Principal, contract_no: str, person_ids: Collection[UUID]) -> set[UUID]:
        """Those of these people who are known on this contract of the caller's. Raises: NotFound."""
        covers_contract(caller, contract_no)
        known = await of_contract(self.pool, contract_no, person_ids)
        return {person_id for person_id, person in known.items() if _is_within_reach(caller, person)}

    async def require_visible(self, caller: Principal, person_id: UUID) -> None:
        """Return if the person is known on any contract within the caller's reach. Raises: NotFound."""
        if not await self._is_known(caller, person_id):
            raise NotFound

    async def sight_of(self, caller: Principal, person_id: UUID) -> Collection[str] | None:
        """The contracts on which what was told of the person is for the caller. None: wherever it was, as for whoever has to do
        with him by now. An authority reads on what was told on its own contracts when nobody there expects him any more; what was
        decided elsewhere is not for it. Raises: NotFound."""
        if await self._is_known(caller, person_id):
            return None
        told = await told_on(self.pool, person_id) if may(caller.role, Action.QUERY_SUPERVISION) else ()
        if not (reached := await self._reached(caller, told)):
            raise NotFound
        return None if caller.reach == EVERYWHERE else reached

    async def _is_known(self, caller: Principal, person_id: UUID) -> bool:
        known = await everywhere(self.pool, person_id)
        return bool(await self._reached(caller, [each for each, person in known.items() if _is_within_reach(caller, person)]))

    async def _reached(self, caller: Principal, contracts: Collection[str]) -> Collection[str]:
        places = await places_of(self.pool, contracts)
        return [each for each in contracts if covers(caller.role, caller.grants, places.get(each, Site(each)))]


def _is_within_reach(caller: Principal, person: KnownPerson) -> bool:
    """A firm that no longer employs somebody does not answer for the ban: whoever sees all people of the contract does."""
    is_responsible = person.banned and own_firm(caller) is None
    return is_responsible or any(covers_employer(caller.role, caller.grants, employer) for employer in person.employers)


def own_firm(caller: Principal) -> str | None:
    """An employer sees its own people; one that is not told which it is sees nobody. None: everybody's."""
    return (caller.employer_credit_code or "") if caller.role is Role.EMPLOYER_REGISTRAR else None


async def wired(request: Request) -> Wired:
    parts: Wired = request.app.state.wired
    return parts


Parts = Annotated[Wired, Depends(wired)]
