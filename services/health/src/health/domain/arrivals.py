"""The judgement of a pinned declaration: which isolation orders and questions follow from it, by a policy set.

Day 0 is the day of arrival in Shanghai: the date that was typed, else the later of departure and report of the first
declaration of the journey. A later declaration of the same journey never moves it. Where statements contradict each
other the stricter one counts: nobody arrives before he departs, and of two days that were typed the later one holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID, uuid5

from contracts.health import CameFrom, IsolationOrdered, IsolationReason
from contracts.registration import PinnedDeclaration
from health.domain.commands import AssessArrival, ClarifyTravel
from health.domain.policy_set import Isolation, PolicySet, admissible_on
from health.domain.state import Answer, HealthPerson, Journey

STOPOVER_UNKNOWN = "stopover_unknown"
"""The question that an unknown place of a stop-over leaves open."""

HUBEI, WUHAN = "420000", "420100"
"""What 是否湖北出发 and 是否武汉出发 ask about (GB/T 2260)."""


@dataclass(frozen=True)
class Judgement:
    """What follows from one pinned declaration."""

    departed_on: date | None
    """Names the journey."""
    arrived_on: date
    """Day 0."""
    came_from: tuple[CameFrom, ...]
    """What was judged."""
    orders: Sequence[IsolationOrdered]
    """One for each reason, new or made before: the same reason and day 0 give the same order."""
    questions: tuple[str, ...]


def judge(command: AssessArrival, person: HealthPerson, policy: PolicySet) -> Judgement:
    """Judge the declaration on what is known of the person's journeys, and on what was found out about it."""
    command = replace(command, declaration=_clarified(command.declaration, person.answers))
    known = _journey(command.declaration, person.journeys, policy)
    departed_on = known.departed_on if known else command.declaration.departed_on
    arrived_on = _day_of_arrival(command, departed_on, known)
    came_from = tuple(_came_from(command))
    asked = isolations(came_from, arrived_on, policy)
    found = [
        order_for(command, command.declaration.version, reason, arrived_on, isolation, policy)
        for reason, isolation in asked.items()
    ]
    orders = [order for order in found if not is_withdrawn(order, person)]
    return Judgement(departed_on, arrived_on, came_from, orders, _questions(command.declaration))


def isolations(came_from: Sequence[CameFrom], arrived_on: date, policy: PolicySet) -> Mapping[IsolationReason, Isolation]:
    """What the policy asks for each reason. Where one has two regions, the first in a key area counts."""
    asked: dict[IsolationReason, Isolation] = {}
    for each in came_from:
        isolation = policy.isolation(each.code, arrived_on=arrived_on)
        if isolation is not None:
            asked.setdefault(each.reason, isolation)
    return asked


def is_withdrawn(order: IsolationOrdered, person: HealthPerson) -> bool:
    """Whether the order was withdrawn, and no later declaration says again what it was made from."""
    return any(each.covers(order.reason, order.anchor_date, order.declaration_version) for each in person.withdrawn)


def _clarified(declaration: PinnedDeclaration, answers: Sequence[Answer]) -> PinnedDeclaration:
    found = [each.stopover_code for each in answers if each.declaration_version == declaration.version]
    if not found:
        return declaration
    return declaration.model_copy(update={"stopover": found[-1] is not None, "stopover_code": found[-1]})


def _journey(declaration: PinnedDeclaration, known: Sequence[Journey], policy: PolicySet) -> Journey | None:
    """The latest journey that the declaration can belong to. None: it tells of a new one."""
    return next((journey for journey in reversed(known) if _tells_of(declaration, journey, policy)), None)


def _tells_of(declaration: PinnedDeclaration, journey: Journey, policy: PolicySet) -> bool:
    """A journey is named by its departure. Where one is missing, by a report within the days that an isolation takes."""
    if declaration.departed_on is not None and journey.departed_on is not None:
        return declaration.departed_on == journey.departed_on
    if declaration.departed_on is not None and declaration.departed_on > journey.arrived_on:
        return False
    return declaration.reported_on - journey.arrived_on <= timedelta(days=policy.isolation_days)


def _day_of_arrival(command: AssessArrival, departed_on: date | None, known: Journey | None) -> date:
    if known is not None and command.arrival_date is None:
        return known.arrived_on
    told = command.arrival_date or command.declaration.reported_on
    told = max(told, departed_on or told)
    return max(told, known.arrived_on) if known else told


def _came_from(command: AssessArrival) -> Iterator[CameFrom]:
    declaration = command.declaration
    if command.origin_code is not None:
        yield CameFrom(reason=IsolationReason.KEY_AREA_ORIGIN, code=command.origin_code)
    for code, is_declared in ((HUBEI, declaration.from_hubei), (WUHAN, declaration.from_wuhan)):
        if is_declared:
            yield CameFrom(reason=IsolationReason.KEY_AREA_DECLARED, code=code)
    # Counts whatever 是否经停 says: the stricter of two statements.
    if declaration.stopover_code is not None:
        yield CameFrom(reason=IsolationReason.KEY_AREA_STOPOVER, code=declaration.stopover_code)


def _questions(declaration: PinnedDeclaration) -> tuple[str, ...]:
    return (STOPOVER_UNKNOWN,) if declaration.stopover and declaration.stopover_code is None else ()


def order_for(
    command: AssessArrival | ClarifyTravel,
    declaration_version: int,
    reason: IsolationReason,
    arrived_on: date,
    isolation: Isolation,
    policy: PolicySet,
) -> IsolationOrdered:
    """The order that is asked for this reason."""
    return IsolationOrdered(
        person_id=command.person_id,
        order_id=order_id(command.person_id, reason, arrived_on, isolation, policy),
        reason=reason,
        anchor_date=arrived_on,
        days=isolation.days,
        admissible_on=admissible_on(arrived_on, isolation.days),
        policy_version=isolation.version,
        declaration_version=declaration_version,
        ordered_at=command.at,
    )


def order_id(person_id: UUID, reason: IsolationReason, arrived_on: date, isolation: Isolation, policy: PolicySet) -> UUID:
    """The same reason and day 0 give the same order, and one more where a district or site asks for longer than the city."""
    is_longer = isolation.days > policy.city.isolation_days
    return uuid5(person_id, f"{reason}/{arrived_on}" + (f"/{isolation.days}" if is_longer else ""))
