"""The judgement of a pinned declaration: which isolation orders and questions follow from it, by a policy set.

Day 0 is the day of arrival in Shanghai: the date that was typed, else the later of departure and report of the first
declaration of the journey. A later declaration of the same journey never moves it. Where statements contradict each
other the stricter one counts: nobody arrives before he departs, and whoever types a later day of arrival than the one
that was ordered by adds an order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID, uuid5

from contracts.health import IsolationOrdered, IsolationReason
from contracts.registration import PinnedDeclaration
from health.domain.commands import AssessArrival
from health.domain.policy_set import PolicySet
from health.domain.state import HealthPerson, Journey

STOPOVER_UNKNOWN = "stopover_unknown"
"""The question that an unknown place of a stop-over leaves open."""

HUBEI, WUHAN = "420000", "420100"
"""What 是否湖北出发 and 是否武汉出发 ask about (GB/T 2260)."""


@dataclass(frozen=True)
class Judgement:
    """What follows from one pinned declaration."""

    departed_on: date | None
    """Of the journey."""
    arrived_on: date
    """Day 0."""
    orders: Sequence[IsolationOrdered]
    """Those that are new."""
    order_ids: tuple[UUID, ...]
    """All that ban because of this declaration, new or made before."""
    questions: tuple[str, ...]


def judge(command: AssessArrival, person: HealthPerson, policy: PolicySet) -> Judgement:
    """Judge the declaration on what is known of the person. An order that the journey already led to is not made again."""
    journey = _journey(command.declaration, person.journeys, policy)
    arrived_on = _day_of_arrival(command, journey)
    orders, order_ids = [], []
    for reason in _reasons(command, arrived_on, policy):
        before = [order for order in person.orders if order.reason is reason and order.order_id in journey.order_ids]
        if standing := next((order for order in before if order.anchor_date >= arrived_on), None):
            order_ids.append(standing.order_id)
            continue
        order = _order(command, reason, arrived_on, policy)
        order_ids.append(order.order_id)
        if all(order.order_id != known.order_id for known in person.orders):
            orders.append(order)
    return Judgement(journey.departed_on, arrived_on, orders, tuple(order_ids), _questions(command.declaration))


def _journey(declaration: PinnedDeclaration, known: Sequence[Journey], policy: PolicySet) -> Journey:
    """The journey that the declaration tells of: the latest one that it can belong to, else a new one."""
    for journey in reversed(known):
        if _tells_of(declaration, journey, policy):
            return journey
    departed_on = declaration.departed_on
    arrived_on = max(declaration.reported_on, departed_on) if departed_on else declaration.reported_on
    return Journey(departed_on=departed_on, arrived_on=arrived_on, order_ids=())


def _tells_of(declaration: PinnedDeclaration, journey: Journey, policy: PolicySet) -> bool:
    """A journey is named by its departure. Where one is missing, by a report within the days that an isolation takes."""
    if declaration.departed_on is not None and journey.departed_on is not None:
        return declaration.departed_on == journey.departed_on
    if declaration.departed_on is not None and declaration.departed_on > journey.arrived_on:
        return False
    return declaration.reported_on - journey.arrived_on <= timedelta(days=policy.isolation.days)


def _day_of_arrival(command: AssessArrival, journey: Journey) -> date:
    if command.arrival_date is None:
        return journey.arrived_on
    return max(command.arrival_date, journey.departed_on or command.arrival_date)


def _reasons(command: AssessArrival, arrived_on: date, policy: PolicySet) -> Iterator[IsolationReason]:
    declaration = command.declaration
    if policy.is_key_area(command.origin_code, arrived_on=arrived_on):
        yield IsolationReason.KEY_AREA_ORIGIN
    declared = [code for code, is_declared in ((HUBEI, declaration.from_hubei), (WUHAN, declaration.from_wuhan)) if is_declared]
    if any(policy.is_key_area(code, arrived_on=arrived_on) for code in declared):
        yield IsolationReason.KEY_AREA_DECLARED
    # Counts whatever 是否经停 says: the stricter of two statements.
    if declaration.stopover_code is not None and policy.is_key_area(declaration.stopover_code, arrived_on=arrived_on):
        yield IsolationReason.KEY_AREA_STOPOVER


def _questions(declaration: PinnedDeclaration) -> tuple[str, ...]:
    return (STOPOVER_UNKNOWN,) if declaration.stopover and declaration.stopover_code is None else ()


def _order(command: AssessArrival, reason: IsolationReason, arrived_on: date, policy: PolicySet) -> IsolationOrdered:
    return IsolationOrdered(
        person_id=command.person_id,
        order_id=uuid5(command.person_id, f"{reason}/{arrived_on}"),
        reason=reason,
        anchor_date=arrived_on,
        days=policy.isolation.days,
        admissible_on=policy.admissible_on(arrived_on),
        policy_version=policy.version,
        declaration_version=command.declaration.version,
        ordered_at=command.at,
    )
