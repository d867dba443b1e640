"""实名制权限: who may act on a contract, as its project lead says to registration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from portal.upstream.calls import Caller, Calls
from portal.upstream.registration import SERVICE, Nothing


class Operator(BaseModel):
    """Masked."""

    operator_id: UUID
    role: str
    employer_credit_code: str | None
    name: str | None
    document_type: str
    document_number: str | None
    mobile: str | None
    granted_by: str
    granted_at: datetime


class OperatorList(BaseModel):
    items: list[Operator]


class OperatorChange(BaseModel):
    """Masked. Without a role it is a withdrawal."""

    operator_id: UUID
    role: str | None
    employer_credit_code: str | None
    name: str | None
    grounds: str | None
    changed_by: str
    changed_at: datetime


class OperatorChanges(BaseModel):
    items: list[OperatorChange]
    next_before: int | None


@dataclass(frozen=True)
class OperatorGrants:
    calls: Calls
    caller: Caller

    async def operators(self, contract_no: str) -> list[Operator]:
        """The first to be granted first."""
        return (await self.calls.get(self.caller, SERVICE, _grants(contract_no), OperatorList)).items

    async def grant(self, contract_no: str, who: Mapping[str, Any], *, key: str) -> None:
        await self.calls.post(self.caller, SERVICE, _grants(contract_no), who, Nothing, key=key)

    async def withdraw(self, contract_no: str, operator_id: UUID, *, reason: str, key: str) -> None:
        path = f"{_grants(contract_no)}/{operator_id}/withdrawal"
        await self.calls.post(self.caller, SERVICE, path, {"reason": reason}, Nothing, key=key)

    async def changes(self, contract_no: str, *, before: int | None) -> OperatorChanges:
        """Who was let act, and who may no more and why, the last one first. That it was read is recorded."""
        return await self.calls.get(self.caller, SERVICE, f"{_grants(contract_no)}/changes", OperatorChanges, before=before)


def _grants(contract_no: str) -> str:
    return f"/v1/contracts/{contract_no}/operator-grants"
