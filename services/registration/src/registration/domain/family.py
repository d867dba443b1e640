"""携带家属: who comes along with somebody who is expected. Followed and told to the police, never admitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.identity import DocumentType
from contracts.registration import FamilyMemberPreRegistered, FamilyMemberWithdrawn
from contracts.rejection import Rejection
from contracts.sealing import Sealed
from registration.domain.declaration import (
    Declaration,
    DeclarationHasChanged,
    DeclarationIsMissing,
    MobileIsMissing,
    NameDiffersFromDeclaration,
)


@dataclass(frozen=True, slots=True)
class PreRegisterFamilyMember:
    """A registrar hands in the form 携带家属登记."""

    person_id: UUID
    accompanies: UUID
    contract_no: str
    district: str
    employer_credit_code: str
    relation: Sealed | None
    document: Sealed
    document_type: DocumentType
    name: Sealed
    name_fingerprint: str
    mobile: Sealed | None
    """As typed. Counts only where the declaration has none."""
    declaration: Declaration | None
    """The family member's latest one that is known."""
    declaration_version_seen: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class WithdrawFamilyMember:
    """It was a mistake."""

    person_id: UUID
    accompanies: UUID
    contract_no: str
    reason: Sealed
    at: datetime


@dataclass(frozen=True, slots=True)
class FamilyMember:
    """Whom somebody accompanies, or did, on a contract."""

    accompanies: UUID
    district: str
    declaration_version: int
    is_open: bool
    """False: withdrawn."""


class FamilyMemberIsUnknown(Rejection):
    """Nobody of that id comes along with this person."""

    code = "family-member-is-unknown"
    status = 404
    title_zh = "该人员没有登记此家属"
    title_en = "The person has no such family member here"


class FamilyMemberAccompaniesAnother(Rejection):
    """On one contract a family member comes along with one person."""

    code = "family-member-accompanies-another"
    title_zh = "该家属已由其他人员携带登记"
    title_en = "The family member accompanies somebody else on this contract"


class PersonIsRegisteredOtherwise(Rejection):
    """Nobody is both family and expected to work on a site: the police is told one or the other. Nor does a
    firm displace the form that waits for another, which would not learn of it."""

    code = "person-is-registered-otherwise"
    title_zh = "该人员已在本合同以其他身份登记,请先撤销"
    title_en = "The person is registered on this contract as something else; withdraw that first"


class PersonAccompaniesOneself(Rejection):
    """Family are other people."""

    code = "person-accompanies-oneself"
    status = 422
    title_zh = "家属不能是本人"
    title_en = "Nobody is a family member of oneself"


def pre_register(command: PreRegisterFamilyMember, known: FamilyMember | None) -> Sequence[FamilyMemberPreRegistered]:
    """`known`: the latest one on that contract."""
    declaration, seen = command.declaration, command.declaration_version_seen
    if command.accompanies == command.person_id:
        raise PersonAccompaniesOneself
    if known is not None and known.is_open:
        if known.accompanies != command.accompanies:
            raise FamilyMemberAccompaniesAnother
        return []
    if declaration is None and seen is None:
        raise DeclarationIsMissing
    if declaration is None or seen not in (None, declaration.version):
        raise DeclarationHasChanged
    if command.name_fingerprint != declaration.name_fingerprint:
        raise NameDiffersFromDeclaration
    mobile = declaration.mobile or command.mobile
    if mobile is None:
        raise MobileIsMissing
    return [
        FamilyMemberPreRegistered(
            person_id=command.person_id,
            accompanies=command.accompanies,
            contract_no=command.contract_no,
            district=command.district,
            employer_credit_code=command.employer_credit_code,
            relation=command.relation,
            declaration=declaration.pinned,
            document=command.document,
            document_type=command.document_type,
            name=command.name,
            name_fingerprint=command.name_fingerprint,
            mobile=mobile,
            pre_registered_at=command.at,
        )
    ]


def withdraw(command: WithdrawFamilyMember, known: FamilyMember | None) -> Sequence[FamilyMemberWithdrawn]:
    if known is None or known.accompanies != command.accompanies:
        raise FamilyMemberIsUnknown
    if not known.is_open:
        return []
    return [
        FamilyMemberWithdrawn(
            person_id=command.person_id,
            accompanies=command.accompanies,
            contract_no=command.contract_no,
            district=known.district,
            reason=command.reason,
            withdrawn_at=command.at,
        )
    ]


def family_member_of(event: FamilyMemberPreRegistered) -> FamilyMember:
    return FamilyMember(event.accompanies, event.district, event.declaration.version, is_open=True)
