"""Which contracts are there, and which firms employ people on them?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chassis.database import Connection
from chassis.projector import Fact
from contracts.event import Event
from contracts.registration import ContractReported, EmployerAdded

UPSERT_CONTRACTS = """
INSERT INTO supervision_contract_v1 (
    contract_no, construction_no, project_name, general_contractor_credit_code, general_contractor, general_contractor_kind,
    station_name, district)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
ON CONFLICT (contract_no) DO UPDATE SET
    construction_no = excluded.construction_no, project_name = excluded.project_name,
    general_contractor_credit_code = excluded.general_contractor_credit_code,
    general_contractor = excluded.general_contractor, general_contractor_kind = excluded.general_contractor_kind,
    station_name = excluded.station_name, district = excluded.district
"""

UPSERT_EMPLOYERS = """
INSERT INTO supervision_employer_v1 (contract_no, credit_code, name)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT (contract_no, credit_code) DO UPDATE SET name = excluded.name
"""


class SupervisedContracts:
    """Rows of the table 合同查询, without the people."""

    name = "supervision_contract_v1"
    subscribes: tuple[type[Event], ...] = (ContractReported, EmployerAdded)

    async def project(self, connection: Connection, facts: Sequence[Fact[Any]], *, partition: int) -> None:
        contracts: dict[str, tuple[str, ...]] = {}
        employers: dict[tuple[str, str], str] = {}
        for fact in facts:
            match fact.event:
                case ContractReported() as event:
                    contracts[event.contract_no] = _row(event)
                case EmployerAdded() as event:
                    employers[event.contract_no, event.credit_code] = event.name
        if contracts:
            rows = [contracts[contract_no] for contract_no in sorted(contracts)]
            await connection.execute(UPSERT_CONTRACTS, *map(list, zip(*rows, strict=True)))
        if employers:
            named = [(*key, employers[key]) for key in sorted(employers)]
            await connection.execute(UPSERT_EMPLOYERS, *map(list, zip(*named, strict=True)))


def _row(event: ContractReported) -> tuple[str, ...]:
    contractor = event.general_contractor
    return (
        event.contract_no,
        event.construction_no,
        event.project_name,
        contractor.credit_code,
        contractor.name,
        contractor.kind,
        event.station_name,
        event.district,
    )
