"""携带家属 over HTTP: whoever comes along with somebody who is expected."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.command_handling import Outcome, command_key
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.key_server import Purpose
from chassis.sealing import Erased, Unsealer
from chassis.strict_json import StrictModel
from chassis.telemetry import request_context
from chassis.web import Consistency, IdempotencyKey, Router, etag, problems
from contracts.access import Action, covers_employer
from contracts.codes import DeclarationVersion
from contracts.firms import ContractNo
from contracts.identity import Document, Mobile, PersonName, masked_mobile, masked_name, masked_number
from contracts.texts import VisibleText
from registration.domain.declaration import (
    DeclarationHasChanged,
    DeclarationIsMissing,
    MobileIsMissing,
    NameDiffersFromDeclaration,
)
from registration.domain.family import (
    FamilyMemberAccompaniesAnother,
    FamilyMemberIsUnknown,
    PersonAccompaniesOneself,
    PersonIsRegisteredOtherwise,
    PreRegisterFamilyMember,
    WithdrawFamilyMember,
)
from registration.domain.person import PersonEvent, PersonIsNotPreRegistered, PersonIsOnTooManyContracts, PreRegistration
from registration.read_models.family_members import FamilyMemberRow, family_of
from registration.wired import Wired, wired

router = Router(prefix="/v1/contracts/{contract_no}/pre-registrations/{person_id}/family-members", tags=["family"])

Viewer = Annotated[Principal, Depends(allowed(Action.VIEW_SITE))]
Registrar = Annotated[Principal, Depends(allowed(Action.PRE_REGISTER))]
Withdrawer = Annotated[Principal, Depends(allowed(Action.WITHDRAW_PRE_REGISTRATION))]
Parts = Annotated[Wired, Depends(wired)]


class FamilyMemberBody(StrictModel):
    """携带家属登记."""

    document: Document
    name: PersonName
    relation: VisibleText | None = None
    """What the family member is to the accompanied person."""
    mobile: Mobile | None = None
    """手机号. Counts only where the declaration has none; of a child the accompanied person's."""
    declaration_version: DeclarationVersion | None = None
    """The declaration that was shown (获取健康云信息), if one was."""


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
    declaration_version: int
    changed_at: datetime
    """When it came to this state, UTC."""


class FamilyAnswer(BaseModel):
    """预进场家属管理: all of them, the first to come first."""

    items: list[FamilyMemberAnswer]


class FamilyWithdrawalBody(StrictModel):
    """Why it was a mistake."""

    reason: VisibleText


@router.post(
    "",
    status_code=201,
    responses=problems(
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
    response: Response,
) -> FamilyMemberReceipt:
    """携带家属登记. Without a declaration of the family member it is refused, and nothing is kept: hand it in again."""
    accompanied = await _accompanied(parts, caller, contract_no, person_id)
    if accompanied.state != "open":
        raise PersonIsNotPreRegistered
    await parts.wait_for(seen)
    command = await _to_command(parts, body, person_id, accompanied)
    outcome = await parts.people.handle(
        command.person_id, command, key=command_key(principal=caller.subject, key=key, body=request_context().content)
    )
    await _tell(parts, response, command.person_id, outcome)
    if not outcome.events:
        response.status_code = 200
    _, member = await parts.people.read(command.person_id)
    return FamilyMemberReceipt(
        person_id=command.person_id,
        accompanies=person_id,
        contract_no=contract_no,
        declaration_version=member.family[contract_no].declaration_version,
    )


@router.get("")
async def list_family_members(
    contract_no: ContractNo, person_id: UUID, caller: Viewer, seen: Consistency, parts: Parts
) -> FamilyAnswer:
    """预进场家属管理."""
    await _accompanied(parts, caller, contract_no, person_id)
    await parts.wait_for(seen)
    rows = await family_of(parts.pool, contract_no, person_id)
    unsealer = await parts.sealing.unwrap([row.person_id for row in rows], actor=caller.subject, purpose=Purpose.MASKED_PAGE)
    return FamilyAnswer(items=[_masked(row, unsealer) for row in rows])


@router.post("/{member_id}/withdrawal", status_code=204, responses=problems(FamilyMemberIsUnknown, PersonIsNotPreRegistered))
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
) -> None:
    """Withdraw a mistaken family member, also to register what was wrong anew. Sending it twice withdraws once."""
    await _accompanied(parts, caller, contract_no, person_id)
    await parts.wait_for(seen)
    _, member = await parts.people.read(member_id)
    if contract_no not in member.family:
        raise FamilyMemberIsUnknown
    sealer = await parts.sealing.sealer_for([member_id])
    command = WithdrawFamilyMember(
        person_id=member_id,
        accompanies=person_id,
        contract_no=contract_no,
        reason=sealer.seal(member_id, "reason", body.reason),
        at=parts.clock.now(),
    )
    outcome = await parts.people.handle(
        member_id, command, key=command_key(principal=caller.subject, key=key, body=request_context().content)
    )
    await _tell(parts, response, member_id, outcome)


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
    (person_id,) = await parts.identities.identify([body.document])
    sealer = await parts.sealing.sealer_for([person_id])
    return PreRegisterFamilyMember(
        person_id=person_id,
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
        declaration=await parts.declarations.latest(person_id),
        declaration_version_seen=body.declaration_version,
        at=parts.clock.now(),
    )


def _masked(row: FamilyMemberRow, unsealer: Unsealer) -> FamilyMemberAnswer:
    def text(field: str, sealed: str | None) -> str | None:
        opened = None if sealed is None else unsealer.unseal(row.person_id, field, sealed)
        return None if isinstance(opened, Erased) else opened

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
        changed_at=row.changed_at,
    )


async def _tell(parts: Wired, response: Response, person_id: UUID, outcome: Outcome[PersonEvent]) -> None:
    response.headers["ETag"] = etag(outcome.version)
    if token := await parts.people.token_after(person_id, outcome):
        response.headers[CONSISTENCY_TOKEN] = str(token)
