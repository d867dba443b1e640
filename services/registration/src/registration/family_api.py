"""携带家属 over HTTP: whoever comes along with somebody who is expected."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.command_handling import Outcome, command_key
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.consistency import ConsistencyToken
from chassis.event_store import CommandKey
from chassis.faults import VersionConflict
from chassis.key_server import Purpose
from chassis.sealing import Unsealer
from chassis.strict_json import StrictModel
from chassis.telemetry import request_context
from chassis.web import Consistency, IdempotencyKey, IfSeen, Router, etag, problems, unchanged
from contracts.access import Action, covers_employer
from contracts.firms import ContractNo
from contracts.identity import masked_mobile, masked_name, masked_number
from contracts.registration import FamilyDeclarationAwaited, FamilyMemberPreRegistered
from contracts.texts import VisibleText
from registration.bodies import FamilyCorrectionBody, FamilyMemberBody
from registration.domain.corrections import DetailsAreCorrectedTooOften, Name, PreRegistrationIsNotOpen
from registration.domain.declaration import (
    DeclarationHasChanged,
    DeclarationIsMissing,
    MobileIsMissing,
    NameDiffersFromDeclaration,
)
from registration.domain.family import (
    CorrectFamilyMember,
    FamilyForm,
    FamilyMember,
    FamilyMemberAccompaniesAnother,
    FamilyMemberIsUnknown,
    PersonAccompaniesOneself,
    PersonIsRegisteredOtherwise,
    PreRegisterFamilyMember,
    WithdrawFamilyMember,
    told_of,
)
from registration.domain.lacking import WaitsFor, waits_for
from registration.domain.person import PersonEvent, PersonIsNotPreRegistered, PersonIsOnTooManyContracts
from registration.domain.pre_registration import PreRegistration
from registration.domain.seen import FAMILY_FORM, RegistrationHasChanged, etag_of
from registration.kept_forms import kept
from registration.linking import repeated
from registration.query_api import RegistrantAnswer, registrant_answer
from registration.read_models.family_members import FAMILY_MEMBERS, FamilyMemberRow, family_of
from registration.read_models.registrants import FORMS_HANDED_IN, registrants_of
from registration.wired import Wired, wired

router = Router(prefix="/v1/contracts/{contract_no}/pre-registrations/{person_id}/family-members", tags=["family"])

Viewer = Annotated[Principal, Depends(allowed(Action.VIEW_SITE))]
Registrar = Annotated[Principal, Depends(allowed(Action.PRE_REGISTER))]
Withdrawer = Annotated[Principal, Depends(allowed(Action.WITHDRAW_PRE_REGISTRATION))]
Parts = Annotated[Wired, Depends(wired)]


class FamilyMemberReceipt(BaseModel):
    """The family member is known."""

    person_id: UUID
    accompanies: UUID
    contract_no: str
    declaration_version: int
    """The declaration that is pinned."""


class FamilyMemberAnswer(BaseModel):
    """Somebody who comes along, or was to. Name and numbers are masked; None where the person was erased."""

    person_id: UUID
    accompanies: UUID
    contract_no: str
    state: str
    relation: str | None
    name: str | None
    document_type: str
    document_number: str | None
    mobile: str | None
    declaration_version: int | None
    """The declaration that is pinned. None while one is awaited."""
    waits_for: WaitsFor | None
    """What the form lacks, for all that is known now. None where it does not wait, or is about to be taken up."""
    registered_by: RegistrantAnswer | None
    """Who handed the form in last. None: it was told before that was kept."""
    changed_at: datetime
    """When it came to this state, UTC."""
    etag: str
    """For `If-Match` of a correction, or a withdrawal, of what is shown here."""


class FamilyAnswer(BaseModel):
    """预进场家属管理: all of them, the first to come first."""

    items: list[FamilyMemberAnswer]


class FamilyWithdrawalBody(StrictModel):
    """Why it was a mistake."""

    reason: VisibleText


@router.post(
    "",
    status_code=201,
    response_model=FamilyMemberReceipt,
    responses=unchanged(FamilyMemberReceipt)
    | problems(
        DeclarationHasChanged,
        DeclarationIsMissing,
        FamilyMemberAccompaniesAnother,
        MobileIsMissing,
        NameDiffersFromDeclaration,
        PersonAccompaniesOneself,
        PersonIsNotPreRegistered,
        PersonIsOnTooManyContracts,
        PersonIsRegisteredOtherwise,
    ),
)
async def pre_register_family_member(
    contract_no: ContractNo,
    person_id: UUID,
    body: FamilyMemberBody,
    key: IdempotencyKey,
    caller: Registrar,
    seen: Consistency,
    parts: Parts,
    request: Request,
    response: Response,
) -> FamilyMemberReceipt | Response:
    """携带家属登记. Without a declaration of the family member, or with one of another name, the form is kept and answered as one
    of 进场预登记: once a declaration appears that agrees with it, it is taken up without anybody's act."""
    await parts.contract_of(caller, contract_no)
    await parts.wait_for(seen)
    # Before anybody's document is asked for: whoever it was may be erased by then, and a stranger would become known.
    outcome = await repeated(parts.people, _key(caller, key))
    if outcome is None:
        command = await _to_command(parts, body, person_id, await _accompanied(parts, caller, contract_no, person_id))
        outcome = await parts.people.handle(command.person_id, command, key=_key(caller, key))
    token = await _tell(parts, response, outcome)
    match outcome.events:
        case [*_, FamilyMemberPreRegistered() | FamilyDeclarationAwaited() as told]:
            known = told_of(told, None)
        case _:
            known = await _as_it_stands(parts, outcome.stream_id, contract_no)
            response.status_code = 200
    if known.declaration_version is None:
        declaration = await parts.declarations.latest(outcome.stream_id)
        return kept(request, waits_for(known.form, declaration, parts.clock.now()), token)
    return _receipt(outcome.stream_id, known)


