"""Readings, symptoms and the holds that follow."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chassis.testing.specification import Specification
from contracts.health import HealthEvent, Hold, ReadingSource
from contracts.policy import Policies
from contracts.symptoms import Symptom
from health.domain.commands import HealthCommand, ReportHealth
from health.domain.readings import has_fever, with_reading
from health.domain.reports import CORRECTABLE_REPORTS_MAX, NoSymptomIsTicked, ReadingIsInTheFuture
from health.domain.state import HealthPerson, Reading
from health.wiring import person_decider
from tests.health.facts import NOW, POLICY, minutes, placed, report, reported, with_threshold, withdrawn

Person = Specification[HealthCommand, HealthPerson, HealthEvent]
person: Person = Specification(person_decider(Policies))

FEVER = report(38.0)
COUGH = report(symptoms=(Symptom.COUGH, Symptom.MYALGIA))


def after(*commands: ReportHealth) -> Person:
    """The person after these reports, in the order in which they came in."""
    stream = person
    for command in commands:
        stream = stream.given(*stream.when(command).events)
    return stream


def at(offset_min: float) -> datetime:
    return NOW + minutes(offset_min)


class TestReportHealth:
    def test_is_kept(self) -> None:
        person.when(report(36.5)).then(reported(report(36.5)))

    def test_is_kept_each_time(self) -> None:
        after(report(36.5)).when(report(36.6, read_at=at(60))).then(reported(report(36.6, read_at=at(60))))

    def test_is_refused_more_than_five_minutes_ahead(self) -> None:
        person.when(report(read_at=at(5.1), at=NOW)).then_rejected(ReadingIsInTheFuture)

    def test_is_taken_up_to_five_minutes_ahead(self) -> None:
        command = report(read_at=at(5), at=NOW)
        person.when(command).then(reported(command))

    def test_is_refused_where_nothing_is_ticked(self) -> None:
        person.when(report(symptoms=())).then_rejected(NoSymptomIsTicked)

    def test_needs_no_symptoms_of_a_turnstile(self) -> None:
        command = report(symptoms=(), source=ReadingSource.GATE)
        person.when(command).then(reported(command))


class TestFever:
    @pytest.mark.parametrize("celsius", [37.3, 38.0, 42.0])
    def test_places_the_hold(self, celsius: float) -> None:
        person.when(report(celsius)).then(reported(report(celsius)), placed(Hold.FEVER))

    @pytest.mark.parametrize("celsius", [33.0, 35.0, 37.2])
    def test_is_nothing_below_the_threshold(self, celsius: float) -> None:
        person.when(report(celsius)).then(reported(report(celsius)))

    def test_places_the_hold_once(self) -> None:
        after(FEVER).when(report(38.5, read_at=at(60))).then(reported(report(38.5, read_at=at(60))))

    @pytest.mark.parametrize(("celsius", "offset_min"), [(36.5, 5), (35.0, 5), (37.2, 60)])
    def test_is_taken_back_by_one_normal_reading(self, celsius: float, offset_min: float) -> None:
        again = report(celsius, read_at=at(offset_min))
        after(FEVER).when(again).then(reported(again), withdrawn(Hold.FEVER, at=at(offset_min)))

    @pytest.mark.parametrize(
        ("celsius", "offset_min"),
        [(36.5, 4.9), (36.5, 0), (34.9, 60), (30.0, 60)],
        ids=["too soon", "at once", "below 35", "far below 35"],
    )
    def test_is_not_taken_back_by_a_reading_that_is_not_normal(self, celsius: float, offset_min: float) -> None:
        again = report(celsius, read_at=at(offset_min))
        after(FEVER).when(again).then(reported(again))

    def test_counts_the_minutes_from_the_last_fever_reading(self) -> None:
        again = report(36.5, read_at=at(64))
        after(FEVER, report(37.5, read_at=at(60))).when(again).then(reported(again))

    def test_comes_back_with_the_next_fever_reading(self) -> None:
        worse = report(37.8, read_at=at(120))
        stream = after(FEVER, report(36.5, read_at=at(60)))
        stream.when(worse).then(reported(worse), placed(Hold.FEVER, at=at(120)))

    def test_is_taken_back_by_a_turnstile_too(self) -> None:
        again = report(36.2, read_at=at(10), source=ReadingSource.GATE, symptoms=())
        after(FEVER).when(again).then(reported(again), withdrawn(Hold.FEVER, at=at(10)))


class TestLateReport:
    """A report whose reading time lies before those that came in earlier."""

    def test_of_fever_changes_nothing_where_a_normal_reading_followed(self) -> None:
        late = report(38.0, read_at=at(-60), at=at(1))
        after(report(36.5)).when(late).then(reported(late))

    def test_of_fever_places_the_hold_where_the_normal_reading_followed_too_soon(self) -> None:
        late = report(38.0, read_at=at(-4), at=at(1))
        after(report(36.5)).when(late).then(reported(late), placed(Hold.FEVER, at=at(1)))

    def test_of_a_normal_reading_takes_the_hold_back(self) -> None:
        late = report(36.5, read_at=at(10), at=at(60))
        after(FEVER, report(34.0, read_at=at(30))).when(late).then(reported(late), withdrawn(Hold.FEVER, at=at(60)))

    def test_of_symptoms_changes_nothing_where_a_report_without_followed(self) -> None:
        late = report(symptoms=(Symptom.COUGH,), read_at=at(-60), at=at(1))
        after(report()).when(late).then(reported(late))


class TestSymptoms:
    def test_place_the_hold(self) -> None:
        person.when(COUGH).then(reported(COUGH), placed(Hold.SYMPTOMS))

    def test_are_taken_back_by_a_later_report_without(self) -> None:
        better = report(read_at=at(1))
        after(COUGH).when(better).then(reported(better), withdrawn(Hold.SYMPTOMS, at=at(1)))

    def test_count_before_a_report_without_of_the_same_moment(self) -> None:
        after(COUGH).when(report()).then(reported(report()))

    def test_are_not_taken_back_where_nobody_asked(self) -> None:
        passing = report(read_at=at(10), source=ReadingSource.GATE, symptoms=())
        after(COUGH).when(passing).then(reported(passing))

    def test_come_beside_fever(self) -> None:
        both = report(38.0, symptoms=(Symptom.FEVER,))
        person.when(both).then(reported(both), placed(Hold.FEVER), placed(Hold.SYMPTOMS))


READINGS = st.builds(
    Reading,
    read_at=st.integers(0, 30).map(at),  # close together, so that the five minutes matter
    celsius=st.sampled_from([33.0, 34.9, 35.0, 36.5, 37.2, 37.3, 38.0]),
    measured=st.booleans(),
)


class TestOrderOfArrival:
    @given(
        st.lists(READINGS, max_size=CORRECTABLE_REPORTS_MAX + 4).flatmap(
            lambda found: st.tuples(st.just(found), st.permutations(found))
        )
    )
    def test_does_not_matter(self, both: tuple[list[Reading], list[Reading]]) -> None:
        one, other = both
        assert final_state(one).holds == final_state(other).holds

    @given(st.lists(READINGS, max_size=12), st.sampled_from([36.4, 36.6, 37.3, 38.0]))
    def test_and_dropped_readings_do_not_matter_whatever_the_threshold(self, readings: list[Reading], threshold: float) -> None:
        policy = with_threshold(threshold)
        kept: tuple[Reading, ...] = ()
        for reading in readings:
            kept = with_reading(kept, reading)
        assert has_fever(readings, policy) is has_fever(kept, policy)

    @example([Reading(NOW, 35.0, measured=True), Reading(NOW, 37.3, measured=False), Reading(NOW, 37.3, measured=True)])
    @example([Reading(NOW, 35.0, measured=True), Reading(NOW, 37.3, measured=True), Reading(NOW, 37.3, measured=False)])
    @given(st.lists(READINGS, max_size=CORRECTABLE_REPORTS_MAX + 10))
    def test_leaves_the_hold_that_all_readings_together_give(self, readings: list[Reading]) -> None:
        assert (Hold.FEVER in final_state(readings).holds) is has_fever(readings, POLICY)

    @settings(max_examples=5)
    @given(st.lists(READINGS, min_size=100, max_size=150))
    def test_and_few_are_kept_of_many(self, readings: list[Reading]) -> None:
        kept = len(final_state(readings).readings)
        assert kept <= CORRECTABLE_REPORTS_MAX + 2 * len({reading.celsius for reading in readings})


def final_state(readings: list[Reading]) -> HealthPerson:
    """What is known after these readings, in the order in which they came in."""
    state, decider = HealthPerson(), person.decider
    for reading in readings:
        state = decider.fold(state, decider.decide(_report_of(reading), state))
    return state


def _report_of(reading: Reading) -> ReportHealth:
    measured = {"symptoms": (Symptom.NONE,), "source": ReadingSource.REGISTRAR}
    declared = {"symptoms": (), "source": ReadingSource.DECLARATION}
    return report(reading.celsius, read_at=reading.read_at, at=at(60), **(measured if reading.measured else declared))
