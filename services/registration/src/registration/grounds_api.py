"""In words: why what was registered was put right, and why somebody may act on a contract no more. Sealed; that it was read is
recorded.

For those who decide, and for those who supervise them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, assert_never, get_args
from uuid import UUID

from fastapi import Depends

from chassis.auth import Principal, allowed
from chassis.history import PAGE_ITEMS_MAX, Before, Item, Limit, Page, Words, facts_of, next_before, words_of
from chassis.key_server import Purpose
from chassis.sealing import Unsealer
from chassis.subscribers import Fact
from chassis.web import Router, problems
from contracts.access import Action
from contracts.firms import ContractNo
from contracts.identity import masked_name
from contracts.operators import GrantedRole, OperatorGranted, OperatorWithdrawn
from contracts.registration import (
    FamilyDetailsCorrected,
    FamilyMemberWithdrawn,
    FormWithdrawn,
    PersonDetailsCorrected,
    PreRegistrationWithdrawn,
)
from contracts.review import ReviewItemKind, ReviewItemSettled
from contracts.same_person import PersonLinked, PersonUnlinked
from contracts.sealing import Sealed
from contracts.streams import operators_stream
from registration.changed_fields import FieldChange, Held, OfFamily, OfSomebody, changes, held_before
from registration.domain.family import FamilyMemberIsUnknown
from registration.domain.operators import OperatorsEvent
from registration.domain.person import PersonIsNotPreRegistered
from registration.family_api import require_family_member
from registration.wired import Wired, wired

router = Router(prefix="/v1/contracts/{contract_no}", tags=["grounds"])

Reader = Annotated[Principal, Depends(allowed(Action.VIEW_GROUNDS))]
RightsReader = Annotated[Principal, Depends(allowed(Action.VIEW_OPERATOR_CHANGES))]
Parts = Annotated[Wired, Depends(wired)]

OfPerson = PersonDetailsCorrected | PreRegistrationWithdrawn | FormWithdrawn | ReviewItemSettled | PersonLinked | PersonUnlinked
OfFamilyMember = FamilyDetailsCorrected | FamilyMemberWithdrawn
HERE = "coalesce(said ->> 'contract_no', $6) = $6"
"""Documents are linked wherever the person is."""
HELD_MAX = 2 * PAGE_ITEMS_MAX
"""Whoever was corrected so often was hardly registered anew as often in between."""
HERE_WITH = "said ->> 'contract_no' = $6 AND said ->> 'accompanies' = $7"

LAST_NAMES = """
SELECT DISTINCT ON (operator_id) (said ->> 'operator_id')::uuid AS operator_id, said ->> 'name' AS name
FROM event CROSS JOIN LATERAL (SELECT convert_from(data, 'UTF8')::jsonb AS said) AS fact
WHERE stream_id = $1 AND type = $2 AND (said ->> 'operator_id')::uuid = ANY ($3)
ORDER BY operator_id, version DESC
"""
"""As which those operators were granted something last. A withdrawal names nobody."""

Kind = Literal[
    "person-details-corrected",
    "pre-registration-withdrawn",
    "form-withdrawn",
    "review-item-settled",
    "person-linked",
    "person-unlinked",
    "family-details-corrected",
    "family-member-withdrawn",
]


class CorrectionItem(Item):
    """更正: something that was wrong, or odd, and why."""

    kind: Kind
    """As the fact is named."""
    review_item: ReviewItemKind | None
    """待核: what was looked at."""
    records: list[UUID]
    """Of a link, or of one that was a mistake: the records that it is about, by `person_id`."""
    grounds: str | None
    """In words. None: that was not asked for then, or it was erased."""
    corrected_by: str | None
    """The account. None: before accounts were told."""
    corrected_at: datetime
    """UTC."""
    changes: list[FieldChange]
    """Of a correction: each field, as it was and as it is since."""


class OperatorChangeItem(Item):
    """Somebody may act on the contract, or may no more."""

    operator_id: UUID
    role: GrantedRole | None
    """From then on. None: withdrawn."""
    employer_credit_code: str | None
    name: str | None
    """Masked; of a withdrawal, as it was granted last. None: erased."""
    grounds: str | None
    """Of a withdrawal, in words. None: granted, or erased."""
    changed_by: str
    """The account."""
    changed_at: datetime
    """UTC."""


@router.get("/pre-registrations/{person_id}/corrections", responses=problems(PersonIsNotPreRegistered))
async def list_corrections(
    contract_no: ContractNo, person_id: UUID, caller: Reader, parts: Parts, before: Before = None, limit: Limit = 50
) -> Page[CorrectionItem]:
    """更正, 撤回, 待核 and 证件关联 of somebody whom the contract knows; and why. Reading it is recorded."""
    await parts.require_known(caller, contract_no, person_id)
    found = await facts_of(parts.pool, person_id, get_args(OfPerson), before=before, limit=limit, only=HERE, given=[contract_no])
    words = await words_of(parts.sealing, person_id, found, reader=caller.subject)
    held = await _held(parts, person_id, found, get_args(OfSomebody), HERE, [contract_no])
    return Page(items=[_correction(each, held, words) for each in found], next_before=next_before(found, limit))


@router.get(
    "/pre-registrations/{person_id}/family-members/{member_id}/corrections",
    responses=problems(FamilyMemberIsUnknown, PersonIsNotPreRegistered),
)
async def list_family_corrections(
    contract_no: ContractNo,
    person_id: UUID,
    member_id: UUID,
    caller: Reader,
    parts: Parts,
    before: Before = None,
    limit: Limit = 50,
) -> Page[CorrectionItem]:
    """更正 and 撤回 of a family member; and why. Reading it is recorded."""
    await require_family_member(parts, caller, contract_no, person_id, member_id)
    with_whom = [contract_no, str(person_id)]
    found = await facts_of(
        parts.pool, member_id, get_args(OfFamilyMember), before=before, limit=limit, only=HERE_WITH, given=with_whom
    )
    words = await words_of(parts.sealing, member_id, found, reader=caller.subject)
    held = await _held(parts, member_id, found, get_args(OfFamily), HERE_WITH, with_whom)
    return Page(items=[_correction(each, held, words) for each in found], next_before=next_before(found, limit))


async def _held(
    parts: Wired, stream_id: UUID, found: Sequence[Fact[Any]], events: Sequence[type[Held]], only: str, given: Sequence[object]
) -> Sequence[Fact[Held]]:
    """What held there before each of those that were found, newest first."""
    if not any(isinstance(each.event, Held) for each in found):
        return ()
    newest = found[0].recorded.version
    return await facts_of(parts.pool, stream_id, events, before=newest, limit=HELD_MAX, only=only, given=given)


def _correction(fact: Fact[OfPerson | OfFamilyMember], held: Sequence[Fact[Held]], words: Words) -> CorrectionItem:
    event, recorded = fact
    account = recorded.actor.account if recorded.actor else None
    told: dict[str, Any] = {"kind": event.fact(), "review_item": None, "records": [], "corrected_by": account, "changes": []}
    match event:
        case PersonDetailsCorrected() | FamilyDetailsCorrected():
            told |= {"grounds": words("reason", event.reason), "corrected_at": event.corrected_at}
            told |= {"changes": changes(held_before(recorded.version, held), event, words)}
        case PreRegistrationWithdrawn() | FormWithdrawn() | FamilyMemberWithdrawn():
            told |= {"grounds": words("reason", event.reason), "corrected_at": event.withdrawn_at}
        case PersonLinked():
            told |= {"grounds": words("reason", event.reason), "corrected_at": event.linked_at, "records": event.same_as}
        case PersonUnlinked():
            told |= {"grounds": words("reason", event.reason), "corrected_at": event.unlinked_at, "records": event.not_the_same}
        case ReviewItemSettled():
            told |= {"grounds": words("note", event.note), "corrected_at": event.settled_at, "corrected_by": event.settled_by}
            told |= {"review_item": event.kind}
        case _:
            assert_never(event)
    return CorrectionItem(version=recorded.version, **told)


@router.get("/operator-grants/changes")
async def list_operator_changes(
    contract_no: ContractNo, caller: RightsReader, parts: Parts, before: Before = None, limit: Limit = 50
) -> Page[OperatorChangeItem]:
    """Who was let act on the contract by whom, and who may no more, and why. Reading it is recorded."""
    await parts.contract_of(caller, contract_no)
    stream_id = operators_stream(contract_no)
    found = await facts_of(parts.pool, stream_id, get_args(OperatorsEvent), before=before, limit=limit)
    operators = sorted({each.event.operator_id for each in found})
    granted = await parts.pool.fetch(LAST_NAMES, stream_id, OperatorGranted.TYPE, operators) if found else ()
    names = {row["operator_id"]: row["name"] for row in granted}
    unsealer = await parts.sealing.unwrap(operators, actor=caller.subject, purpose=Purpose.PROCESS)
    return Page(items=[_change(each, names, unsealer) for each in found], next_before=next_before(found, limit))


def _change(fact: Fact[OperatorsEvent], names: Mapping[UUID, Sealed], unsealer: Unsealer) -> OperatorChangeItem:
    event, recorded = fact
    told: dict[str, Any] = {"role": None, "employer_credit_code": None, "grounds": None}
    match event:
        case OperatorGranted():
            sealed = event.name
            told |= {"role": event.role, "employer_credit_code": event.employer_credit_code}
            told |= {"changed_by": event.granted_by, "changed_at": event.granted_at}
        case OperatorWithdrawn():
            sealed = names[event.operator_id]
            told |= {"grounds": unsealer.text(event.operator_id, "reason", event.reason)}
            told |= {"changed_by": event.withdrawn_by, "changed_at": event.withdrawn_at}
        case _:
            assert_never(event)
    name = unsealer.text(event.operator_id, "name", sealed)
    return OperatorChangeItem(version=recorded.version, operator_id=event.operator_id, name=name and masked_name(name), **told)