@router.get("")
async def list_family_members(
    contract_no: ContractNo, person_id: UUID, caller: Viewer, seen: Consistency, parts: Parts
) -> FamilyAnswer:
    """预进场家属管理."""
    await _accompanied(parts, caller, contract_no, person_id)
    await parts.wait_for(seen, FAMILY_MEMBERS, FORMS_HANDED_IN)
    rows = await family_of(parts.pool, contract_no, person_id)
    people = [row.person_id for row in rows]
    unsealer = await parts.sealing.unwrap(people, actor=caller.subject, purpose=Purpose.MASKED_PAGE)
    lacks = await asyncio.gather(*(_waits_for(parts, row) for row in rows))
    handed_in = await registrants_of(parts.pool, contract_no, people, as_family=True)
    return FamilyAnswer(
        items=[
            _masked(row, each, registrant_answer(handed_in.get(row.person_id)), unsealer)
            for row, each in zip(rows, lacks, strict=True)
        ]
    )


@router.post(
    "/{member_id}/corrections",
    status_code=201,
    responses=unchanged(FamilyMemberReceipt)
    | problems(
        DeclarationHasChanged,
        DetailsAreCorrectedTooOften,
        FamilyMemberIsUnknown,
        NameDiffersFromDeclaration,
        PersonIsNotPreRegistered,
        PreRegistrationIsNotOpen,
        RegistrationHasChanged,
    ),
)
async def correct_family_member(
    contract_no: ContractNo,
    person_id: UUID,
    member_id: UUID,
    body: FamilyCorrectionBody,
    key: IdempotencyKey,
    caller: Registrar,
    seen: Consistency,
    parts: Parts,
    response: Response,
    based_on: IfSeen = None,
) -> FamilyMemberReceipt:
    """Put right what was typed, or rely on the latest declaration. The police is told, and the arrival is judged anew. What
    changes nothing is 200."""
    await require_family_member(parts, caller, contract_no, person_id, member_id)
    await parts.wait_for(seen)
    sealer = await parts.sealing.sealer_for([member_id])
    command = CorrectFamilyMember(
        person_id=member_id,
        accompanies=person_id,
        contract_no=contract_no,
        name=Name(sealer.seal(member_id, "name", body.name), sealer.fingerprint(member_id, body.name)) if body.name else None,
        relation=sealer.seal(member_id, "relation", body.relation) if body.relation else None,
        mobile=sealer.seal(member_id, "mobile", body.mobile) if body.mobile else None,
        declaration_version=body.declaration_version,
        declaration=await parts.declarations.latest(member_id),
        reason=sealer.seal(member_id, "reason", body.reason),
        at=parts.clock.now(),
        based_on=based_on,
    )
    outcome = await parts.people.handle(member_id, command, key=_key(caller, key))
    await _tell(parts, response, outcome)
    if not outcome.events:
        response.status_code = 200
    return _receipt(member_id, await _as_it_stands(parts, member_id, contract_no))


@router.post(
    "/{member_id}/withdrawal",
    status_code=204,
    responses=problems(FamilyMemberIsUnknown, PersonIsNotPreRegistered, RegistrationHasChanged),
)
async def withdraw_family_member(
    contract_no: ContractNo,
    person_id: UUID,
    member_id: UUID,
    body: FamilyWithdrawalBody,
    key: IdempotencyKey,
    caller: Withdrawer,
    seen: Consistency,
    parts: Parts,
    response: Response,
    based_on: IfSeen = None,
) -> None:
    """Withdraw a mistaken family member, also to register what was wrong anew. Sending it twice withdraws once."""
    await require_family_member(parts, caller, contract_no, person_id, member_id)
    await parts.wait_for(seen)
    sealer = await parts.sealing.sealer_for([member_id])
    command = WithdrawFamilyMember(
        person_id=member_id,
        accompanies=person_id,
        contract_no=contract_no,
        reason=sealer.seal(member_id, "reason", body.reason),
        at=parts.clock.now(),
        based_on=based_on,
    )
    await _tell(parts, response, await parts.people.handle(member_id, command, key=_key(caller, key)))


