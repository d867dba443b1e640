"""What each rule of the gate does: dated data, with a version that every verdict names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from contracts.codes import PolicyVersion
from contracts.gatekeeper import Effect, ReasonCode
from contracts.times import Day

SWITCHABLE = frozenset({ReasonCode.FEVER, ReasonCode.SYMPTOMS, ReasonCode.NO_REPORT_TODAY, ReasonCode.ON_SITE_ELSEWHERE})
"""Rules that a policy may weaken. All others forbid, whatever anybody decides."""


class Switch(StrEnum):
    """What a policy makes of a rule."""

    FORBID = "forbid"
    REMIND = "remind"  # admits and tells
    OFF = "off"  # ignores


class GatePolicy(BaseModel):
    """One version of the switches."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    version: PolicyVersion
    valid_from: Day
    """First day, in Shanghai."""
    valid_until: Day | None
    """Last day. None: until further notice."""
    switches: Annotated[Mapping[ReasonCode, Switch], Field(min_length=len(SWITCHABLE), max_length=len(SWITCHABLE))]
    """Of every rule that can be switched."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.switches.keys() != SWITCHABLE:
            raise ValueError("switches every rule that can be switched, and no other")
        if self.valid_until is not None and self.valid_until < self.valid_from:
            raise ValueError("valid_until lies before valid_from")
        return self

    def effect_of(self, code: ReasonCode) -> Effect | None:
        """What the rule's reason does. None: it is none."""
        switch = self.switches.get(code, Switch.FORBID)
        return None if switch is Switch.OFF else Effect(switch)


class GatePolicies(RootModel[Annotated[tuple[GatePolicy, ...], Field(min_length=1, max_length=1_000)]]):
    """All versions, one after the other without a gap: on every day one is in force."""

    @model_validator(mode="after")
    def _without_gaps(self) -> Self:
        for earlier, later in pairwise(self.root):
            if earlier.valid_until is None or later.valid_from != earlier.valid_until + timedelta(days=1):
                raise ValueError(f"version {later.version} does not begin on the day after version {earlier.version} ends")
            if later.version <= earlier.version:
                raise ValueError(f"version {later.version} comes after {earlier.version}")
        if self.root[-1].valid_until is not None:
            raise ValueError("the last version ends, and none follows it")
        return self

    def on(self, day: date) -> GatePolicy:
        """The one in force on a day in Shanghai. Before the first began, the first."""
        begun: Sequence[GatePolicy] = [policy for policy in self.root if policy.valid_from <= day]
        return begun[-1] if begun else self.root[0]
