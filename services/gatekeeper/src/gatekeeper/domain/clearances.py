"""The basis of a verdict, as it follows from the facts of others."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar, assert_never
from uuid import UUID

from contracts.gatekeeper import (
    ORDERS_MAX,
    Cause,
    Clearance,
    ClearanceAssessment,
    ClearanceOrder,
    ClearancePreRegistration,
    ClearanceRosterMember,
)
from contracts.health import (
    ArrivalAssessed,
    DispositionChanged,
    HealthHoldPlaced,
    HealthHoldWithdrawn,
    HealthReported,
    IsolationOrdered,
    IsolationOrderWithdrawn,
)
from contracts.registration import (
    PersonDetailsCorrected,
    PersonPreRegistered,
    PreRegistrationWithdrawn,
    RosterMemberImported,
)
from contracts.same_person import PersonLinked, PersonUnlinked
from gatekeeper.domain.commands import RelevantFact
from gatekeeper.domain.state import GatePerson

T = TypeVar("T")


def with_fact(person: GatePerson, fact: RelevantFact, cause: Cause) -> Clearance:
    """The basis of a verdict once this fact is known."""
    clearance = person.clearance
    match fact:
        case PersonPreRegistered() | PersonDetailsCorrected():
            left_at = person.left_at.get(fact.contract_no)
            # Of before the exit, which closed it: it only came late. Registration makes none that is not later than the exit.
            is_closed = left_at is not None and fact.pre_registered_at <= left_at
            return clearance if is_closed else _expect(clearance, fact, cause.event_id)
        case PreRegistrationWithdrawn():
            # Withdrawn only before entry: if the two raced, the gate's own fact wins.
            return clearance if fact.contract_no in person.on_site else without_contract(clearance, fact.contract_no)
        case RosterMemberImported():
            return _roster(clearance, fact)
        case PersonLinked() | PersonUnlinked():
            return updated(clearance, same_as=fact.same_as or None)
        case ArrivalAssessed():
            return _assess(clearance, fact)
        case IsolationOrdered():
            order = ClearanceOrder(order_id=fact.order_id, admissible_on=fact.admissible_on)
            return updated(clearance, orders=_with_order(clearance.orders, order))
        case IsolationOrderWithdrawn():
            return updated(clearance, orders=tuple(order for order in clearance.orders if order.order_id != fact.order_id))
        case HealthReported(latest_read_at=None, read_at=read_at):
            return updated(clearance, last_report_at=_latest(clearance.last_report_at, read_at))
        case HealthReported(latest_read_at=latest_read_at):
            # A correction: the latest until now may be the one that it replaced. Health knows what is left.
            return updated(clearance, last_report_at=latest_read_at)
        case HealthHoldPlaced():
            return updated(clearance, holds=_with(clearance.holds, fact.hold))
        case HealthHoldWithdrawn():
            return updated(clearance, holds=tuple(hold for hold in clearance.holds if hold is not fact.hold))
        case DispositionChanged():
            # With its id, so that every decision changes the basis: whoever made it waits to hear that it counts.
            return updated(clearance, disposition=fact.disposition, disposition_id=cause.event_id)
        case _:
            assert_never(fact)


def _expect(clearance: Clearance, fact: PersonPreRegistered | PersonDetailsCorrected, pre_registration_id: UUID) -> Clearance:
    """Under the id of what was told last, so that what was put right is not assessed before it was judged anew."""
    expected = ClearancePreRegistration(
        pre_registration_id=pre_registration_id,
        contract_no=fact.contract_no,
        declaration_version=fact.declaration.version,
        employer_credit_code=fact.employer_credit_code,
        person_kind=fact.person_kind,
        trade=fact.trade,
    )
    others = tuple(each for each in clearance.pre_registrations if each.contract_no != fact.contract_no)
    return updated(clearance, pre_registrations=(*others, expected))


def _roster(clearance: Clearance, fact: RosterMemberImported) -> Clearance:
    member = ClearanceRosterMember(
        contract_no=fact.contract_no,
        employer_credit_code=fact.employer_credit_code,
        person_kind=fact.person_kind,
        trade=fact.trade,
        on_site=fact.on_site,
    )
    others = tuple(each for each in clearance.rostered if each.contract_no != fact.contract_no)
    return updated(clearance, rostered=(*others, member))


def _assess(clearance: Clearance, fact: ArrivalAssessed) -> Clearance:
    assessed = ClearanceAssessment(
        pre_registration_id=fact.pre_registration_id,
        contract_no=fact.contract_no,
        declaration_version=fact.declaration_version,
        questions=fact.questions,
    )
    # Only the latest of a contract can be pinned by an open pre-registration.
    others = tuple(each for each in clearance.assessed if each.contract_no != fact.contract_no)
    return updated(clearance, assessed=(*others, assessed))


def without_contract(clearance: Clearance, contract_no: str) -> Clearance:
    """The basis after the contract no longer expects the person. Orders and holds are the person's and stay, and so does the
    judgement of a form that is not known here yet: health may be heard first."""
    leaving = {each.pre_registration_id for each in clearance.pre_registrations if each.contract_no == contract_no}
    return updated(
        clearance,
        pre_registrations=tuple(each for each in clearance.pre_registrations if each.contract_no != contract_no),
        rostered=tuple(each for each in clearance.rostered if each.contract_no != contract_no),
        assessed=tuple(each for each in clearance.assessed if each.pre_registration_id not in leaving),
    )


def imported_on_site(clearance: Clearance) -> frozenset[str]:
    """Contracts on which an import opened an entry."""
    return frozenset(member.contract_no for member in clearance.rostered if member.on_site)


def updated(clearance: Clearance, **changes: Any) -> Clearance:
    """The clearance with these changes. Raises: ValidationError."""
    # Made anew, not copied: what no reader could read must fail here, before it is stored.
    return Clearance(**(dict(clearance) | changes))


def _with_order(orders: tuple[ClearanceOrder, ...], order: ClearanceOrder) -> tuple[ClearanceOrder, ...]:
    """A full list drops what ends first: the latest end alone decides."""
    if order in orders:
        return orders
    return tuple(sorted((*orders, order), key=lambda each: each.admissible_on)[-ORDERS_MAX:])


def _with(items: tuple[T, ...], item: T) -> tuple[T, ...]:
    return items if item in items else (*items, item)


def _latest(a: datetime | None, b: datetime) -> datetime:
    return b if a is None else max(a, b)
