"""What the contract system may say of stations, contracts and employers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chassis.testing.specification import Specification
from contracts.firms import credit_code_check_character
from contracts.registration import StationRegistered
from registration.domain.contract import (
    EMPLOYERS_MAX,
    AddEmployer,
    Contract,
    ContractCommand,
    ContractDetails,
    ContractEvent,
    ContractHasTooManyEmployers,
    ContractIsNotReported,
    ContractIsReportedOtherwise,
    Employer,
    EmployerIsMissing,
    EmployerIsNamedOtherwise,
    ReportContract,
)
from registration.domain.station import RegisterStation, Station, StationWorksElsewhere
from registration.wiring import CONTRACT, STATION
from tests.registration.facts import DETAILS, EMPLOYER, HERE, NOW, OTHER_EMPLOYER, contract_reported, employer_added

station: Specification[RegisterStation, Station, StationRegistered] = Specification(STATION)
contract: Specification[ContractCommand, Contract, ContractEvent] = Specification(CONTRACT)
reported = contract.given(contract_reported())


def register(district: str = "310109") -> RegisterStation:
    return RegisterStation(station_name="虹口", district=district, at=NOW)


def report(details: ContractDetails = DETAILS) -> ReportContract:
    return ReportContract(contract_no=HERE, details=details, at=NOW)


def add(credit_code: str = EMPLOYER, name: str = "上海测试劳务有限公司") -> AddEmployer:
    return AddEmployer(contract_no=HERE, credit_code=credit_code, employer=Employer(name, None), at=NOW)


def code(n: int) -> str:
    first_seventeen = f"91310109MA1A{n:05}"
    return first_seventeen + credit_code_check_character(first_seventeen)


class TestRegisterStation:
    fact = StationRegistered(station_name="虹口", district="310109", registered_at=NOW)

    def test_registers_it_once(self) -> None:
        station.when(register()).then(self.fact).when(register()).then_nothing()

    def test_is_refused_in_another_district(self) -> None:
        station.given(self.fact).when(register("310115")).then_rejected(StationWorksElsewhere)


class TestReportContract:
    def test_reports_it_once(self) -> None:
        contract.when(report()).then(contract_reported()).when(report()).then_nothing()

    @pytest.mark.parametrize("changed", [{"project_name": "另一个项目"}, {"station_name": "浦东"}, {"construction_no": "X"}])
    def test_is_refused_with_other_details(self, changed: dict[str, Any]) -> None:
        reported.when(report(replace(DETAILS, **changed))).then_rejected(ContractIsReportedOtherwise)


class TestAddEmployer:
    def test_adds_it_once(self) -> None:
        reported.when(add()).then(employer_added()).when(add()).then_nothing()

    def test_takes_several(self) -> None:
        added = reported.given(employer_added()).when(add(OTHER_EMPLOYER, "另一家")).then(employer_added(OTHER_EMPLOYER, "另一家"))
        assert [EMPLOYER, OTHER_EMPLOYER] == list(added.state.employers)

    def test_is_refused_before_the_contract_is_reported(self) -> None:
        contract.when(add()).then_rejected(ContractIsNotReported)

    def test_is_refused_under_another_name(self) -> None:
        reported.given(employer_added()).when(add(name="另一家")).then_rejected(EmployerIsNamedOtherwise)

    def test_is_refused_beyond_the_bound(self) -> None:
        full = reported.given(*(employer_added(code(n)) for n in range(EMPLOYERS_MAX)))
        full.when(add(code(EMPLOYERS_MAX))).then_rejected(ContractHasTooManyEmployers)
        full.when(add(code(0))).then_nothing()


class TestRequireEmployer:
    def test_knows_those_of_the_contract_only(self) -> None:
        state = reported.given(employer_added()).state
        state.require_employer(EMPLOYER)
        with pytest.raises(EmployerIsMissing) as refusal:
            state.require_employer(OTHER_EMPLOYER)
        assert "请先去“合同报送系统”进行合同登记" == refusal.value.title_zh
