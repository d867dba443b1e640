"""What a pre-registration asks of health."""

from __future__ import annotations

from datetime import date

from health.domain.commands import AssessArrival
from health.policies import when_pre_registered
from tests.health.facts import HERE, HUBEI, NOW, PERSON, declaration, pre_registered
from tests.told import fact


class TestWhenPreRegistered:
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
        assert [(PERSON, expected)] == when_pre_registered(told)
