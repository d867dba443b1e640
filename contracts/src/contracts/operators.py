"""Facts of `registration` about who may act on a contract: its project lead says so (manual, (一): 已分配实名制权限)."""

from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from contracts.codes import Account
from contracts.event import Event
from contracts.firms import ContractNo, CreditCode
from contracts.identity import DocumentType
from contracts.sealing import Fingerprint, Sealed
from contracts.times import UtcTime


class GrantedRole(StrEnum):
    """What a project lead may let somebody do on a contract of his. By the name that it has in `contracts.access`."""

    SITE_OPERATOR = "site_operator"  # 施工总包现场操作用户
    EMPLOYER_REGISTRAR = "employer_registrar"  # 授权的用工单位登记管理人员


class OperatorGranted(Event):
    """Somebody may act on the contract from now on, in this role and in no other."""

    TYPE: ClassVar[Literal["gatehouse.registration.operator-granted.v1"]] = "gatehouse.registration.operator-granted.v1"
    contract_no: ContractNo
    """Where."""
    operator_id: UUID
    """Who: the `person_id` of the document with which the operator signs in."""
    role: GrantedRole
    """As what."""
    employer_credit_code: CreditCode | None = None
    """Whose people an `employer_registrar` registers. Of that role only."""
    document: Sealed
    """Canonical number of that document, sealed as the operator's."""
    document_type: DocumentType
    """Its type."""
    name: Sealed
    """姓名, exactly as given, sealed as the operator's."""
    mobile: Sealed
    """手机号 to which codes are sent, sealed as the operator's."""
    fingerprint: Fingerprint
    """Of name and mobile together under the operator's key: whether the same is said once more."""
    mobile_fingerprint: Fingerprint | None = None
    """Of the mobile alone, under the same key: whether it is the one that somebody signs in with. Absent in what was told before
    that; then nobody signs in by this grant until it is said once more."""
    granted_by: Account
    """Who granted it."""
    granted_at: UtcTime
    """UTC, taken from the command."""


class OperatorWithdrawn(Event):
    """Somebody may not act on the contract any more."""

    TYPE: ClassVar[Literal["gatehouse.registration.operator-withdrawn.v1"]] = "gatehouse.registration.operator-withdrawn.v1"
    contract_no: ContractNo
    """Where."""
    operator_id: UUID
    """Who, as when it was granted."""
    reason: Sealed
    """Why, in the project lead's words, sealed as the operator's."""
    withdrawn_by: Account
    """Who withdrew it."""
    withdrawn_at: UtcTime
    """UTC, taken from the command."""
