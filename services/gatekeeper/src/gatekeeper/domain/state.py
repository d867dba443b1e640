"""What the gate knows of a person: the fold of the person's own gatekeeper stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from contracts.gatekeeper import Clearance

NOTHING_KNOWN = Clearance()


@dataclass(frozen=True)
class GatePerson:
    """The whole basis of a verdict."""

    clearance: Clearance = NOTHING_KNOWN
    on_site: frozenset[str] = frozenset()
    """Contracts with an open entry: admitted, or imported as on site, and not left since."""
    version: int = 0
    """Version of the stream. 0: the gate has never heard of the person."""
    changed_at: datetime | None = None
    """UTC, of the latest clearance."""
