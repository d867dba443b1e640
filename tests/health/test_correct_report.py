"""A report that was wrong: what replaces it, and what becomes of the holds that followed from it."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from chassis.testing.specification import Specification
from contracts.health import HealthEvent, HealthReported, Hold, ReadingSource
from contracts.policy import Policies
from contracts.symptoms import Symptom
from health.domain.commands import HealthCommand, ReportHealth
from health.domain.readings import has_fever, has_symptoms
from health.domain.reports import CORRECTABLE_HOURS_MAX, CORRECTABLE_REPORTS_MAX, NothingToCorrect, ReportWasCorrected
from health.domain.state import HealthPerson, Reading
from health.wiring import person_decider
from tests.health.facts import (
    CORRECTION,
    ELSEWHERE,
    NOW,
    POLICY,
    REPORT,
    assess,
    correction,
    declaration,
    minutes,
    placed,
    report,
    reported,
    withdrawn,
)

Person = Specification[HealthCommand, HealthPerson, HealthEvent]
person: Person = Specification(person_decider(Policies))

COUGH = report(symptoms=(Symptom.COUGH,))
LATER = NOW + minutes(1)


def after(*commands: HealthCommand) -> Person:
    stream = person
    for command in commands:
        stream = stream.given(*stream.when(command).events)
    return stream


class TestCorrectReport:
    def test_withdraws_the_fever_that_was_mistyped(self) -> None:
        right = correction(36.8)
        after(report(38.6)).when(right).then(
            reported(right, latest_read_at=NOW), withdrawn(Hold.FEVER, at=LATER, report_id=CORRECTION)
        )

    def test_places_the_fever_that_was_typed_as_normal(self) -> None:
        right = correction(38.6)
        after(report(36.8)).when(right).then(
            reported(right, latest_read_at=NOW), placed(Hold.FEVER, at=LATER, report_id=CORRECTION)
        )

    def test_brings_the_fever_back_that_a_mistyped_reading_took_back(self) -> None:
        again = report(36.5, report_id=UUID(int=3), read_at=NOW + minutes(10))
        right = correction(38.4, of=again.report_id, read_at=NOW + minutes(10), at=NOW + minutes(20))
        after(report(38.0), again).when(right).then(
            reported(right, latest_read_at=NOW + minutes(10)),
            placed(Hold.FEVER, at=NOW + minutes(20), report_id=CORRECTION),
        )

    def test_leaves_the_fever_that_another_reading_gives(self) -> None:
        other = report(37.9, report_id=UUID(int=3), read_at=NOW + minutes(2))
        right = correction(36.8, at=NOW + minutes(3))
        after(report(38.6), other).when(right).then(reported(right, latest_read_at=NOW + minutes(2)))

    def test_withdraws_the_symptoms_that_were_ticked_by_mistake(self) -> None:
        right = correction()
        after(COUGH).when(right).then(reported(right, latest_read_at=NOW), withdrawn(Hold.SYMPTOMS, at=LATER, report_id=CORRECTION))

    def test_places_the_symptoms_that_were_forgotten(self) -> None:
        right = correction(symptoms=(Symptom.COUGH,))
        after(report()).when(right).then(reported(right, latest_read_at=NOW), placed(Hold.SYMPTOMS, at=LATER, report_id=CORRECTION))

    def test_tells_the_latest_reading_that_is_left(self) -> None:
        yesterday = NOW - timedelta(days=1)
        right = correction(read_at=yesterday)
        after(report(), report(report_id=UUID(int=3), read_at=NOW - minutes(30), at=NOW)).when(right).then(
            reported(right, latest_read_at=NOW - minutes(30))
        )

    def test_is_itself_corrected(self) -> None:
        second = correction(37.9, of=CORRECTION, report_id=UUID(int=3), at=NOW + minutes(2))
        after(report(38.6), correction(36.8)).when(second).then(
            reported(second, latest_read_at=NOW), placed(Hold.FEVER, at=NOW + minutes(2), report_id=UUID(int=3))
        )

    def test_is_refused_twice_for_the_same_report(self) -> None:
        after(report(38.6), correction(36.8)).when(correction(36.9)).then_rejected(ReportWasCorrected)

    def test_is_refused_for_what_was_never_reported(self) -> None:
        after(report()).when(correction(of=UUID(int=9))).then_rejected(NothingToCorrect)

    def test_is_refused_for_a_report_of_another_contract(self) -> None:
        after(report()).when(correction(contract_no=ELSEWHERE)).then_rejected(NothingToCorrect)

    def test_is_refused_for_what_was_declared(self) -> None:
        stream = after(assess(declaration(temperature_celsius=38.0)))
        [declared] = [each for each in stream.happened if isinstance(each, HealthReported)]
        stream.when(correction(of=declared.report_id)).then_rejected(NothingToCorrect)

    def test_is_taken_for_as_long_as_was_said_and_no_longer(self) -> None:
        last = NOW + timedelta(hours=CORRECTABLE_HOURS_MAX)
        right = correction(at=last)
        after(report()).when(right).then(reported(right, latest_read_at=NOW))
        after(report()).when(correction(at=last + timedelta(seconds=1))).then_rejected(NothingToCorrect)

    def test_is_refused_for_what_lies_behind_too_many_reports(self) -> None:
        more = [report(report_id=UUID(int=100 + n), source=ReadingSource.GATE, symptoms=()) for n in range(CORRECTABLE_REPORTS_MAX)]
        after(report(38.6), *more[1:]).when(correction(at=NOW)).then(
            reported(correction(at=NOW), latest_read_at=NOW), withdrawn(Hold.FEVER, report_id=CORRECTION)
        )
        after(report(38.6), *more).when(correction(at=NOW)).then_rejected(NothingToCorrect)


class TestTurnstilesReading:
    def test_is_corrected_by_somebody_who_asked_for_symptoms(self) -> None:
        right = correction(36.6)
        after(report(39.0, source=ReadingSource.GATE, symptoms=())).when(right).then(
            reported(right, latest_read_at=NOW), withdrawn(Hold.FEVER, at=LATER, report_id=CORRECTION)
        )


MOMENTS = st.integers(0, 4_500)  # of three days and some hours, so that reports settle among those that do not
REPORTS = st.lists(
    st.tuples(MOMENTS, st.integers(0, 30), st.sampled_from([34.0, 36.5, 37.2, 37.3, 38.0]), st.sampled_from(["none", "cough"])),
    min_size=1,
    max_size=CORRECTABLE_REPORTS_MAX + 6,
)


class TestWhatCounts:
    @given(REPORTS, st.lists(st.tuples(st.integers(0, 40), st.sampled_from([36.5, 38.0])), max_size=5))
    def test_is_what_it_were_had_the_wrong_report_never_been(
        self, told: list[tuple[int, int, float, str]], wrong: list[tuple[int, float]]
    ) -> None:
        state, counting = HealthPerson(), dict[UUID, ReportHealth]()
        now = NOW
        for n, (reported_min, age_min, celsius, symptom) in enumerate(sorted(told)):
            now = NOW + minutes(reported_min)
            command = report(celsius, report_id=UUID(int=n), read_at=now - minutes(age_min), at=now, symptoms=(Symptom(symptom),))
            state = _done(command, state)
            counting[command.report_id] = command
        for n, (which, celsius) in enumerate(wrong):
            correctable = [each.report_id for each in state.reports if now - each.reported_at <= timedelta(hours=72)]
            of = correctable[which % len(correctable)]
            read_at = counting.pop(of).read_at
            command = correction(celsius, of=of, report_id=UUID(int=1_000 + n), read_at=read_at, at=now)
            state = _done(command, state)
            counting[command.report_id] = command
        assert _holds(list(counting.values())) == state.holds
        assert max(each.read_at for each in counting.values()) == state.latest_read_at
        assert len(state.reports) <= CORRECTABLE_REPORTS_MAX


def _done(command: ReportHealth, state: HealthPerson) -> HealthPerson:
    return person.decider.fold(state, person.decider.decide(command, state))


def _holds(counting: list[ReportHealth]) -> set[Hold]:
    """By the rule alone: of all reports that count, none forgotten."""
    readings = [Reading(each.read_at, each.reading_celsius, measured=True) for each in counting]
    found = {Hold.FEVER} if has_fever(readings, POLICY) else set()
    is_ill = has_symptoms(_latest(counting, Symptom.COUGH), _latest(counting, Symptom.NONE))
    return found | ({Hold.SYMPTOMS} if is_ill else set())


def _latest(counting: list[ReportHealth], symptom: Symptom) -> datetime | None:
    return max((each.read_at for each in counting if each.symptoms == (symptom,)), default=None)


def test_a_correction_replaces_the_report_it_names() -> None:
    state = _done(correction(36.8), _done(report(38.6), HealthPerson()))
    assert [CORRECTION] == [each.report_id for each in state.reports]
    assert {REPORT} == state.corrected
