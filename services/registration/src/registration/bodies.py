"""Contracts, people and their family as clients say them: in the body of a request, or in a row of a file."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from pydantic import model_validator

from chassis.strict_json import StrictModel
from contracts.codes import DeclarationVersion, RegionCode
from contracts.districts import DistrictCode
from contracts.firms import ConstructionNo, ContractNo, CreditCode, Firm, FirmName
from contracts.identity import Document, Mobile, PersonName
from contracts.people import PersonKind
from contracts.texts import VisibleText
from contracts.times import Day
from contracts.trades import TradeCode
from registration.correcting import TypedCorrection
from registration.pre_registering import TypedForm
from registration.roster_import import RosterRow


class StationBody(StrictModel):
    """The supervision station (监督站) of a contract."""

    name: VisibleText
    district: DistrictCode


class ContractBody(StrictModel):
    """A contract as 合同报送系统 reports it."""

    contract_no: ContractNo
    construction_no: ConstructionNo
    project_name: VisibleText
    general_contractor: Firm
    station: StationBody


class EmployerBody(StrictModel):
    """A firm that employs people on the contract."""

    credit_code: CreditCode
    name: FirmName
    sub_contract_no: ContractNo | None = None


class ContractRowBody(ContractBody):
    """A contract and one of its employers, if it has any yet."""

    employer: EmployerBody | None = None


class _PersonOnContract(StrictModel):
    """Who somebody is, and on what footing."""

    document: Document
    name: PersonName
    employer_credit_code: CreditCode
    person_kind: PersonKind
    trade: TradeCode | None = None
    """工种; of a worker only."""

    @model_validator(mode="after")
    def _only_workers_have_a_trade(self) -> Self:
        if self.person_kind is PersonKind.MANAGER and self.trade is not None:
            raise ValueError("a manager has no trade")
        return self


class RosterRowBody(_PersonOnContract):
    """Somebody on the old roster."""

    on_site: bool
    """Whether the roster says 在场."""

    def to_row(self) -> RosterRow:
        return RosterRow(**dict(self))


class OriginBody(StrictModel):
    """出发地."""

    code: RegionCode
    """GB/T 2260."""
    text: VisibleText


class PreRegistrationBody(_PersonOnContract):
    """The form 进场预登记."""

    origin: OriginBody
    arrival_date: Day | None = None
    """到沪日期, day in Shanghai."""
    mobile: Mobile | None = None
    """手机号. Counts only where the declaration has none."""
    declaration_version: DeclarationVersion | None = None
    """The declaration that was shown (获取健康云信息), if one was."""
    replaces: UUID | None = None
    """Whoever was registered under a wrong document, and withdrawn, and is registered anew by this: the two are one person."""

    def to_form(self, contract_no: str, district: str, *, for_one_firm: bool) -> TypedForm:
        return TypedForm(
            contract_no=contract_no,
            district=district,
            document=self.document,
            name=self.name,
            person_kind=self.person_kind,
            trade=self.trade,
            employer_credit_code=self.employer_credit_code,
            origin_code=self.origin.code,
            origin=self.origin.text,
            arrival_date=self.arrival_date,
            mobile=self.mobile,
            declaration_version=self.declaration_version,
            for_one_firm=for_one_firm,
            replaces=self.replaces,
        )


class CorrectionBody(StrictModel):
    """What was wrong, as it ought to be. What is absent stays; a wrong document is not corrected, but withdrawn."""

    name: PersonName | None = None
    """姓名. It must agree with the latest declaration."""
    mobile: Mobile | None = None
    """手机号."""
    origin: OriginBody | None = None
    arrival_date: Day | None = None
    """到沪日期, day in Shanghai."""
    person_kind: PersonKind | None = None
    """With the trade, if it is a worker who has one: the two are told together."""
    trade: TradeCode | None = None
    """工种."""
    employer_credit_code: CreditCode | None = None
    """用人单位."""
    declaration_version: DeclarationVersion | None = None
    """The latest declaration, to be relied on from now on."""
    reason: VisibleText

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.trade is not None and self.person_kind is not PersonKind.WORKER:
            raise ValueError("a trade is told with the person_kind worker")
        if not self.model_fields_set - {"reason"}:
            raise ValueError("nothing is corrected")
        return self

    def to_correction(self) -> TypedCorrection:
        return TypedCorrection(
            name=self.name,
            mobile=self.mobile,
            origin_code=self.origin.code if self.origin else None,
            origin=self.origin.text if self.origin else None,
            arrival_date=self.arrival_date,
            person_kind=self.person_kind,
            trade=self.trade,
            employer_credit_code=self.employer_credit_code,
            declaration_version=self.declaration_version,
            reason=self.reason,
        )


class FamilyMemberBody(StrictModel):
    """携带家属登记."""

    document: Document
    name: PersonName
    relation: VisibleText | None = None
    """What the family member is to the accompanied person."""
    mobile: Mobile | None = None
    """手机号. Counts only where the declaration has none; of a child the accompanied person's."""
    declaration_version: DeclarationVersion | None = None
    """The declaration that was shown (获取健康云信息), if one was."""


class FamilyCorrectionBody(StrictModel):
    """What was wrong, as it ought to be. What is absent stays; a wrong document is not corrected, but withdrawn."""

    name: PersonName | None = None
    """姓名. It must agree with the latest declaration."""
    relation: VisibleText | None = None
    mobile: Mobile | None = None
    """手机号."""
    declaration_version: DeclarationVersion | None = None
    """The latest declaration, to be relied on from now on."""
    reason: VisibleText

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set - {"reason"}:
            raise ValueError("nothing is corrected")
        return self
