"""待核 over HTTP: what a person must look at on a contract, and who has."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel
from starlette.responses import Response

from chassis.auth import Principal, allowed
from chassis.command_handling import command_key
from chassis.consistency import HEADER as CONSISTENCY_TOKEN
from chassis.key_server import Purpose
from chassis.sealing import Unsealer
from chassis.strict_json import StrictModel
from chassis.telemetry import request_context
from chassis.web import Consistency, IdempotencyKey, Router, etag, problems, unchanged
from contracts.access import Action
from contracts.codes import DeclarationVersion
from contracts.firms import ContractNo
from contracts.identity import masked_name, masked_number
from contracts.registration import PinnedDeclaration
from contracts.review import ReviewItemKind
from contracts.texts import VisibleText
from registration.domain.review import ReviewItem, ReviewItemIsUnknown, SettleReviewItem
from registration.read_models.declaration_versions import DECLARATION_VERSIONS
from registration.read_models.pre_registrations import PRE_REGISTRATIONS
from registration.read_models.presences import PRESENCES
from registration.read_models.review_items import REVIEW_ITEMS
from registration.read_models.review_settlements import REVIEW_SETTLEMENTS
from registration.review_items import BY_CONTRACT, FoundItem, FoundPage, review_items
from registration.supervised import ByContract, OfAuthority, OnContract, Supervisor, own_employer
from registration.wired import Wired, wired

PEOPLE_DEFAULT, PEOPLE_MAX = 50, 200

ITEMS = (REVIEW_ITEMS, PRE_REGISTRATIONS, DECLARATION_VERSIONS, PRESENCES, REVIEW_SETTLEMENTS)
"""What these lists are read from."""

router = Router(prefix="/v1/contracts/{contract_no}/review-items", tags=["review items"])

supervised = Router(prefix="/v1/review-items", tags=["review items"])

Viewer = Annotated[Principal, Depends(allowed(Action.VIEW_SITE))]
Settler = Annotated[Principal, Depends(allowed(Action.SETTLE_REVIEW_ITEM))]
Parts = Annotated[Wired, Depends(wired)]


class SettlementAnswer(BaseModel):
    """Somebody has looked."""

    settled_by: str
    """The account."""
    settled_at: datetime
    """UTC."""


class DeclaredAnswer(BaseModel):
    """What a declaration says, as far as two of them can be compared."""

    declaration_version: int
    reported_on: date
    departed_on: date | None
    from_hubei: bool
    from_wuhan: bool
    stopover: bool
    stopover_code: str | None
    """GB/T 2260. None with a stopover: the place was not recognised."""
    temperature_celsius: float | None


class ReviewItemAnswer(BaseModel):
    """Something to look at. Name and number are masked; None where the person was erased."""

    person_id: UUID
    contract_no: str
    kind: ReviewItemKind
    declaration_version: int
    """The declaration that it is about."""
    pinned_version: int
    """The one that the pre-registration relies on."""
    codes: list[str]
    """Of a contradiction: the bridge's codes. Of a difference: which fields."""
    pinned: DeclaredAnswer | None
    """What the one says that is relied on."""
    declared: DeclaredAnswer | None
    """What the one says that it is about."""
    latest: DeclaredAnswer | None
    """What the person declared last: a correction can rely on no other one."""
    name: str | None
    document_type: str
    document_number: str | None
    settled: SettlementAnswer | None
    """None: nobody has looked yet."""


class ReviewItemsAnswer(BaseModel):
    """A page, by person."""

    items: list[ReviewItemAnswer]
    next: UUID | None
    """`after` of the next page. None: this was the last one."""


class UnsettledOnContractItem(OnContract):
    """A contract with something that nobody has looked at."""

    items: int
    """How much: one or more."""


class UnsettledByContractAnswer(ByContract[UnsettledOnContractItem]):
    """Contracts with something that nobody has looked at, by number."""


IsSettled = Annotated[bool | None, Query(description="Whether somebody has looked; without it, all.")]
OfPerson = Annotated[UUID | None, Query(description="Of this person alone.")]
People = Annotated[int, Query(ge=1, le=PEOPLE_MAX, description="People, not items.")]


@router.get("")
async def list_review_items(
    contract_no: ContractNo,
    caller: Viewer,
    seen: Consistency,
    parts: Parts,
    is_settled: IsSettled = None,
    person_id: OfPerson = None,
    after: UUID | None = None,
    limit: People = PEOPLE_DEFAULT,
) -> ReviewItemsAnswer:
    """待核. Contradictions within the declaration that is relied on; a newer one that says otherwise; an entry that crossed a
    withdrawal. An item ends by itself when what it came from is put right, as by a correction that pins the newer one."""
    await parts.contract_of(caller, contract_no)
    await parts.wait_for(seen, *ITEMS)
    page = await review_items(
        parts.pool,
        contract_no,
        employer=own_employer(caller),
        is_settled=is_settled,
        person_id=person_id,
        after=after,
        people_max=limit,
    )
    return await _masked(parts, caller, contract_no, page)


@supervised.get("")
async def list_supervised_review_items(asked: OfAuthority) -> UnsettledByContractAnswer:
    """待核 on all contracts of a station, a district or the city: how much on which contract that nobody has looked at."""
    return UnsettledByContractAnswer(**await asked.answer(BY_CONTRACT, REVIEW_ITEMS, PRESENCES, REVIEW_SETTLEMENTS))


