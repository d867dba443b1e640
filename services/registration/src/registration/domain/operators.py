"""Who may act on a contract: operators of the site, and registrars of the firms on it. Its project lead says so.

In a stream beside the contract's, which every pre-registration reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from contracts.identity import DocumentType
from contracts.operators import GrantedRole, OperatorGranted, OperatorWithdrawn
from contracts.rejection import Rejection
from contracts.sealing import Sealed

OPERATORS_MAX = 200
"""Who act on one contract at the same time."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody may do. Document, name and mobile are sealed as his."""

    role: GrantedRole
    employer_credit_code: str | None
    document: Sealed
    document_type: DocumentType
    name: Sealed
    mobile: Sealed
    fingerprint: str
    """Of name and mobile."""
    mobile_fingerprint: str | None
    granted_by: str
    granted_at: datetime

    def says_the_same_as(self, other: Grant) -> bool:
        """Whoever grants it, and whenever."""
        return _said_by(self) == _said_by(other)


def _said_by(grant: Grant) -> tuple[object, ...]:
    return grant.role, grant.employer_credit_code, grant.document_type, grant.fingerprint, grant.mobile_fingerprint


@dataclass(frozen=True, slots=True)
class GrantOperator:
    """A project lead grants it."""

    contract_no: str
    operator_id: UUID
    grant: Grant


@dataclass(frozen=True, slots=True)
class WithdrawOperator:
    """A project lead withdraws it."""

    contract_no: str
    operator_id: UUID
    reason: Sealed
    withdrawn_by: str
    at: datetime


OperatorsCommand = GrantOperator | WithdrawOperator
OperatorsEvent = OperatorGranted | OperatorWithdrawn


@dataclass(frozen=True)
class Operators:
    """Of one contract."""

    grants: Mapping[UUID, Grant] = field(default_factory=dict)
    """Those that hold."""
    withdrawn: tuple[UUID, ...] = ()
    """Who may not any more, the latest last, as many as may act at most."""


class OperatorIsNotGranted(Rejection):
    """There is nothing to withdraw."""

    code = "operator-is-not-granted"
    status = 404
    title_zh = "该人员没有本合同的操作权限"
    title_en = "The person may not act on this contract anyway"


class ContractHasTooManyOperators(Rejection):
    """A contract with so many is a mistake of the caller."""

    code = "contract-has-too-many-operators"
    title_zh = "该合同的操作用户数量已达上限"
    title_en = "The contract cannot have more operators"


def decide(command: OperatorsCommand, operators: Operators) -> Sequence[OperatorsEvent]:
    match command:
        case GrantOperator():
            return _grant(command, operators)
        case WithdrawOperator():
            return _withdraw(command, operators)
        case _:
            assert_never(command)


def _grant(command: GrantOperator, operators: Operators) -> Sequence[OperatorGranted]:
    known, grant = operators.grants.get(command.operator_id), command.grant
    if known is not None and known.says_the_same_as(grant):
        return []
    if known is None and len(operators.grants) >= OPERATORS_MAX:
        raise ContractHasTooManyOperators
    return [
        OperatorGranted(
            contract_no=command.contract_no,
            operator_id=command.operator_id,
            role=grant.role,
            employer_credit_code=grant.employer_credit_code,
            document=grant.document,
            document_type=grant.document_type,
            name=grant.name,
            mobile=grant.mobile,
            fingerprint=grant.fingerprint,
            mobile_fingerprint=grant.mobile_fingerprint,
            granted_by=grant.granted_by,
            granted_at=grant.granted_at,
        )
    ]


def _withdraw(command: WithdrawOperator, operators: Operators) -> Sequence[OperatorWithdrawn]:
    if command.operator_id not in operators.grants:
        if command.operator_id in operators.withdrawn:
            return []
        raise OperatorIsNotGranted
    return [
        OperatorWithdrawn(
            contract_no=command.contract_no,
            operator_id=command.operator_id,
            reason=command.reason,
            withdrawn_by=command.withdrawn_by,
            withdrawn_at=command.at,
        )
    ]


def evolve(operators: Operators, event: OperatorsEvent) -> Operators:
    others = {each: grant for each, grant in operators.grants.items() if each != event.operator_id}
    gone = tuple(each for each in operators.withdrawn if each != event.operator_id)
    match event:
        case OperatorGranted():
            return replace(operators, grants={**others, event.operator_id: _granted(event)}, withdrawn=gone)
        case OperatorWithdrawn():
            return replace(operators, grants=others, withdrawn=(*gone, event.operator_id)[-OPERATORS_MAX:])
        case _:
            assert_never(event)


def _granted(event: OperatorGranted) -> Grant:
    return Grant(
        role=event.role,
        employer_credit_code=event.employer_credit_code,
        document=event.document,
        document_type=event.document_type,
        name=event.name,
        mobile=event.mobile,
        fingerprint=event.fingerprint,
        mobile_fingerprint=event.mobile_fingerprint,
        granted_by=event.granted_by,
        granted_at=event.granted_at,
    )
