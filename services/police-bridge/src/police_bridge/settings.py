"""What police-bridge is told from outside, besides what every service is told."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chassis.settings import ServiceSettings
from police_bridge.clearing import SETTLED_S

HOUR_S = 3_600.0


class PoliceBridgeSettings(ServiceSettings):
    """Settings of police-bridge."""

    clear_after_s: Annotated[float, Field(ge=SETTLED_S, le=24 * HOUR_S)] = HOUR_S
    """How long erasures are gathered before the topics are cleared of them, seconds: it tells each topic again as a whole."""
