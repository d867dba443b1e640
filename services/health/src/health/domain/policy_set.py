"""What is in force on a day at a place: the city's set, and what district and site add to it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from contracts.policy import NORMAL_CELSIUS_MIN, CitySet, Extra, Policies
from contracts.times import YEAR_MAX

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType({">=": operator.ge, ">": operator.gt})


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

    @property
    def isolation_days(self) -> int:
        """The longest that anybody asks."""
        return max(self.city.isolation_days, *(extra.terms.isolation_days or 0 for extra in self.extras), 0)

    def isolation(self, code: str, *, arrived_on: date) -> Isolation | None:
        """What is asked of arrivals of that day from the region. None: nothing."""
        sets: tuple[CitySet | Extra, ...] = (self.city, *self.extras)
        naming = [n for n, each in enumerate(sets) if each.terms.names(code, arrived_on=arrived_on)]
        if not naming:
            return None
        days = self.isolation_days
        asking = next(n for n, each in enumerate(sets) if each.terms.isolation_days == days)
        return Isolation(days, sets[max(naming[0], asking)].version)


def in_force(policies: Policies, day: date, *, district: str | None, contract_no: str) -> PolicySet:
    """By what arrivals at a site are judged on that day in Shanghai."""
    return PolicySet(policies.on(day), policies.extras_on(day, district=district, contract_no=contract_no))


def admissible_on(anchor_date: date, days: int) -> date:
    """The first day on which an isolation with this day of arrival no longer bans."""
    # A year like 2999 is somebody's slip, and must not stop the judgement of everybody else.
    return min(anchor_date + timedelta(days=days), date(YEAR_MAX, 12, 31))
