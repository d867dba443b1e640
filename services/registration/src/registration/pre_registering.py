"""One form 进场预登记, from what was typed to facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from uuid import UUID

from chassis.clock import Clock
from chassis.command_handling import CommandHandler, Outcome
from chassis.event_store import CommandKey
from chassis.faults import VersionConflict
from chassis.identity import Identities
from chassis.sealing import Sealer, Sealing
from contracts.identity import Document
from contracts.people import PersonKind
from contracts.registration import DeclarationAwaited, PersonPreRegistered
from registration.domain.form import Form, kept_form_of
from registration.domain.lacking import WaitsFor, waits_for
from registration.domain.person import Person, PersonCommand, PersonEvent, PreRegister
from registration.domain.replacing import replace_document
from registration.linking import Records, repeated, tell_all
from registration.read_models.declarations import KnownDeclarations


@dataclass(frozen=True, slots=True)
class TypedForm:
    """What the registrar typed, unsealed. It lives as long as the request."""

    contract_no: str
    district: str
    document: Document
    name: str
    person_kind: PersonKind
    trade: str | None
    employer_credit_code: str
    origin_code: str
    origin: str
    arrival_date: date | None
    mobile: str | None
    declaration_version: int | None
    """The declaration that was shown, if one was."""
    for_one_firm: bool
    """Whether who typed it may register this firm's people only."""
    replaces: UUID | None = None
    """Whoever was registered under a wrong document."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of it."""

    outcome: Outcome[PersonEvent]
    """Of the person: a document may lead to another one by the time when it is asked again."""
    declaration_version: int | None
    """The pinned one. None: the form waits."""
    waits_for: WaitsFor | None = None


@dataclass(frozen=True)
class PreRegistering:
    """Identify, seal, look up the declaration, decide."""

    people: CommandHandler[PersonCommand, Person, PersonEvent]
    identities: Identities
    sealing: Sealing
    declarations: KnownDeclarations
    clock: Clock

    async def hand_in(self, typed: TypedForm, *, key: CommandKey) -> Answer:
        """Raises: what the person's decider refuses; StreamIsErased; IdempotencyKeyReused; Unavailable."""
        outcome = await repeated(self.people, key) or await self._hand_in(typed, key)
        match outcome.events:
            case [*_, PersonPreRegistered() as opened]:
                return Answer(outcome, opened.declaration.version)
            case [*_, DeclarationAwaited() as kept]:
                return await self._waiting(kept_form_of(kept), outcome)
            case _:
                return await self._as_it_stands(typed.contract_no, outcome)

    async def rehearse(self, typed: TypedForm) -> Sequence[PersonEvent]:
        """What would follow if the form were handed in now; nothing does. Raises as `hand_in` does."""
        command = await self._command(typed)
        return self.people.decider.decide(command, (await self.people.read(command.person_id))[1])

    async def _hand_in(self, typed: TypedForm, key: CommandKey) -> Outcome[PersonEvent]:
        command, replaced = await self._command(typed), typed.replaces
        if replaced is None:
            return await self.people.handle(command.person_id, command, key=key)
        return await tell_all(self.people, [command.person_id, replaced], partial(_replacing, command, replaced), key=key)

    async def _command(self, typed: TypedForm) -> PreRegister:
        (person_id,) = await self.identities.identify([typed.document])
        sealer = await self.sealing.sealer_for([person_id])
        return PreRegister(
            person_id=person_id,
            form=_sealed(typed, person_id, sealer),
            declaration=await self.declarations.latest(person_id),
            declaration_version_seen=typed.declaration_version,
            at=self.clock.now(),
            for_one_firm=typed.for_one_firm,
        )

    async def _as_it_stands(self, contract_no: str, outcome: Outcome[PersonEvent]) -> Answer:
        """The answer to a repeat, which made nothing new."""
        version, person = await self.people.read(outcome.stream_id)
        if form := person.awaited.get(contract_no):
            return await self._waiting(form, outcome)
        if known := person.pre_registrations.get(contract_no):
            return Answer(outcome, known.declaration_version)
        raise VersionConflict(version)  # The form was withdrawn at this very moment.

    async def _waiting(self, form: Form, outcome: Outcome[PersonEvent]) -> Answer:
        # What it lacked may have come in between: then it is being taken up.
        lacks = waits_for(form, await self.declarations.latest(outcome.stream_id), self.clock.now())
        return Answer(outcome, None, lacks or WaitsFor.DECLARATION)


async def _replacing(command: PreRegister, replaced: UUID, records: Records) -> Mapping[UUID, PersonCommand]:
    return replace_document(command, replaced, records)


def _sealed(typed: TypedForm, person_id: UUID, sealer: Sealer) -> Form:
    return Form(
        contract_no=typed.contract_no,
        district=typed.district,
        person_kind=typed.person_kind,
        trade=typed.trade,
        employer_credit_code=typed.employer_credit_code,
        origin_code=typed.origin_code,
        origin=sealer.seal(person_id, "origin", typed.origin),
        arrival_date=typed.arrival_date,
        document=sealer.seal(person_id, "document", typed.document.number),
        document_type=typed.document.type,
        name=sealer.seal(person_id, "name", typed.name),
        name_fingerprint=sealer.fingerprint(person_id, typed.name),
        mobile=sealer.seal(person_id, "mobile", typed.mobile) if typed.mobile else None,
    )
