"""Entry, exit and gate pass over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel, model_validator
from starlette.responses import Response

from chassis.auth import Principal, allowed, covers_contract
from chassis.command_handling import Outcome, command_key
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.event_store import CommandKey
from chassis.strict_json import StrictModel
from chassis.telemetry import request_context
from chassis.web import Consistency, IdempotencyKey, Router, etag, problems
from contracts.access import Action
from contracts.firms import ContractNo
from contracts.gatekeeper import EntryAttempted, EntryKind, Reason
from contracts.gatekeeper import Outcome as GateOutcome
from contracts.identity import Document
from gatekeeper.domain.commands import RegisterExit
from gatekeeper.domain.decider import PersonIsNotOnSite
from gatekeeper.domain.verdict import earliest
from gatekeeper.wired import Wired, wired

router = Router(prefix="/v1/contracts/{contract_no}", tags=["gate"])

Operator = Annotated[Principal, Depends(allowed(Action.ADMIT))]
Turnstile = Annotated[Principal, Depends(allowed(Action.PASS_GATE))]
Parts = Annotated[Wired, Depends(wired)]


class PersonBody(StrictModel):
    """Who stands at the gate: the `person_id`, or an identity document."""

    person_id: UUID | None = None
    document: Document | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.person_id is None) is (self.document is None):
            raise ValueError("either person_id or document")
        return self


class AttemptAnswer(BaseModel):
    """What the gate answered, as stored. A refusal is an answer, not an error."""

    attempt_id: UUID
    person_id: UUID
    contract_no: str
    kind: EntryKind
    outcome: GateOutcome
    reasons: tuple[Reason, ...]
    """All of them, reminders too."""
    earliest: date | None
    """The first day, in Shanghai, on which the reasons that have a date no longer stand. None: no date is known."""
    valid_until: datetime | None
    """UTC. A grant may be acted on until then."""
    clearance_version: int
    policy_version: int
    fresh_as_of: datetime | None
    attempted_at: datetime


class ExitAnswer(BaseModel):
    """The exit, as stored."""

    person_id: UUID
    contract_no: str
    exited_at: datetime


@router.post("/entries")
async def register_entry(
    contract_no: ContractNo,
    body: PersonBody,
    key: IdempotencyKey,
    caller: Operator,
    seen: Consistency,
    parts: Parts,
    response: Response,
) -> AttemptAnswer:
    """进场登记. Recorded whether admitted or refused; after it the person is on site until the exit.

    The same key again gives the first answer, unless that admitted and the person may no longer enter: then a refusal is
    recorded and answered.
    """
    return await _attempt(parts, contract_no, body, EntryKind.ENTRY, key, caller, seen, response)


@router.post("/gate-passes")
async def pass_gate(
    contract_no: ContractNo,
    body: PersonBody,
    key: IdempotencyKey,
    caller: Turnstile,
    seen: Consistency,
    parts: Parts,
    response: Response,
) -> AttemptAnswer:
    """过闸: one passage through the turnstile. Needs an open entry and passes the same rules."""
    return await _attempt(parts, contract_no, body, EntryKind.GATE_PASS, key, caller, seen, response)


@router.post("/exits", responses=problems(PersonIsNotOnSite))
async def register_exit(
    contract_no: ContractNo,
    body: PersonBody,
    key: IdempotencyKey,
    caller: Operator,
    seen: Consistency,
    parts: Parts,
    response: Response,
) -> ExitAnswer:
    """退场登记. Closes the entry and the pre-registration; to come back takes a new one."""
    covers_contract(caller, contract_no)
    await parts.wait_for(seen)
    person_id = await _person(parts, body)
    command = RegisterExit(person_id=person_id, contract_no=contract_no, at=parts.gate.clock.now())
    outcome = await parts.gate.handler.handle(person_id, command, key=_key(caller, key))
    _tell_version(response, outcome)
    return ExitAnswer.model_validate(outcome.events[0], from_attributes=True)


async def _attempt(
    parts: Wired,
    contract_no: str,
    body: PersonBody,
    kind: EntryKind,
    key: str,
    caller: Principal,
    seen: Consistency,
    response: Response,
) -> AttemptAnswer:
    covers_contract(caller, contract_no)
    await parts.wait_for(seen)
    outcome = await parts.gate.attempt(await _person(parts, body), contract_no, kind, key=_key(caller, key))
    _tell_version(response, outcome)
    attempted = outcome.events[0]
    return AttemptAnswer(**dict(attempted), earliest=earliest(attempted.reasons))


async def _person(parts: Wired, body: PersonBody) -> UUID:
    match body:
        case PersonBody(person_id=UUID() as person_id):
            return person_id
        case PersonBody(document=Document() as document):
            return (await parts.identities.identify([document]))[0]
    raise AssertionError("a PersonBody names exactly one")


def _key(caller: Principal, key: str) -> CommandKey:
    return command_key(principal=caller.subject, key=key, body=request_context().content)


def _tell_version(response: Response, outcome: Outcome[EntryAttempted]) -> None:
    response.headers["ETag"] = etag(outcome.version)
    if outcome.token is not None:
        response.headers[CONSISTENCY_TOKEN] = str(outcome.token)
