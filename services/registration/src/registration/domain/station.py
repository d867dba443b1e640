"""A supervision station (监督站): it exists, and works in one district."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.registration import StationRegistered
from contracts.rejection import Rejection


@dataclass(frozen=True, slots=True)
class RegisterStation:
    """The contract system names a station."""

    station_name: str
    district: str
    at: datetime


@dataclass(frozen=True)
class Station:
    """District None: nobody has named it yet."""

    district: str | None = None


class StationWorksElsewhere(Rejection):
    """A station is master data: it has one name and one district."""

    code = "station-works-elsewhere"
    title_zh = "该监督站已登记在其他区"
    title_en = "This station is registered in another district"


def decide(command: RegisterStation, station: Station) -> Sequence[StationRegistered]:
    if station.district is None:
        return [StationRegistered(station_name=command.station_name, district=command.district, registered_at=command.at)]
    if station.district != command.district:
        raise StationWorksElsewhere
    return []  # Known: the next contract that it supervises.


def evolve(station: Station, event: StationRegistered) -> Station:
    return Station(district=event.district)
