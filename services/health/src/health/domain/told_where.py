"""On which contracts was what told? Most facts name theirs; a review, an objection and what was put right belong to what they are
about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from uuid import UUID

from contracts.event import Event
from contracts.health import (
    ArrivalAssessed,
    BanObjected,
    BanReviewed,
    DispositionChanged,
    HealthReported,
    IsolationOrderWithdrawn,
    TravelClarified,
)

TELLING = (
    *(DispositionChanged, BanReviewed, BanObjected, HealthReported),
    *(ArrivalAssessed, TravelClarified, IsolationOrderWithdrawn),
)


def told_where(facts: Iterable[tuple[int, Event]]) -> Mapping[int, set[str]]:
    """Version of each of one person's facts, of those of `TELLING`, in order → the contracts; none where none was named.

    What was put right belongs to those that had judged by then: where somebody judged only later, nothing was wrong."""
    where, ban = dict[int, set[str]](), set[str]()
    judged, ordered = defaultdict[int, set[str]](set), defaultdict[UUID, set[str]](set)
    for version, event in facts:
        match event:
            case DispositionChanged():
                where[version] = ban = _named(event.contract_no)
            case BanReviewed() | BanObjected():
                where[version] = set(ban)
            case ArrivalAssessed():
                where[version] = _named(event.contract_no)
                judged[event.declaration_version].add(event.contract_no)
                for order_id in event.order_ids:
                    ordered[order_id].add(event.contract_no)
            case TravelClarified():
                where[version] = set(judged[event.declaration_version])
            case IsolationOrderWithdrawn():
                where[version] = set(ordered[event.order_id])
            case HealthReported():
                where[version] = _named(event.contract_no)
    return where


def _named(contract_no: str | None) -> set[str]:
    return set() if contract_no is None else {contract_no}
