"""The judgement of a pinned declaration: which isolation orders and questions follow from it, by a policy set.

Day 0 is the day of arrival in Shanghai: the date that was typed, else the later of departure and report of the first
declaration of the journey. A later declaration of the same journey never moves it. Where statements contradict each
other the stricter one counts: nobody arrives before he departs, and of two days that were typed the later one holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import uuid5

from contracts.health import IsolationOrdered, IsolationReason
from contracts.registration import PinnedDeclaration
from health.domain.commands import AssessArrival, ClarifyTravel
from health.domain.policy_set import PolicySet
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
    orders: Sequence[IsolationOrdered]
    """One for each reason, new or made before: the same reason and day 0 give the same order."""
    questions: tuple[str, ...]


def judge(command: AssessArrival, person: HealthPerson, policy: PolicySet) -> Judgement:
    """Judge the declaration on what is known of the person's journeys, and on what was found out about it."""
    command = replace(command, declaration=_clarified(command.declaration, person.answers))
    known = _journey(command.declaration, person.journeys, policy)
    departed_on = known.departed_on if known else command.declaration.departed_on
    arrived_on = _day_of_arrival(command, departed_on, known)
    found = [
        order_for(command, command.declaration.version, each, arrived_on, policy) for each in _reasons(command, arrived_on, policy)
    ]
    orders = [order for order in found if not is_withdrawn(order, person)]
    return Judgement(departed_on, arrived_on, orders, _questions(command.declaration))


def is_withdrawn(order: IsolationOrdered, person: HealthPerson) -> bool:
    """Whether the order was withdrawn, and no later declaration says again what it was made from."""
    return any(
        each.order_id == order.order_id and order.declaration_version <= each.declaration_version for each in person.withdrawn
    )


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
    return declaration.reported_on - journey.arrived_on <= timedelta(days=policy.isolation.days)


def _day_of_arrival(command: AssessArrival, departed_on: date | None, known: Journey | None) -> date:
    if known is not None and command.arrival_date is None:
        return known.arrived_on
    told = command.arrival_date or command.declaration.reported_on
    told = max(told, departed_on or told)
    return max(told, known.arrived_on) if known else told


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


def order_for(
    command: AssessArrival | ClarifyTravel, declaration_version: int, reason: IsolationReason, arrived_on: date, policy: PolicySet
) -> IsolationOrdered:
    """The order that the policy asks for this reason."""
    return IsolationOrdered(
        person_id=command.person_id,
        order_id=uuid5(command.person_id, f"{reason}/{arrived_on}"),
        reason=reason,
        anchor_date=arrived_on,
        days=policy.isolation.days,
        admissible_on=policy.admissible_on(arrived_on),
        policy_version=policy.version,
        declaration_version=declaration_version,
        ordered_at=command.at,
    )
