"""A policy set: the values by which arrivals and readings are judged. Data with a version and a validity, never code."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints, model_validator

from contracts.codes import PolicyVersion
from contracts.health import DAYS_MAX
from contracts.symptoms import TemperatureMethod
from contracts.temperatures import CELSIUS_MAX
from contracts.texts import VisibleText
from contracts.times import YEAR_MAX, Day

NORMAL_CELSIUS_MIN = 35.0
"""Below it a thermometer measured the weather rather than the person: never normal, whatever the policy."""

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType({">=": operator.ge, ">": operator.gt})


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True)


class FeverRule(_Part):
    """What counts as fever, and what takes it back."""

    operator: Literal[">=", ">"]
    """Whether the threshold itself is fever. Sources differ; the stricter is shipped."""
    threshold_celsius: Annotated[float, Field(gt=NORMAL_CELSIUS_MIN, le=CELSIUS_MAX)]
    method: TemperatureMethod
    """How the threshold is meant to be measured. A reading taken otherwise is held against it all the same."""
    remeasured_after_min: Annotated[int, Field(ge=1, le=24 * 60)]
    """Minutes that must lie between the last fever reading and the normal one that takes it back."""


class IsolationRule(_Part):
    """How long arrivals from key areas isolate."""

    days: Annotated[int, Field(ge=1, le=DAYS_MAX)]
    """Calendar days in Shanghai; admissible on the day that has this number."""
    day_of_arrival: Literal[0]
    """The number of the day of arrival."""


class KeyArea(_Part):
    """An area whose arrivals isolate."""

    code_prefix: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]([0-9]{2}){0,2}$")]
    """GB/T 2260 code of a province, city or county, without trailing zeros."""
    name: VisibleText
    since: Day
    """First day of arrival that counts."""
    until: Day | None
    """Last day of arrival that counts."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.until is not None and self.until < self.since:
            raise ValueError("until lies before since")
        return self

    def covers(self, code: str, day: date) -> bool:
        """Whether somebody who arrived on that day from the region `code` came from here."""
        return code.startswith(self.code_prefix) and self.since <= day and (self.until is None or day <= self.until)


class PolicySet(_Part):
    """One version of the rules. Every judgement names the version that it rests on."""

    version: PolicyVersion
    authority: Literal["city", "district", "site"]
    valid_from: Day
    valid_until: Day | None
    fever: FeverRule
    isolation: IsolationRule
    key_areas: Annotated[tuple[KeyArea, ...], Field(max_length=1_000)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.valid_until is not None and self.valid_until < self.valid_from:
            raise ValueError("valid_until lies before valid_from")
        return self

    def is_fever(self, celsius: float) -> bool:
        return _COMPARISONS[self.fever.operator](celsius, self.fever.threshold_celsius)

    def is_normal(self, celsius: float) -> bool:
        return celsius >= NORMAL_CELSIUS_MIN and not self.is_fever(celsius)

    @property
    def remeasured_after(self) -> timedelta:
        return timedelta(minutes=self.fever.remeasured_after_min)

    def is_key_area(self, code: str, *, arrived_on: date) -> bool:
        return any(area.covers(code, arrived_on) for area in self.key_areas)

    def admissible_on(self, anchor_date: date) -> date:
        """The first day on which an isolation with this day of arrival no longer bans."""
        # A year like 2999 is somebody's slip, and must not stop the judgement of everybody else.
        return min(anchor_date + timedelta(days=self.isolation.days - self.isolation.day_of_arrival), date(YEAR_MAX, 12, 31))


class PolicySets(RootModel[Annotated[tuple[PolicySet, ...], Field(min_length=1, max_length=1_000)]]):
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

    def on(self, day: date) -> PolicySet:
        """The one in force on a day in Shanghai. Before the first began, the first."""
        begun = [policy for policy in self.root if policy.valid_from <= day]
        return begun[-1] if begun else self.root[0]
