"""Policy: the values by which people are judged, as dated data. Health keeps it; health and the gate judge by the same.

The city's terms are complete. A district or a site may add to them, where those above allow it: further key areas, a longer
isolation. Whatever is adopted gets a version, the next one of all; the shipped terms are version 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from contracts.districts import DistrictCode
from contracts.firms import ContractNo
from contracts.invalid import Flaw, InvalidValue
from contracts.symptoms import TemperatureMethod
from contracts.temperatures import CELSIUS_MAX
from contracts.texts import VisibleText
from contracts.times import Day

ISOLATION_DAYS_MAX = 90
"""Longest isolation that a policy may ask."""

KEY_AREAS_MAX = 200
AREA_NAME_CHARS_MAX = 40
"""So that the fullest terms fit into one event."""

NORMAL_CELSIUS_MIN = 35.0
"""Below it a thermometer measured the weather rather than the person: never normal, whatever the policy."""

SHIPPED_VERSION = 1


class Authority(StrEnum):
    """Who decides, from the highest down."""

    CITY = "city"
    DISTRICT = "district"
    SITE = "site"


class Switch(StrEnum):
    """What a policy makes of a rule of the gate."""

    FORBID = "forbid"
    REMIND = "remind"  # admits and tells
    OFF = "off"  # ignores


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True, use_attribute_docstrings=True
    )


class FeverRule(_Part):
    """What counts as fever, and what takes it back."""

    operator: Literal[">=", ">"]
    """Whether the threshold itself is fever. Sources differ; the stricter is shipped."""
    threshold_celsius: Annotated[float, Field(gt=NORMAL_CELSIUS_MIN, le=CELSIUS_MAX)]
    """°C, above 35.0 up to 45.0."""
    method: TemperatureMethod
    """How the threshold is meant to be measured. A reading taken otherwise is held against it all the same."""
    remeasured_after_min: Annotated[int, Field(ge=1, le=24 * 60)]
    """Minutes that must lie between the last fever reading and the normal one that takes it back."""


class KeyArea(_Part):
    """An area whose arrivals isolate."""

    code_prefix: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]([0-9]{2}){0,2}$")]
    """GB/T 2260 code of a province, city or county, without trailing zeros."""
    name: Annotated[VisibleText, Field(max_length=AREA_NAME_CHARS_MAX)]
    """As people call it."""
    since: Day
    """First day of arrival that counts."""
    until: Day | None = None
    """Last day of arrival that counts. Absent: until further notice."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _require_order(self.since, self.until)
        return self

    def covers(self, code: str, day: date) -> bool:
        """Whether somebody who arrived on that day from the region `code` came from here."""
        return code.startswith(self.code_prefix) and self.since <= day and (self.until is None or day <= self.until)


class Switches(_Part):
    """Of every rule of the gate that can be switched. All others forbid, whatever anybody decides."""

    fever: Switch
    """A reading at or above the threshold, not yet measured normal again."""
    symptoms: Switch
    """The latest report has symptoms."""
    no_report_today: Switch
    """No report since midnight; at the turnstile only."""
    on_site_elsewhere: Switch
    """On site on another contract."""


class PolicyTerms(_Part):
    """What an authority decides, and from when until when."""

    authority: Authority
    """Whose decision it is."""
    district: DistrictCode | None = None
    """Which district, or in which the site lies. Absent: the whole city."""
    contract_no: ContractNo | None = None
    """Which site. Of a site's terms only."""
    valid_from: Day
    """First day, in Shanghai."""
    valid_until: Day | None = None
    """Last day. Absent: until further notice."""
    allows_extras: bool = True
    """Whether those below may add to it while it is in force."""
    fever: FeverRule | None = None
    """The city's only: a reading counts at every gate."""
    isolation_days: Annotated[int, Field(ge=1, le=ISOLATION_DAYS_MAX)] | None = None
    """Calendar days in Shanghai, 1–90; admissible on the day of that number, where the day of arrival is day 0."""
    key_areas: Annotated[tuple[KeyArea, ...], Field(max_length=KEY_AREAS_MAX)] = ()
    """Whose arrivals isolate. Below the city: further ones."""
    switches: Switches | None = None
    """The city's only."""

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        _require_order(self.valid_from, self.valid_until)
        if (self.district is None, self.contract_no is None) != _PLACE_IS_ABSENT[self.authority]:
            raise InvalidValue(Flaw.POLICY_PLACE)
        is_complete = None not in (self.fever, self.isolation_days, self.switches)
        if self.authority is Authority.CITY and not is_complete:
            raise InvalidValue(Flaw.POLICY_INCOMPLETE)
        if self.authority is not Authority.CITY and (self.fever or self.switches):
            raise InvalidValue(Flaw.POLICY_BEYOND_AUTHORITY)
        if self.isolation_days is None and not self.key_areas:
            raise InvalidValue(Flaw.POLICY_INCOMPLETE)
        return self

    def covers(self, day: date) -> bool:
        """Whether it is valid on that day in Shanghai."""
        return self.valid_from <= day and (self.valid_until is None or day <= self.valid_until)

    def is_for(self, authority: Authority, district: str | None, contract_no: str | None) -> bool:
        """Whether it is the decision of this authority at this place."""
        return (self.authority, self.district, self.contract_no) == (authority, district, contract_no)


