"""Which contracts are there, and which firms employ people on them?"""

from __future__ import annotations

from dataclasses import dataclass

from chassis.subscribers import Fact
from chassis.tables import ReadModel, Rows, Table
from contracts.registration import ContractReported, EmployerAdded


@dataclass(slots=True)
class SupervisedContract:
    contract_no: str
    construction_no: str
    project_name: str
    general_contractor_credit_code: str
    general_contractor: str
    general_contractor_kind: str
    station_name: str
    district: str


@dataclass(slots=True)
class SupervisedEmployer:
    contract_no: str
    credit_code: str
    name: str


CONTRACTS = Table("supervision_contract_v1", SupervisedContract, key=("contract_no",))
EMPLOYERS = Table("supervision_employer_v1", SupervisedEmployer, key=("contract_no", "credit_code"))


def _reported(rows: Rows, fact: Fact[ContractReported], _: int) -> None:
    event, contractor = fact.event, fact.event.general_contractor
    rows.put(
        CONTRACTS,
        SupervisedContract(
            contract_no=event.contract_no,
            construction_no=event.construction_no,
            project_name=event.project_name,
            general_contractor_credit_code=contractor.credit_code,
            general_contractor=contractor.name,
            general_contractor_kind=contractor.kind,
            station_name=event.station_name,
            district=event.district,
        ),
    )


def _employer_added(rows: Rows, fact: Fact[EmployerAdded], _: int) -> None:
    rows.put(EMPLOYERS, SupervisedEmployer(fact.event.contract_no, fact.event.credit_code, fact.event.name))


SUPERVISED_CONTRACTS = ReadModel(
    name="supervision_contract_v1",
    tables=(CONTRACTS, EMPLOYERS),
    folds={ContractReported: _reported, EmployerAdded: _employer_added},
)
"""Rows of the table 合同查询, without the people."""
