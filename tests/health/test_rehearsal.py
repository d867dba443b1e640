"""What policies say of a person, whether or not anybody has judged by them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from chassis.testing.specification import Specification
from contracts.health import HealthEvent, IsolationOrdered, IsolationOrderWithdrawn
from contracts.policy import KeyArea, Policies, PolicyTerms, Switch
from contracts.symptoms import Symptom
from health.domain.commands import AssessArrival, ClarifyTravel, HealthCommand, WithdrawOrder
from health.domain.rehearsal import Rehearsal, Standing, is_told_in_part, ordered_until
from health.domain.state import HealthPerson
from health.wiring import person_decider
from tests.health.facts import (
    ACCOUNT,
    HEFEI,
    HUBEI,
    JIANGSU,
    NOW,
    PERSON,
    SEALED,
    TODAY,
    added,
    adopted,
    assess,
    declaration,
    minutes,
    report,
    terms,
    with_threshold,
)

somebody: Specification[HealthCommand, HealthPerson, HealthEvent] = Specification(person_decider(Policies))
NOTHING = Standing(fever=None, symptoms=None, admissible_on=None)
DAY_14 = date(2020, 2, 28)
"""Of whoever arrived as `assess` says."""
JIANGSU_AREA = KeyArea(code_prefix=JIANGSU[:4], name="南通市", since=date(2020, 2, 1))


def after(*commands: HealthCommand) -> HealthPerson:
    stream = somebody
    for command in commands:
        stream = stream.given(*stream.when(command).events)
    return stream.state


def standing(person: HealthPerson, *adopted_terms: PolicyTerms, day: date = TODAY) -> Standing:
    return Rehearsal(adopted(*adopted_terms), day).standing(person)


class TestStanding:
    def test_is_nothing_where_nothing_is_known(self) -> None:
        assert NOTHING == standing(HealthPerson())

    @pytest.mark.parametrize(("celsius", "fever"), [(37.3, Switch.FORBID), (37.2, None)])
    def test_has_fever_by_the_readings_and_the_threshold(self, celsius: float, fever: Switch | None) -> None:
        assert fever is standing(after(report(celsius))).fever

    def test_has_fever_by_another_threshold_whatever_was_held_before(self) -> None:
        lower = with_threshold(37.0).city.terms
        person = after(report(37.1))
        assert (frozenset(), Switch.FORBID) == (person.holds, standing(person, lower).fever)

    def test_is_weighed_by_the_switches(self) -> None:
        assert terms().switches is not None
        milder = terms(switches=terms().switches.model_copy(update={"symptoms": Switch.REMIND}))  # type: ignore[union-attr]
        person = after(report(symptoms=(Symptom.COUGH,)))
        assert (Switch.FORBID, Switch.REMIND) == (standing(person).symptoms, standing(person, milder).symptoms)

    @pytest.mark.parametrize(
        ("command", "adopted_terms", "admissible_on"),
        [
            (assess(origin_code=HUBEI), [], DAY_14),
            (assess(), [], None),
            (assess(), [terms(key_areas=(JIANGSU_AREA,))], DAY_14),
            (assess(origin_code=HUBEI), [terms(key_areas=())], None),
            (assess(origin_code=HUBEI), [terms(isolation_days=28)], DAY_14 + timedelta(days=14)),
            (assess(origin_code=HUBEI), [terms(isolation_days=4)], None),
            (assess(origin_code=HUBEI), [added()], DAY_14 + timedelta(days=7)),
            (assess(origin_code=HUBEI, district="310115"), [added()], DAY_14),
            (assess(declaration(stopover=True, stopover_code=JIANGSU)), [terms(key_areas=(JIANGSU_AREA,))], DAY_14),
        ],
    )
    def test_isolates_by_what_was_judged(
        self, command: AssessArrival, adopted_terms: list[PolicyTerms], admissible_on: date | None
    ) -> None:
        assert admissible_on == standing(after(command), *adopted_terms).admissible_on

    @pytest.mark.parametrize(("day", "admissible_on"), [(DAY_14 - timedelta(days=1), DAY_14), (DAY_14, None)])
    def test_isolates_until_the_day_on_which_it_ends(self, day: date, admissible_on: date | None) -> None:
        assert admissible_on == standing(after(assess(origin_code=HUBEI)), day=day).admissible_on

    def test_isolates_by_the_answer_to_a_question(self) -> None:
        answer = ClarifyTravel(
            person_id=PERSON, declaration_version=1, stopover_code=HUBEI, evidence=SEALED, clarified_by=ACCOUNT, at=NOW
        )
        asked = after(assess(declaration(stopover=True)))
        assert (None, DAY_14) == (
            standing(asked).admissible_on,
            standing(after(assess(declaration(stopover=True)), answer)).admissible_on,
        )

    def test_does_not_isolate_again_for_a_fact_that_was_wrong(self) -> None:
        [order] = after(assess(origin_code=HUBEI)).orders
        withdrawal = WithdrawOrder(
            person_id=PERSON, order_id=order.order_id, reason_code="wrong_origin", evidence=SEALED, withdrawn_by=ACCOUNT, at=NOW
        )
        person = after(assess(origin_code=HUBEI), withdrawal)
        assert (None, None) == (standing(person).admissible_on, standing(person, added()).admissible_on)

    def test_agrees_with_what_was_decided_by_the_same_policies(self) -> None:
        person = after(assess(origin_code=HUBEI), report(38.0), report(36.5, read_at=NOW + minutes(5)))
        found = standing(person)
        assert ordered_until(person, TODAY) == found.admissible_on
        assert (frozenset(), None) == (person.holds, found.fever)


class TestToldInPart:
    def test_is_whoever_was_judged_before_it_was_told_what_was_judged(self) -> None:
        *_, judged = somebody.when(assess(origin_code=HUBEI)).events
        before = judged.model_copy(update={"came_from": None, "district": None})
        person = somebody.given(before).state
        assert is_told_in_part(person)
        assert not is_told_in_part(after(assess(origin_code=HEFEI)))
        assert NOTHING == standing(person)


class TestWithdrawnOrder:
    def test_is_not_made_again_for_longer_by_a_district(self) -> None:
        district = Specification(person_decider(lambda: adopted(added())))
        elsewhere = assess(origin_code=HUBEI, contract_no="W2017050130174", district="310115")
        stream = district.given(*district.when(elsewhere).events)
        [order] = stream.state.orders
        withdrawn = IsolationOrderWithdrawn(
            person_id=PERSON,
            order_id=order.order_id,
            reason_code="wrong_origin",
            evidence=SEALED,
            withdrawn_by=ACCOUNT,
            withdrawn_at=NOW,
        )
        events = stream.given(withdrawn).when(assess(origin_code=HUBEI)).events
        assert not any(isinstance(event, IsolationOrdered) for event in events)
