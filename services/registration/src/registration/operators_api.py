"""Who may act on a contract, over HTTP: its project lead grants and withdraws it, and the portal asks at every step."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import Annotated, Self
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, model_validator
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.command_handling import Outcome, command_key
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.key_server import Purpose
from chassis.sealing import StreamIsErased, Unsealer
from chassis.strict_json import StrictModel
from chassis.telemetry import request_context
from chassis.web import IdempotencyKey, Router, etag, problems, unchanged
from contracts.access import Action
from contracts.firms import ContractNo, CreditCode
from contracts.identity import Document, DocumentType, Mobile, PersonName, masked_mobile, masked_name, masked_number
from contracts.operators import GrantedRole
from contracts.sealing import Fingerprint
from contracts.streams import operators_stream
from contracts.texts import VisibleText
from registration.domain.contract import EmployerIsMissing
from registration.domain.operators import (
    ContractHasTooManyOperators,
    Grant,
    GrantOperator,
    OperatorIsNotGranted,
    OperatorsCommand,
    OperatorsEvent,
    WithdrawOperator,
)
from registration.read_models.operated_contracts import operated_contracts
from registration.wired import Wired, wired

router = Router(prefix="/v1/contracts/{contract_no}/operator-grants", tags=["operators"])
signing_in = Router(prefix="/v1", tags=["operators"])

Lead = Annotated[Principal, Depends(allowed(Action.GRANT_OPERATOR))]
Portal = Annotated[Principal, Depends(allowed(Action.LOOK_UP_OPERATOR))]
Parts = Annotated[Wired, Depends(wired)]


class OperatorBody(StrictModel):
    """Who, by what is asked when signing in, and as what."""

    document: Document
    name: PersonName
    mobile: Mobile
    """手机号, to which codes are sent."""
    role: GrantedRole
    employer_credit_code: CreditCode | None = None
    """Whose people an `employer_registrar` registers. Of that role only."""

    @model_validator(mode="after")
    def _only_registrars_are_of_a_firm(self) -> Self:
        if (self.role is GrantedRole.EMPLOYER_REGISTRAR) is (self.employer_credit_code is None):
            raise ValueError("an employer_registrar has a firm, and nobody else")
        return self


class OperatorReceipt(BaseModel):
    """The person may act on the contract."""

    operator_id: UUID
    contract_no: str
    role: GrantedRole
    employer_credit_code: str | None


class OperatorAnswer(BaseModel):
    """Somebody who may act on the contract. Name and numbers are masked; None where the person was erased."""

    operator_id: UUID
    role: GrantedRole
    employer_credit_code: str | None
    name: str | None
    document_type: DocumentType
    document_number: str | None
    mobile: str | None
    granted_by: str
    granted_at: datetime


class OperatorsAnswer(BaseModel):
    """All of them, the first to be granted first."""

    items: list[OperatorAnswer]


class OperatorLookUpBody(StrictModel):
    """What somebody signs in with."""

    document: Document
    mobile: Mobile


class RightsItem(BaseModel):
    """What somebody may do on a contract."""

    contract_no: str
    role: GrantedRole
    employer_credit_code: str | None


class RightsAnswer(BaseModel):
    """What project leads let somebody do who has this mobile."""

    operator_id: UUID | None
    """None: nobody here ever heard of the document."""
    mobile_fingerprint: str | None
    """Of the mobile, under the person's key: with both ids the same is asked again without them."""
    items: list[RightsItem]
    """In the order of the contracts' numbers. A grant to another mobile is not the same person's for all that is known."""
    withdrawn: list[str]
    """Contracts whose lead said that the person may not act there any more, whatever the mobile."""


NOBODY = RightsAnswer(operator_id=None, mobile_fingerprint=None, items=[], withdrawn=[])


class OperatorWithdrawalBody(StrictModel):
    """Why."""

    reason: VisibleText


@router.post("", status_code=201, responses=unchanged(OperatorReceipt) | problems(ContractHasTooManyOperators, EmployerIsMissing))
async def grant_operator(
    contract_no: ContractNo, body: OperatorBody, key: IdempotencyKey, caller: Lead, parts: Parts, response: Response
) -> OperatorReceipt:
    """Let somebody act on the contract. Granting the same again changes nothing (200); another role takes the first one's place."""
    _, contract, _ = await parts.contract_of(caller, contract_no)
    if body.employer_credit_code is not None:
        contract.require_employer(body.employer_credit_code)
    (operator_id,) = await parts.identities.identify([body.document])
    sealer = await parts.sealing.sealer_for([operator_id])
    grant = Grant(
        role=body.role,
        employer_credit_code=body.employer_credit_code,
        document=sealer.seal(operator_id, "document", body.document.number),
        document_type=body.document.type,
        name=sealer.seal(operator_id, "name", body.name),
        mobile=sealer.seal(operator_id, "mobile", body.mobile),
        fingerprint=sealer.fingerprint(operator_id, f"{body.name}\n{body.mobile}"),
        mobile_fingerprint=sealer.fingerprint(operator_id, body.mobile),
        granted_by=caller.subject,
        granted_at=parts.clock.now(),
    )
    outcome = await _handle(parts, response, caller, key, GrantOperator(contract_no, operator_id, grant))
    if not outcome.events:
        response.status_code = 200
    return OperatorReceipt(
        operator_id=operator_id, contract_no=contract_no, role=body.role, employer_credit_code=body.employer_credit_code
    )


