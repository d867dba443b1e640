"""What registration is told over HTTP: contracts and their employers, pre-registrations."""

from __future__ import annotations

from typing import Annotated, Any
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
from chassis.strict_json import StrictModel
from chassis.telemetry import request_context
from chassis.web import Consistency, IdempotencyKey, IfSeen, Router, etag, problems, unchanged
from contracts.access import Action, Role, covers_employer
from contracts.firms import ContractNo
from contracts.texts import VisibleText
from registration.bodies import ContractBody, CorrectionBody, EmployerBody, PreRegistrationBody
from registration.domain.contract import (
    ContractHasTooManyEmployers,
    ContractIsNotReported,
    ContractIsReportedOtherwise,
    EmployerIsMissing,
    EmployerIsNamedOtherwise,
)
from registration.domain.corrections import DetailsAreCorrectedTooOften, PreRegistrationIsNotOpen
from registration.domain.declaration import (
    DeclarationHasChanged,
    DeclarationIsMissing,
    MobileIsMissing,
    NameDiffersFromDeclaration,
)
from registration.domain.family import PersonIsRegisteredOtherwise
from registration.domain.person import (
    PersonHasEntered,
    PersonIsNotPreRegistered,
    PersonIsOnTooManyContracts,
)
from registration.domain.pre_registration import Withdraw
from registration.domain.same_person import PersonHasTooManyDocuments, ReplacedIsNotWithdrawn, ReplacingIsForTheSite
from registration.domain.seen import RegistrationHasChanged
from registration.domain.station import StationWorksElsewhere
from registration.kept_forms import kept
from registration.read_models.entries import last_entered_at
from registration.wired import Wired, wired

router = Router(prefix="/v1")

ContractSystem = Annotated[Principal, Depends(allowed(Action.REPORT_CONTRACT))]
Registrar = Annotated[Principal, Depends(allowed(Action.PRE_REGISTER))]
Withdrawer = Annotated[Principal, Depends(allowed(Action.WITHDRAW_PRE_REGISTRATION))]
Parts = Annotated[Wired, Depends(wired)]

# --- Contracts --------------------------------------------------------------------------------------------------------


class ContractReceipt(BaseModel):
    """The contract is known."""

    contract_no: str


@router.post(
    "/contracts",
    status_code=201,
    tags=["contracts"],
    responses=unchanged(ContractReceipt) | problems(ContractIsReportedOtherwise, StationWorksElsewhere),
)
async def report_contract(
    body: ContractBody, key: IdempotencyKey, caller: ContractSystem, parts: Parts, response: Response
) -> ContractReceipt:
    """合同报送. Reporting the same contract again changes nothing (200); reporting it otherwise is refused."""
    await parts.require_own_key(_key(caller, key))
    outcome, token = await parts.reporting.report(body, key=_key(caller, key))
    _tell(response, outcome, token)
    return ContractReceipt(contract_no=body.contract_no)


class EmployerReceipt(BaseModel):
    """The employer may be chosen as 用人单位."""

    contract_no: str
    credit_code: str


@router.post(
    "/contracts/{contract_no}/employers",
    status_code=201,
    tags=["contracts"],
    responses=unchanged(EmployerReceipt) | problems(ContractIsNotReported, EmployerIsNamedOtherwise, ContractHasTooManyEmployers),
)
async def add_employer(
    contract_no: ContractNo, body: EmployerBody, key: IdempotencyKey, caller: ContractSystem, parts: Parts, response: Response
) -> EmployerReceipt:
    """Name a 用人单位 of the contract. Naming it again changes nothing (200)."""
    outcome, token = await parts.reporting.add_employer(contract_no, body, key=_key(caller, key))
    _tell(response, outcome, token)
    return EmployerReceipt(contract_no=contract_no, credit_code=body.credit_code)


# --- Pre-registrations ------------------------------------------------------------------------------------------------


class PreRegistrationReceipt(BaseModel):
    """The person is expected on the contract."""

    person_id: UUID
    contract_no: str
    declaration_version: int
    """The declaration that is pinned."""


@router.post(
    "/contracts/{contract_no}/pre-registrations",
    status_code=201,
    tags=["pre-registrations"],
    response_model=PreRegistrationReceipt,
    responses=unchanged(PreRegistrationReceipt)
    | problems(
        DeclarationIsMissing,
        EmployerIsMissing,
        DeclarationHasChanged,
        NameDiffersFromDeclaration,
        MobileIsMissing,
        PersonHasTooManyDocuments,
        PersonIsNotPreRegistered,
        PersonIsOnTooManyContracts,
        PersonIsRegisteredOtherwise,
        ReplacedIsNotWithdrawn,
        ReplacingIsForTheSite,
    ),
)
async def pre_register(
    contract_no: ContractNo,
    body: PreRegistrationBody,
    key: IdempotencyKey,
    caller: Registrar,
    seen: Consistency,
    parts: Parts,
    request: Request,
    response: Response,
) -> PreRegistrationReceipt | Response:
    """进场预登记. Without a declaration in Health Cloud the form is kept and answered with `declaration-missing`, with one of
    another name with `name-differs-from-declaration`; once a declaration appears that agrees with it, the person is
    pre-registered without anybody's act. Handed in again with another name, the form takes the place of the first."""
    _, contract, details = await parts.contract_of(caller, contract_no)
    if not covers_employer(caller.role, caller.grants, body.employer_credit_code):
        raise EmployerIsMissing  # Other firms' people are not this registrar's to know of.
    contract.require_employer(body.employer_credit_code)
    command = _key(caller, key)
    if body.replaces is not None and await parts.people.outcome_of(command) is None:  # Whatever became of him since.
        await _require_own_employer(parts, caller, contract_no, body.replaces)
    await parts.wait_for(seen)
    form = body.to_form(contract_no, details.district, for_one_firm=caller.role is Role.EMPLOYER_REGISTRAR)
    answer = await parts.pre_registering.hand_in(form, key=command)
    token = await parts.people.token_after(answer.outcome)
    if answer.declaration_version is None:
        return kept(request, answer.waits_for, token)
    _tell(response, answer.outcome, token)
    return PreRegistrationReceipt(
        person_id=answer.outcome.stream_id, contract_no=contract_no, declaration_version=answer.declaration_version
    )


