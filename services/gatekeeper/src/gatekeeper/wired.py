"""What the endpoints of gatekeeper work with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import asyncpg
from starlette.requests import Request

from chassis.consistency import ConsistencyToken
from chassis.identity import Identities
from chassis.same_people import SAME_PEOPLE
from chassis.waiting import wait_for
from chassis.watched import Watched
from contracts.policy import Policies
from gatekeeper.gate import Gate
from gatekeeper.read_models.adopted_policies import ADOPTED_POLICIES
from gatekeeper.read_models.attempts import ATTEMPTS
from gatekeeper.read_models.paper_entries import PAPER_ENTRIES
from gatekeeper.read_models.roster import ROSTER

CLEARANCE_POLICY = "clearance_v1"
READERS: Mapping[str, Sequence[str]] = MappingProxyType(
    {"registration": (CLEARANCE_POLICY, SAME_PEOPLE.name), "health": (CLEARANCE_POLICY, ADOPTED_POLICIES.name)}
)
"""Service to what reads its events here before a verdict."""


@dataclass(frozen=True)
class Wired:
    """Made in `wiring.py`."""

    gate: Gate
    identities: Identities
    pool: asyncpg.Pool
    policies: Watched[Policies]

    async def wait_for(self, seen: ConsistencyToken | None) -> None:
        """Return once the gate knows what the token stands for. What it did itself it knows at once. Raises: Unavailable."""
        if seen is not None and seen.service != self.gate.handler.service:
            await wait_for(self.pool, seen, subscribers=READERS.get(seen.service, ()))
            await self.policies.look()  # It may stand for a policy.
        else:
            await self.policies.ready()

    async def wait_for_rows(self, seen: ConsistencyToken | None) -> None:
        """Return once the gate's lists show what the token stands for. Raises: Unavailable."""
        await self.wait_for(seen)
        if seen is None:
            return
        if seen.service != self.gate.handler.service:
            # Whatever followed from it stands in these shards of the own log by now.
            seen = await self.gate.handler.token_of_shards(seen.positions)
        await wait_for(self.pool, seen, subscribers=[ATTEMPTS.name, PAPER_ENTRIES.name, ROSTER.name])


async def wired(request: Request) -> Wired:
    parts: Wired = request.app.state.wired
    return parts
