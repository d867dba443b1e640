"""A reported contract and the firms that employ people on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from contracts.firms import Firm
from contracts.registration import ContractReported, EmployerAdded
from contracts.rejection import Rejection

EMPLOYERS_MAX = 500
"""Firms on one contract. Bounds the state that every pre-registration reads."""


@dataclass(frozen=True, slots=True)
class ContractDetails:
    """What 合同报送系统 says of a contract."""

    construction_no: str
    project_name: str
    general_contractor: Firm
    station_name: str
    district: str


@dataclass(frozen=True, slots=True)
class Employer:
    """A firm that employs people on the contract."""

    name: str
    sub_contract_no: str | None


@dataclass(frozen=True, slots=True)
class ReportContract:
    """合同报送系统 reports a contract."""

    contract_no: str
    details: ContractDetails
    at: datetime


@dataclass(frozen=True, slots=True)
class AddEmployer:
    """合同报送系统 names a firm that employs people on the contract."""

    contract_no: str
    credit_code: str
    employer: Employer
    at: datetime


ContractCommand = ReportContract | AddEmployer
ContractEvent = ContractReported | EmployerAdded


@dataclass(frozen=True)
class Contract:
    """Details None: nobody has reported it yet."""

    details: ContractDetails | None = None
    employers: Mapping[str, Employer] = field(default_factory=dict)
    """By credit code."""

    def require_employer(self, credit_code: str) -> None:
        """Raises: EmployerIsMissing."""
        if credit_code not in self.employers:
            raise EmployerIsMissing


class EmployerIsMissing(Rejection):
    """People are registered only for firms that the contract names (manual, (三) 2)."""

    code = "employer-is-missing"
    title_zh = "请先去“合同报送系统”进行合同登记"
    title_en = "Report this employer in the contract system first"


class ContractIsNotReported(Rejection):
    """Firms are named for contracts that were reported before."""

    code = "contract-is-not-reported"
    status = 404
    title_zh = "该合同尚未报送"
    title_en = "This contract has not been reported"


class ContractIsReportedOtherwise(Rejection):
    """A number stands for one contract; a second report with other details is a mistake of one of the two."""

    code = "contract-is-reported-otherwise"
    title_zh = "该合同报送编号已报送,内容不同"
    title_en = "This contract number was reported with other details"


class EmployerIsNamedOtherwise(Rejection):
    """A credit code stands for one firm."""

    code = "employer-is-named-otherwise"
    title_zh = "该用人单位已登记,内容不同"
    title_en = "This employer was named with other details"


class ContractHasTooManyEmployers(Rejection):
    """A contract of this size is a mistake of the caller."""

    code = "contract-has-too-many-employers"
    title_zh = "该合同的用人单位数量已达上限"
    title_en = "The contract cannot have more employers"


def decide(command: ContractCommand, contract: Contract) -> Sequence[ContractEvent]:
    match command:
        case ReportContract():
            return _report(command, contract)
        case AddEmployer():
            return _add_employer(command, contract)
        case _:
            assert_never(command)


def _report(command: ReportContract, contract: Contract) -> Sequence[ContractEvent]:
    details = command.details
    if contract.details is None:
        return [
            ContractReported(
                contract_no=command.contract_no,
                construction_no=details.construction_no,
                project_name=details.project_name,
                general_contractor=details.general_contractor,
                station_name=details.station_name,
                district=details.district,
                reported_at=command.at,
            )
        ]
    if contract.details != details:
        raise ContractIsReportedOtherwise
    return []


def _add_employer(command: AddEmployer, contract: Contract) -> Sequence[ContractEvent]:
    if contract.details is None:
        raise ContractIsNotReported
    known = contract.employers.get(command.credit_code)
    if known == command.employer:
        return []
    if known is not None:
        raise EmployerIsNamedOtherwise
    if len(contract.employers) >= EMPLOYERS_MAX:
        raise ContractHasTooManyEmployers
    return [
        EmployerAdded(
            contract_no=command.contract_no,
            credit_code=command.credit_code,
            name=command.employer.name,
            sub_contract_no=command.employer.sub_contract_no,
            added_at=command.at,
        )
    ]


def evolve(contract: Contract, event: ContractEvent) -> Contract:
    match event:
        case ContractReported():
            details = ContractDetails(
                construction_no=event.construction_no,
                project_name=event.project_name,
                general_contractor=event.general_contractor,
                station_name=event.station_name,
                district=event.district,
            )
            return replace(contract, details=details)
        case EmployerAdded():
            employer = Employer(name=event.name, sub_contract_no=event.sub_contract_no)
            return replace(contract, employers={**contract.employers, event.credit_code: employer})
        case _:
            assert_never(event)
