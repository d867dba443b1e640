"""What an authority says of an entry on paper against the rules."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from chassis.testing.specification import Specification
from contracts.gatekeeper import GatekeeperEvent, PaperEntrySettled
from gatekeeper.domain.commands import GateCommand
from gatekeeper.domain.hindsight import stood
from gatekeeper.domain.settling import Finding, Measure, MeasureIsMissing, PaperEntryIsSettled, SettlePaperEntry
from gatekeeper.domain.state import GatePerson
from tests.gatekeeper.facts import DECIDER, HERE, NOW, PERSON, attempt, imported, note

ENTRY = UUID(int=70)

gate: Specification[GateCommand, GatePerson, GatekeeperEvent] = Specification(DECIDER)


def settle(**changes: Any) -> SettlePaperEntry:
    usual: dict[str, Any] = {"finding": Finding.AGAINST_THE_RULES, "measure": Measure.SITE_INSTRUCTED, "settled": None, "at": NOW}
    return SettlePaperEntry(PERSON, ENTRY, HERE, settled_by="station-hongkou", **{**usual, **changes})


def settled(finding: str = "against_the_rules", measure: str = "site_instructed") -> PaperEntrySettled:
    return PaperEntrySettled(
        person_id=PERSON,
        attempt_id=ENTRY,
        contract_no=HERE,
        finding=finding,
        measure=measure,
        settled_by="station-hongkou",
        settled_at=NOW,
    )


class TestSettlePaperEntry:
    def test_says_what_was_found_and_done(self) -> None:
        gate.when(settle()).then(settled())

    def test_does_nothing_when_the_same_is_said_again(self) -> None:
        gate.when(settle(settled=settled())).then_nothing()

    @pytest.mark.parametrize("changed", [{"finding": Finding.EMERGENCY}, {"measure": Measure.HANDED_OVER}])
    def test_is_refused_once_something_else_was_said(self, changed: dict[str, Any]) -> None:
        gate.when(settle(settled=settled(), **changed)).then_rejected(PaperEntryIsSettled)

    def test_takes_what_was_done_where_the_rules_were_broken(self) -> None:
        gate.when(settle(measure=Measure.NONE)).then_rejected(MeasureIsMissing)
        for finding in set(Finding) - {Finding.AGAINST_THE_RULES}:
            gate.when(settle(finding=finding, measure=Measure.NONE)).then(settled(finding, "none"))

    def test_changes_nothing_at_the_gate(self) -> None:
        there = gate.given(*gate.when(note(imported(on_site=True))).events)
        after = there.given(settled())
        assert (there.state.clearance, there.state.on_site) == (after.state.clearance, after.state.on_site)
        assert there.when(attempt()).events[0].reasons == after.when(attempt()).events[0].reasons  # type: ignore[union-attr]
        assert stood(after.happened, NOW) == after.state
