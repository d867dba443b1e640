"""What a pre-registration asks of health."""

from __future__ import annotations

from datetime import date, timedelta

from contracts.registration import FamilyDetailsCorrected
from health.domain.commands import AssessArrival
from health.policies import when_somebody_is_expected
from tests.health.facts import HERE, HUBEI, NOW, PERSON, SEALED, corrected, declaration, family_member, pre_registered
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
        told = fact(FamilyDetailsCorrected(**holds, reason=SEALED, corrected_at=at))
        ((_, command),) = when_somebody_is_expected(told)
        assert (told.recorded.event_id, None, at) == (command.pre_registration_id, command.origin_code, command.at)
