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
from chassis.subscribers import ReadModel
from chassis.waiting import following, wait_for
from chassis.watched import Watched
from contracts.policy import Policies
from gatekeeper.gate import Gate
from gatekeeper.read_models.adopted_policies import ADOPTED_POLICIES

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

    async def wait_for(self, seen: ConsistencyToken | None, *answering: ReadModel) -> None:
        """Return once the gate knows what the token stands for, and the read models show it that the answer is read from. What it
        did itself the gate knows at once. Raises: Unavailable."""
        own = self.gate.handler.service
        if seen is not None and seen.service != own:
            await wait_for(self.pool, seen, subscribers=[*READERS.get(seen.service, ()), *following(seen.service, answering)])
            await self.policies.look()  # It may stand for a policy.
        else:
            await self.policies.ready()
        if seen is not None and (rows := following(own, answering)):
            # Whatever followed from another's facts stands in these shards of the own log by now.
            made = seen if seen.service == own else await self.gate.handler.token_of_shards(seen.positions)
            await wait_for(self.pool, made, subscribers=rows)


async def wired(request: Request) -> Wired:
    parts: Wired = request.app.state.wired
    return parts
