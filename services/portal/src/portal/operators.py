"""What project leads granted, as registration tells it. It is asked anew each time and never kept, so that what was granted or
withdrawn counts at once (ADR 40)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel

from chassis.auth import Principal
from contracts.access import Role
from contracts.identity import DocumentType
from contracts.operators import GrantedRole
from portal.languages import CHINESE
from portal.upstream.calls import Caller, Calls, UpstreamAway, UpstreamRefused

SERVICE = "registration"
OURSELVES = Principal("portal", Role.PORTAL)


@dataclass(frozen=True)
class SiteGrant:
    """What a user may do on one contract."""

    contract_no: str
    role: Role
    employer_credit_code: str | None = None


@dataclass(frozen=True)
class Operator:
    """Whoever has this document and this mobile, by registration's names for both."""

    operator_id: UUID
    mobile_fingerprint: str


@dataclass(frozen=True)
class Rights:
    """What project leads say of somebody."""

    operator: Operator | None = None
    """None: registration knows nobody with that document."""
    grants: Sequence[SiteGrant] = ()
    withdrawn: frozenset[str] = frozenset()
    """Contracts on which he may not act any more, in any role that a project lead can grant."""

    def beside(self, own: Sequence[SiteGrant]) -> tuple[SiteGrant, ...]:
        """All that he may do, with what the portal's operator put. On one contract it is one thing, the lead's to say."""
        put = [each for each in own if each.role not in _GRANTED or each.contract_no not in self.withdrawn]
        last_wins = sorted((*put, *self.grants), key=lambda each: each.role not in _GRANTED)
        by_contract = {each.contract_no: each for each in last_wins}
        return tuple(by_contract[contract_no] for contract_no in sorted(by_contract))


_GRANTED = frozenset(Role(each.value) for each in GrantedRole)


@dataclass(frozen=True)
class Operators:
    """Asks registration, in nobody's name."""

    calls: Calls

    async def look_up(self, *, document_number: str, mobile: str) -> Rights:
        """Of whoever wants to sign in with an identity card. Raises: UpstreamAway."""
        body = {"document": {"type": DocumentType.CITIZEN_ID.value, "number": document_number}, "mobile": mobile}
        try:
            answer = await self.calls.post(_CALLER, SERVICE, "/v1/operator-lookups", body, _Answer, key=None)
        except UpstreamRefused:
            raise UpstreamAway from None  # It is older than this portal: nobody can tell.
        return answer.rights

    async def rights_of(self, operator: Operator) -> Rights:
        """Of whoever has signed in, as they are now. Raises: UpstreamAway."""
        path = f"/v1/operators/{operator.operator_id}/rights"
        try:
            answer = await self.calls.get(_CALLER, SERVICE, path, _Answer, mobile_fingerprint=operator.mobile_fingerprint)
        except UpstreamRefused:
            raise UpstreamAway from None
        return answer.rights


class _Item(BaseModel):
    contract_no: str
    role: GrantedRole
    employer_credit_code: str | None


class _Answer(BaseModel):
    operator_id: UUID | None
    mobile_fingerprint: str | None
    items: list[_Item]
    withdrawn: list[str]

    @property
    def rights(self) -> Rights:
        operator = None
        if self.operator_id is not None and self.mobile_fingerprint is not None:
            operator = Operator(self.operator_id, self.mobile_fingerprint)
        grants = [SiteGrant(each.contract_no, Role(each.role.value), each.employer_credit_code) for each in self.items]
        return Rights(operator, grants, frozenset(self.withdrawn))


async def _nothing_to_remember(service: str, token: str) -> None:
    """What is asked here changes nothing."""


_CALLER = Caller(OURSELVES, {}, CHINESE, _nothing_to_remember)
