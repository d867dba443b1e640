"""The gate's rules, each where it can break."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from chassis.testing.specification import Specification
from contracts.gatekeeper import Effect, EntryAttempted, EntryKind, GatekeeperEvent, Outcome, ReasonCode
from contracts.health import Disposition, Hold
from contracts.people import PersonKind
from gatekeeper.domain.commands import Attempt, Confirm, GateCommand, RegisterExit, RelevantFact
from gatekeeper.domain.decider import PersonIsNotOnSite
from gatekeeper.domain.state import GatePerson
from gatekeeper.domain.verdict import earliest
from tests.gatekeeper.facts import (
    DECIDER,
    ELSEWHERE,
    EMPLOYER,
    HERE,
    NOW,
    PERSON,
    TODAY,
    assessed,
    attempt,
    corrected,
    disposed,
    held,
    imported,
    mark,
    note,
    order_withdrawn,
    ordered,
    pre_registered,
    released,
    reported,
    withdrawn,
)

Gate = Specification[GateCommand, GatePerson, GatekeeperEvent]
EXIT = RegisterExit(person_id=PERSON, contract_no=HERE, at=NOW)


def knows(*facts: RelevantFact) -> Gate:
    """The gate after the policy took note of these facts."""
    gate: Gate = Specification(DECIDER)
    for fact in facts:
        gate = gate.given(*gate.when(note(fact)).events)
    return gate


def admitted(*facts: RelevantFact) -> Gate:
    gate = knows(pre_registered(), assessed(), *facts)
    return gate.given(*gate.when(attempt()).events)


def answer(gate: Gate, command: Attempt | Confirm) -> EntryAttempted:
    (attempted,) = gate.when(command).events
    assert isinstance(attempted, EntryAttempted)
    return attempted


def reasons(gate: Gate, command: Attempt) -> list[ReasonCode]:
    return [reason.code for reason in answer(gate, command).reasons]


def unreadable() -> Gate:
    gate = admitted(reported())
    return gate.given(*gate.when(mark(unreadable=True)).events)


PASS = attempt(kind=EntryKind.GATE_PASS)
EVERY_REASON: dict[ReasonCode, tuple[Gate, Attempt, str]] = {
    ReasonCode.NOT_PRE_REGISTERED: (knows(), attempt(), "pre_registration"),
    ReasonCode.QUARANTINE_REQUIRED: (admitted(disposed(Disposition.QUARANTINE_REQUIRED)), attempt(), "disposition_admissible"),
    ReasonCode.SUSPECTED: (admitted(disposed(Disposition.SUSPECTED)), attempt(), "disposition_admissible"),
    ReasonCode.CONFIRMED: (admitted(disposed(Disposition.CONFIRMED)), attempt(), "disposition_admissible"),
    ReasonCode.ARRIVAL_NOT_ASSESSED: (knows(pre_registered()), attempt(), "arrival_assessment"),
    ReasonCode.TRAVEL_UNCLEAR: (
        knows(pre_registered(), assessed(questions=("stopover_unknown",))),
        attempt(),
        "answer_to_questions",
    ),
    ReasonCode.ISOLATION_NOT_COMPLETED: (admitted(ordered(date(2020, 2, 19))), attempt(), "end_of_isolation"),
    ReasonCode.FEVER: (admitted(held(Hold.FEVER)), attempt(), "normal_reading"),
    ReasonCode.SYMPTOMS: (admitted(held(Hold.SYMPTOMS)), attempt(), "report_without_symptoms"),
    ReasonCode.NO_REPORT_TODAY: (admitted(), PASS, "health_report_today"),
    ReasonCode.ALREADY_ENTERED: (admitted(), attempt(), "exit"),
    ReasonCode.ON_SITE_ELSEWHERE: (knows(imported(on_site=True, contract_no=ELSEWHERE)), attempt(), "exit_elsewhere"),
    ReasonCode.NOT_ENTERED: (knows(pre_registered(), assessed()), PASS, "entry"),
    ReasonCode.HISTORY_UNREADABLE: (unreadable(), attempt(), "operator"),
    ReasonCode.STATE_STALE: (admitted(), attempt(fresh_as_of=None), "fresh_state"),
}


class TestEveryReason:
    @pytest.mark.parametrize("code", ReasonCode)
    def test_is_given_with_what_clears_it(self, code: ReasonCode) -> None:
        gate, command, clears = EVERY_REASON[code]
        [reason] = [reason for reason in answer(gate, command).reasons if reason.code is code]
        assert clears == reason.clears

    def test_stands_beside_all_others_in_one_answer(self) -> None:
        banned = (disposed(Disposition.SUSPECTED), ordered(date(2020, 2, 19)), held(Hold.FEVER), held(Hold.SYMPTOMS))
        gate = knows(pre_registered(), imported(on_site=True, contract_no=ELSEWHERE), *banned)
        gate = gate.given(*gate.when(mark(unreadable=True)).events)
        assert [
            ReasonCode.SUSPECTED,
            ReasonCode.ARRIVAL_NOT_ASSESSED,
            ReasonCode.ISOLATION_NOT_COMPLETED,
            ReasonCode.FEVER,
            ReasonCode.SYMPTOMS,
            ReasonCode.NO_REPORT_TODAY,
            ReasonCode.ON_SITE_ELSEWHERE,
            ReasonCode.NOT_ENTERED,
            ReasonCode.HISTORY_UNREADABLE,
            ReasonCode.STATE_STALE,
        ] == reasons(gate, attempt(kind=EntryKind.GATE_PASS, fresh_as_of=None))


class TestEntry:
    def test_is_refused_to_somebody_nobody_ever_heard_of(self) -> None:
        refused = answer(knows(), attempt())
        assert (Outcome.REFUSED, 0) == (refused.outcome, refused.clearance_version)
        assert [ReasonCode.NOT_PRE_REGISTERED] == [reason.code for reason in refused.reasons]

    def test_is_granted_when_nothing_stands_against_it(self) -> None:
        granted = answer(knows(pre_registered(), assessed()), attempt())
        assert (Outcome.ADMITTED, ()) == (granted.outcome, granted.reasons)
        assert 2 == granted.clearance_version
        assert NOW + timedelta(seconds=5) == granted.valid_until

    def test_is_refused_until_the_arrival_is_assessed(self) -> None:
        assert [ReasonCode.ARRIVAL_NOT_ASSESSED] == reasons(knows(pre_registered()), attempt())

    def test_is_refused_when_only_an_earlier_form_was_assessed(self) -> None:
        gate = knows(pre_registered(), assessed(), withdrawn())
        gate = gate.given(*gate.when(note(pre_registered(), form=2)).events)
        assert [ReasonCode.ARRIVAL_NOT_ASSESSED] == reasons(gate, attempt())
        gate = gate.given(*gate.when(note(assessed(form=1))).events)
        assert [ReasonCode.ARRIVAL_NOT_ASSESSED] == reasons(gate, attempt()), "the judgement of the first form came late"
        gate = gate.given(*gate.when(note(assessed(form=2))).events)
        assert [] == reasons(gate, attempt())

    def test_is_granted_where_health_is_heard_before_the_withdrawal_of_an_earlier_form(self) -> None:
        gate = knows(pre_registered(), assessed(), assessed(form=2), withdrawn())
        gate = gate.given(*gate.when(note(pre_registered(), form=2)).events)
        assert [] == reasons(gate, attempt())

    def test_is_refused_until_what_was_corrected_is_judged_anew(self) -> None:
        gate = knows(pre_registered(), assessed())
        gate = gate.given(*gate.when(note(corrected(declaration_version=2), form=2)).events)
        assert [ReasonCode.ARRIVAL_NOT_ASSESSED] == reasons(gate, attempt())
        gate = gate.given(*gate.when(note(assessed(form=2))).events)
        assert [] == reasons(gate, attempt())

    def test_is_refused_while_the_assessment_left_a_question(self) -> None:
        gate = knows(pre_registered(), assessed(questions=("stopover_unknown",)))
        assert [ReasonCode.TRAVEL_UNCLEAR] == reasons(gate, attempt())

    @pytest.mark.parametrize(
        ("disposition", "reason"),
        [
            (Disposition.QUARANTINE_REQUIRED, ReasonCode.QUARANTINE_REQUIRED),
            (Disposition.SUSPECTED, ReasonCode.SUSPECTED),
            (Disposition.CONFIRMED, ReasonCode.CONFIRMED),
        ],
    )
    def test_is_refused_by_a_disposition_on_every_contract(self, disposition: Disposition, reason: ReasonCode) -> None:
        gate = knows(pre_registered(), assessed(), pre_registered(contract_no=ELSEWHERE), assessed(contract_no=ELSEWHERE))
        gate = gate.given(*gate.when(note(disposed(disposition))).events)
        assert [[reason], [reason]] == [reasons(gate, attempt(contract_no=contract_no)) for contract_no in (HERE, ELSEWHERE)]

    def test_is_granted_again_after_the_ban_is_lifted(self) -> None:
        gate = knows(pre_registered(), assessed(), disposed(Disposition.QUARANTINE_REQUIRED), disposed(Disposition.ADMISSIBLE))
        assert Outcome.ADMITTED is answer(gate, attempt()).outcome

    def test_is_refused_though_the_isolation_that_a_ban_names_is_over(self) -> None:
        over = disposed(Disposition.QUARANTINE_REQUIRED).model_copy(update={"isolation_until": TODAY - timedelta(days=1)})
        assert [ReasonCode.QUARANTINE_REQUIRED] == reasons(knows(pre_registered(), assessed(), over), attempt())

    def test_is_refused_by_an_order_though_a_decision_says_admissible(self) -> None:
        lifted = (disposed(Disposition.QUARANTINE_REQUIRED), disposed(Disposition.ADMISSIBLE))
        gate = knows(pre_registered(), assessed(), ordered(TODAY + timedelta(days=1)), *lifted)
        assert [ReasonCode.ISOLATION_NOT_COMPLETED] == reasons(gate, attempt())

    def test_tells_all_reasons_with_what_clears_them_and_the_earliest_day(self) -> None:
        gate = knows(pre_registered(), ordered(date(2020, 2, 28)), assessed(), held(Hold.FEVER))
        refused = answer(gate, attempt())
        assert [
            (ReasonCode.ISOLATION_NOT_COMPLETED, "end_of_isolation", date(2020, 2, 28)),
            (ReasonCode.FEVER, "normal_reading", None),
        ] == [(reason.code, reason.clears, reason.earliest) for reason in refused.reasons]
        assert date(2020, 2, 28) == earliest(refused.reasons)

    @pytest.mark.parametrize(
        ("at", "expected"),
        [
            (datetime(2020, 2, 17, 15, 59, tzinfo=UTC), [ReasonCode.ISOLATION_NOT_COMPLETED]),  # 23:59 in Shanghai
            (datetime(2020, 2, 17, 16, 0, tzinfo=UTC), []),  # midnight in Shanghai
        ],
    )
    def test_waits_for_midnight_in_shanghai_on_the_last_day_of_isolation(self, at: datetime, expected: list[ReasonCode]) -> None:
        gate = knows(pre_registered(), ordered(TODAY), assessed())
        assert expected == reasons(gate, attempt(at=at))

    def test_waits_for_the_longest_of_several_orders(self) -> None:
        second = UUID(int=2)
        gate = knows(pre_registered(), ordered(date(2020, 2, 20)), ordered(date(2020, 3, 1), order_id=second), assessed())
        assert date(2020, 3, 1) == earliest(answer(gate, attempt()).reasons)

    def test_waits_no_longer_for_an_order_that_was_withdrawn(self) -> None:
        second = UUID(int=2)
        orders = (ordered(date(2020, 2, 20)), ordered(date(2020, 3, 1), order_id=second))
        gate = knows(pre_registered(), *orders, assessed(), order_withdrawn(order_id=second))
        assert date(2020, 2, 20) == earliest(answer(gate, attempt()).reasons)

    def test_is_granted_once_the_hold_is_withdrawn(self) -> None:
        assert [] == reasons(knows(pre_registered(), assessed(), held(), released()), attempt())

    def test_is_refused_after_a_withdrawal(self) -> None:
        assert [ReasonCode.NOT_PRE_REGISTERED] == reasons(knows(pre_registered(), assessed(), withdrawn()), attempt())

    def test_is_counted_once(self) -> None:
        assert [ReasonCode.ALREADY_ENTERED] == reasons(admitted(), attempt())

    def test_is_granted_with_a_reminder_while_on_site_elsewhere(self) -> None:
        gate = knows(pre_registered(), assessed(), imported(on_site=True, contract_no=ELSEWHERE))
        granted = answer(gate, attempt())
        assert Outcome.ADMITTED is granted.outcome
        assert [(ReasonCode.ON_SITE_ELSEWHERE, Effect.REMIND)] == [(reason.code, reason.effect) for reason in granted.reasons]

    def test_is_refused_when_the_view_may_be_too_old(self) -> None:
        gate = knows(pre_registered(), assessed())
        assert [ReasonCode.STATE_STALE] == reasons(gate, attempt(fresh_as_of=None))


class TestRoster:
    def test_lets_whoever_was_imported_as_on_site_pass_without_pre_registration(self) -> None:
        gate = knows(imported(on_site=True), reported())
        assert [] == reasons(gate, attempt(kind=EntryKind.GATE_PASS))

    def test_asks_a_pre_registration_of_whoever_was_imported_as_off_site(self) -> None:
        assert [ReasonCode.NOT_PRE_REGISTERED] == reasons(knows(imported(on_site=False)), attempt())

    def test_tells_on_what_footing_its_people_pass(self) -> None:
        passed = answer(knows(imported(on_site=True), reported()), attempt(kind=EntryKind.GATE_PASS))
        assert (PersonKind.WORKER, "020", EMPLOYER) == (passed.person_kind, passed.trade, passed.employer_credit_code)

    def test_lets_whoever_comes_back_enter_like_a_newcomer(self) -> None:
        gate = knows(imported(on_site=False), pre_registered())
        assert [ReasonCode.ARRIVAL_NOT_ASSESSED] == reasons(gate, attempt())
        gate = gate.given(*gate.when(note(assessed())).events)
        assert Outcome.ADMITTED is answer(gate, attempt()).outcome

    def test_exempts_only_until_the_exit(self) -> None:
        gate = knows(imported(on_site=True))
        gate = gate.given(*gate.when(EXIT).events)
        assert [ReasonCode.NOT_PRE_REGISTERED] == reasons(gate, attempt())


class TestGatePass:
    def test_needs_an_open_entry(self) -> None:
        gate = knows(pre_registered(), assessed(), reported())
        assert [ReasonCode.NOT_ENTERED] == reasons(gate, attempt(kind=EntryKind.GATE_PASS))

    def test_reminds_of_the_report_that_is_missing_since_midnight_in_shanghai(self) -> None:
        midnight = datetime(2020, 2, 17, 16, 0, tzinfo=UTC)
        gate = admitted(reported(read_at=midnight - timedelta(minutes=1)))
        passed = answer(gate, attempt(kind=EntryKind.GATE_PASS))
        assert Outcome.ADMITTED is passed.outcome
        assert [(ReasonCode.NO_REPORT_TODAY, Effect.REMIND)] == [(reason.code, reason.effect) for reason in passed.reasons]
        assert [] == reasons(admitted(reported(read_at=midnight)), attempt(kind=EntryKind.GATE_PASS))

    def test_is_refused_by_a_ban_that_came_after_the_entry(self) -> None:
        gate = admitted(reported())
        gate = gate.given(*gate.when(note(disposed(Disposition.SUSPECTED))).events)
        assert [ReasonCode.SUSPECTED] == reasons(gate, attempt(kind=EntryKind.GATE_PASS))


class TestTakeNote:
    def test_yields_nothing_when_the_basis_stays_the_same(self) -> None:
        gate = knows(pre_registered())
        gate.when(note(pre_registered())).then_nothing()
        gate.when(note(released())).then_nothing()

    def test_names_every_decision_that_a_person_made_though_it_changes_no_verdict(self) -> None:
        gate, ids = knows(), [UUID(int=n) for n in (1, 2)]
        for decision in ids:
            gate = gate.given(*gate.when(note(disposed(Disposition.SUSPECTED), event_id=decision)).events)
            assert decision == gate.state.clearance.disposition_id
        assert 2 == gate.state.version
        gate.when(note(disposed(Disposition.SUSPECTED), event_id=ids[-1])).then_nothing()

    def test_keeps_the_pre_registration_when_a_withdrawal_comes_after_the_entry(self) -> None:
        admitted().when(note(withdrawn())).then_nothing()

    def test_keeps_the_latest_reading_time_whatever_the_order(self) -> None:
        knows(reported(read_at=NOW)).when(note(reported(read_at=NOW - timedelta(hours=1)))).then_nothing()

    def test_takes_the_latest_reading_time_that_a_correction_left(self) -> None:
        left = NOW - timedelta(hours=20)
        gate = knows(pre_registered(), reported(read_at=NOW), reported(read_at=NOW - timedelta(hours=24), latest_read_at=left))
        assert left == gate.state.clearance.last_report_at

    def test_keeps_the_orders_that_end_last_when_there_are_too_many(self) -> None:
        last = date(2020, 6, 1)
        gate = knows(pre_registered(), assessed(), *(ordered(last - timedelta(days=n), order_id=UUID(int=n)) for n in range(70)))
        assert last == earliest(answer(gate, attempt()).reasons)

    def test_does_not_bring_back_an_import_that_was_left(self) -> None:
        gate = knows(imported(on_site=True))
        gate = gate.given(*gate.when(EXIT).events)
        gate = gate.given(*gate.when(note(held())).events)
        assert frozenset() == gate.state.on_site


class TestMarkHistory:
    def test_refuses_whoever_nothing_else_keeps_out(self) -> None:
        gate = knows(pre_registered(), assessed())
        gate = gate.given(*gate.when(mark(unreadable=True)).events)
        assert [(ReasonCode.HISTORY_UNREADABLE, Effect.FORBID, "operator")] == [
            (reason.code, reason.effect, reason.clears) for reason in answer(gate, attempt()).reasons
        ]

    def test_refuses_also_whoever_was_never_heard_of(self) -> None:
        gate = knows()
        gate = gate.given(*gate.when(mark(unreadable=True)).events)
        assert [ReasonCode.NOT_PRE_REGISTERED, ReasonCode.HISTORY_UNREADABLE] == reasons(gate, attempt())

    def test_stands_while_other_facts_come_in(self) -> None:
        gate = knows(pre_registered())
        gate = gate.given(*gate.when(mark(unreadable=True)).events)
        gate = gate.given(*gate.when(note(assessed())).events)
        assert [ReasonCode.HISTORY_UNREADABLE] == reasons(gate, attempt())

    def test_says_nothing_when_it_is_repeated(self) -> None:
        gate = knows(pre_registered())
        gate = gate.given(*gate.when(mark(unreadable=True)).events)
        gate.when(mark("registration", unreadable=True)).then_nothing()
        knows().when(mark(unreadable=False)).then_nothing()

    def test_ends_with_the_basis_that_came_to_be_meanwhile(self) -> None:
        gate = knows(pre_registered())
        gate = gate.given(*gate.when(mark(unreadable=True)).events)
        gate = gate.given(*gate.when(note(assessed())).events, *gate.when(note(disposed(Disposition.SUSPECTED))).events)
        gate = gate.given(*gate.when(mark(unreadable=False)).events)
        assert ReasonCode.HISTORY_UNREADABLE not in reasons(gate, attempt())
        assert ReasonCode.SUSPECTED in reasons(gate, attempt())


class TestConfirm:
    def test_adds_nothing_while_the_grant_holds(self) -> None:
        admitted().when(Confirm(attempt())).then_nothing()

    def test_records_a_refusal_when_a_ban_came_since(self) -> None:
        gate = admitted()
        gate = gate.given(*gate.when(note(disposed(Disposition.CONFIRMED))).events)
        refused = answer(gate, Confirm(attempt()))
        assert [ReasonCode.CONFIRMED] == [reason.code for reason in refused.reasons]

    def test_records_a_refusal_when_the_view_may_be_too_old(self) -> None:
        refused = answer(admitted(), Confirm(attempt(fresh_as_of=None)))
        assert [ReasonCode.STATE_STALE] == [reason.code for reason in refused.reasons]


class TestRegisterExit:
    def test_ends_being_on_site_and_closes_the_pre_registration(self) -> None:
        gate = admitted()
        gate = gate.given(*gate.when(EXIT).events)
        assert frozenset() == gate.state.on_site
        assert [ReasonCode.NOT_PRE_REGISTERED] == reasons(gate, attempt())

    def test_is_refused_to_somebody_who_is_not_on_site(self) -> None:
        knows(pre_registered()).when(EXIT).then_rejected(PersonIsNotOnSite)

    def test_is_not_undone_by_a_form_of_before_that_comes_late(self) -> None:
        gate = admitted()
        gate = gate.given(*gate.when(EXIT).events)
        gate.when(note(pre_registered(declaration_version=2), form=2)).then_nothing()

    def test_allows_a_new_pre_registration_to_enter_again(self) -> None:
        gate = admitted()
        gate = gate.given(*gate.when(EXIT).events)
        for fact in (pre_registered(declaration_version=2, at=NOW + timedelta(hours=1)), assessed(form=2)):
            gate = gate.given(*gate.when(note(fact, form=2)).events)
        assert Outcome.ADMITTED is answer(gate, attempt()).outcome
