"""The event base and the envelope that travels with every event.

An event is a fact in the past tense. Its `encode()` bytes are what the log stores and what Kafka carries,
unchanged. Everything about the event that is not part of the fact stands in its `Envelope`, which is written as
CloudEvents 1.0 headers in Kafka binary mode.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import ClassVar, NamedTuple, Self
from urllib.parse import quote, unquote
from uuid import UUID

from pydantic import BaseModel, ConfigDict

SHARDS = 64
"""Shards of every log, for life: a stream's shard is the last six bits of its UUID."""

EVENT_BYTES_MAX = 64 * 1024
"""Upper bound of one encoded event. Enforced before append, so that no record can ever be too large for the broker."""


class Event(BaseModel):
    """A fact. Frozen; closed for whoever produces it, open for whoever reads it.

    Constructing an event with an unknown field is an error. Decoding one ignores fields that a newer producer added.
    """

    # Inputs stay out of error messages: a name that was passed unsealed by mistake must not reach a log that way.
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, use_attribute_docstrings=True
    )

    TYPE: ClassVar[str]
    """Written type name with its version, `gatehouse.<service>.<fact>.v<n>`. Never a class path."""

    @classmethod
    def fact(cls) -> str:
        """What happened, as the type's name says it: `person-pre-registered`."""
        return cls.TYPE.split(".")[2]

    def encode(self) -> bytes:
        """The bytes that are stored and published: UTF-8 JSON, Chinese unescaped, absent optional fields left out."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read stored bytes. Raises: pydantic.ValidationError."""
        event: Self = cls.__pydantic_validator__.validate_json(data, extra="ignore")
        return event


def shard_of(stream_id: UUID) -> int:
    """The shard of a stream, 0..63. The same person has the same shard in every service."""
    return stream_id.int & (SHARDS - 1)


HEADERS = (
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_time",
    "ce_subject",
    "ce_partitionkey",
    "ce_streamversion",
    "ce_epoch",
    "ce_correlationid",
    "ce_causationid",
    "ce_traceparent",
    "content-type",
)
"""Names of the header values that `Envelope.encode` always writes, one per line, in this order."""

ACTOR_HEADER = "ce_actor"
"""The line after these: who asked for it, `<role>/<account>`, the account percent-encoded. Only where somebody did."""

SEQUENCE_HEADER = "ce_sequence"
"""The position in the shard. The database draws it, so it is added to the others when the record is published."""

SEQUENCE_DIGITS = 20
"""Width of `ce_sequence`: zero-padded, so that it sorts as text (CloudEvents `sequence` extension)."""

_AS_PUBLISHED = (*HEADERS, SEQUENCE_HEADER)
_OF_AN_ACTOR = (*HEADERS, ACTOR_HEADER, SEQUENCE_HEADER)
"""Names of a record's headers, in the order of `record_headers`."""
_BY_LENGTH = {len(names): names for names in (_AS_PUBLISHED, _OF_AN_ACTOR)}


class Actor(NamedTuple):
    """Who asked for what became an event."""

    role: str
    """As in `contracts.access`."""
    account: str
    """The subject of the token. Names an account of ours, never a person."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where an event comes from. Identifiers only: never personal data."""

    event_id: UUID
    type: str
    service: str
    stream_id: UUID
    version: int
    """Version of the stream after this event, from 1, without holes."""
    epoch: int
    """From 1. When a log is restored from a backup it becomes the time, in seconds since 1970."""
    time: datetime
    """When the event was recorded, UTC, by the clock of the process that appended it."""
    correlation_id: UUID
    """The command that began it all."""
    causation_id: UUID
    """The command or event that caused this one directly."""
    traceparent: str
    """W3C trace context."""
    actor: Actor | None = None
    """None: nobody asked, it followed from something else."""

    @property
    def shard(self) -> int:
        return shard_of(self.stream_id)

    def encode(self) -> bytes:
        """The header values, one a line, in the order of `HEADERS`, and `ACTOR_HEADER` where somebody asked."""
        stream_id = str(self.stream_id)
        actor = () if self.actor is None else (f"{self.actor.role}/{quote(self.actor.account, safe='')}",)
        return "\n".join(
            (
                "1.0",
                str(self.event_id),
                f"/{self.service}/{self.shard}",
                self.type,
                self.time.isoformat(timespec="microseconds"),
                stream_id,
                stream_id,
                str(self.version),
                str(self.epoch),
                str(self.correlation_id),
                str(self.causation_id),
                self.traceparent,
                "application/json",
                *actor,
            )
        ).encode("ascii")