def _key(caller: Principal, key: str) -> CommandKey:
    return command_key(principal=caller.subject, key=key, body=request_context().content)


async def _tell(parts: Wired, response: Response, outcome: Outcome[PersonEvent]) -> ConsistencyToken | None:
    """Version and position of an outcome. The position, too, for who answers otherwise."""
    response.headers["ETag"] = etag(outcome.version)
    if token := await parts.people.token_after(outcome):
        response.headers[CONSISTENCY_TOKEN] = str(token)
    return token


async def _as_it_stands(parts: Wired, member_id: UUID, contract_no: str) -> FamilyMember:
    """What a repeat finds. Raises: VersionConflict, where it is gone by now."""
    version, member = await parts.people.read(member_id)
    if known := member.family.get(contract_no):
        return known
    raise VersionConflict(version)


def _receipt(member_id: UUID, known: FamilyMember) -> FamilyMemberReceipt:
    if known.declaration_version is None:
        raise PersonIsNotPreRegistered  # Withdrawn, and waiting anew, at this very moment.
    return FamilyMemberReceipt(
        person_id=member_id,
        accompanies=known.form.accompanies,
        contract_no=known.form.contract_no,
        declaration_version=known.declaration_version,
    )


async def require_family_member(parts: Wired, caller: Principal, contract_no: str, person_id: UUID, member_id: UUID) -> None:
    """Raises: NotFound; PersonIsNotPreRegistered; FamilyMemberIsUnknown, so that nothing is sealed for whoever is unknown."""
    await _accompanied(parts, caller, contract_no, person_id)
    _, member = await parts.people.read(member_id)
    known = member.family.get(contract_no)
    if known is None or known.form.accompanies != person_id:
        raise FamilyMemberIsUnknown


async def _accompanied(parts: Wired, caller: Principal, contract_no: str, person_id: UUID) -> PreRegistration:
    """The latest pre-registration of who is accompanied. Raises: NotFound; PersonIsNotPreRegistered, also of a foreign firm's."""
    await parts.contract_of(caller, contract_no)
    _, person = await parts.people.read(person_id)
    known = person.pre_registrations.get(contract_no)
    if known is None or not covers_employer(caller.role, caller.grants, known.employer_credit_code):
        raise PersonIsNotPreRegistered
    return known


async def _to_command(
    parts: Wired, body: FamilyMemberBody, accompanies: UUID, accompanied: PreRegistration
) -> PreRegisterFamilyMember:
    """Raises: PersonIsNotPreRegistered."""
    if accompanied.state != "open":
        raise PersonIsNotPreRegistered
    (person_id,) = await parts.identities.identify([body.document])
    sealer = await parts.sealing.sealer_for([person_id])
    form = FamilyForm(
        accompanies=accompanies,
        contract_no=accompanied.details.form.contract_no,
        district=accompanied.district,
        employer_credit_code=accompanied.employer_credit_code,
        relation=sealer.seal(person_id, "relation", body.relation) if body.relation else None,
        document=sealer.seal(person_id, "document", body.document.number),
        document_type=body.document.type,
        name=sealer.seal(person_id, "name", body.name),
        name_fingerprint=sealer.fingerprint(person_id, body.name),
        mobile=sealer.seal(person_id, "mobile", body.mobile) if body.mobile else None,
    )
    return PreRegisterFamilyMember(
        person_id=person_id,
        form=form,
        declaration=await parts.declarations.latest(person_id),
        declaration_version_seen=body.declaration_version,
        at=parts.clock.now(),
    )


async def _waits_for(parts: Wired, row: FamilyMemberRow) -> WaitsFor | None:
    if row.state != "awaiting":
        return None
    return waits_for(row, await parts.declarations.latest(row.person_id), parts.clock.now())


def _masked(
    row: FamilyMemberRow, lacks: WaitsFor | None, handed_in: RegistrantAnswer | None, unsealer: Unsealer
) -> FamilyMemberAnswer:
    text = partial(unsealer.text, row.person_id)
    name, number, mobile = text("name", row.name), text("document", row.document), text("mobile", row.mobile)
    return FamilyMemberAnswer(
        person_id=row.person_id,
        accompanies=row.accompanies,
        contract_no=row.contract_no,
        state=row.state,
        relation=text("relation", row.relation),
        name=name and masked_name(name),
        document_type=row.document_type,
        document_number=number and masked_number(number),
        mobile=mobile and masked_mobile(mobile),
        declaration_version=row.declaration_version,
        waits_for=lacks,
        registered_by=handed_in,
        changed_at=row.changed_at,
        etag=etag_of(row, FAMILY_FORM, row.state, row.declaration_version),
    )
