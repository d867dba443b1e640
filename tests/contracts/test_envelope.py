"""The envelope: what we write as headers is read back, also by the official CloudEvents SDK."""

import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from contracts.event import (
    ACTOR_HEADER,
    HEADERS,
    SEQUENCE_HEADER,
    SHARDS,
    Actor,
    Envelope,
    NotAnEvent,
    Recorded,
    record_headers,
    recorded_from_headers,
    recorded_from_meta,
    shard_of,
)
from contracts.registration import StationRegistered

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DATA = '{"station_name":"浦东","district":"310115","registered_at":"2020-02-01T00:00:00Z"}'.encode()


OPERATOR = Actor("site_operator", "user:1/吴\n%")
"""Whatever an account may be called, it is one header."""


def envelope(stream_id: UUID | None = None, *, actor: Actor | None = None) -> Envelope:
    return Envelope(
        event_id=uuid4(),
        type=StationRegistered.TYPE,
        service="registration",
        stream_id=stream_id or uuid4(),
        version=3,
        epoch=1,
        time=datetime(2020, 2, 1, 0, 0, 1, 250000, tzinfo=UTC),
        correlation_id=uuid4(),
        causation_id=uuid4(),
        traceparent=TRACEPARENT,
        actor=actor,
    )


def says_the_same(written: Envelope, read: Recorded) -> bool:
    names = (
        "event_id",
        "type",
        "service",
        "stream_id",
        "version",
        "epoch",
        "time",
        "correlation_id",
        "causation_id",
        "traceparent",
        "shard",
        "actor",
    )
    return all(getattr(written, name) == getattr(read, name) for name in names)


class TestEnvelope:
    @given(st.uuids(), st.integers(1, 2**62), st.none() | st.builds(Actor, st.just("ops"), st.text(min_size=1)))
    def test_is_the_same_in_the_log_and_in_kafka(self, stream_id: UUID, pos: int, actor: Actor | None) -> None:
        written = envelope(stream_id, actor=actor)
        from_log = recorded_from_meta(written.encode(), pos, DATA)
        from_kafka = recorded_from_headers(record_headers(written.encode().split(b"\n"), pos), DATA)
        assert from_log == from_kafka
        assert says_the_same(written, from_log)
        assert (pos, DATA) == (from_kafka.pos, from_kafka.data)

    def test_is_a_cloud_event_to_the_official_sdk(self) -> None:
        written = envelope()
        headers = dict(record_headers(written.encode().split(b"\n"), 42))
        event = from_binary(KafkaMessage(headers=headers, key=str(written.stream_id).encode(), value=DATA), JSONFormat())
        assert event.get_specversion() == "1.0"
        assert event.get_id() == str(written.event_id)
        assert event.get_source() == f"/registration/{written.shard}"
        assert event.get_type() == StationRegistered.TYPE
        assert event.get_time() == written.time
        assert event.get_subject() == str(written.stream_id)
        assert event.get_datacontenttype() == "application/json"
        assert event.get_extension("partitionkey") == str(written.stream_id)
        assert event.get_extension("sequence") == "00000000000000000042"
        assert event.get_extension("streamversion") == "3"
        assert event.get_extension("epoch") == "1"
        assert event.get_extension("correlationid") == str(written.correlation_id)
        assert event.get_extension("causationid") == str(written.causation_id)
        assert event.get_extension("traceparent") == TRACEPARENT
        assert event.get_data() == json.loads(DATA)

    def test_tells_who_asked_to_the_official_sdk(self) -> None:
        headers = dict(record_headers(envelope(actor=OPERATOR).encode().split(b"\n"), 42))
        event = from_binary(KafkaMessage(headers=headers, key=b"", value=DATA), JSONFormat())
        assert "site_operator/user%3A1%2F%E5%90%B4%0A%25" == event.get_extension("actor")

    def test_says_nothing_of_who_asked_where_nobody_did(self) -> None:
        assert ACTOR_HEADER not in dict(record_headers(envelope().encode().split(b"\n"), 42))

    def test_sorts_by_position_as_text(self) -> None:
        sequences = [dict(record_headers([], pos))[SEQUENCE_HEADER] for pos in (1, 9, 10, 2**63 - 1)]
        assert sequences == sorted(sequences)

    @pytest.mark.parametrize("actor", [None, OPERATOR])
    def test_ignores_headers_of_others_and_their_order(self, actor: Actor | None) -> None:
        written = envelope(actor=actor)
        headers = [("x-request", b"1"), *reversed(record_headers(written.encode().split(b"\n"), 7))]
        assert recorded_from_headers(headers, DATA) == recorded_from_meta(written.encode(), 7, DATA)


class TestNotAnEvent:
    @pytest.mark.parametrize("name", [*HEADERS, SEQUENCE_HEADER])
    def test_is_a_record_without_one_of_the_headers(self, name: str) -> None:
        headers = [header for header in record_headers(envelope().encode().split(b"\n"), 7) if header[0] != name]
        with pytest.raises(NotAnEvent):
            recorded_from_headers(headers, DATA)

    @pytest.mark.parametrize("data", [None, b""])
    def test_is_a_record_without_data(self, data: bytes | None) -> None:
        with pytest.raises(NotAnEvent):
            recorded_from_headers(record_headers(envelope().encode().split(b"\n"), 7), data)

    @given(st.sampled_from(["ce_specversion", "ce_source", "ce_epoch", SEQUENCE_HEADER]), st.binary(max_size=8))
    def test_is_a_record_whose_place_is_garbage(self, name: str, garbage: bytes) -> None:
        headers = dict(record_headers(envelope().encode().split(b"\n"), 7)) | {name: garbage}
        try:
            recorded_from_headers(headers.items(), DATA)
        except NotAnEvent:
            return
        assert garbage.strip().isdigit() or garbage == b"1.0"

    @pytest.mark.parametrize("name", ["ce_specversion", "ce_source", "ce_type", "ce_epoch", SEQUENCE_HEADER])
    def test_is_a_record_with_a_null_header(self, name: str) -> None:
        # Kafka allows it, whatever the client's types say.
        headers = dict(record_headers(envelope().encode().split(b"\n"), 7)) | {name: None}
        with pytest.raises(NotAnEvent):
            recorded_from_headers(headers.items(), DATA)  # type: ignore[arg-type]

    @given(st.binary(max_size=300))
    def test_is_any_other_column_of_bytes(self, meta: bytes) -> None:
        with pytest.raises(NotAnEvent):
            recorded_from_meta(meta, 1, DATA)


class TestShardOf:
    @given(st.uuids())
    def test_is_the_last_six_bits(self, stream_id: UUID) -> None:
        assert shard_of(stream_id) == stream_id.bytes[-1] % SHARDS