@supervised.get("/{contract_no}")
async def list_review_items_of_supervised(
    contract_no: ContractNo,
    caller: Supervisor,
    seen: Consistency,
    parts: Parts,
    is_settled: IsSettled = None,
    after: UUID | None = None,
    limit: People = PEOPLE_DEFAULT,
) -> ReviewItemsAnswer:
    """待核 on one of those contracts: what there is to look at."""
    await parts.wait_for(seen, *ITEMS)
    await parts.contract_of(caller, contract_no)
    page = await review_items(parts.pool, contract_no, employer=None, is_settled=is_settled, after=after, people_max=limit)
    return await _masked(parts, caller, contract_no, page)


async def _masked(parts: Wired, caller: Principal, contract_no: str, page: FoundPage) -> ReviewItemsAnswer:
    people = list(dict.fromkeys(each.person_id for each in page.items))
    unsealer = await parts.sealing.unwrap(people, actor=caller.subject, purpose=Purpose.MASKED_PAGE)
    return ReviewItemsAnswer(items=[_answer(contract_no, each, unsealer) for each in page.items], next=page.next)


class FoundOutAnswer(BaseModel):
    """What somebody found who looked."""

    kind: ReviewItemKind
    declaration_version: int
    settled_by: str
    """The account."""
    settled_at: datetime
    """UTC."""
    note: str | None
    """None where the person was erased."""


@router.get("/{person_id}/settlements", responses=problems(ReviewItemIsUnknown))
async def list_settlements(
    contract_no: ContractNo, person_id: UUID, caller: Settler, seen: Consistency, parts: Parts
) -> list[FoundOutAnswer]:
    """What was found about one person's items, as far as they are there. A note may say anything: it is for those who look, and
    that they read it is recorded."""
    await parts.contract_of(caller, contract_no)
    await parts.wait_for(seen, *ITEMS)
    page = await review_items(parts.pool, contract_no, employer=None, person_id=person_id, people_max=1)
    if not page.items:
        raise ReviewItemIsUnknown
    settled = [each.settled for each in page.items if each.settled is not None]
    unsealer = await parts.sealing.unwrap([person_id] if settled else [], actor=caller.subject, purpose=Purpose.PROCESS)
    return [
        FoundOutAnswer(
            kind=ReviewItemKind(each.kind),
            declaration_version=each.declaration_version,
            settled_by=each.settled_by,
            settled_at=each.settled_at,
            note=unsealer.text(person_id, "note", each.note),
        )
        for each in settled
    ]


class SettlementBody(StrictModel):
    """Which item was looked at, and what was found."""

    kind: ReviewItemKind
    declaration_version: DeclarationVersion
    note: VisibleText


class SettlementReceipt(BaseModel):
    """Somebody has looked."""

    person_id: UUID
    contract_no: str
    kind: ReviewItemKind
    declaration_version: int


@router.post("/{person_id}/settlements", status_code=201, responses=unchanged(SettlementReceipt) | problems(ReviewItemIsUnknown))
async def settle_review_item(
    contract_no: ContractNo,
    person_id: UUID,
    body: SettlementBody,
    key: IdempotencyKey,
    caller: Settler,
    seen: Consistency,
    parts: Parts,
    response: Response,
) -> SettlementReceipt:
    """Say that one has looked. Nothing else changes: a wrong detail is put right by a correction. Saying it again is 200."""
    await parts.contract_of(caller, contract_no)
    await parts.wait_for(seen, *ITEMS)
    item = ReviewItem(body.kind, body.declaration_version)
    page = await review_items(parts.pool, contract_no, employer=None, person_id=person_id, people_max=1)
    if item not in [each.item for each in page.items]:
        raise ReviewItemIsUnknown
    sealer = await parts.sealing.sealer_for([person_id])
    command = SettleReviewItem(
        person_id=person_id,
        contract_no=contract_no,
        item=item,
        settled_by=caller.subject,
        note=sealer.seal(person_id, "note", body.note),
        at=parts.clock.now(),
    )
    outcome = await parts.people.handle(
        person_id, command, key=command_key(principal=caller.subject, key=key, body=request_context().content)
    )
    response.headers["ETag"] = etag(outcome.version)
    if token := await parts.people.token_after(outcome):
        response.headers[CONSISTENCY_TOKEN] = str(token)
    if not outcome.events:
        response.status_code = 200
    return SettlementReceipt(
        person_id=person_id, contract_no=contract_no, kind=body.kind, declaration_version=body.declaration_version
    )


def _answer(contract_no: str, found: FoundItem, unsealer: Unsealer) -> ReviewItemAnswer:
    name = unsealer.text(found.person_id, "name", found.name)
    number, settled = unsealer.text(found.person_id, "document", found.document), found.settled
    return ReviewItemAnswer(
        person_id=found.person_id,
        contract_no=contract_no,
        kind=found.item.kind,
        declaration_version=found.item.declaration_version,
        pinned_version=found.pinned_version,
        codes=list(found.codes),
        pinned=_declared(found.pinned),
        declared=_declared(found.declared),
        latest=_declared(found.latest),
        name=name and masked_name(name),
        document_type=found.document_type,
        document_number=number and masked_number(number),
        settled=SettlementAnswer(settled_by=settled.settled_by, settled_at=settled.settled_at) if settled else None,
    )


def _declared(said: PinnedDeclaration | None) -> DeclaredAnswer | None:
    if said is None:
        return None
    return DeclaredAnswer(
        declaration_version=said.version,
        reported_on=said.reported_on,
        departed_on=said.departed_on,
        from_hubei=said.from_hubei,
        from_wuhan=said.from_wuhan,
        stopover=said.stopover,
        stopover_code=said.stopover_code,
        temperature_celsius=said.temperature_celsius,
    )
