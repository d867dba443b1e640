"""What the rules do is dated data: which of them can be switched, from when on, and what then becomes of their reasons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import ValidationError

from chassis.testing.specification import Specification
from contracts.gatekeeper import Effect, EntryAttempted, EntryKind, Outcome, ReasonCode
from contracts.health import Hold
from gatekeeper.domain.commands import RelevantFact
from gatekeeper.domain.policy_set import SWITCHABLE, GatePolicies
from gatekeeper.wiring import person_decider, read_policies
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

MIDNIGHT = datetime(2020, 2, 18, 16, 0, tzinfo=UTC)
"""At which 2020-02-19 begins in Shanghai."""


def version(
    number: int = 1,
    since: date = date(2020, 2, 1),
    until: date | None = None,
    switches: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """A version in which everything forbids that is not switched otherwise."""
    everything: dict[str, str] = dict.fromkeys(SWITCHABLE, "forbid")
    return {"version": number, "valid_from": since, "valid_until": until, "switches": everything | {**switches}}


def answered(policies: GatePolicies, *facts: RelevantFact, at: datetime = NOW) -> EntryAttempted:
    """What the gate says to a pass of somebody who is on site, has these facts, and has not been measured today."""
    gate = Specification(person_decider(policies))
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
        event = answered(GatePolicies.model_validate([version(switches={**others, rule: switch})]), *facts)
        assert outcome is event.outcome
        assert [(rule, effect)] * (effect is not None) == [(reason.code, reason.effect) for reason in event.reasons]

    def test_covers_every_rule_that_can_be_switched(self) -> None:
        assert SWITCHABLE == {rule for rule, _ in EVERY_RULE}


class TestPolicies:
    def test_follow_each_other_at_midnight_in_shanghai_and_are_named_by_the_verdict(self) -> None:
        policies = GatePolicies.model_validate(
            [version(3, until=TODAY, switches={"no_report_today": "off"}), version(4, since=TODAY + timedelta(days=1))]
        )
        before = answered(policies, at=MIDNIGHT - timedelta(seconds=1))
        after = answered(policies, at=MIDNIGHT)
        assert (3, Outcome.ADMITTED) == (before.policy_version, before.outcome)
        assert (4, Outcome.REFUSED) == (after.policy_version, after.outcome)

    def test_begin_with_the_first_whatever_the_day(self) -> None:
        assert 1 == GatePolicies.model_validate([version(since=TODAY + timedelta(days=9))]).on(TODAY).version

    def test_that_are_shipped_forbid_what_the_manual_forbids_and_remind_of_the_rest(self) -> None:
        policy = read_policies().on(TODAY)
        reminders = {code for code in ReasonCode if policy.effect_of(code) is Effect.REMIND}
        assert {ReasonCode.NO_REPORT_TODAY, ReasonCode.ON_SITE_ELSEWHERE} == reminders
        assert all(policy.effect_of(code) for code in ReasonCode), "none is off"

    @pytest.mark.parametrize(
        "versions",
        [
            [],
            [version(switches={"confirmed": "off"})],
            [version(switches={"state_stale": "remind"})],
            [{**version(), "switches": {"fever": "forbid"}}],
            [version(switches={"fever": "sometimes"})],
            [version(until=TODAY)],
            [version(until=TODAY), version(2, since=TODAY + timedelta(days=2))],
            [version(until=TODAY), version(2, since=TODAY)],
            [version(), version(2, since=TODAY)],
            [version(2, until=TODAY), version(1, since=TODAY + timedelta(days=1))],
            [version(since=TODAY, until=TODAY - timedelta(days=1)), version(2, since=TODAY)],
            [{**version(), "authority": "nobody"}],
        ],
    )
    def test_are_refused_with_a_gap_or_with_a_switch_for_what_is_fixed(self, versions: list[dict[str, Any]]) -> None:
        with pytest.raises(ValidationError):
            GatePolicies.model_validate(versions)