_PLACE_IS_ABSENT = {Authority.CITY: (True, True), Authority.DISTRICT: (False, True), Authority.SITE: (False, False)}


def _require_order(first: date, last: date | None) -> None:
    if last is not None and last < first:
        raise InvalidValue(Flaw.DAYS_OUT_OF_ORDER)


@dataclass(frozen=True)
class CitySet:
    """The city's terms, complete, with the version that every judgement by them names."""

    version: int
    terms: PolicyTerms
    fever: FeverRule
    isolation_days: int
    switches: Switches


@dataclass(frozen=True)
class Extra:
    """What a district or a site adds."""

    version: int
    terms: PolicyTerms


def _city_set(version: int, terms: PolicyTerms) -> CitySet:
    if terms.fever is None or terms.isolation_days is None or terms.switches is None:
        raise InvalidValue(Flaw.POLICY_INCOMPLETE)
    return CitySet(version, terms, terms.fever, terms.isolation_days, terms.switches)


SHIPPED = PolicyTerms.model_validate_json((Path(__file__).parent / "shipped_policy.json").read_bytes())
"""The terms of February 2020: what holds wherever and whenever nothing else was adopted."""


@dataclass(frozen=True)
class Policies:
    """Everything that was adopted. On every day one set of the city is in force: the latest that covers it."""

    city: tuple[CitySet, ...] = (_city_set(SHIPPED_VERSION, SHIPPED),)
    """In the order of their versions; the shipped one first."""
    extras: tuple[Extra, ...] = ()
    """Likewise."""

    def adopted(self, version: int, terms: PolicyTerms) -> Policies:
        """With this, too. Raises: InvalidValue."""
        if terms.authority is Authority.CITY:
            return replace(self, city=(*self.city, _city_set(version, terms)))
        return replace(self, extras=(*self.extras, Extra(version, terms)))

    @property
    def latest_version(self) -> int:
        latest: tuple[CitySet | Extra, ...] = (*self.city[-1:], *self.extras[-1:])
        return max(each.version for each in latest)

    def on(self, day: date) -> CitySet:
        """The city's set in force on a day in Shanghai."""
        return next((each for each in reversed(self.city) if each.terms.covers(day)), self.city[0])

    def extras_on(self, day: date, *, district: str | None, contract_no: str) -> tuple[Extra, ...]:
        """What district and site add on that day, as far as those above allow it."""
        allowed: tuple[Extra, ...] = ()
        above: PolicyTerms = self.on(day).terms
        for authority, of_site in ((Authority.DISTRICT, None), (Authority.SITE, contract_no)):
            if district is None or not above.allows_extras:
                break
            found = self._latest_extra(day, authority, district, of_site)
            if found is not None:
                allowed, above = (*allowed, found), found.terms
        return allowed

    def _latest_extra(self, day: date, authority: Authority, district: str, contract_no: str | None) -> Extra | None:
        found = (each for each in reversed(self.extras) if each.terms.is_for(authority, district, contract_no))
        return next((each for each in found if each.terms.covers(day)), None)


def policies_of(adopted: Iterable[tuple[int, PolicyTerms]], known: Policies | None = None) -> Policies:
    """What is known once these were adopted, in the order of their versions."""
    policies = known or Policies()
    for version, terms in adopted:
        policies = policies.adopted(version, terms)
    return policies
