"""合同报送: the station is stored, then the contract, then its employer; for the endpoints and for files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chassis.clock import Clock
from chassis.command_handling import CommandHandler, Outcome
from chassis.consistency import ConsistencyToken
from chassis.event_store import CommandKey
from contracts.streams import contract_stream, station_stream
from registration.bodies import ContractBody, ContractRowBody, EmployerBody
from registration.domain.contract import (
    AddEmployer,
    Contract,
    ContractCommand,
    ContractDetails,
    ContractEvent,
    Employer,
    ReportContract,
)
from registration.domain.station import RegisterStation, Station

Done = tuple[Outcome[ContractEvent], ConsistencyToken | None]
"""What became of it, and where it stands."""


@dataclass(frozen=True)
class ContractReporting:
    """Contracts with their stations and employers."""

    stations: CommandHandler[RegisterStation, Station, Any]
    contracts: CommandHandler[ContractCommand, Contract, ContractEvent]
    clock: Clock

    async def report(self, body: ContractBody, *, key: CommandKey) -> Done:
        """Raises: what the deciders of station and contract refuse; IdempotencyKeyReused; Unavailable."""
        command, named = self._report(body), self._station(body)
        stream_id, station_id = contract_stream(body.contract_no), station_stream(body.station.name)
        # The station is stored first, and a refused request changes nothing: so all that may refuse it is asked beforehand.
        self.contracts.decider.decide(command, (await self.contracts.read(stream_id))[1])
        station = await self.stations.handle(station_id, named)
        outcome = await self.contracts.handle(stream_id, command, key=key)
        at = [await self.stations.token_after(station), await self.contracts.token_after(outcome)]
        return outcome, ConsistencyToken.merged(at)

    async def add_employer(self, contract_no: str, body: EmployerBody, *, key: CommandKey) -> Done:
        """Raises: as `report`."""
        stream_id = contract_stream(contract_no)
        outcome = await self.contracts.handle(stream_id, self._employer(contract_no, body), key=key)
        return outcome, await self.contracts.token_after(outcome)

    async def rehearse(self, row: ContractRowBody) -> Sequence[ContractEvent]:
        """What would follow if the row were reported now; nothing does. Raises as `report` does."""
        self.stations.decider.decide(self._station(row), (await self.stations.read(station_stream(row.station.name)))[1])
        decider, (_, contract) = self.contracts.decider, await self.contracts.read(contract_stream(row.contract_no))
        reported = decider.decide(self._report(row), contract)
        if row.employer is None:
            return reported
        employer = self._employer(row.contract_no, row.employer)
        return [*reported, *decider.decide(employer, decider.fold(contract, reported))]

    def _report(self, body: ContractBody) -> ReportContract:
        details = ContractDetails(
            construction_no=body.construction_no,
            project_name=body.project_name,
            general_contractor=body.general_contractor,
            station_name=body.station.name,
            district=body.station.district,
        )
        return ReportContract(contract_no=body.contract_no, details=details, at=self.clock.now())

    def _station(self, body: ContractBody) -> RegisterStation:
        return RegisterStation(station_name=body.station.name, district=body.station.district, at=self.clock.now())

    def _employer(self, contract_no: str, body: EmployerBody) -> AddEmployer:
        employer = Employer(name=body.name, sub_contract_no=body.sub_contract_no)
        return AddEmployer(contract_no=contract_no, credit_code=body.credit_code, employer=employer, at=self.clock.now())
