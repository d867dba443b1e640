"""What is in force on a day at a place: the city's set, and what district and site add to it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from types import MappingProxyType

from contracts.policy import NORMAL_CELSIUS_MIN, CitySet, Extra, KeyArea, Policies
from contracts.times import YEAR_MAX

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType({">=": operator.ge, ">": operator.gt})

CODE_DIGITS = (2, 4, 6)
"""Of a province, a city, a county (GB/T 2260)."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """What a policy asks of somebody who came from a region."""

    days: int
    version: int
    """Of the city's set, or of what a district or site added where that alone asks it."""


@dataclass(frozen=True)
class PolicySet:
    """The values by which one judgement is made."""

    city: CitySet
    extras: tuple[Extra, ...] = ()
    """The district's before the site's."""

    @property
    def version(self) -> int:
        return self.city.version

    @property
    def extra_versions(self) -> tuple[int, ...]:
        return tuple(extra.version for extra in self.extras)

    def is_fever(self, celsius: float) -> bool:
        return _COMPARISONS[self.city.fever.operator](celsius, self.city.fever.threshold_celsius)

    def is_normal(self, celsius: float) -> bool:
        return celsius >= NORMAL_CELSIUS_MIN and not self.is_fever(celsius)

    @property
    def remeasured_after(self) -> timedelta:
        return timedelta(minutes=self.city.fever.remeasured_after_min)

    @cached_property
    def isolation_days(self) -> int:
        """The longest that anybody asks."""
        return max(self.city.isolation_days, *(extra.terms.isolation_days or 0 for extra in self.extras), 0)

    def isolation(self, code: str, *, arrived_on: date) -> Isolation | None:
        """What is asked of arrivals of that day from the region. None: nothing."""
        areas = (each for digits in CODE_DIGITS for each in self._areas.get(code[:digits], ()))
        naming = min((n for n, area in areas if area.covers(code, arrived_on)), default=None)
        if naming is None:
            return None
        return Isolation(self.isolation_days, self._sets[max(naming, self._asking)].version)

    @property
    def _sets(self) -> tuple[CitySet | Extra, ...]:
        """From the highest authority down."""
        return (self.city, *self.extras)

    @cached_property
    def _asking(self) -> int:
        """Which of the sets is the first that asks for so many days."""
        return next(n for n, each in enumerate(self._sets) if each.terms.isolation_days == self.isolation_days)

    @cached_property
    def _areas(self) -> Mapping[str, Sequence[tuple[int, KeyArea]]]:
        """By their codes, each with the set that names it: a rehearsal asks millions of times, of hundreds of areas."""
        areas: dict[str, list[tuple[int, KeyArea]]] = {}
        for n, each in enumerate(self._sets):
            for area in each.terms.key_areas:
                areas.setdefault(area.code_prefix, []).append((n, area))
        return areas


def in_force(policies: Policies, day: date, *, district: str | None, contract_no: str) -> PolicySet:
    """By what arrivals at a site are judged on that day in Shanghai."""
    return PolicySet(policies.on(day), policies.extras_on(day, district=district, contract_no=contract_no))


def admissible_on(anchor_date: date, days: int) -> date:
    """The first day on which an isolation with this day of arrival no longer bans."""
    # A year like 2999 is somebody's slip, and must not stop the judgement of everybody else.
    return min(anchor_date + timedelta(days=days), date(YEAR_MAX, 12, 31))
