"""Settings of registration."""

from __future__ import annotations

from datetime import date

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """See `ServiceSettings`; these are registration's own."""

    epidemic_ended_on: date | None = None
    """Day in Shanghai from which on people may be erased. None: the epidemic goes on, and nobody is."""
