"""What the endpoints of gatekeeper work with."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg
from starlette.requests import Request

from chassis.consistency import ConsistencyToken
from chassis.identity import Identities
from chassis.waiting import wait_for
from gatekeeper.gate import Gate

CLEARANCE_POLICY = "clearance_v1"


@dataclass(frozen=True)
class Wired:
    """Made in `wiring.py`."""

    gate: Gate
    identities: Identities
    pool: asyncpg.Pool

    async def wait_for(self, seen: ConsistencyToken | None) -> None:
        """Return once the gate knows what the token stands for. What it did itself it knows at once. Raises: Unavailable."""
        if seen is not None and seen.service != self.gate.handler.service:
            await wait_for(self.pool, seen, subscribers=[CLEARANCE_POLICY])


async def wired(request: Request) -> Wired:
    parts: Wired = request.app.state.wired
    return parts
