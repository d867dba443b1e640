"""Two people decided while the gate could not know: what is recorded, and by what it is judged."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from chassis.testing.specification import Specification
from contracts.gatekeeper import GatekeeperEvent, PaperEntryRecorded, ReasonCode
from contracts.health import Disposition
from contracts.rejection import Rejection
from gatekeeper.domain.commands import GateCommand, RecordPaperEntry, RegisterExit, RelevantFact
from gatekeeper.domain.decider import (
    PAPER_HOURS_MAX,
    PaperEntryIsInTheFuture,
    PaperEntryIsTooOld,
    PaperEntryNeedsTwoPeople,
)
from gatekeeper.domain.hindsight import stood
from gatekeeper.domain.state import GatePerson
from tests.gatekeeper.facts import (
    DECIDER,
    ELSEWHERE,
    EVENT,
    HERE,
    NOW,
    PERSON,
    assessed,
    attempt,
    disposed,
    held,
    imported,
    mark,
    note,
    ordered,
    pre_registered,
    released,
    withdrawn,
)

Gate = Specification[GateCommand, GatePerson, GatekeeperEvent]
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
THEN = NOW - HOUR
"""When he went in."""
TWO = (UUID(int=1), UUID(int=2))


def gate_after(*facts: tuple[RelevantFact, datetime]) -> Gate:
    """The gate after it learned of these facts, in this order, each recorded at its time."""
    gate: Gate = Specification(DECIDER)
    for fact, at in facts:
        gate = gate.given(*gate.when(note(fact, at=at)).events)
    return gate


EXPECTED = ((pre_registered(), NOW - 3 * HOUR), (assessed(), NOW - 3 * HOUR))
BAN = disposed(Disposition.SUSPECTED)
RELEASE = disposed(Disposition.ADMISSIBLE)


def on_paper(gate: Gate, **changes: Any) -> RecordPaperEntry:
    usual: dict[str, Any] = {
        "person_id": PERSON,
        "attempt_id": EVENT,
        "contract_no": HERE,
        "decided_by": TWO,
        "entered_at": THEN,
        "at": NOW,
        "fresh_as_of": NOW,
    }
    given = usual | changes
    one, two = given["decided_by"]
    deciders = ({one}, {two})
    return RecordPaperEntry(**given, deciders=deciders, stood=stood(gate.happened, given["entered_at"]))


def recorded(gate: Gate, **changes: Any) -> PaperEntryRecorded:
    (event,) = gate.when(on_paper(gate, **changes)).events
    assert isinstance(event, PaperEntryRecorded)
    return event


def reasons(event: PaperEntryRecorded) -> list[ReasonCode]:
    return [reason.code for reason in event.reasons]


class TestRecordPaperEntry:
    def test_begins_being_on_site(self) -> None:
        gate = gate_after(*EXPECTED)
        event = recorded(gate)
        assert (False, (), TWO, 2) == (event.needs_review, event.reasons, event.decided_by, event.clearance_version)
        assert {HERE} == gate.given(event).state.on_site

    def test_is_marked_for_review_where_the_rules_forbade_it(self) -> None:
        event = recorded(gate_after())
        assert (True, [ReasonCode.NOT_PRE_REGISTERED]) == (event.needs_review, reasons(event))

    def test_is_marked_for_review_while_the_gate_does_not_know_what_was(self) -> None:
        for fresh_as_of in (None, THEN - MINUTE):
            event = recorded(gate_after(*EXPECTED), fresh_as_of=fresh_as_of)
            assert (True, [ReasonCode.STATE_STALE]) == (event.needs_review, reasons(event))

    def test_is_no_second_entry_of_whoever_was_on_site(self) -> None:
        gate = gate_after((imported(on_site=True), NOW - 3 * HOUR))
        assert [] == reasons(recorded(gate))

    def test_reminds_of_another_site_and_needs_no_review_for_that(self) -> None:
        gate = gate_after(*EXPECTED, (imported(on_site=True, contract_no=ELSEWHERE), NOW - 2 * HOUR))
        event = recorded(gate)
        assert (False, [ReasonCode.ON_SITE_ELSEWHERE]) == (event.needs_review, reasons(event))

    def test_opens_nothing_for_whoever_left_since(self) -> None:
        gate = gate_after(*EXPECTED)
        gate = gate.given(*gate.when(attempt(at=NOW - 50 * MINUTE)).events)
        gate = gate.given(*gate.when(RegisterExit(PERSON, HERE, at=NOW - 10 * MINUTE)).events)
        assert frozenset() == gate.given(recorded(gate)).state.on_site

    @pytest.mark.parametrize("decided_by", [(UUID(int=1), UUID(int=1)), (PERSON, UUID(int=1))])
    def test_takes_two_people_besides_the_one_who_enters(self, decided_by: tuple[UUID, UUID]) -> None:
        self.is_refused(PaperEntryNeedsTwoPeople, decided_by=decided_by)

    def test_lies_in_the_past_and_not_too_far(self) -> None:
        self.is_refused(PaperEntryIsInTheFuture, entered_at=NOW + 6 * MINUTE)
        self.is_refused(PaperEntryIsTooOld, entered_at=NOW - PAPER_HOURS_MAX * HOUR - MINUTE)
        assert THEN - 70 * HOUR == recorded(gate_after(), entered_at=THEN - 70 * HOUR).entered_at

    def is_refused(self, rejection: type[Rejection], **changes: Any) -> None:
        gate = gate_after(*EXPECTED)
        gate.when(on_paper(gate, **changes)).then_rejected(rejection)


class TestFactsAsTheyStood:
    def test_count_though_the_gate_learned_of_them_later(self) -> None:
        gate = gate_after(*EXPECTED, (BAN, THEN - MINUTE))
        assert [ReasonCode.SUSPECTED] == reasons(recorded(gate))

    def test_do_not_count_where_they_came_after_the_entry(self) -> None:
        gate = gate_after(*EXPECTED, (BAN, THEN + MINUTE), (held(), THEN + MINUTE), (ordered(NOW.date() + 9 * 24 * HOUR), NOW))
        assert [] == reasons(recorded(gate))

    def test_count_though_they_ended_since(self) -> None:
        gate = gate_after(*EXPECTED, (held(), THEN - MINUTE), (released(), THEN + MINUTE))
        assert [ReasonCode.FEVER] == reasons(recorded(gate))

    def test_of_two_services_are_told_apart_whichever_the_gate_learned_of_first(self) -> None:
        """A release of after the entry reached the gate before a form of before it."""
        gate = gate_after((BAN, THEN - 2 * HOUR), (RELEASE, THEN + MINUTE), (pre_registered(), THEN - MINUTE))
        assert [ReasonCode.SUSPECTED, ReasonCode.ARRIVAL_NOT_ASSESSED] == reasons(recorded(gate))

    def test_have_a_form_that_was_withdrawn_since(self) -> None:
        gate = gate_after(*EXPECTED, (withdrawn(), THEN + MINUTE))
        assert [] == reasons(recorded(gate))

    def test_are_unreadable_where_that_is_not_cured(self) -> None:
        gate = gate_after(*EXPECTED)
        gate = gate.given(*gate.when(mark(unreadable=True)).events)
        assert [ReasonCode.HISTORY_UNREADABLE] == reasons(recorded(gate, entered_at=NOW))

    def test_are_the_state_itself_once_all_is_past(self) -> None:
        gate = gate_after(*EXPECTED, (imported(on_site=True, contract_no=ELSEWHERE), THEN), (BAN, THEN), (held(), THEN))
        gate = gate.given(*gate.when(attempt()).events)
        assert gate.state == stood(gate.happened, NOW)
