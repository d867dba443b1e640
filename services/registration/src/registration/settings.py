"""Settings of registration."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """See `ServiceSettings`; these are registration's own."""

    epidemic_ended_on: date | None = None
    """Day in Shanghai from which on people may be erased. None: the epidemic goes on, and nobody is."""
    checklist_folder: Path | None = None
    """Where uploaded checklists are kept: a folder that all processes of registration share. None: none can be uploaded."""
