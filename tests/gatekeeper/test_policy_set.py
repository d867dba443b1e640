"""What the rules do is dated data: which of them can be switched, from when on, and what then becomes of their reasons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

import pytest

from chassis.testing.specification import Specification
from contracts.gatekeeper import Effect, EntryAttempted, EntryKind, Outcome, ReasonCode
from contracts.health import Hold
from contracts.policy import SHIPPED, Policies, Switch, Switches
from gatekeeper.domain.commands import RelevantFact
from gatekeeper.domain.policy_set import SWITCHABLE, effect_of
from gatekeeper.wiring import person_decider
from tests.gatekeeper.facts import (
    ELSEWHERE,
    NOW,
    TODAY,
    assessed,
    attempt,
    held,
    imported,
    note,
    pre_registered,
)

SHIPPED_ONLY = Policies()
MIDNIGHT = datetime(2020, 2, 18, 16, 0, tzinfo=UTC)
"""At which 2020-02-19 begins in Shanghai."""


def adopted(switches: Mapping[str, str] = MappingProxyType({}), *, to: Policies = SHIPPED_ONLY, since: date = TODAY) -> Policies:
    """With one more version, in which everything forbids that is not switched otherwise."""
    everything = Switches(**{rule: Switch(switches.get(rule, "forbid")) for rule in Switches.model_fields})
    terms = SHIPPED.model_copy(update={"valid_from": since, "switches": everything})
    return to.adopted(to.latest_version + 1, terms)


def answered(policies: Policies, *facts: RelevantFact, at: datetime = NOW) -> EntryAttempted:
    """What the gate says to a pass of somebody who is on site, has these facts, and has not been measured today."""
    gate = Specification(person_decider(lambda: policies))
    for fact in (pre_registered(), assessed(), imported(on_site=True), *facts):
        gate = gate.given(*gate.when(note(fact)).events)
    (event,) = gate.when(attempt(kind=EntryKind.GATE_PASS, at=at)).events
    assert isinstance(event, EntryAttempted)
    return event


EVERY_RULE: list[tuple[ReasonCode, list[RelevantFact]]] = [
    (ReasonCode.FEVER, [held(Hold.FEVER)]),
    (ReasonCode.SYMPTOMS, [held(Hold.SYMPTOMS)]),
    (ReasonCode.NO_REPORT_TODAY, []),
    (ReasonCode.ON_SITE_ELSEWHERE, [imported(on_site=True, contract_no=ELSEWHERE)]),
]


class TestSwitch:
    @pytest.mark.parametrize(("rule", "facts"), EVERY_RULE)
    @pytest.mark.parametrize(
        ("switch", "outcome", "effect"),
        [
            ("forbid", Outcome.REFUSED, Effect.FORBID),
            ("remind", Outcome.ADMITTED, Effect.REMIND),
            ("off", Outcome.ADMITTED, None),
        ],
    )
    def test_decides_what_the_reason_does(
        self, rule: ReasonCode, facts: list[RelevantFact], switch: str, outcome: Outcome, effect: Effect | None
    ) -> None:
        others: dict[str, str] = dict.fromkeys(SWITCHABLE, "off")
        event = answered(adopted({**others, rule: switch}), *facts)
        assert outcome is event.outcome
        assert [(rule, effect)] * (effect is not None) == [(reason.code, reason.effect) for reason in event.reasons]

    def test_covers_every_rule_that_can_be_switched(self) -> None:
        assert SWITCHABLE == {rule for rule, _ in EVERY_RULE}


class TestPolicies:
    def test_begin_at_midnight_in_shanghai_and_are_named_by_the_verdict(self) -> None:
        policies = adopted(to=adopted({"no_report_today": "off"}), since=TODAY + timedelta(days=1))
        before = answered(policies, at=MIDNIGHT - timedelta(seconds=1))
        after = answered(policies, at=MIDNIGHT)
        assert (2, Outcome.ADMITTED) == (before.policy_version, before.outcome)
        assert (3, Outcome.REFUSED) == (after.policy_version, after.outcome)

    def test_that_are_shipped_forbid_what_the_manual_forbids_and_remind_of_the_rest(self) -> None:
        effects = {code: effect_of(SHIPPED_ONLY.on(TODAY).switches, code) for code in ReasonCode}
        assert {ReasonCode.NO_REPORT_TODAY, ReasonCode.ON_SITE_ELSEWHERE} == {
            code for code, effect in effects.items() if effect is Effect.REMIND
        }
        assert None not in effects.values(), "none is off"
