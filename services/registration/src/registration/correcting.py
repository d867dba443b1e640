"""A correction of who is expected, from what was typed to a fact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from chassis.clock import Clock
from chassis.command_handling import CommandHandler, Outcome
from chassis.event_store import CommandKey
from chassis.sealing import Sealer, Sealing
from contracts.people import PersonKind
from registration.domain.corrections import Correct, Footing, Name, Origin
from registration.domain.person import Person, PersonCommand, PersonEvent
from registration.read_models.declarations import KnownDeclarations


@dataclass(frozen=True, slots=True)
class TypedCorrection:
    """What the registrar typed, unsealed. It lives as long as the request. None: it stays."""

    name: str | None
    mobile: str | None
    origin_code: str | None
    origin: str | None
    arrival_date: date | None
    person_kind: PersonKind | None
    trade: str | None
    employer_credit_code: str | None
    declaration_version: int | None
    reason: str


@dataclass(frozen=True)
class Correcting:
    """Seal, look up the declaration, decide."""

    people: CommandHandler[PersonCommand, Person, PersonEvent]
    sealing: Sealing
    declarations: KnownDeclarations
    clock: Clock

    async def correct(
        self, person_id: UUID, contract_no: str, typed: TypedCorrection, *, based_on: str | None, key: CommandKey
    ) -> Outcome[PersonEvent]:
        """Raises: what the person's decider refuses; StreamIsErased; IdempotencyKeyReused; Unavailable."""
        sealer = await self.sealing.sealer_for([person_id])
        footing = Footing(typed.person_kind, typed.trade) if typed.person_kind else None
        command = Correct(
            person_id=person_id,
            contract_no=contract_no,
            name=_name(typed, person_id, sealer),
            mobile=sealer.seal(person_id, "mobile", typed.mobile) if typed.mobile else None,
            origin=_origin(typed, person_id, sealer),
            arrival_date=typed.arrival_date,
            footing=footing,
            employer_credit_code=typed.employer_credit_code,
            declaration_version=typed.declaration_version,
            declaration=await self.declarations.latest(person_id),
            reason=sealer.seal(person_id, "reason", typed.reason),
            at=self.clock.now(),
            based_on=based_on,
        )
        return await self.people.handle(person_id, command, key=key)


def _name(typed: TypedCorrection, person_id: UUID, sealer: Sealer) -> Name | None:
    if typed.name is None:
        return None
    return Name(sealer.seal(person_id, "name", typed.name), sealer.fingerprint(person_id, typed.name))


def _origin(typed: TypedCorrection, person_id: UUID, sealer: Sealer) -> Origin | None:
    if typed.origin_code is None or typed.origin is None:
        return None
    return Origin(typed.origin_code, sealer.seal(person_id, "origin", typed.origin))
