"""What the endpoints of healthcloud-bridge work with."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from chassis.identity import Identities
from healthcloud_bridge.quota import Quota
from healthcloud_bridge.receiving import Receiving


@dataclass(frozen=True)
class Wired:
    """Made in `wiring.py`."""

    receiving: Receiving
    identities: Identities
    quota: Quota


async def wired(request: Request) -> Wired:
    parts: Wired = request.app.state.wired
    return parts
