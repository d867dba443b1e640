"""Hindsight, for whatever happens in whatever order."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.testing.specification import Specification
from contracts.gatekeeper import Clearance, GatekeeperEvent
from contracts.health import Disposition, Hold
from gatekeeper.domain.commands import GateCommand, RelevantFact
from gatekeeper.domain.hindsight import stood
from gatekeeper.domain.state import GatePerson
from tests.gatekeeper.facts import (
    DECIDER,
    ELSEWHERE,
    HERE,
    NOW,
    TODAY,
    assessed,
    disposed,
    held,
    imported,
    note,
    ordered,
    pre_registered,
    released,
    reported,
    withdrawn,
)

CONTRACTS = st.sampled_from([HERE, ELSEWHERE])
REGISTRATION = st.one_of(
    st.builds(lambda contract_no: pre_registered(contract_no=contract_no), CONTRACTS),
    st.builds(lambda contract_no: withdrawn(contract_no=contract_no), CONTRACTS),
    st.builds(lambda contract_no, on_site: imported(contract_no=contract_no, on_site=on_site), CONTRACTS, st.booleans()),
)
HEALTH = st.one_of(
    st.builds(disposed, st.sampled_from(Disposition)),
    st.builds(held, st.sampled_from(Hold)),
    st.builds(released, st.sampled_from(Hold)),
    st.builds(lambda contract_no, form: assessed(contract_no=contract_no, form=form), CONTRACTS, st.integers(0, 7)),
    st.builds(lambda days: ordered(TODAY + timedelta(days=days), order_id=UUID(int=days)), st.integers(1, 9)),
    st.builds(lambda minutes: reported(read_at=NOW + timedelta(minutes=minutes)), st.integers(-60, 60)),
)
Told = tuple[int, int, RelevantFact]
"""A minute, the number of the fact in its log, and what was recorded then. No two forms are the same."""


def told(facts: st.SearchStrategy[RelevantFact]) -> st.SearchStrategy[list[Told]]:
    """The log of a service: its times are in order."""
    recorded = st.lists(st.tuples(st.integers(0, 20), facts), max_size=8)
    return recorded.map(lambda log: [(minute, n, fact) for n, (minute, fact) in enumerate(sorted(log, key=lambda each: each[0]))])


def history(log: list[Told]) -> tuple[GatekeeperEvent, ...]:
    """What the gate makes of facts in the order in which it learns of them."""
    gate: Specification[GateCommand, GatePerson, GatekeeperEvent] = Specification(DECIDER)
    for minute, n, fact in log:
        command = note(fact, form=n, event_id=UUID(int=n), at=NOW + timedelta(minutes=minute))
        gate = gate.given(*gate.when(command).events)
    return gate.happened


def parts(clearance: Clearance) -> dict[str, object]:
    """What a verdict reads, in no order; a judgement only as long as there is the form that was judged."""
    forms = {each.pre_registration_id for each in clearance.pre_registrations}
    return {
        "pre_registrations": {each.pre_registration_id for each in clearance.pre_registrations},
        "rostered": set(clearance.rostered),
        "assessed": {each.pre_registration_id for each in clearance.assessed} & forms,
        "disposition": clearance.disposition,
        "orders": {each.order_id for each in clearance.orders},
        "holds": set(clearance.holds),
        "last_report_at": clearance.last_report_at,
    }


class TestStood:
    @settings(max_examples=300, deadline=None)
    @given(told(REGISTRATION), told(HEALTH), st.data(), st.integers(0, 20))
    def test_is_the_same_whichever_service_the_gate_heard_first(
        self, registration: list[Told], health: list[Told], data: st.DataObject, minute: int
    ) -> None:
        turns = data.draw(st.permutations([True] * len(registration) + [False] * len(health)))
        logs = iter(registration), iter(health)
        merged = [next(logs[0] if turn else logs[1]) for turn in turns]
        at = NOW + timedelta(minutes=minute)
        then = stood(history(merged), at)
        # Whoever is on site since an import keeps a form that is withdrawn: only forms of before it would differ.
        known = history([each for each in (*registration, *health) if each[0] <= minute])
        if not then.on_site:
            assert parts(stood(known, at).clearance) == parts(then.clearance)

    @settings(max_examples=100, deadline=None)
    @given(told(st.one_of(REGISTRATION, HEALTH)))
    def test_in_the_end_is_the_state(self, log: list[Told]) -> None:
        events = history(log)
        state, then = DECIDER.fold(DECIDER.initial, events), stood(events, NOW + timedelta(days=1))
        assert (state.on_site, state.left_at, state.version) == (then.on_site, then.left_at, then.version)
        assert parts(state.clearance) == parts(then.clearance)
