"""Settings of healthcloud-bridge."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """See `ServiceSettings`; these are the bridge's own. The defaults are those of the simulator on the same machine."""

    healthcloud_url: str = "http://127.0.0.1:8110"
    """Where Health Cloud answers queries, without a slash at the end."""
    healthcloud_api_key: SecretStr = SecretStr("simulator")
    """What Health Cloud knows us by."""
    poll_interval_s: Annotated[float, Field(ge=0.1, le=3_600)] = 2.0
    """Between two rounds of asking for those who had not declared yet, seconds."""
    lookups_per_hour_max: Annotated[int, Field(ge=1, le=1_000_000)] = 2_000
    """Declarations that one account may look up from one full hour to the next."""
