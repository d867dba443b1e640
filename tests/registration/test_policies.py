"""Their fact, our command."""

from __future__ import annotations

from registration.domain.waiting import TakeUp
from registration.policies import when_a_declaration_appears
from tests.registration.facts import PERSON, declaration_received, declared
from tests.told import RECORDED_AT, fact


class TestWhenADeclarationAppears:
    def test_asks_the_person_s_stream_to_take_up_what_waits(self) -> None:
        received = fact(declaration_received(declaration_version=2))
        ((stream_id, command),) = when_a_declaration_appears(received)
        assert PERSON == stream_id
        assert TakeUp(person_id=PERSON, declaration=declared(declaration_version=2), at=RECORDED_AT) == command
