"""What each rule of the gate does: the switches of the city's policy, as far as a rule can be switched at all."""

from __future__ import annotations

from contracts.gatekeeper import Effect, ReasonCode
from contracts.policy import Switch, Switches

SWITCHABLE = frozenset(map(ReasonCode, Switches.model_fields))
"""Rules that a policy may weaken. All others forbid, whatever anybody decides."""


def effect_of(switches: Switches, code: ReasonCode) -> Effect | None:
    """What the rule's reason does. None: it is none."""
    switch: Switch = getattr(switches, code) if code in SWITCHABLE else Switch.FORBID
    return None if switch is Switch.OFF else Effect(switch)