@router.get("")
async def list_operators(contract_no: ContractNo, caller: Lead, parts: Parts) -> OperatorsAnswer:
    """Who may act on the contract."""
    await parts.contract_of(caller, contract_no)
    _, operators = await parts.operators.read(operators_stream(contract_no))
    unsealer = await parts.sealing.unwrap(sorted(operators.grants), actor=caller.subject, purpose=Purpose.MASKED_PAGE)
    items = [_masked(operator_id, grant, unsealer) for operator_id, grant in operators.grants.items()]
    return OperatorsAnswer(items=sorted(items, key=lambda each: each.granted_at))


@router.post("/{operator_id}/withdrawal", status_code=204, responses=problems(OperatorIsNotGranted))
async def withdraw_operator(
    contract_no: ContractNo,
    operator_id: UUID,
    body: OperatorWithdrawalBody,
    key: IdempotencyKey,
    caller: Lead,
    parts: Parts,
    response: Response,
) -> None:
    """The operator may not act on the contract any more. Sending it twice withdraws once."""
    await parts.contract_of(caller, contract_no)
    _, operators = await parts.operators.read(operators_stream(contract_no))
    if operator_id not in {*operators.grants, *operators.withdrawn}:
        raise OperatorIsNotGranted
    sealer = await parts.sealing.sealer_for([operator_id])
    reason = sealer.seal(operator_id, "reason", body.reason)
    command = WithdrawOperator(contract_no, operator_id, reason, caller.subject, parts.clock.now())
    await _handle(parts, response, caller, key, command)


@signing_in.post("/operator-lookups")
async def look_up_operator(body: OperatorLookUpBody, _: Portal, parts: Parts) -> RightsAnswer:
    """What somebody may do who signs in with this. Nobody becomes known by it, and nothing is shown."""
    operator_id = await parts.identities.find(body.document)
    if operator_id is None:
        return NOBODY
    try:
        fingerprint = (await parts.sealing.sealer_for([operator_id])).fingerprint(operator_id, body.mobile)
    except StreamIsErased:
        return NOBODY
    return await _rights(parts, operator_id, fingerprint)


@signing_in.get("/operators/{operator_id}/rights")
async def read_operator_rights(
    operator_id: UUID, _: Portal, parts: Parts, mobile_fingerprint: Annotated[Fingerprint, Query()]
) -> RightsAnswer:
    """The same for whoever has signed in, as it stands in the contracts' streams now."""
    return await _rights(parts, operator_id, mobile_fingerprint)


async def _rights(parts: Wired, operator_id: UUID, fingerprint: str) -> RightsAnswer:
    contracts = await operated_contracts(parts.pool, operator_id)
    states = await asyncio.gather(*(parts.operators.read(operators_stream(each)) for each in contracts))
    items, withdrawn = list[RightsItem](), list[str]()
    for contract_no, (_version, operators) in zip(contracts, states, strict=True):
        grant = operators.grants.get(operator_id)
        if grant is None:
            withdrawn.append(contract_no)
        elif grant.mobile_fingerprint == fingerprint:
            items.append(RightsItem(contract_no=contract_no, role=grant.role, employer_credit_code=grant.employer_credit_code))
    return RightsAnswer(operator_id=operator_id, mobile_fingerprint=fingerprint, items=items, withdrawn=withdrawn)


async def _handle(
    parts: Wired, response: Response, caller: Principal, key: str, command: OperatorsCommand
) -> Outcome[OperatorsEvent]:
    """The outcome, of which version and position are told."""
    stream_id = operators_stream(command.contract_no)
    command_id = command_key(principal=caller.subject, key=key, body=request_context().content)
    outcome = await parts.operators.handle(stream_id, command, key=command_id)
    response.headers["ETag"] = etag(outcome.version)
    if token := await parts.operators.token_after(outcome):
        response.headers[CONSISTENCY_TOKEN] = str(token)
    return outcome


def _masked(operator_id: UUID, grant: Grant, unsealer: Unsealer) -> OperatorAnswer:
    text = partial(unsealer.text, operator_id)
    name, number, mobile = text("name", grant.name), text("document", grant.document), text("mobile", grant.mobile)
    return OperatorAnswer(
        operator_id=operator_id,
        role=grant.role,
        employer_credit_code=grant.employer_credit_code,
        name=name and masked_name(name),
        document_type=grant.document_type,
        document_number=number and masked_number(number),
        mobile=mobile and masked_mobile(mobile),
        granted_by=grant.granted_by,
        granted_at=grant.granted_at,
    )
