"""Further documents of a person over HTTP: what stands against one of them counts for all of them (ADR 38)."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.command_handling import Outcome, command_key
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.key_server import Purpose
from chassis.strict_json import StrictModel
from chassis.telemetry import request_context
from chassis.web import IdempotencyKey, Router, etag, problems, unchanged
from contracts.access import Action
from contracts.firms import ContractNo
from contracts.identity import Document, DocumentType, masked_number
from contracts.texts import VisibleText
from registration.domain.person import PersonEvent, PersonIsNotPreRegistered
from registration.domain.same_person import DocumentIsNotLinked, DocumentIsThePersonsOwn, PersonHasTooManyDocuments
from registration.linking import document_of, records_of
from registration.wired import Wired, wired

router = Router(prefix="/v1/contracts/{contract_no}/pre-registrations/{person_id}/documents", tags=["documents"])

Viewer = Annotated[Principal, Depends(allowed(Action.VIEW_SITE))]
Registrar = Annotated[Principal, Depends(allowed(Action.LINK_DOCUMENT))]
Unlinker = Annotated[Principal, Depends(allowed(Action.UNLINK_DOCUMENT))]
Parts = Annotated[Wired, Depends(wired)]


class DocumentBody(StrictModel):
    """A further document of the person: a renewed one, or one of another kind."""

    document: Document
    reason: VisibleText
    """From what it is seen that it is the same person."""


class DocumentReceipt(BaseModel):
    """The documents are the same person's."""

    person_id: UUID
    contract_no: str
    same_as: list[UUID]
    """The person's records under all other documents, by `person_id`."""


class DocumentAnswer(BaseModel):
    """One of the person's records. The number is masked; None where it is not known, or was erased."""

    person_id: UUID
    document_type: DocumentType | None
    document_number: str | None


class DocumentsAnswer(BaseModel):
    """All records of the person, this one first."""

    items: list[DocumentAnswer]


class UnlinkingBody(StrictModel):
    """Why it was a mistake."""

    reason: VisibleText


@router.post(
    "",
    status_code=201,
    responses=unchanged(DocumentReceipt) | problems(DocumentIsThePersonsOwn, PersonHasTooManyDocuments, PersonIsNotPreRegistered),
)
async def link_document(
    contract_no: ContractNo,
    person_id: UUID,
    body: DocumentBody,
    key: IdempotencyKey,
    caller: Registrar,
    parts: Parts,
    response: Response,
) -> DocumentReceipt:
    """Say that a further document is the same person's. From then on bans, isolation and health of either record count for
    both, at every gate. Said again, it changes nothing (200)."""
    await parts.require_known(caller, contract_no, person_id)
    command = command_key(principal=caller.subject, key=key, body=request_context().content)
    told = await parts.linking.link(person_id, body.document, body.reason, key=command)
    _tell(response, told.outcome)
    if not told.outcome.events:
        response.status_code = 200
    return DocumentReceipt(person_id=person_id, contract_no=contract_no, same_as=[*told.same_as])


@router.get("")
async def list_documents(contract_no: ContractNo, person_id: UUID, caller: Viewer, parts: Parts) -> DocumentsAnswer:
    """The records of the person under all documents, masked."""
    await parts.require_known(caller, contract_no, person_id)
    records = await records_of(parts.people, person_id)
    unsealer = await parts.sealing.unwrap(sorted(records), actor=caller.subject, purpose=Purpose.MASKED_PAGE)
    items = []
    for each, (_, record) in records.items():
        known = document_of(record)
        number = unsealer.text(each, "document", known.document if known else None)
        items.append(
            DocumentAnswer(
                person_id=each,
                document_type=known.document_type if known else None,
                document_number=number and masked_number(number),
            )
        )
    return DocumentsAnswer(items=items)


@router.post("/{other_id}/withdrawal", status_code=204, responses=problems(DocumentIsNotLinked, PersonIsNotPreRegistered))
async def unlink_document(
    contract_no: ContractNo,
    person_id: UUID,
    other_id: UUID,
    body: UnlinkingBody,
    key: IdempotencyKey,
    caller: Unlinker,
    parts: Parts,
    response: Response,
) -> None:
    """The other document is somebody else's: its record stands for itself again, and all others stay linked. Of the person's
    own record (`other_id` is `person_id`), it is this one that leaves. Sending it twice does it once."""
    await parts.require_known(caller, contract_no, person_id)
    command = command_key(principal=caller.subject, key=key, body=request_context().content)
    _tell(response, await parts.linking.unlink(person_id, other_id, body.reason, key=command))


def _tell(response: Response, outcome: Outcome[PersonEvent]) -> None:
    response.headers["ETag"] = etag(outcome.version)
    if outcome.token is not None:
        response.headers[CONSISTENCY_TOKEN] = str(outcome.token)