@router.post(
    "/contracts/{contract_no}/pre-registrations/{person_id}/corrections",
    status_code=201,
    tags=["pre-registrations"],
    responses=unchanged(PreRegistrationReceipt)
    | problems(
        PersonIsNotPreRegistered,
        PreRegistrationIsNotOpen,
        EmployerIsMissing,
        DeclarationHasChanged,
        NameDiffersFromDeclaration,
        DetailsAreCorrectedTooOften,
        RegistrationHasChanged,
    ),
)
async def correct_pre_registration(
    contract_no: ContractNo,
    person_id: UUID,
    body: CorrectionBody,
    key: IdempotencyKey,
    caller: Registrar,
    seen: Consistency,
    parts: Parts,
    response: Response,
    based_on: IfSeen = None,
) -> PreRegistrationReceipt:
    """Put right what was typed, or rely on the latest declaration. The police is told, and the arrival is judged anew; until
    then the gate refuses. What changes nothing is 200."""
    _, contract, _ = await parts.contract_of(caller, contract_no)
    await _require_own_employer(parts, caller, contract_no, person_id)
    if body.employer_credit_code is not None:
        if not covers_employer(caller.role, caller.grants, body.employer_credit_code):
            raise EmployerIsMissing
        contract.require_employer(body.employer_credit_code)
    await parts.wait_for(seen)
    typed = body.to_correction()
    outcome = await parts.correcting.correct(person_id, contract_no, typed, based_on=based_on, key=_key(caller, key))
    _tell(response, outcome, await parts.people.token_after(outcome))
    _, person = await parts.people.read(person_id)
    version = person.pre_registrations[contract_no].declaration_version
    return PreRegistrationReceipt(person_id=person_id, contract_no=contract_no, declaration_version=version)


class WithdrawalBody(StrictModel):
    """Why it was a mistake."""

    reason: VisibleText


@router.post(
    "/contracts/{contract_no}/pre-registrations/{person_id}/withdrawal",
    status_code=204,
    tags=["pre-registrations"],
    responses=problems(PersonHasEntered, PersonIsNotPreRegistered, RegistrationHasChanged),
)
async def withdraw_pre_registration(
    contract_no: ContractNo,
    person_id: UUID,
    body: WithdrawalBody,
    key: IdempotencyKey,
    caller: Withdrawer,
    seen: Consistency,
    parts: Parts,
    response: Response,
    based_on: IfSeen = None,
) -> None:
    """Withdraw a mistaken pre-registration before entry, or a form that waits. Sending it twice withdraws once."""
    await parts.contract_of(caller, contract_no)
    await _require_own_employer(parts, caller, contract_no, person_id)
    await parts.wait_for(seen)
    sealer = await parts.sealing.sealer_for([person_id])
    command = Withdraw(
        person_id=person_id,
        contract_no=contract_no,
        reason=sealer.seal(person_id, "reason", body.reason),
        entered_at=await last_entered_at(parts.pool, contract_no, person_id),
        at=parts.clock.now(),
        based_on=based_on,
    )
    outcome = await parts.people.handle(person_id, command, key=_key(caller, key))
    _tell(response, outcome, await parts.people.token_after(outcome), status=204)


async def _require_own_employer(parts: Wired, caller: Principal, contract_no: str, person_id: UUID) -> None:
    """Raises: PersonIsNotPreRegistered, also for somebody of a firm that is not the caller's: that is not his to know."""
    _, person = await parts.people.read(person_id)
    employer = person.employer_on(contract_no)
    if employer is None or not covers_employer(caller.role, caller.grants, employer):
        raise PersonIsNotPreRegistered


# ----------------------------------------------------------------------------------------------------------------------


def _key(caller: Principal, key: str) -> CommandKey:
    return command_key(principal=caller.subject, key=key, body=request_context().content)


def _tell(response: Response, outcome: Outcome[Any], token: ConsistencyToken | None, *, status: int | None = None) -> None:
    """Version, position, and 200 instead of 201 where nothing was left to do."""
    response.headers["ETag"] = etag(outcome.version)
    if token is not None:
        response.headers[CONSISTENCY_TOKEN] = str(token)
    if status is not None:
        response.status_code = status
    elif not outcome.events:
        response.status_code = 200
