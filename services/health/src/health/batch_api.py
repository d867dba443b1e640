"""处置方式 of many people at once, which takes two people to decide."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import NAMESPACE_OID, UUID, uuid5

from fastapi import Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from chassis.auth import Principal, allowed, covers_contract
from chassis.command_handling import command_key
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.event_store import CommandKey
from chassis.faults import NotFound
from chassis.key_server import Purpose
from chassis.telemetry import request_context
from chassis.web import Consistency, IdempotencyKey, Router, problems
from contracts.access import Action
from contracts.event import shard_of
from contracts.health import Disposition, IsolationMethod
from health.command_api import DispositionBody
from health.disposition_batches import Batch, ProposalHasLapsed, SecondPersonIsTheFirst, approve, batch_of, propose
from health.domain.ban_reviews import ReviewIsOutOfReach
from health.domain.dispositions import EvidenceIsMissing, IsolationEndsBeforeItBegins, IsolationIsIncomplete
from health.domain.state import HealthPerson
from health.many_people import PEOPLE_MAX, PersonAnswer, PersonIsNamedTwice, done, require_distinct
from health.wired import Parts, Wired

router = Router(prefix="/v1/disposition-batches", tags=["health"])

Decider = Annotated[Principal, Depends(allowed(Action.SET_DISPOSITION))]


class BatchBody(DispositionBody):
    """The same 处置方式 of all of them."""

    person_ids: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=PEOPLE_MAX)]


class BatchAnswer(BaseModel):
    """What was proposed, and what became of it."""

    batch_id: UUID
    contract_no: str
    waits: bool
    """Whether it needs a second person's approval, still. Nobody is banned or released by then."""
    proposed_at: datetime
    approved_at: datetime | None
    people: list[PersonAnswer]
    """What became of each; empty while it waits."""


class BatchItem(BaseModel):
    """What a second person has to judge."""

    batch_id: UUID
    contract_no: str
    waits: bool
    proposed_at: datetime
    approved_at: datetime | None
    disposition: Disposition
    isolation_from: date | None
    isolation_until: date | None
    method: IsolationMethod | None
    reason_code: str
    review_on: date | None
    evidence: str | None
    """What it rests on, in the words of whoever proposed it. Reading it is recorded."""
    person_ids: list[UUID]


@router.post(
    "",
    status_code=201,
    responses=problems(
        PersonIsNamedTwice, IsolationIsIncomplete, IsolationEndsBeforeItBegins, EvidenceIsMissing, ReviewIsOutOfReach
    ),
)
async def propose_disposition_batch(
    body: BatchBody, key: IdempotencyKey, caller: Decider, seen: Consistency, parts: Parts, response: Response
) -> BatchAnswer:
    """批量处置. Of more than 20 people at once it waits for the approval of a second person; of fewer it is carried out.

    Somebody whom the contract does not know refuses all of it.
    """
    covers_contract(caller, body.contract_no)
    await parts.wait_for(seen)
    require_distinct(body.person_ids)
    command = command_key(principal=caller.subject, key=key, body=request_context().content)
    if set(body.person_ids) - await parts.known_of(caller, body.contract_no, body.person_ids):
        raise NotFound
    proposed = await _proposed(body, command, parts)
    _require_complete(proposed, parts)
    await parts.remembered.reserve(command)  # Raises where the key stands for another request. The row is the answer.
    batch = await propose(parts.pool, proposed)
    return await _answer(batch, [] if batch.waits else await _carried_out(batch, caller, parts), parts, response)


@router.get("/{batch_id}")
async def read_disposition_batch(batch_id: UUID, caller: Decider, seen: Consistency, parts: Parts) -> BatchItem:
    """What is proposed about whom, and why."""
    await parts.wait_for(seen)
    batch = await _own(batch_id, caller, parts)
    return BatchItem(
        batch_id=batch.batch_id,
        contract_no=batch.contract_no,
        waits=batch.waits,
        proposed_at=batch.proposed_at,
        approved_at=batch.approved_at,
        disposition=batch.disposition,
        isolation_from=batch.isolation_from,
        isolation_until=batch.isolation_until,
        method=batch.method,
        reason_code=batch.reason_code,
        review_on=batch.review_on,
        evidence=await _evidence(batch, caller, parts),
        person_ids=list(batch.person_ids),
    )


