"""To which contracts each fact of a person belongs, without I/O."""

from __future__ import annotations

from uuid import UUID, uuid4

from contracts.event import Event
from contracts.health import (
    ArrivalAssessed,
    BanObjected,
    BanReviewed,
    Disposition,
    HealthReported,
    IsolationOrderWithdrawn,
    TravelClarified,
)
from health.domain.told_where import told_where
from tests.health.facts import dispose, disposed
from tests.journeys.worlds import example_of

ORDER, OTHER_ORDER = uuid4(), uuid4()


def where(*facts: Event) -> list[set[str]]:
    return list(told_where(enumerate(facts, 1)).values())


def decided(contract_no: str | None) -> Event:
    return disposed(dispose(Disposition.SUSPECTED, contract_no=contract_no))


def judged(contract_no: str, version: int, *orders: UUID) -> Event:
    return example_of(ArrivalAssessed, contract_no=contract_no, declaration_version=version, order_ids=orders)


class TestToldWhere:
    def test_is_where_a_fact_says_itself(self) -> None:
        assert [{"W1"}, {"W2"}, {"W3"}, set()] == where(
            decided("W1"), example_of(HealthReported, contract_no="W2"), judged("W3", 1), decided(None)
        )

    def test_of_a_review_or_an_objection_is_where_the_ban_was_decided(self) -> None:
        facts = [decided("W1"), example_of(BanObjected), decided("W2"), example_of(BanReviewed), example_of(BanObjected)]
        assert [{"W1"}, {"W1"}, {"W2"}, {"W2"}, {"W2"}] == where(*facts)

    def test_of_an_answer_or_a_withdrawn_order_is_wherever_it_was_judged(self) -> None:
        answer = example_of(TravelClarified, declaration_version=1)
        withdrawn, other = (example_of(IsolationOrderWithdrawn, order_id=each) for each in (ORDER, OTHER_ORDER))
        told = where(judged("W1", 1, ORDER), judged("W2", 1), judged("W3", 2, ORDER, OTHER_ORDER), answer, withdrawn, other)
        assert [{"W1", "W2"}, {"W1", "W3"}, {"W3"}] == told[3:]

    def test_of_an_answer_or_a_withdrawn_order_is_not_where_it_was_judged_only_afterwards(self) -> None:
        answer, withdrawn = example_of(TravelClarified, declaration_version=1), example_of(IsolationOrderWithdrawn, order_id=ORDER)
        assert [{"W1"}, {"W1"}, {"W2"}] == where(judged("W1", 1, ORDER), answer, withdrawn, judged("W2", 1, ORDER))[1:]
