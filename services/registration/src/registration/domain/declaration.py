"""What registration relies on of a declaration in Health Cloud."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.healthcloud_bridge import DeclarationReceived
from contracts.registration import PinnedDeclaration
from contracts.sealing import Sealed


@dataclass(frozen=True, slots=True)
class Declaration:
    """One version of what a person declared. The sealed parts open under the person's own key, as they are."""

    pinned: PinnedDeclaration
    name_fingerprint: str
    mobile: Sealed | None

    @property
    def version(self) -> int:
        return self.pinned.version


def declaration_of(event: DeclarationReceived) -> Declaration:
    """The part of a declaration that a pre-registration carries on, for health and police."""
    return Declaration(
        pinned=PinnedDeclaration(
            version=event.declaration_version,
            reported_on=event.reported_on,
            departed_on=event.departed_on,
            from_hubei=event.from_hubei,
            from_wuhan=event.from_wuhan,
            stopover=event.stopover,
            stopover_code=event.stopover_code,
            temperature_celsius=event.temperature_celsius,
            travel=event.travel,
            stay_address=event.stay_address,
        ),
        name_fingerprint=event.name_fingerprint,
        mobile=event.mobile,
    )
