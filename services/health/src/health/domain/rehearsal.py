"""What policies say of a person on a day, whether or not anybody has judged by them: compared, with a draft and without it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from contracts.health import IsolationReason
from contracts.policy import Policies, Switch, Switches
from health.domain.policy_set import PolicySet, admissible_on, in_force
from health.domain.readings import has_fever, has_symptoms
from health.domain.state import Arrival, HealthPerson


@dataclass(frozen=True, slots=True)
class Standing:
    """What would be held against the person."""

    fever: Switch | None
    """What the gate makes of it. None: the person has none."""
    symptoms: Switch | None
    """Likewise."""
    admissible_on: date | None
    """The first day on which no isolation bans any more. None: none bans on the day that is asked about."""


@dataclass
class Rehearsal:
    """One day, by these policies."""

    policies: Policies
    day: date
    _places: dict[tuple[str | None, str], PolicySet] = field(default_factory=dict)
    _sets: dict[tuple[int, ...], PolicySet] = field(default_factory=dict)
    _ends: dict[tuple[tuple[int, ...], str, date], date | None] = field(default_factory=dict)

    def standing(self, person: HealthPerson) -> Standing:
        city = self._city
        return Standing(
            fever=_weighed(city.city.switches.fever, is_so=has_fever(person.readings, city)),
            symptoms=_weighed(city.city.switches.symptoms, is_so=has_symptoms(person.symptoms_at, person.no_symptoms_at)),
            admissible_on=self.admissible_on(person),
        )

    def admissible_on(self, person: HealthPerson) -> date | None:
        """By what the policies would order today of all journeys that were judged."""
        latest = self.day
        for arrival in person.arrivals:
            for reason, code in arrival.came_from or ():
                end = self._end(arrival, code)
                if end is not None and end > latest and not _was_withdrawn(reason, arrival, person):
                    latest = end
        return latest if latest > self.day else None

    @property
    def switches(self) -> Switches:
        return self._city.city.switches

    @cached_property
    def _city(self) -> PolicySet:
        return self._at(None, "")

    def _at(self, district: str | None, contract_no: str) -> PolicySet:
        """Worked out once for each site: a million people share a few thousand, and most of these add nothing to the city's."""
        found = self._places.get((district, contract_no))
        if found is None:
            found = in_force(self.policies, self.day, district=district, contract_no=contract_no)
            found = self._sets.setdefault(found.extra_versions, found)
            self._places[district, contract_no] = found
        return found

    def _end(self, arrival: Arrival, code: str) -> date | None:
        """The first day after the isolation that is asked for. Worked out once for each day and region: so few are different."""
        policy = self._at(arrival.district, arrival.contract_no)
        case = (policy.extra_versions, code, arrival.arrived_on)
        if case not in self._ends:
            isolation = policy.isolation(code, arrived_on=arrival.arrived_on)
            self._ends[case] = admissible_on(arrival.arrived_on, isolation.days) if isolation is not None else None
        return self._ends[case]


def ordered_until(person: HealthPerson, day: date) -> date | None:
    """The first day on which no order that was made bans any more. None: none bans on that day."""
    return max((order.admissible_on for order in person.orders if order.admissible_on > day), default=None)


def is_told_in_part(person: HealthPerson) -> bool:
    """Whether a journey was judged by a release that did not say what it judged: a policy cannot be rehearsed on it."""
    return any(arrival.came_from is None for arrival in person.arrivals)


def _weighed(switch: Switch, *, is_so: bool) -> Switch | None:
    return switch if is_so else None


def _was_withdrawn(reason: IsolationReason, arrival: Arrival, person: HealthPerson) -> bool:
    return any(each.covers(reason, arrival.arrived_on, arrival.declaration_version) for each in person.withdrawn)
