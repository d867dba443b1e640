"""Consistency tokens: "show me at least this much".

A command answers `Consistency-Token: <service>/<epoch>/<shard>:<pos>[,<shard>:<pos>…]`; whoever sends the token with a
query, or with a command elsewhere, gets an answer that has seen those facts, or 503 while it is not there yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands in a log."""

    shard: int
    pos: int
    epoch: int
    """In which it was written. A restored log goes on in a higher one, and may hold something else at a later position."""


HEADER = "Consistency-Token"
LENGTH_MAX = 2_048
"""Characters of a token: 64 shards with large positions fit."""

_PLACE = r"(?:[1-5]?[0-9]|6[0-3]):[0-9]{1,18}"
TOKEN = rf"([a-z][a-z-]{{0,31}})/([1-9][0-9]{{0,9}})/((?:{_PLACE},){{0,63}}{_PLACE})"
"""What every token looks like, as JSON Schema reads it. Of a shard that is named twice the later position counts."""
_FORM = re.compile(TOKEN)


class MalformedToken(ValueError):
    """The text is no consistency token."""


@dataclass(frozen=True, slots=True)
class ConsistencyToken:
    service: str
    epoch: int
    """From 1. The lowest in which one of the facts was written: what was written before a restore and is still there keeps
    its epoch, so a reader need not have seen anything newer to have seen it."""
    positions: Mapping[int, int]
    """Shard (0..63) to the last position that must have been seen."""

    @classmethod
    def of(cls, service: str, places: Iterable[Place]) -> Self | None:
        """Stands for these facts of one log; None where there are none."""
        found = list(places)
        if not found:
            return None
        return cls(service, min(place.epoch for place in found), {place.shard: place.pos for place in found})

    @classmethod
    def merged(cls, tokens: Sequence[Self | None]) -> Self | None:
        """Stands for all that these tokens of one log stand for."""
        places = [Place(shard, pos, token.epoch) for token in tokens if token for shard, pos in token.positions.items()]
        latest = {place.shard: place for place in sorted(places, key=lambda place: (place.epoch, place.pos))}
        return cls.of(next(token.service for token in tokens if token), latest.values()) if places else None

    def __str__(self) -> str:
        return f"{self.service}/{self.epoch}/" + ",".join(f"{shard}:{pos}" for shard, pos in sorted(self.positions.items()))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The token in a header's value. Raises: MalformedToken."""
        form = _FORM.fullmatch(text) if len(text) <= LENGTH_MAX else None
        if form is None:
            raise MalformedToken("not <service>/<epoch>/<shard>:<pos>")
        service, epoch, listed = form.groups()
        positions: dict[int, int] = {}
        for shard, pos in (map(int, place.split(":")) for place in listed.split(",")):
            positions[shard] = max(pos, positions.get(shard, 0))
        return cls(service=service, epoch=int(epoch), positions=positions)
