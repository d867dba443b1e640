"""Entry, exit and gate pass over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel, Field, model_validator
from starlette.responses import Response

from chassis.auth import Principal, allowed, covers_contract
from chassis.command_handling import Outcome, command_key
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.contract_places import CONTRACT_PLACES
from chassis.event_store import CommandKey
from chassis.strict_json import StrictModel
from chassis.telemetry import request_context
from chassis.web import Consistency, IdempotencyKey, Router, etag, problems, unchanged
from contracts.access import Action
from contracts.firms import ContractNo
from contracts.gatekeeper import EntryKind, Reason
from contracts.gatekeeper import Outcome as GateOutcome
from contracts.identity import Document
from contracts.times import UtcTime
from gatekeeper.domain.commands import RegisterExit
from gatekeeper.domain.decider import PaperEntryIsInTheFuture, PaperEntryIsTooOld, PaperEntryNeedsTwoPeople, PersonIsNotOnSite
from gatekeeper.domain.settling import Finding, Measure, MeasureIsMissing, PaperEntryIsSettled, PaperEntryIsUnknown
from gatekeeper.domain.verdict import earliest
from gatekeeper.read_models.paper_entries import PAPER_ENTRIES, contract_of_paper_entry
from gatekeeper.wired import Wired, wired

router = Router(prefix="/v1/contracts/{contract_no}", tags=["gate"])

supervised = Router(prefix="/v1/paper-entries", tags=["gate"])

Operator = Annotated[Principal, Depends(allowed(Action.ADMIT))]
Settler = Annotated[Principal, Depends(allowed(Action.SETTLE_PAPER_ENTRY))]
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
    """Whose document it was; of a person with several, the record under which he is on site here, or expected."""
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


class PaperEntryBody(PersonBody):
    """Whom two people let in on paper, and when."""

    decided_by: Annotated[list[PersonBody], Field(min_length=2, max_length=2)]
    """The two who decided."""
    entered_at: UtcTime
    """As it stands on the paper."""


class PaperEntryAnswer(BaseModel):
    """The entry, as stored. It has happened, whatever the reasons say."""

    attempt_id: UUID
    person_id: UUID
    contract_no: str
    decided_by: tuple[UUID, ...]
    """`person_id`s."""
    reasons: tuple[Reason, ...]
    """What the rules say to the facts as they stood at `entered_at`. `state_stale`: not all of these are known yet."""
    needs_review: bool
    """待核: one of the reasons forbids."""
    clearance_version: int
    policy_version: int
    fresh_as_of: datetime | None
    entered_at: datetime
    recorded_at: datetime


class SettlementBody(StrictModel):
    """核实: what an authority found of an entry on paper against the rules, and what was done."""

    attempt_id: UUID
    """Which entry."""
    finding: Finding
    measure: Measure
    """`against_the_rules` takes one other than `none`."""


class SettlementReceipt(BaseModel):
    """An authority has looked."""

    person_id: UUID
    attempt_id: UUID
    contract_no: str
    finding: Finding
    measure: Measure


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


@router.post(
    "/paper-entries",
    status_code=201,
    responses=problems(PaperEntryNeedsTwoPeople, PaperEntryIsInTheFuture, PaperEntryIsTooOld),
)
async def record_paper_entry(
    contract_no: ContractNo,
    body: PaperEntryBody,
    key: IdempotencyKey,
    caller: Operator,
    seen: Consistency,
    parts: Parts,
    response: Response,
) -> PaperEntryAnswer:
    """Record afterwards whom two people let in on paper while the gate answered `state_stale`.

    The person is on site since `entered_at`, unless an exit came after it. Judged by the facts as they then stood: where these
    forbade it, the entry stands and is marked for review.
    """
    covers_contract(caller, contract_no)
    await parts.wait_for(seen)
    person_id, *decided_by = [await _person(parts, each) for each in (body, *body.decided_by)]
    person_id = await parts.gate.record_here(person_id, contract_no)
    outcome = await parts.gate.record_on_paper(
        person_id,
        contract_no,
        decided_by=(decided_by[0], decided_by[1]),
        entered_at=body.entered_at,
        key=_key(caller, key),
    )
    _tell_version(response, outcome)
    return PaperEntryAnswer.model_validate(outcome.events[0], from_attributes=True)


@supervised.post(
    "/{person_id}/settlements",
    status_code=201,
    responses=unchanged(SettlementReceipt) | problems(PaperEntryIsUnknown, PaperEntryIsSettled, MeasureIsMissing),
)
async def settle_paper_entry(
    person_id: UUID,
    body: SettlementBody,
    key: IdempotencyKey,
    caller: Settler,
    seen: Consistency,
    parts: Parts,
    response: Response,
) -> SettlementReceipt:
    """核实. The entry is no longer 待核; it stands in the history with what was found. Saying the same again is 200.

    For the authorities that supervise the site: not for the site, which let the person in.
    """
    await parts.wait_for(seen, PAPER_ENTRIES, CONTRACT_PLACES)
    contract_no = await contract_of_paper_entry(parts.pool, caller.reach, person_id, body.attempt_id)
    if contract_no is None:
        raise PaperEntryIsUnknown
    outcome = await parts.gate.settle_paper_entry(
        person_id,
        body.attempt_id,
        contract_no,
        finding=body.finding,
        measure=body.measure,
        settled_by=caller.subject,
        key=_key(caller, key),
    )
    _tell_version(response, outcome)
    if not outcome.events:
        response.status_code = 200
    if token := await parts.gate.handler.token_after(outcome):
        response.headers[CONSISTENCY_TOKEN] = str(token)
    return SettlementReceipt(person_id=person_id, contract_no=contract_no, **body.model_dump())


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
    person_id = await parts.gate.record_here(await _person(parts, body), contract_no)
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


def _tell_version(response: Response, outcome: Outcome[Any]) -> None:
    response.headers["ETag"] = etag(outcome.version)
    if outcome.token is not None:
        response.headers[CONSISTENCY_TOKEN] = str(outcome.token)
