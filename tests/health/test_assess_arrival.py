"""The judgement of arrivals."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chassis.testing.specification import Specification
from contracts.health import (
    ArrivalAssessed,
    CameFrom,
    HealthEvent,
    HealthHoldPlaced,
    HealthReported,
    Hold,
    IsolationOrdered,
    IsolationReason,
    ReadingSource,
)
from contracts.policy import Policies
from contracts.registration import PinnedDeclaration
from contracts.symptoms import Symptom
from health.domain.arrivals import STOPOVER_UNKNOWN
from health.domain.commands import AssessArrival, HealthCommand, TakeDeclared
from health.domain.state import HealthPerson
from health.wiring import person_decider
from tests.health.facts import (
    DISTRICT,
    ELSEWHERE,
    HEFEI,
    HERE,
    HUBEI,
    JIANGSU,
    NOW,
    PERSON,
    WUHAN,
    assess,
    declaration,
    report,
)

person: Specification[HealthCommand, HealthPerson, HealthEvent] = Specification(person_decider(Policies))

Person = Specification[HealthCommand, HealthPerson, HealthEvent]


def after(*commands: HealthCommand) -> Person:
    """The person after these commands."""
    stream = person
    for command in commands:
        stream = stream.given(*stream.when(command).events)
    return stream


def orders(events: tuple[HealthEvent, ...]) -> list[IsolationOrdered]:
    return [event for event in events if isinstance(event, IsolationOrdered)]


def assessed(events: tuple[HealthEvent, ...]) -> ArrivalAssessed:
    """The judgement, which comes last."""
    assert isinstance(events[-1], ArrivalAssessed)
    return events[-1]


def anchors(stream: Person, command: AssessArrival) -> set[date]:
    return {order.anchor_date for order in orders(stream.when(command).events)}


class TestAssessArrival:
    def test_says_so_where_nothing_follows(self) -> None:
        person.when(assess()).then(
            ArrivalAssessed(
                person_id=PERSON,
                pre_registration_id=assess().pre_registration_id,
                contract_no=HERE,
                declaration_version=1,
                policy_version=1,
                departed_on=date(2020, 2, 13),
                arrived_on=date(2020, 2, 14),
                district=DISTRICT,
                came_from=(CameFrom(reason=IsolationReason.KEY_AREA_ORIGIN, code=JIANGSU),),
                assessed_at=NOW,
            )
        )

    def test_tells_every_region_that_was_judged(self) -> None:
        pinned = declaration(from_hubei=True, from_wuhan=True, stopover_code=HEFEI)
        came_from = assessed(person.when(assess(pinned)).events).came_from
        assert came_from is not None
        assert [
            (IsolationReason.KEY_AREA_ORIGIN, JIANGSU),
            (IsolationReason.KEY_AREA_DECLARED, "420000"),
            (IsolationReason.KEY_AREA_DECLARED, WUHAN),
            (IsolationReason.KEY_AREA_STOPOVER, HEFEI),
        ] == [(each.reason, each.code) for each in came_from]

    @pytest.mark.parametrize(
        ("command", "reasons"),
        [
            (assess(origin_code=HUBEI), [IsolationReason.KEY_AREA_ORIGIN]),
            (assess(origin_code=WUHAN), [IsolationReason.KEY_AREA_ORIGIN]),
            (assess(declaration(from_hubei=True)), [IsolationReason.KEY_AREA_DECLARED]),
            (assess(declaration(from_wuhan=True)), [IsolationReason.KEY_AREA_DECLARED]),
            (assess(declaration(from_hubei=True, from_wuhan=True)), [IsolationReason.KEY_AREA_DECLARED]),
            (assess(declaration(stopover=True, stopover_code=WUHAN)), [IsolationReason.KEY_AREA_STOPOVER]),
            (assess(declaration(stopover=False, stopover_code=WUHAN)), [IsolationReason.KEY_AREA_STOPOVER]),
            (assess(declaration(stopover=True, stopover_code=HEFEI)), []),
            (
                assess(declaration(from_wuhan=True, stopover=True, stopover_code=WUHAN), origin_code=HUBEI),
                [IsolationReason.KEY_AREA_ORIGIN, IsolationReason.KEY_AREA_DECLARED, IsolationReason.KEY_AREA_STOPOVER],
            ),
        ],
    )
    def test_orders_isolation_once_for_each_reason(self, command: AssessArrival, reasons: list[IsolationReason]) -> None:
        events = person.when(command).events
        assert reasons == [order.reason for order in orders(events)]
        assert tuple(order.order_id for order in orders(events)) == assessed(events).order_ids

    def test_closes_the_judgement_after_its_orders(self) -> None:
        events = person.when(assess(declaration(from_hubei=True, temperature_celsius=38.0), origin_code=HUBEI)).events
        expected = [HealthReported, HealthHoldPlaced, IsolationOrdered, IsolationOrdered, ArrivalAssessed]
        assert expected == [type(event) for event in events]

    def test_leaves_a_question_where_the_stopover_is_unknown(self) -> None:
        assert (STOPOVER_UNKNOWN,) == assessed(person.when(assess(declaration(stopover=True))).events).questions

    def test_leaves_no_question_where_the_stopover_is_known(self) -> None:
        assert () == assessed(person.when(assess(declaration(stopover=True, stopover_code=HEFEI))).events).questions

    def test_counts_an_area_on_the_days_of_the_policy_only(self) -> None:
        long_ago = declaration(reported_on=date(2019, 12, 31), departed_on=date(2019, 12, 30))
        assert [] == orders(person.when(assess(long_ago, origin_code=HUBEI)).events)


class TestDayOfArrival:
    @pytest.mark.parametrize(
        ("reported_on", "departed_on", "arrival_date", "anchor", "admissible_on"),
        [
            # The later of departure and report …
            ("2020-02-14", "2020-02-13", None, "2020-02-14", "2020-02-28"),
            ("2020-02-14", "2020-02-15", None, "2020-02-15", "2020-02-29"),
            ("2020-02-14", None, None, "2020-02-14", "2020-02-28"),
            # … unless it was typed, but never before the departure.
            ("2020-02-14", "2020-02-10", "2020-02-11", "2020-02-11", "2020-02-25"),
            ("2020-02-14", "2020-02-13", "2020-02-16", "2020-02-16", "2020-03-01"),
            ("2020-02-14", "2020-02-13", "2020-01-20", "2020-02-13", "2020-02-27"),
            # Ends of months and years.
            ("2020-01-31", None, None, "2020-01-31", "2020-02-14"),
            ("2020-02-15", None, None, "2020-02-15", "2020-02-29"),
            ("2020-02-16", None, None, "2020-02-16", "2020-03-01"),
            ("2021-02-15", None, None, "2021-02-15", "2021-03-01"),
            ("2020-12-18", None, None, "2020-12-18", "2021-01-01"),
        ],
    )
    def test_is_day_0_of_fourteen(
        self, reported_on: str, departed_on: str | None, arrival_date: str | None, anchor: str, admissible_on: str
    ) -> None:
        pinned = declaration(
            reported_on=date.fromisoformat(reported_on), departed_on=departed_on and date.fromisoformat(departed_on)
        )
        typed = date.fromisoformat(arrival_date) if arrival_date else None
        (order,) = orders(person.when(assess(pinned, origin_code=HUBEI, arrival_date=typed)).events)
        assert (anchor, 14, admissible_on) == (order.anchor_date.isoformat(), order.days, order.admissible_on.isoformat())

    @pytest.mark.parametrize("at", [datetime(2020, 2, 14, 15, 59, tzinfo=UTC), datetime(2020, 2, 14, 16, 1, tzinfo=UTC)])
    def test_is_what_was_declared_whichever_side_of_midnight_it_is_judged_on(self, at: datetime) -> None:
        assert {date(2020, 2, 14)} == anchors(person, assess(origin_code=HUBEI, at=at))

    def test_is_not_moved_by_a_later_declaration_of_the_journey(self) -> None:
        stream = after(assess(declaration(1, reported_on=date(2020, 2, 14))))
        later = declaration(2, reported_on=date(2020, 2, 20), from_hubei=True)
        assert {date(2020, 2, 14)} == anchors(stream, assess(later))

    @pytest.mark.parametrize(
        ("first_departed", "later_departed", "later_reported", "anchor"),
        [
            ("2020-02-13", None, "2020-02-20", "2020-02-14"),  # without a departure, within the days: the same journey
            (None, "2020-02-13", "2020-02-20", "2020-02-14"),
            (None, None, "2020-02-28", "2020-02-14"),
            (None, None, "2020-02-29", "2020-02-29"),  # after them: another
            (None, "2020-02-15", "2020-02-16", "2020-02-16"),  # departed after the arrival: another
            ("2020-02-13", "2020-02-19", "2020-02-20", "2020-02-20"),
        ],
    )
    def test_is_that_of_the_journey_that_the_declaration_can_tell_of(
        self, first_departed: str | None, later_departed: str | None, later_reported: str, anchor: str
    ) -> None:
        stream = after(assess(declaration(1, departed_on=first_departed and date.fromisoformat(first_departed))))
        later = declaration(
            2,
            reported_on=date.fromisoformat(later_reported),
            departed_on=later_departed and date.fromisoformat(later_departed),
            from_hubei=True,
        )
        assert {date.fromisoformat(anchor)} == anchors(stream, assess(later))


class TestAssessArrivalAgain:
    @pytest.mark.parametrize(
        "command", [assess(), assess(origin_code=HUBEI), assess(declaration(stopover=True, temperature_celsius=38.0))]
    )
    def test_does_nothing_for_the_same_pre_registration(self, command: AssessArrival) -> None:
        after(command).when(command).then_nothing()

    def test_judges_another_pre_registration_with_the_same_declaration(self) -> None:
        # Withdrawn and handed in again: the gate waits for the judgement of this one.
        again = assess(declaration(temperature_celsius=36.5), form="again")
        events = after(assess(declaration(temperature_celsius=36.5))).when(again).events
        assert [ArrivalAssessed] == [type(event) for event in events]
        assert again.pre_registration_id == assessed(events).pre_registration_id

    def test_judges_the_declaration_for_another_contract_without_ordering_again(self) -> None:
        stream = after(assess(origin_code=HUBEI))
        events = stream.when(assess(origin_code=HUBEI, contract_no=ELSEWHERE)).events
        assert 1 == len(events)
        assert (ELSEWHERE, stream.state.order_ids) == (assessed(events).contract_no, frozenset(assessed(events).order_ids))

    def test_does_not_order_again_for_a_later_declaration_of_the_journey(self) -> None:
        stream = after(assess(declaration(1, from_hubei=True)))
        events = stream.when(assess(declaration(2, from_hubei=True, reported_on=date(2020, 2, 20)))).events
        assert (0, stream.state.order_ids) == (len(orders(events)), frozenset(assessed(events).order_ids))

    def test_adds_the_reason_that_a_later_declaration_brings(self) -> None:
        stream = after(assess(declaration(1, from_hubei=True)))
        events = stream.when(assess(declaration(2, from_hubei=True, stopover=True, stopover_code=WUHAN))).events
        assert [IsolationReason.KEY_AREA_STOPOVER] == [order.reason for order in orders(events)]
        assert 2 == len(assessed(events).order_ids)

    def test_orders_anew_for_a_new_journey(self) -> None:
        stream = after(assess(declaration(1, from_hubei=True)))
        back = declaration(2, from_hubei=True, departed_on=date(2020, 3, 10), reported_on=date(2020, 3, 11))
        assert {date(2020, 3, 11)} == anchors(stream, assess(back))

    def test_adds_an_order_where_the_origin_was_typed_anew(self) -> None:
        # Withdrawn for a wrong 出发地 and pre-registered again with the same declaration.
        events = after(assess()).when(assess(origin_code=HUBEI)).events
        assert [IsolationReason.KEY_AREA_ORIGIN] == [order.reason for order in orders(events)]
        assert len(orders(events)) == len(assessed(events).order_ids)

    def test_adds_an_order_where_a_later_arrival_was_typed(self) -> None:
        stream = after(assess(origin_code=HUBEI, arrival_date=date(2020, 2, 14)))
        later = assess(origin_code=HUBEI, contract_no=ELSEWHERE, arrival_date=date(2020, 2, 16))
        assert {date(2020, 2, 16)} == anchors(stream, later)

    def test_keeps_the_order_where_an_earlier_arrival_was_typed(self) -> None:
        stream = after(assess(origin_code=HUBEI))
        assert set() == anchors(stream, assess(origin_code=HUBEI, contract_no=ELSEWHERE, arrival_date=date(2020, 2, 13)))

    def test_keeps_the_latest_day_that_was_told_of_the_journey(self) -> None:
        stream = after(assess(), assess(contract_no=ELSEWHERE, arrival_date=date(2020, 2, 16)))
        stream = stream.given(*stream.when(assess(contract_no="W3", arrival_date=date(2020, 2, 15))).events)
        assert {date(2020, 2, 16)} == anchors(stream, assess(declaration(2, from_hubei=True)))

    def test_is_the_typed_one_also_where_no_departure_names_the_journey(self) -> None:
        unnamed = declaration(1, departed_on=None)
        stream = after(assess(unnamed), assess(unnamed, contract_no=ELSEWHERE, arrival_date=date(2020, 2, 16)))
        assert {date(2020, 2, 16)} == anchors(stream, assess(declaration(2, departed_on=None, from_hubei=True)))

    def test_is_of_one_journey_though_a_later_declaration_names_no_departure(self) -> None:
        stream = after(assess(), assess(declaration(2, departed_on=None)))
        assert [date(2020, 2, 13)] == [journey.departed_on for journey in stream.state.journeys]

    def test_makes_one_order_of_the_same_reason_and_day(self) -> None:
        stream = after(assess(origin_code=HUBEI, arrival_date=date(2020, 2, 16)))
        other_journey = declaration(2, departed_on=date(2020, 2, 15))
        events = stream.when(assess(other_journey, origin_code=HUBEI, arrival_date=date(2020, 2, 16))).events
        assert (0, stream.state.order_ids) == (len(orders(events)), frozenset(assessed(events).order_ids))


class TestDeclaredTemperature:
    def test_counts_as_a_reading_at_the_midnight_that_begins_its_day(self) -> None:
        reading = person.when(assess(declaration(temperature_celsius=36.5))).events[0]
        assert isinstance(reading, HealthReported)
        assert (36.5, ReadingSource.DECLARATION, datetime(2020, 2, 13, 16, tzinfo=UTC)) == (
            reading.reading_celsius,
            reading.source,
            reading.read_at,
        )

    def test_places_the_hold_where_it_is_fever(self) -> None:
        stream = after(assess(declaration(temperature_celsius=37.3)))
        assert {Hold.FEVER} == stream.state.holds

    def test_counts_once_however_many_contracts_rely_on_it(self) -> None:
        pinned = declaration(temperature_celsius=38.0)
        events = after(assess(pinned)).when(assess(pinned, contract_no=ELSEWHERE)).events
        assert [ArrivalAssessed] == [type(event) for event in events]

    def test_counts_also_where_no_pre_registration_relies_on_it(self) -> None:
        fever = TakeDeclared(PERSON, declaration_version=2, reading_celsius=38.0, reported_on=date(2020, 2, 18), at=NOW)
        stream = after(assess(declaration(1, temperature_celsius=36.5)), fever)
        assert {Hold.FEVER} == stream.state.holds

    @pytest.mark.parametrize("is_taken_first", [True, False])
    def test_counts_once_whoever_tells_of_it_first(self, is_taken_first: bool) -> None:
        pinned = assess(declaration(1, temperature_celsius=38.0))
        taken = TakeDeclared(PERSON, declaration_version=1, reading_celsius=38.0, reported_on=date(2020, 2, 14), at=NOW)
        stream = after(taken, pinned) if is_taken_first else after(pinned, taken)
        assert 1 == sum(isinstance(event, HealthReported) for event in stream.happened)

    def test_does_not_take_a_hold_back_for_it_was_not_measured(self) -> None:
        stream = person.given(*after(assess(declaration(1, temperature_celsius=38.0))).happened)
        events = stream.when(assess(declaration(2, temperature_celsius=36.5, reported_on=date(2020, 2, 17)))).events
        assert [HealthReported, ArrivalAssessed] == [type(event) for event in events]

    def test_is_not_read_in_the_future(self) -> None:
        reading = person.when(assess(declaration(temperature_celsius=38.0, reported_on=date(2020, 3, 1)))).events[0]
        assert isinstance(reading, HealthReported)
        assert NOW == reading.read_at

    def test_leaves_other_holds_alone(self) -> None:
        stream = after(report(symptoms=(Symptom.COUGH,)), assess(declaration(temperature_celsius=36.5)))
        assert {Hold.SYMPTOMS} == stream.state.holds


DAYS = st.dates(min_value=date(1900, 1, 1), max_value=date(2999, 12, 31))


class TestEveryDeclaration:
    @example(reported_on=date(1900, 1, 1), departed_on=None, arrival_date=None, celsius=38.0, flags=(True,) * 3, stopover_code=None)
    @example(
        reported_on=date(2999, 12, 31), departed_on=None, arrival_date=None, celsius=38.0, flags=(True,) * 3, stopover_code=None
    )
    @given(
        reported_on=DAYS,
        departed_on=st.none() | DAYS,
        arrival_date=st.none() | DAYS,
        celsius=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
        stopover_code=st.sampled_from([None, WUHAN, HEFEI]),
    )
    def test_is_judged(
        self, flags: tuple[bool, bool, bool], arrival_date: date | None, celsius: float | None, **others: Any
    ) -> None:
        # A declaration that could not be judged would stop the judgement of everybody after it.
        from_hubei, from_wuhan, stopover = flags
        pinned = PinnedDeclaration(
            version=1, from_hubei=from_hubei, from_wuhan=from_wuhan, stopover=stopover, temperature_celsius=celsius, **others
        )
        events = person.when(assess(pinned, origin_code=HUBEI, arrival_date=arrival_date)).events
        assert all(order.admissible_on - order.anchor_date <= timedelta(days=14) for order in orders(events))
        person.given(*events).when(assess(pinned, origin_code=HUBEI, arrival_date=arrival_date)).then_nothing()
