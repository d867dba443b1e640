"""Consistency tokens: "show me at least this much".

A command answers `Consistency-Token: <service>/<epoch>/<shard>:<pos>[,<shard>:<pos>…]`; whoever sends the token with a
query, or with a command elsewhere, gets an answer that has seen those facts, or 503 while it is not there yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from contracts.event import SHARDS

HEADER = "Consistency-Token"
LENGTH_MAX = 2_048
"""Characters of a token: 64 shards with large positions fit."""

_FORM = re.compile(r"([a-z][a-z-]{0,31})/([1-9][0-9]{0,9})/((?:[0-9]{1,2}:[0-9]{1,18},){0,63}[0-9]{1,2}:[0-9]{1,18})")


class MalformedToken(ValueError):
    """The text is no consistency token."""


@dataclass(frozen=True, slots=True)
class ConsistencyToken:
    service: str
    epoch: int
    """From 1."""
    positions: Mapping[int, int]
    """Shard (0..63) to the last position that must have been seen."""

    def __str__(self) -> str:
        return f"{self.service}/{self.epoch}/" + ",".join(f"{shard}:{pos}" for shard, pos in sorted(self.positions.items()))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The token in a header's value. Raises: MalformedToken."""
        form = _FORM.fullmatch(text) if len(text) <= LENGTH_MAX else None
        if form is None:
            raise MalformedToken("not <service>/<epoch>/<shard>:<pos>")
        service, epoch, listed = form.groups()
        pairs = [tuple(map(int, pair.split(":"))) for pair in listed.split(",")]
        positions = {shard: pos for shard, pos in pairs if shard < SHARDS}
        if len(positions) != len(pairs):
            raise MalformedToken("a shard that does not exist, or twice the same")
        return cls(service=service, epoch=int(epoch), positions=positions)
