"""What the police reads, and what it never does."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import partial
from uuid import UUID, uuid4

import orjson
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from pydantic import BaseModel

from chassis.sealing import SealBroken
from chassis.testing.specification import Specification
from contracts.police import (
    ArrivalCorrected,
    ArrivalShared,
    PoliceArrivalCorrected,
    PoliceArrivalShared,
    PoliceArrivalWithdrawn,
    PoliceBridgeEvent,
)
from contracts.registration import PersonPreRegistered, PinnedDeclaration
from police_bridge.policies import when_the_police_must_know
from police_bridge.rendering import SEALED_FIELDS, Message, rendered
from police_bridge.wiring import PERSON as PERSON_DECIDER
from tests.police_bridge.facts import (
    EMPLOYER,
    HERE,
    HONGKOU,
    NOW,
    PERSON,
    PLAIN,
    TODAY,
    corrected,
    later,
    no_longer_expected,
    pre_registered,
    shared,
    withdrawn,
)
from tests.police_bridge.keys import Keys
from tests.told import fact, recorded

MINIMUM = {
    *("person_id", "kind", "contract_no", "district", "document", "document_type", "name", "mobile"),
    *("origin_code", "origin", "travel", "arrival_date", "stay_address", "accompanies"),
}


@pytest.fixture
def keys() -> Keys:
    return Keys()


def sealed_shared(keys: Keys) -> ArrivalShared:
    return shared(seal=partial(keys.seal, PERSON))


def sealed_corrected(keys: Keys) -> ArrivalCorrected:
    return corrected(seal=partial(keys.seal, PERSON))


def sealed_fields_of(model: type[BaseModel]) -> set[str]:
    return {name for name, field in model.model_fields.items() if "'format': 'sealed'" in repr(field)}


class TestRendered:
    def test_is_in_plain_words(self, keys: Keys) -> None:
        message = rendered(sealed_shared(keys), keys.unsealer)
        assert isinstance(message, PoliceArrivalShared)
        assert PLAIN == {field: getattr(message, field) for field in PLAIN}
        assert (PERSON, "worker", HERE, HONGKOU) == (message.person_id, message.kind, message.contract_no, message.district)
        assert ("citizen_id", "421100", TODAY) == (message.document_type, message.origin_code, message.arrival_date)
        assert NOW == message.shared_at

    def test_of_a_correction_is_the_whole(self, keys: Keys) -> None:
        message = rendered(sealed_corrected(keys), keys.unsealer)
        assert isinstance(message, PoliceArrivalCorrected)
        assert (PLAIN["name"], later()) == (message.name, message.corrected_at)

    def test_of_a_withdrawal_names_nobody(self, keys: Keys) -> None:
        expected = PoliceArrivalWithdrawn(person_id=PERSON, contract_no=HERE, district=HONGKOU, withdrawn_at=later())
        assert expected == rendered(withdrawn(), keys.unsealer)

    def test_leaves_out_what_is_not_known(self, keys: Keys) -> None:
        event = sealed_shared(keys).model_copy(update={"mobile": None, "travel": None})
        written = json.loads(rendered(event, keys.unsealer).encode())
        assert {"mobile", "travel"}.isdisjoint(written)

    @pytest.mark.parametrize(("tell", "told_at"), [(sealed_shared, NOW), (sealed_corrected, later())])
    def test_of_somebody_erased_is_a_withdrawal_that_names_nobody(
        self, keys: Keys, tell: Callable[[Keys], ArrivalShared | ArrivalCorrected], told_at: datetime
    ) -> None:
        event = tell(keys)
        keys.erase(PERSON)
        expected = PoliceArrivalWithdrawn(person_id=PERSON, contract_no=HERE, district=HONGKOU, withdrawn_at=told_at)
        assert expected == rendered(event, keys.unsealer)

    def test_refuses_an_envelope_that_was_made_for_another_field(self, keys: Keys) -> None:
        event = sealed_shared(keys)
        with pytest.raises(SealBroken):
            rendered(event.model_copy(update={"travel": event.mobile}), keys.unsealer)

    def test_opens_everything_that_can_be_sealed(self) -> None:
        taken_over = sealed_fields_of(PersonPreRegistered) | sealed_fields_of(PinnedDeclaration)
        assert taken_over == sealed_fields_of(ArrivalShared) == set(SEALED_FIELDS) == set(PLAIN)


class TestCanary:
    """From registration's fact, which tells of a fever and more, to the bytes that leave."""

    def bytes_of(self, keys: Keys) -> list[bytes]:
        stream: Specification[object, object, PoliceBridgeEvent] = Specification(PERSON_DECIDER)  # type: ignore[arg-type]
        told = pre_registered(seal=partial(keys.seal, PERSON))
        leaving = []
        for happened in (told, told.model_copy(update={"pre_registered_at": later()}), no_longer_expected()):
            for _, command in when_the_police_must_know(fact(happened)):
                events = stream.when(command).events
                stream = stream.given(*events)
                leaving += [rendered(event, keys.unsealer).encode() for event in events]
        return leaving

    def test_tells_nothing_beyond_the_minimum(self, keys: Keys) -> None:
        first, second, third = (set(json.loads(each)) for each in self.bytes_of(keys))
        assert {"shared_at"} == first - MINIMUM
        assert {"corrected_at"} == second - MINIMUM
        assert {"person_id", "contract_no", "district", "withdrawn_at"} == third

    def test_tells_nothing_of_health(self, keys: Keys) -> None:
        text = b" ".join(self.bytes_of(keys)).decode()
        assert PLAIN["name"] in text, "otherwise nothing would be found for a bad reason"
        forbidden = ("38.7", "temperature", "celsius", "hubei", "wuhan", "429006", "stopover", "disposition", "health", "symptom")
        assert [] == [word for word in (*forbidden, "declaration", "trade", "reason", "taken_up", EMPLOYER) if word in text]

    def test_leaves_no_envelope_behind(self, keys: Keys) -> None:
        assert b"g1." not in b" ".join(self.bytes_of(keys))


