"""Who supervises this contract?"""

from __future__ import annotations

from collections.abc import Collection
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


def _reported(rows: Rows, fact: Fact[ContractReported], _: int) -> None:
    rows.put(PLACES, PlaceRow(fact.event.contract_no, fact.event.station_name, fact.event.district))


CONTRACT_PLACES = ReadModel(name="contract_place_v1", tables=(PLACES,), folds={ContractReported: _reported})


SUPERVISED = """(
    SELECT contract_no FROM contract_place_v1
    WHERE ($1::text[] IS NULL OR station_name = ANY ($1)) AND ($2::text[] IS NULL OR district = ANY ($2))
)"""
"""The contracts within reach. Of `Reach.bounds`."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose contracts are asked for. None: no bound of that kind."""

    stations: Collection[str] | None = None
    districts: Collection[str] | None = None

    @property
    def bounds(self) -> tuple[list[str] | None, list[str] | None]:
        """What `SUPERVISED` takes."""
        stations, districts = self.stations, self.districts
        return None if stations is None else sorted(stations), None if districts is None else sorted(districts)