@router.post("/{batch_id}/approval", responses=problems(SecondPersonIsTheFirst, ProposalHasLapsed))
async def approve_disposition_batch(
    batch_id: UUID, caller: Decider, seen: Consistency, parts: Parts, response: Response
) -> BatchAnswer:
    """审核: the second person agrees, and it is carried out. Sent again, it completes what was left and does nothing twice."""
    await parts.wait_for(seen)
    batch = await _own(batch_id, caller, parts)
    approved = await approve(parts.pool, batch, account=caller.subject, at=parts.clock.now())
    return await _answer(approved, await _carried_out(approved, caller, parts), parts, response)


async def _own(batch_id: UUID, caller: Principal, parts: Wired) -> Batch:
    """Raises: NotFound, also where it is somebody else's."""
    batch = await batch_of(parts.pool, batch_id)
    if batch is None:
        raise NotFound
    covers_contract(caller, batch.contract_no)
    return batch


async def _proposed(body: BatchBody, command: CommandKey, parts: Wired) -> Batch:
    sealer = await parts.sealing.sealer_for(body.person_ids)

    def sealed(field: str, text: str | None) -> list[str] | None:
        return [sealer.seal(person_id, field, text) for person_id in body.person_ids] if text else None

    return Batch(
        # Of the request: sent again, it is the same proposal.
        batch_id=uuid5(NAMESPACE_OID, f"disposition batch\n{command.principal}\n{command.key}\n{command.body_hash.hex()}"),
        contract_no=body.contract_no,
        person_ids=body.person_ids,
        disposition=body.disposition,
        isolation_from=body.isolation_from,
        isolation_until=body.isolation_until,
        method=body.method,
        reason_code=body.reason_code,
        review_on=body.review_on,
        evidence=sealed("evidence", body.evidence),
        release_documents=sealed("release_document", body.release_document),
        proposed_by=command.principal,
        proposed_at=parts.clock.now(),
    )


def _require_complete(batch: Batch, parts: Wired) -> None:
    """What would be refused of anybody is refused before a second person is asked. Raises: Rejection."""
    for command in batch.commands(batch.proposed_at).values():
        parts.handler.decider.decide(command, HealthPerson())


async def _carried_out(batch: Batch, caller: Principal, parts: Wired) -> list[PersonAnswer]:
    known = await parts.known_of(caller, batch.contract_no, batch.person_ids)
    commands = {each: command if each in known else None for each, command in batch.commands(parts.clock.now()).items()}
    # The batch's own key, whoever sends it and how often: it is carried out once.
    key = CommandKey("disposition batch", str(batch.batch_id), hashlib.sha256(batch.batch_id.bytes).digest())
    return await parts.many.each(commands, key)


async def _answer(batch: Batch, people: Sequence[PersonAnswer], parts: Wired, response: Response) -> BatchAnswer:
    token = await parts.handler.token_of_shards(map(shard_of, done(people)))
    if token is not None:
        response.headers[CONSISTENCY_TOKEN] = str(token)
    return BatchAnswer(
        batch_id=batch.batch_id,
        contract_no=batch.contract_no,
        waits=batch.waits,
        proposed_at=batch.proposed_at,
        approved_at=batch.approved_at,
        people=list(people),
    )


async def _evidence(batch: Batch, caller: Principal, parts: Wired) -> str | None:
    """The note, which is the same of everybody: read with the first key that is left."""
    if batch.evidence is None:
        return None
    unsealer = await parts.sealing.unwrap(batch.person_ids, actor=caller.subject, purpose=Purpose.PROCESS)
    notes = (unsealer.text(person_id, "evidence", each) for person_id, each in zip(batch.person_ids, batch.evidence, strict=True))
    return next((note for note in notes if note is not None), None)