class TestMessage:
    def message(self, keys: Keys, person_id: UUID = PERSON) -> Message:
        event = shared(person_id, seal=partial(keys.seal, person_id))
        return Message(rendered(event, keys.unsealer), recorded(event, person_id, pos=42, version=3))

    def test_has_the_headers_of_the_fact_and_a_type_of_its_own(self, keys: Keys) -> None:
        message = self.message(keys)
        headers, of_the_fact = dict(message.headers), message.recorded
        assert f"{of_the_fact.event_id}".encode() == headers["ce_id"]
        assert PoliceArrivalShared.TYPE.encode() == headers["ce_type"]
        assert b"%020d" % 42 == headers["ce_sequence"]
        assert (str(PERSON).encode(), str(PERSON).encode(), b"3") == (
            message.key,
            headers["ce_subject"],
            headers["ce_streamversion"],
        )
        assert b"/police-bridge/7" == headers["ce_source"]

    def test_is_the_same_cloud_event_in_kafka_and_over_http(self, keys: Keys) -> None:
        message = self.message(keys)
        from_kafka = from_binary(
            KafkaMessage(headers=dict(message.headers), key=message.key, value=message.event.encode()), JSONFormat()
        )
        over_http = JSONFormat().read(None, orjson.dumps(message.as_cloud_event()))
        assert from_kafka.get_attributes() == over_http.get_attributes()
        assert from_kafka.get_data() == over_http.get_data()

    def test_is_the_same_bytes_whenever_it_is_rendered(self, keys: Keys) -> None:
        event = sealed_shared(keys)
        one, other = (Message(rendered(event, keys.unsealer), recorded(event, PERSON, pos=1)) for _ in range(2))
        assert one.event.encode() == other.event.encode()
        assert self.message(keys, uuid4()).event.encode() != one.event.encode()
