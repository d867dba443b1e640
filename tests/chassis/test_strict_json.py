"""Strict JSON: what the standard parsers let pass and we do not. The sweep over HTTP stands in test_web.py."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime

from chassis.problems import Refused
from chassis.strict_json import DEPTH_MAX, INTEGER_MAX, BodyReader, StrictModel, parse, pointer
from contracts.times import UtcTime


class Inner(StrictModel):
    """Nested."""

    number: int


class Everything(StrictModel):
    """A field of every kind."""

    text: str = ""
    number: int = 0
    fraction: float = 0.0
    exact: Decimal = Decimal(0)
    yes: bool = False
    day: date | None = None
    time: UtcTime | None = None
    who: UUID | None = None
    inner: Inner | None = None
    several: tuple[Inner, ...] = ()


reader = BodyReader(Everything)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-INTEGER_MAX, INTEGER_MAX) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=DEPTH_MAX // 2,
)


def refused(body: bytes) -> tuple[int, list[dict[str, str]]]:
    with pytest.raises(Refused) as caught:
        reader.read(body)
    return caught.value.problem.status, [dict(error) for error in caught.value.errors]


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


class TestParse:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b'{"a":1,"a":1}', "duplicate-key"),
            (b'{"a":1,"\\u0061":1}', "duplicate-key"),
            (b'[{"b":{"a":1,"a":2}}]', "duplicate-key"),
            (b"NaN", "not-finite"),
            (b"-Infinity", "not-finite"),
            (b"[1e400]", "not-finite"),
            (b"-1e999999", "not-finite"),
            (b"9007199254740992", "integer-too-large"),
            (b"-9007199254740992", "integer-too-large"),
            (b"9" * 4_000, "integer-too-large"),
            (b'"\\ud800"', "lone-surrogate"),
            (b'{"\\udfff":1}', "lone-surrogate"),
            (b'"\\udc00\\ud800"', "lone-surrogate"),
            (b'["\\u0000"]', "nul-character"),
            (b'{"a\\u0000":1}', "nul-character"),
            (b'"\xff"', "not-utf-8"),
            (b'"\xed\xa0\x80"', "not-utf-8"),
            (b'"\xc0\x80"', "not-utf-8"),
            (b"\xef\xbb\xbf{}", "not-json"),
            (b"", "not-json"),
            (b"{} {}", "not-json"),
            (b"{'a':1}", "not-json"),
            (b"[1,]", "not-json"),
            (b"01", "not-json"),
            (b'"\n"', "not-json"),
            (b"9" * 5_000, "not-json"),
            (nested(DEPTH_MAX + 1), "too-deep"),
            (nested(60_000), "too-deep"),
            (b'{"a":' * 17 + b"1" + b"}" * 17, "too-deep"),
        ],
    )
    def test_refuses(self, body: bytes, code: str) -> None:
        with pytest.raises(Refused) as caught:
            parse(body)
        assert [{"in": "body", "pointer": "", "code": code}] == [dict(error) for error in caught.value.errors]
        assert 400 == caught.value.problem.status

    @pytest.mark.parametrize(
        ("body", "value"),
        [
            (nested(DEPTH_MAX), json.loads(nested(DEPTH_MAX))),
            (b"[" + b",".join([b"[[1]]"] * 100) + b"]", [[[1]]] * 100),  # many brackets, little depth
            (b'"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
            (b'"\\\\u0000"', "\\u0000"),
            (b'"\\u0001"', "\x01"),
            (b'{"a":{"a":{"a":1}}}', {"a": {"a": {"a": 1}}}),
            (b'{"":1," ":2}', {"": 1, " ": 2}),
            (b"1e-400", 0.0),
            (b"[9007199254740991,-0]", [9007199254740991, 0]),
            (b" [ 1 ]\r\n", [1]),
            ('"\U00030edd"'.encode(), "\U00030edd"),
        ],
    )
    def test_takes(self, body: bytes, value: Any) -> None:
        assert value == parse(body)

    @given(VALUES, st.booleans())
    def test_takes_whatever_we_could_store(self, value: Any, ensure_ascii: bool) -> None:
        assert value == parse(json.dumps(value, ensure_ascii=ensure_ascii).encode())


class TestBodyReader:
    @pytest.mark.parametrize(
        "body",
        [
            b'{"number":"1"}',
            b'{"number":1.0}',
            b'{"number":true}',
            b'{"fraction":"1.5"}',
            b'{"yes":1}',
            b'{"yes":"true"}',
            b'{"text":1}',
            b'{"text":null}',
            b'{"day":"2020-02-30"}',
            b'{"day":1580688000}',
            b'{"day":"2020-02-03T00:00:00"}',
            b'{"time":"2020-02-03T10:00:00"}',
            b'{"time":"2020-02-03"}',
            b'{"time":1580688000}',
            b'{"who":"1"}',
            b'{"several":{}}',
            b'{"inner":[]}',
            b'{"inner":{"number":1,"more":1}}',
        ],
    )
    def test_guesses_nothing(self, body: bytes) -> None:
        assert 422 == refused(body)[0]

    def test_reads_what_json_has_no_type_for(self) -> None:
        body = (
            b'{"day":"2020-02-03","time":"2020-02-03T10:00:00+08:00","who":"11111111-1111-4111-8111-111111111111","exact":"1.10"}'
        )
        read = reader.read(body)
        assert (date(2020, 2, 3), datetime(2020, 2, 3, 2, tzinfo=UTC)) == (read.day, read.time)
        assert (UUID("11111111-1111-4111-8111-111111111111"), Decimal("1.10")) == (read.who, read.exact)

    def test_points_at_our_own_fields_only(self) -> None:
        _, errors = refused('{"several":[{"number":1},{"number":"x","王五":1}],"王五":2}'.encode())
        assert [
            {"in": "body", "pointer": "/several/1/number", "code": "int_type"},
            {"in": "body", "pointer": "/several/1", "code": "extra_forbidden"},
            {"in": "body", "pointer": "", "code": "extra_forbidden"},
        ] == errors

    def test_wants_a_body(self) -> None:
        assert (400, [{"in": "body", "pointer": "", "code": "missing"}]) == refused(b"")


class TestPointer:
    def test_escapes_as_rfc_6901_says(self) -> None:
        assert "/a~1b/0/c~0d" == pointer(("a/b", 0, "c~d"), {"a/b", "c~d"})


class TestStrictModel:
    def test_cannot_have_a_time_without_offset(self) -> None:
        with pytest.raises(TypeError, match=r"Naive\.seen_at: a datetime may lack its offset"):

            class Naive(StrictModel):
                seen_at: Annotated[datetime | None, "an optional one"]

    def test_may_have_an_aware_one(self) -> None:
        class Aware(StrictModel):
            seen_at: AwareDatetime

        assert "seen_at" in Aware.model_fields
