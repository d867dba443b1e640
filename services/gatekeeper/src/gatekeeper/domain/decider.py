"""The gate's decisions and what follows from them.

A ban and a grant are facts of one stream, ordered by its version: an attempt that was decided before a ban came is a
conflict when it is appended, and is decided anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar, assert_never
from uuid import UUID

from contracts.gatekeeper import (
    ORDERS_MAX,
    Cause,
    Clearance,
    ClearanceAssessment,
    ClearanceChanged,
    ClearanceOrder,
    ClearancePreRegistration,
    EntryAttempted,
    EntryKind,
    ExitRegistered,
    GatekeeperEvent,
    Outcome,
    ReasonCode,
)
from contracts.health import (
    ArrivalAssessed,
    DispositionChanged,
    HealthHoldPlaced,
    HealthHoldWithdrawn,
    HealthReported,
    IsolationOrdered,
)
from contracts.registration import PersonPreRegistered, PreRegistrationWithdrawn, RosterMemberImported
from contracts.rejection import Rejection
from gatekeeper.domain.commands import Attempt, Confirm, GateCommand, MarkHistory, RegisterExit, RelevantFact, TakeNote
from gatekeeper.domain.state import GatePerson
from gatekeeper.domain.verdict import POLICY_VERSION, Question, Verdict, judge, pre_registration

T = TypeVar("T")

GRANT_S = 5
"""How long a grant may be acted on."""


class PersonIsNotOnSite(Rejection):
    """Only who is on site can leave it."""

    code = "person-is-not-on-site"
    title_zh = "该人员不在场,不能退场登记"
    title_en = "The person is not on site; there is no entry to close"


def decide(command: GateCommand, person: GatePerson) -> Sequence[GatekeeperEvent]:
    match command:
        case TakeNote():
            clearance = _with_fact(person, command.fact, command.cause)
            return _change(person, clearance, command, person_id=command.fact.person_id)
        case MarkHistory():
            clearance = _update(person.clearance, unreadable=command.unreadable)
            return _change(person, clearance, command, person_id=command.person_id)
        case Attempt():
            return [_attempted(command, person, _verdict(command, person))]
        case Confirm():
            return _confirm(command.attempt, person)
        case RegisterExit():
            return _register_exit(command, person)
        case _:
            assert_never(command)


def _change(
    person: GatePerson, clearance: Clearance, command: TakeNote | MarkHistory, *, person_id: UUID
) -> Sequence[ClearanceChanged]:
    if clearance == person.clearance:
        return []  # It changes nothing at the door.
    return [ClearanceChanged(person_id=person_id, clearance=clearance, caused_by=command.cause, changed_at=command.at)]


def _confirm(attempt: Attempt, person: GatePerson) -> Sequence[EntryAttempted]:
    reasons = tuple(reason for reason in _verdict(attempt, person).reasons if reason.code is not ReasonCode.ALREADY_ENTERED)
    verdict = Verdict(reasons)
    return [] if verdict.admits else [_attempted(attempt, person, verdict)]


def _register_exit(command: RegisterExit, person: GatePerson) -> Sequence[ExitRegistered]:
    if command.contract_no not in person.on_site:
        raise PersonIsNotOnSite
    return [ExitRegistered(person_id=command.person_id, contract_no=command.contract_no, exited_at=command.at)]


def _verdict(attempt: Attempt, person: GatePerson) -> Verdict:
    is_fresh = attempt.fresh_as_of is not None
    return judge(person, Question(attempt.contract_no, attempt.kind, attempt.at, is_fresh))


def _attempted(attempt: Attempt, person: GatePerson, verdict: Verdict) -> EntryAttempted:
    expected = pre_registration(person, attempt.contract_no)
    return EntryAttempted(
        person_id=attempt.person_id,
        attempt_id=attempt.attempt_id,
        contract_no=attempt.contract_no,
        kind=attempt.kind,
        outcome=Outcome.ADMITTED if verdict.admits else Outcome.REFUSED,
        reasons=verdict.reasons,
        clearance_version=person.version,
        policy_version=POLICY_VERSION,
        fresh_as_of=attempt.fresh_as_of,
        valid_until=attempt.at + timedelta(seconds=GRANT_S) if verdict.admits else None,
        person_kind=expected.person_kind if expected else None,
        trade=expected.trade if expected else None,
        employer_credit_code=expected.employer_credit_code if expected else None,
        attempted_at=attempt.at,
    )


def evolve(person: GatePerson, event: GatekeeperEvent) -> GatePerson:
    version = person.version + 1
    match event:
        case ClearanceChanged(clearance=clearance):
            # An import as on site is an entry: it opens once, when it becomes known.
            imported = frozenset(clearance.rostered) - frozenset(person.clearance.rostered)
            return replace(
                person, version=version, clearance=clearance, on_site=person.on_site | imported, changed_at=event.changed_at
            )
        case EntryAttempted(kind=EntryKind.ENTRY, outcome=Outcome.ADMITTED):
            return replace(person, version=version, on_site=person.on_site | {event.contract_no})
        case EntryAttempted():
            return replace(person, version=version)
        case ExitRegistered():
            clearance = _without_contract(person.clearance, event.contract_no)
            return replace(person, version=version, clearance=clearance, on_site=person.on_site - {event.contract_no})
        case _:
            assert_never(event)


def _with_fact(person: GatePerson, fact: RelevantFact, cause: Cause) -> Clearance:
    """The basis of a verdict once this fact is known."""
    clearance = person.clearance
    match fact:
        case PersonPreRegistered():
            return _expect(clearance, fact, cause.event_id)
        case PreRegistrationWithdrawn():
            # Withdrawn only before entry: if the two raced, the gate's own fact wins.
            return clearance if fact.contract_no in person.on_site else _without_contract(clearance, fact.contract_no)
        case RosterMemberImported():
            return _update(clearance, rostered=_with(clearance.rostered, fact.contract_no)) if fact.on_site else clearance
        case ArrivalAssessed():
            return _assess(clearance, fact)
        case IsolationOrdered():
            order = ClearanceOrder(order_id=fact.order_id, admissible_on=fact.admissible_on)
            return _update(clearance, orders=_with_order(clearance.orders, order))
        case HealthReported(read_at=read_at):
            return _update(clearance, last_report_at=_latest(clearance.last_report_at, read_at))
        case HealthHoldPlaced():
            return _update(clearance, holds=_with(clearance.holds, fact.hold))
        case HealthHoldWithdrawn():
            return _update(clearance, holds=tuple(hold for hold in clearance.holds if hold is not fact.hold))
        case DispositionChanged():
            # With its id, so that every decision changes the basis: whoever made it waits to hear that it counts.
            return _update(clearance, disposition=fact.disposition, disposition_id=cause.event_id)
        case _:
            assert_never(fact)


def _expect(clearance: Clearance, fact: PersonPreRegistered, pre_registration_id: UUID) -> Clearance:
    expected = ClearancePreRegistration(
        pre_registration_id=pre_registration_id,
        contract_no=fact.contract_no,
        declaration_version=fact.declaration.version,
        employer_credit_code=fact.employer_credit_code,
        person_kind=fact.person_kind,
        trade=fact.trade,
    )
    others = tuple(each for each in clearance.pre_registrations if each.contract_no != fact.contract_no)
    return _update(clearance, pre_registrations=(*others, expected))


def _assess(clearance: Clearance, fact: ArrivalAssessed) -> Clearance:
    assessed = ClearanceAssessment(
        pre_registration_id=fact.pre_registration_id,
        contract_no=fact.contract_no,
        declaration_version=fact.declaration_version,
        questions=fact.questions,
    )
    # Only the latest of a contract can be pinned by an open pre-registration.
    others = tuple(each for each in clearance.assessed if each.contract_no != fact.contract_no)
    return _update(clearance, assessed=(*others, assessed))


def _without_contract(clearance: Clearance, contract_no: str) -> Clearance:
    """The basis after the contract no longer expects the person. Orders and holds are the person's and stay."""
    return _update(
        clearance,
        pre_registrations=tuple(each for each in clearance.pre_registrations if each.contract_no != contract_no),
        rostered=tuple(each for each in clearance.rostered if each != contract_no),
        assessed=tuple(each for each in clearance.assessed if each.contract_no != contract_no),
    )


def _update(clearance: Clearance, **changes: Any) -> Clearance:
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
