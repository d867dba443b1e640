"""Settings of gatekeeper."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """See `ServiceSettings`; these are the gate's own."""

    registration_url: str = "http://127.0.0.1:8101"
    """Where registration says how far its log reaches."""
    health_url: str = "http://127.0.0.1:8102"
    """Where health says how far its log reaches."""
    freshness_bound_s: Annotated[float, Field(ge=1, le=60)] = 10.0
    """How old the gate's view may be, seconds. Beyond it everybody is refused with `state_stale`."""
