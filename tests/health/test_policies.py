"""What a pre-registration asks of health."""

from __future__ import annotations

from datetime import date, timedelta

from contracts.healthcloud_bridge import DeclarationReceived
from contracts.registration import FamilyDetailsCorrected
from health.domain.commands import AssessArrival, TakeDeclared
from health.policies import when_somebody_declares, when_somebody_is_expected
from tests.health.facts import HERE, HUBEI, NOW, PERSON, SEALED, corrected, declaration, family_member, pre_registered
from tests.journeys.worlds import example_of
from tests.told import fact


class TestWhenSomebodyIsExpected:
    def test_judges_the_pinned_declaration_on_the_persons_own_stream(self) -> None:
        event = pre_registered(origin_code=HUBEI, arrival_date=date(2020, 2, 15), declaration=declaration(3, from_wuhan=True))
        told = fact(event)
        expected = AssessArrival(
            person_id=PERSON,
            pre_registration_id=told.recorded.event_id,
            contract_no=HERE,
            district="310109",
            origin_code=HUBEI,
            arrival_date=date(2020, 2, 15),
            declaration=event.declaration,
            at=NOW,
        )
        assert [(PERSON, expected)] == when_somebody_is_expected(told)

    def test_judges_a_correction_once_more(self) -> None:
        told = fact(corrected(at=NOW + timedelta(hours=1), origin_code=HUBEI))
        ((stream_id, command),) = when_somebody_is_expected(told)
        assert PERSON == stream_id
        found = (command.pre_registration_id, command.origin_code, command.at)
        assert (told.recorded.event_id, HUBEI, NOW + timedelta(hours=1)) == found

    def test_judges_what_family_declared(self) -> None:
        told = fact(family_member())
        ((_, command),) = when_somebody_is_expected(told)
        assert (told.recorded.event_id, None, None) == (command.pre_registration_id, command.origin_code, command.arrival_date)

    def test_judges_anew_what_was_put_right_of_family(self) -> None:
        at = NOW + timedelta(hours=1)
        holds = dict(family_member())
        del holds["same_as"]
        told = fact(FamilyDetailsCorrected(**holds, reason=SEALED, corrected_at=at))
        ((_, command),) = when_somebody_is_expected(told)
        assert (told.recorded.event_id, None, at) == (command.pre_registration_id, command.origin_code, command.at)


class TestWhenSomebodyDeclares:
    def declared(self, celsius: float | None) -> DeclarationReceived:
        event = example_of(
            DeclarationReceived,
            person_id=PERSON,
            declaration_version=2,
            temperature_celsius=celsius,
            reported_on=date(2020, 2, 18),
            received_at=NOW,
        )
        assert isinstance(event, DeclarationReceived)
        return event

    def test_takes_the_temperature_on_the_persons_own_stream(self) -> None:
        taken = TakeDeclared(PERSON, declaration_version=2, reading_celsius=38.0, reported_on=date(2020, 2, 18), at=NOW)
        assert [(PERSON, taken)] == when_somebody_declares(fact(self.declared(38.0)))

    def test_takes_nothing_where_none_was_declared(self) -> None:
        assert [] == when_somebody_declares(fact(self.declared(None)))
