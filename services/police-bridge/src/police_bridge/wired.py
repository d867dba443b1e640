"""What the endpoints of police-bridge works with."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg
from starlette.requests import Request

from chassis.clock import Clock
from chassis.consistency import ConsistencyToken
from chassis.event_store import EventStore
from chassis.waiting import wait_for
from police_bridge.policies import ERASING_POLICY, SHARING_POLICY
from police_bridge.read_models.arrivals import ARRIVALS
from police_bridge.receipts import Receipts
from police_bridge.rendering import Renderer

SERVICE_NAME = "police-bridge"
FOLLOWED = "registration"
"""The service whose facts the police is told of."""


@dataclass(frozen=True)
class Wired:
    """Made in `wiring.py`."""

    renderer: Renderer
    store: EventStore
    pool: asyncpg.Pool
    receipts: Receipts
    clock: Clock

    async def wait_for(self, seen: ConsistencyToken | None) -> None:
        """Return once the feed holds what the token stands for. Raises: Unavailable."""
        if seen is not None and seen.service == FOLLOWED:
            await wait_for(self.pool, seen, subscribers=[SHARING_POLICY, ERASING_POLICY])
            # What the policy made of it stands at these heads or before; a person's shard is the same there and here.
            heads = (await self.store.reach()).heads
            seen = ConsistencyToken.of(SERVICE_NAME, [heads[shard] for shard in seen.positions if heads[shard].pos])
        if seen is not None and seen.service == SERVICE_NAME:
            await wait_for(self.pool, seen, subscribers=[ARRIVALS.name])


async def wired(request: Request) -> Wired:
    parts: Wired = request.app.state.wired
    return parts
