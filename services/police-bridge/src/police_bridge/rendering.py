"""From a sealed fact to the message that the police reads: the same event id and position, a type of its own, plain words.

The same fact gives the same bytes however often it is rendered, with one exception: once somebody is erased, what told
who he is becomes a withdrawal, which names nobody. A topic that is republished, and the feed from then on, carry that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never, get_args

import orjson

from chassis.sealing import Erased, Purpose, Sealing, Unsealer
from contracts.event import HEADERS, Recorded, record_headers
from contracts.police import (
    ArrivalCorrected,
    ArrivalErased,
    ArrivalLinked,
    ArrivalShared,
    ArrivalWithdrawn,
    PoliceArrivalCorrected,
    PoliceArrivalErased,
    PoliceArrivalLinked,
    PoliceArrivalShared,
    PoliceArrivalWithdrawn,
    PoliceBridgeEvent,
    PoliceMessage,
)

FACTS_MAX = 1_000
"""Facts that are rendered in one call: a bound on the plain text that is held at once."""

SEALED_FIELDS = ("document", "name", "mobile", "origin", "travel", "stay_address")
"""What the police reads in plain words. Everything else in a fact is told as it stands there."""

_FACTS: dict[str, type[PoliceBridgeEvent]] = {event.TYPE: event for event in get_args(PoliceBridgeEvent)}
_TYPE_AT = HEADERS.index("ce_type")


@dataclass(frozen=True, slots=True)
class Message:
    """A message to the police, with what both ways out (Kafka and HTTP) need of the fact behind it."""

    event: PoliceMessage
    recorded: Recorded
    """The sealed fact."""

    @property
    def district(self) -> str:
        return self.event.district

    @property
    def key(self) -> bytes:
        return str(self.recorded.stream_id).encode()

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """Those of the fact, with the message's type. Who of ours asked for it is nobody's outside."""
        values = list(self.recorded.headers[: len(HEADERS)])
        values[_TYPE_AT] = self.event.TYPE.encode()
        return record_headers(values, self.recorded.pos)

    def as_cloud_event(self) -> dict[str, Any]:
        """In the JSON format of CloudEvents 1.0, for orjson. The attributes are the texts of the Kafka headers."""
        attributes = {name.removeprefix("ce_"): value.decode() for name, value in self.headers if name.startswith("ce_")}
        return {**attributes, "datacontenttype": "application/json", "data": orjson.Fragment(self.event.encode())}


@dataclass(frozen=True)
class Renderer:
    """Unseals and renders."""

    sealing: Sealing

    async def render(self, facts: Sequence[Recorded], *, actor: str) -> list[Message]:
        """The messages of at most `FACTS_MAX` facts of this service, in order. `actor`'s reading of the keys is recorded.

        Raises: Unavailable if the key server is away; SealBroken; KeyError for a fact of a newer release.
        """
        if len(facts) > FACTS_MAX:
            raise ValueError(f"{len(facts)} facts in one call, at most {FACTS_MAX}")
        decoded = [_FACTS[each.type].decode(each.data) for each in facts]
        people = {event.person_id for event in decoded if isinstance(event, ArrivalShared | ArrivalCorrected)}
        unsealer = await self.sealing.unwrap(sorted(people), actor=actor, purpose=Purpose.SHARE)
        return [Message(rendered(event, unsealer), fact) for event, fact in zip(decoded, facts, strict=True)]


def rendered(event: PoliceBridgeEvent, unsealer: Unsealer) -> PoliceMessage:
    """What the police reads of a fact of ours. Raises: SealBroken."""
    match event:
        case ArrivalShared(shared_at=told_at) | ArrivalCorrected(corrected_at=told_at):
            texts = _texts(event, unsealer)
            if texts is None:
                return PoliceArrivalWithdrawn(
                    person_id=event.person_id, contract_no=event.contract_no, district=event.district, withdrawn_at=told_at
                )
            message = PoliceArrivalShared if isinstance(event, ArrivalShared) else PoliceArrivalCorrected
            return message(**{**dict(event), **texts})
        case ArrivalWithdrawn():
            return PoliceArrivalWithdrawn(**dict(event))
        case ArrivalLinked():
            return PoliceArrivalLinked(**dict(event))
        case ArrivalErased():
            return PoliceArrivalErased(**dict(event))
        case _:
            assert_never(event)


def _texts(event: ArrivalShared | ArrivalCorrected, unsealer: Unsealer) -> dict[str, str] | None:
    """The plain words by field; None if the person was erased."""
    texts = {}
    for field in SEALED_FIELDS:
        sealed = getattr(event, field)
        if sealed is None:
            continue
        text = unsealer.unseal(event.person_id, field, sealed)
        if isinstance(text, Erased):
            return None
        texts[field] = text
    return texts
