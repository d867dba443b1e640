"""Who supervises this contract? For every service that lists what is open on the contracts of a station or a district."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.registration import ContractReported


@dataclass(slots=True)
class PlaceRow:
    contract_no: str
    station_name: str
    district: str


PLACES = Table("contract_place_v1", PlaceRow, key=("contract_no",))
"""Made by a migration of the service."""


def placed(rows: Rows, fact: Fact[ContractReported], _: int) -> None:
    rows.put(PLACES, PlaceRow(fact.event.contract_no, fact.event.station_name, fact.event.district))


CONTRACT_PLACES = ReadModel(name="contract_place_v1", tables=(PLACES,), folds={ContractReported: placed})

WITHIN = "($1::text[] IS NULL OR p.station_name = ANY ($1)) AND ($2::text[] IS NULL OR p.district = ANY ($2))"
"""Whether a row `p` of the table is within reach. Takes `contracts.access.Reach.bounds`."""

STATIONS_TOLD_MAX = 200
"""Of a metric, those with most; further ones are told as one."""
OTHER_STATIONS = "其他"


def by_station(counted: Iterable[tuple[str, str, int]]) -> Mapping[tuple[str, ...], float]:
    """What a metric tells, by district and station, of what was counted there."""
    told: Counter[tuple[str, ...]] = Counter()
    for place, (district, station, count) in enumerate(sorted(counted, key=lambda each: (-each[2], each[:2]))):
        told[district, station if place < STATIONS_TOLD_MAX else OTHER_STATIONS] += count
    return told
