"""Health's decisions and what follows from them. A person's facts are one stream, whichever contract they came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import assert_never
from uuid import UUID

from contracts.health import (
    ArrivalAssessed,
    BanObjected,
    BanReviewed,
    Disposition,
    DispositionChanged,
    HealthEvent,
    HealthHoldPlaced,
    HealthHoldWithdrawn,
    HealthReported,
    IsolationOrdered,
    IsolationOrderWithdrawn,
    TravelClarified,
)
from contracts.policy import Policies
from contracts.times import shanghai_date
from health.domain.arrivals import judge
from health.domain.ban_reviews import object_to_ban, review_ban
from health.domain.commands import (
    AssessArrival,
    ChangeDisposition,
    ClarifyTravel,
    HealthCommand,
    ObjectToBan,
    ReportHealth,
    ReviewBan,
    TakeDeclared,
    WithdrawOrder,
)
from health.domain.corrections import clarify_travel, withdraw_order
from health.domain.dispositions import change_disposition
from health.domain.policy_set import PolicySet, in_force
from health.domain.reports import report_health, take_declared, with_report
from health.domain.state import Answer, Arrival, Decided, HealthPerson, Journey, Order, Unclear, Withdrawn


def decide(command: HealthCommand, person: HealthPerson, *, policies: Callable[[], Policies]) -> Sequence[HealthEvent]:
    """By what is in force on the command's day. Readings count at every gate: what districts and sites add is of arrivals.

    `policies`: what has been adopted by now. Asked only where something is judged: a human decision needs none.
    """
    day = shanghai_date(command.at)
    match command:
        case AssessArrival():
            policy = in_force(policies(), day, district=command.district, contract_no=command.contract_no)
            return _assess_arrival(command, person, policy)
        case TakeDeclared():
            return take_declared(command, person, PolicySet(policies().on(day)))
        case ClarifyTravel():
            return clarify_travel(command, person, policies())
        case WithdrawOrder():
            return withdraw_order(command, person)
        case ReportHealth():
            return report_health(command, person, PolicySet(policies().on(day)))
        case ChangeDisposition():
            return change_disposition(command, person.decided)
        case ReviewBan():
            return review_ban(command, person)
        case ObjectToBan():
            return object_to_ban(command, person)
        case _:
            assert_never(command)


def _assess_arrival(command: AssessArrival, person: HealthPerson, policy: PolicySet) -> Sequence[HealthEvent]:
    if command.pre_registration_id in person.assessed:
        return []
    judgement = judge(command, person, policy)
    new = [order for order in judgement.orders if order.order_id not in person.order_ids]
    assessed = ArrivalAssessed(
        person_id=command.person_id,
        pre_registration_id=command.pre_registration_id,
        contract_no=command.contract_no,
        declaration_version=command.declaration.version,
        policy_version=policy.version,
        order_ids=tuple(order.order_id for order in judgement.orders),
        questions=judgement.questions,
        departed_on=judgement.departed_on,
        arrived_on=judgement.arrived_on,
        district=command.district,
        extra_policy_versions=policy.extra_versions or None,
        came_from=judgement.came_from,
        assessed_at=command.at,
    )
    # The judgement is closed last: whoever has seen it has seen the hold and the orders that follow from it.
    return [*_declared(command, person, policy), *new, assessed]


def _declared(command: AssessArrival, person: HealthPerson, policy: PolicySet) -> Sequence[HealthEvent]:
    """What the pinned declaration says of temperature, where that was not taken before."""
    pinned = command.declaration
    if pinned.temperature_celsius is None:
        return []
    declared = TakeDeclared(command.person_id, pinned.version, pinned.temperature_celsius, pinned.reported_on, command.at)
    return take_declared(declared, person, policy)


def evolve(person: HealthPerson, event: HealthEvent) -> HealthPerson:
    match event:
        case HealthReported():
            return with_report(person, event)
        case HealthHoldPlaced(hold=hold):
            return replace(person, holds=person.holds | {hold})
        case HealthHoldWithdrawn(hold=hold):
            return replace(person, holds=person.holds - {hold})
        case IsolationOrdered():
            return replace(person, orders=(*person.orders, _order(event)))
        case IsolationOrderWithdrawn():
            return _without_order(person, event.order_id)
        case TravelClarified():
            return replace(person, answers=(*person.answers, Answer(event.declaration_version, event.stopover_code)))
        case ArrivalAssessed():
            return replace(
                person,
                assessed=person.assessed | {event.pre_registration_id},
                declarations=person.declarations | {event.declaration_version},
                journeys=_with_journey(person.journeys, event),
                arrivals=_with_arrival(person.arrivals, event),
                unclear=_with_judgement(person.unclear, event),
            )
        case DispositionChanged():
            # Another ban is no answer to what the person said: nobody need have read it.
            objects = person.objects and event.disposition is not Disposition.ADMISSIBLE
            return replace(person, decided=_decided(event), review_on=event.review_on, objects=objects)
        case BanReviewed():
            return replace(person, review_on=event.review_on, objects=False)
        case BanObjected():
            return replace(person, objects=True)
        case _:
            assert_never(event)


def _with_journey(journeys: tuple[Journey, ...], event: ArrivalAssessed) -> tuple[Journey, ...]:
    if event.arrived_on is None:
        return journeys
    told = Journey(event.departed_on, event.arrived_on)
    return (*(journey for journey in journeys if not _is_same(journey, told)), told)


def _with_arrival(arrivals: tuple[Arrival, ...], event: ArrivalAssessed) -> tuple[Arrival, ...]:
    others = tuple(each for each in arrivals if each.contract_no != event.contract_no)
    if event.arrived_on is None:
        return others
    judged = Arrival(
        contract_no=event.contract_no,
        district=event.district,
        declaration_version=event.declaration_version,
        arrived_on=event.arrived_on,
        came_from=None if event.came_from is None else tuple((each.reason, each.code) for each in event.came_from),
    )
    return (*others, judged)


def _with_judgement(unclear: tuple[Unclear, ...], event: ArrivalAssessed) -> tuple[Unclear, ...]:
    others = tuple(each for each in unclear if each.contract_no != event.contract_no)
    if not event.questions or event.arrived_on is None:
        return others
    judged = Unclear(
        pre_registration_id=event.pre_registration_id,
        contract_no=event.contract_no,
        declaration_version=event.declaration_version,
        order_ids=event.order_ids,
        departed_on=event.departed_on,
        arrived_on=event.arrived_on,
    )
    return (*others, judged)


def _order(event: IsolationOrdered) -> Order:
    return Order(event.order_id, event.reason, event.anchor_date, event.admissible_on)


def _without_order(person: HealthPerson, order_id: UUID) -> HealthPerson:
    judged = max(person.declarations, default=0)
    withdrawn = [Withdrawn(order_id, each.reason, each.anchor_date, judged) for each in person.orders if each.order_id == order_id]
    others = [each for each in person.withdrawn if each.order_id != order_id]
    orders = tuple(order for order in person.orders if order.order_id != order_id)
    return replace(person, orders=orders, withdrawn=(*others, *withdrawn))


def _is_same(journey: Journey, told: Journey) -> bool:
    if journey.departed_on is None:
        return journey == told
    return journey.departed_on == told.departed_on


def _decided(event: DispositionChanged) -> Decided:
    return Decided(
        disposition=event.disposition,
        isolation_from=event.isolation_from,
        isolation_until=event.isolation_until,
        method=event.method,
        reason_code=event.reason_code,
    )
