"""What is put right after an arrival was judged: questions are answered, orders made from wrong facts are withdrawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from contracts.health import (
    ArrivalAssessed,
    CameFrom,
    HealthEvent,
    IsolationOrdered,
    IsolationOrderWithdrawn,
    IsolationReason,
    TravelClarified,
)
from contracts.policy import Policies
from contracts.rejection import Rejection
from contracts.times import shanghai_date
from health.domain.arrivals import STOPOVER_UNKNOWN, is_withdrawn, order_for
from health.domain.commands import ClarifyTravel, WithdrawOrder
from health.domain.policy_set import PolicySet, in_force
from health.domain.state import Answer, Arrival, HealthPerson, Unclear


class NoQuestionIsOpen(Rejection):
    """Only what a judgement left open can be answered."""

    code = "no-question-is-open"
    title_zh = "该健康云登记没有待核实的问题"
    title_en = "The judgement of this declaration left no question open"


class IsolationOrderIsUnknown(Rejection):
    """An order that was never made cannot be withdrawn."""

    code = "isolation-order-is-unknown"
    status = 404
    title_zh = "没有该隔离要求"
    title_en = "There is no such isolation order"


def clarify_travel(command: ClarifyTravel, person: HealthPerson, policies: Policies) -> Sequence[HealthEvent]:
    """The answer, what follows from it, and the judgements that it closes. Nothing where it was answered so before."""
    if Answer(command.declaration_version, command.stopover_code) in person.answers:
        return []
    if not any(each.declaration_version == command.declaration_version for each in person.unclear):
        raise NoQuestionIsOpen
    clarified = TravelClarified(
        person_id=command.person_id,
        declaration_version=command.declaration_version,
        question=STOPOVER_UNKNOWN,
        stopover_code=command.stopover_code,
        evidence=command.evidence,
        clarified_by=command.clarified_by,
        clarified_at=command.at,
    )
    judged = list(_judged_anew(command, person, policies))
    ordered = {order.order_id: order for order, _ in judged if order is not None and order.order_id not in person.order_ids}
    # As with every judgement, whoever has seen it has seen the orders that follow from it.
    return [clarified, *ordered.values(), *(assessed for _, assessed in judged)]


def _judged_anew(
    command: ClarifyTravel, person: HealthPerson, policies: Policies
) -> Iterator[tuple[IsolationOrdered | None, ArrivalAssessed]]:
    arrivals = {arrival.contract_no: arrival for arrival in person.arrivals}
    for each in person.unclear:
        if each.declaration_version != command.declaration_version:
            continue
        arrival = arrivals.get(each.contract_no)
        district = arrival.district if arrival else None
        policy = in_force(policies, shanghai_date(command.at), district=district, contract_no=each.contract_no)
        order = _order_for_stopover(command, each, person, policy)
        before = [order_id for order_id in each.order_ids if order_id in person.order_ids]
        yield (
            order,
            ArrivalAssessed(
                person_id=command.person_id,
                pre_registration_id=each.pre_registration_id,
                contract_no=each.contract_no,
                declaration_version=each.declaration_version,
                policy_version=policy.version,
                order_ids=tuple(dict.fromkeys([*before, *([order.order_id] if order else [])])),
                departed_on=each.departed_on,
                arrived_on=each.arrived_on,
                district=district,
                extra_policy_versions=policy.extra_versions or None,
                came_from=_with_stopover(arrival, command.stopover_code),
                assessed_at=command.at,
            ),
        )


def _order_for_stopover(
    command: ClarifyTravel, judged: Unclear, person: HealthPerson, policy: PolicySet
) -> IsolationOrdered | None:
    if command.stopover_code is None:
        return None
    isolation = policy.isolation(command.stopover_code, arrived_on=judged.arrived_on)
    if isolation is None:
        return None
    order = order_for(command, judged.declaration_version, IsolationReason.KEY_AREA_STOPOVER, judged.arrived_on, isolation, policy)
    return None if is_withdrawn(order, person) else order


def _with_stopover(arrival: Arrival | None, stopover_code: str | None) -> tuple[CameFrom, ...] | None:
    """What was judged before, with the answer in place of the question."""
    if arrival is None or arrival.came_from is None:
        return None
    stopover = IsolationReason.KEY_AREA_STOPOVER
    others = [CameFrom(reason=reason, code=code) for reason, code in arrival.came_from if reason is not stopover]
    return (*others, *([CameFrom(reason=stopover, code=stopover_code)] if stopover_code else []))


def withdraw_order(command: WithdrawOrder, person: HealthPerson) -> Sequence[IsolationOrderWithdrawn]:
    """The withdrawal; nothing where it was withdrawn before."""
    if command.order_id not in person.order_ids:
        if any(each.order_id == command.order_id for each in person.withdrawn):
            return []
        raise IsolationOrderIsUnknown
    return [
        IsolationOrderWithdrawn(
            person_id=command.person_id,
            order_id=command.order_id,
            reason_code=command.reason_code,
            evidence=command.evidence,
            withdrawn_by=command.withdrawn_by,
            withdrawn_at=command.at,
        )
    ]