class Recorded(NamedTuple):
    """A stored event as a reader meets it, undecoded. What few readers ask for is parsed only when asked.

    A tuple, because a frozen dataclass takes five times as long to make, and every event that is read makes one.
    """

    service: str
    epoch: int
    shard: int
    pos: int
    """Position in the shard, from 1, gapless."""
    type: str
    data: bytes
    headers: tuple[bytes, ...]
    """The values of `HEADERS`, in that order, and of `ACTOR_HEADER` where it has one."""

    @property
    def event_id(self) -> UUID:
        return UUID(self.headers[1].decode())

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.headers[4].decode())

    @property
    def stream_id(self) -> UUID:
        return UUID(self.headers[5].decode())

    @property
    def version(self) -> int:
        return int(self.headers[7])

    @property
    def correlation_id(self) -> UUID:
        return UUID(self.headers[9].decode())

    @property
    def causation_id(self) -> UUID:
        return UUID(self.headers[10].decode())

    @property
    def traceparent(self) -> str:
        return self.headers[11].decode()

    @property
    def digest(self) -> bytes:
        """Of all that is stored of it; in SQL `sha256(data || meta)`. Its id says less: a command that is repeated to a copy of
        the log, and decided anew there, gives the same."""
        return sha256(self.data + b"\n".join(self.headers)).digest()

    @property
    def actor(self) -> Actor | None:
        """None: nobody asked, or it was told before that was told."""
        if len(self.headers) == len(HEADERS):
            return None
        role, _, account = self.headers[len(HEADERS)].decode().partition("/")
        return Actor(role, unquote(account))


def epoch_of(meta: bytes) -> int:
    """The epoch in which a stored event was written, from its `meta`."""
    return int(meta.split(b"\n")[HEADERS.index("ce_epoch")])


def traceparent_in(meta: bytes) -> str:
    """The W3C trace context of a stored event, from its `meta`."""
    return meta.split(b"\n")[HEADERS.index("ce_traceparent")].decode()


class NotAnEvent(ValueError):
    """The record has no valid envelope: it is not an event of ours."""


def record_headers(values: Sequence[bytes], pos: int) -> list[tuple[str, bytes]]:
    """The Kafka headers of a stored event, from the lines of its `meta` and its position."""
    return [*zip((*HEADERS, ACTOR_HEADER), values, strict=False), (SEQUENCE_HEADER, b"%020d" % pos)]


def recorded_from_meta(meta: bytes, pos: int, data: bytes) -> Recorded:
    """A stored event from the columns of the log. Raises: NotAnEvent."""
    return _recorded(tuple(meta.split(b"\n")), pos, data)


def recorded_from_headers(headers: Iterable[tuple[str, bytes]], data: bytes | None) -> Recorded:
    """A stored event from a Kafka record. Raises: NotAnEvent."""
    try:
        names, values = zip(*headers, strict=True)
        # A quarter of a reader's time goes here: what comes as we write it is not looked up by name.
        if names != _BY_LENGTH.get(len(names)):
            named = dict(zip(names, values, strict=True))
            values = tuple([named[name] for name in (_OF_AN_ACTOR if ACTOR_HEADER in named else _AS_PUBLISHED)])
        pos = int(values[-1])
    except (KeyError, ValueError, TypeError) as error:  # TypeError: a header of Kafka may hold null.
        raise NotAnEvent(f"headers: {error}") from None
    if not data:
        raise NotAnEvent("no data")
    return _recorded(values[:-1], pos, data)


def _recorded(values: tuple[bytes, ...], pos: int, data: bytes) -> Recorded:
    try:
        if values[0] != b"1.0":
            raise NotAnEvent("another version of CloudEvents")
        service, shard = _source(values[2])
        return Recorded(service, _number(values[8]), shard, pos, _text(values[3]), data, values)
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise NotAnEvent(str(error)) from None


@lru_cache(maxsize=1024)
def _source(value: bytes) -> tuple[str, int]:
    """Service and shard. Raises: ValueError."""
    _, service, shard = value.decode().split("/")
    return service, int(shard)


@lru_cache(maxsize=1024)
def _number(value: bytes) -> int:
    """Raises: ValueError."""
    return int(value)


@lru_cache(maxsize=1024)
def _text(value: bytes) -> str:
    return value.decode()
