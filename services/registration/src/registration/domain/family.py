"""携带家属: who comes along with somebody who is expected. Followed and told to the police, never admitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from contracts.identity import DocumentType
from contracts.registration import (
    FamilyDeclarationAwaited,
    FamilyDetailsCorrected,
    FamilyMemberPreRegistered,
    FamilyMemberWithdrawn,
    PinnedDeclaration,
)
from contracts.rejection import Rejection
from contracts.same_person import SameAs
from contracts.sealing import Sealed
from registration.domain.corrections import (
    CORRECTIONS_MAX,
    DetailsAreCorrectedTooOften,
    Name,
    PreRegistrationIsNotOpen,
    relied_on,
)
from registration.domain.declaration import Declaration, DeclarationHasChanged, MobileIsMissing
from registration.domain.form import Left
from registration.domain.lacking import WaitsFor, waits_for
from registration.domain.seen import FAMILY_FORM, require_seen


@dataclass(frozen=True, slots=True)
class FamilyForm:
    """The form 携带家属登记 as it was filled in."""

    accompanies: UUID
    contract_no: str
    district: str
    """The site's."""
    employer_credit_code: str
    """Of the accompanied person."""
    relation: Sealed | None
    document: Sealed
    document_type: DocumentType
    name: Sealed
    name_fingerprint: str
    mobile: Sealed | None
    """As typed. Counts only where the declaration has none."""

    @property
    def left(self) -> Left | None:
        """Family are never on a site, and so never left it."""
        return None


@dataclass(frozen=True, slots=True)
class PreRegisterFamilyMember:
    """A registrar hands in the form 携带家属登记."""

    person_id: UUID
    form: FamilyForm
    declaration: Declaration | None
    """The family member's latest one that is known."""
    declaration_version_seen: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class CorrectFamilyMember:
    """A registrar puts right what was typed. None: it stays."""

    person_id: UUID
    accompanies: UUID
    contract_no: str
    name: Name | None
    relation: Sealed | None
    mobile: Sealed | None
    declaration_version: int | None
    """The declaration to rely on from now on."""
    declaration: Declaration | None
    """The family member's latest one that is known."""
    reason: Sealed
    at: datetime
    based_on: str | None = None
    """`etag_of` what was seen (`registration.domain.seen`). None: it does not say."""


@dataclass(frozen=True, slots=True)
class WithdrawFamilyMember:
    """It was a mistake."""

    person_id: UUID
    accompanies: UUID
    contract_no: str
    reason: Sealed
    at: datetime
    based_on: str | None = None
    """`etag_of` what was seen (`registration.domain.seen`). None: it does not say."""


FamilyChange = CorrectFamilyMember | WithdrawFamilyMember
FamilyEvent = FamilyDeclarationAwaited | FamilyMemberPreRegistered | FamilyDetailsCorrected | FamilyMemberWithdrawn
State = Literal["awaiting", "open", "withdrawn"]


@dataclass(frozen=True, slots=True)
class FamilyMember:
    """Whom somebody accompanies, or did, on a contract."""

    form: FamilyForm
    """As it holds now."""
    state: State
    """Awaiting: the form waits for a declaration that agrees with it."""
    declaration: PinnedDeclaration | None = None
    """None until somebody comes along."""
    pre_registered_at: datetime | None = None
    corrections: int = 0
    """How often it was put right."""

    @property
    def declaration_version(self) -> int | None:
        return self.declaration.version if self.declaration else None


class FamilyMemberIsUnknown(Rejection):
    """Nobody of that id comes along with this person."""

    code = "family-member-is-unknown"
    status = 404
    title_zh = "该人员没有登记此家属"
    title_en = "The person has no such family member here"


class FamilyMemberAccompaniesAnother(Rejection):
    """On one contract a family member comes along with one person. A form that waits keeps nobody from that."""

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


def pre_register(
    command: PreRegisterFamilyMember, known: FamilyMember | None, same_as: SameAs | None
) -> Sequence[FamilyDeclarationAwaited | FamilyMemberPreRegistered]:
    """`known`: the latest one on that contract. `same_as`: the family member's other records."""
    form, declaration, seen = command.form, command.declaration, command.declaration_version_seen
    if form.accompanies == command.person_id:
        raise PersonAccompaniesOneself
    if known is not None and known.state == "open":
        if known.form.accompanies != form.accompanies:
            raise FamilyMemberAccompaniesAnother
        return []
    if seen not in (None, declaration.version if declaration else None):
        raise DeclarationHasChanged
    lacks = waits_for(form, declaration, command.at)
    if lacks is WaitsFor.MOBILE:
        raise MobileIsMissing  # Typed in a moment: nothing to wait for.
    if declaration is None or lacks is not None:
        return _wait(command, known)
    return [_pre_registered(command.person_id, form, declaration, same_as, at=command.at)]


def _wait(command: PreRegisterFamilyMember, known: FamilyMember | None) -> Sequence[FamilyDeclarationAwaited]:
    """Another form takes the place of the one that waits."""
    if known is not None and known.state == "awaiting" and _said_by(known.form) == _said_by(command.form):
        return []  # The same form once more.
    return [FamilyDeclarationAwaited(person_id=command.person_id, **_told(command.form), asked_at=command.at)]


def _said_by(form: FamilyForm) -> tuple[object, ...]:
    """What of two forms can be compared. Every sealing gives another text: what is typed once more may be another."""
    return form.accompanies, form.document_type, form.name_fingerprint, form.relation, form.mobile


def awaited_in(family: Mapping[str, FamilyMember]) -> Sequence[str]:
    """The contracts for which a form waits."""
    return sorted(contract_no for contract_no, each in family.items() if each.state == "awaiting")


def take_up(
    person_id: UUID, declaration: Declaration, family: Mapping[str, FamilyMember], same_as: SameAs | None, at: datetime
) -> Sequence[FamilyMemberPreRegistered]:
    """The forms that the declaration completes, by contract."""
    return [
        _pre_registered(person_id, family[contract_no].form, declaration, same_as, at=at)
        for contract_no in awaited_in(family)
        if waits_for(family[contract_no].form, declaration, at) is None
    ]


def _pre_registered(
    person_id: UUID, form: FamilyForm, declaration: Declaration, same_as: SameAs | None, *, at: datetime
) -> FamilyMemberPreRegistered:
    told = _told(replace(form, mobile=declaration.mobile or form.mobile)) | {"declaration": declaration.pinned}
    return FamilyMemberPreRegistered(person_id=person_id, **told, same_as=same_as, pre_registered_at=at)


def change(command: FamilyChange, known: FamilyMember | None) -> Sequence[FamilyEvent]:
    """What was registered is put right, or was a mistake."""
    if known is None or known.form.accompanies != command.accompanies:
        raise FamilyMemberIsUnknown
    return _withdraw(command, known) if isinstance(command, WithdrawFamilyMember) else _correct(command, known)


def _withdraw(command: WithdrawFamilyMember, known: FamilyMember) -> Sequence[FamilyMemberWithdrawn]:
    if known.state == "withdrawn":
        return []
    require_seen(command.based_on, known.form, FAMILY_FORM, known.state, known.declaration_version)
    return [
        FamilyMemberWithdrawn(
            person_id=command.person_id,
            accompanies=command.accompanies,
            contract_no=command.contract_no,
            district=known.form.district,
            reason=command.reason,
            withdrawn_at=command.at,
        )
    ]


def _correct(command: CorrectFamilyMember, known: FamilyMember) -> Sequence[FamilyDetailsCorrected]:
    """Texts are sealed and cannot be compared: typed once more, they are corrected once more."""
    if known.state != "open" or known.declaration is None or known.pre_registered_at is None:
        raise PreRegistrationIsNotOpen
    require_seen(command.based_on, known.form, FAMILY_FORM, known.state, known.declaration_version)
    version, name, form = command.declaration_version, command.name, known.form
    declaration = relied_on(version, name, command.declaration, known.declaration, form.name_fingerprint)
    if name is not None:
        form = replace(form, name=name.text, name_fingerprint=name.fingerprint)
    form = replace(form, relation=command.relation or form.relation, mobile=command.mobile or form.mobile)
    if (form, declaration) == (known.form, known.declaration):
        return []
    if known.corrections >= CORRECTIONS_MAX:
        raise DetailsAreCorrectedTooOften
    return [
        FamilyDetailsCorrected(
            person_id=command.person_id,
            **_told(form),
            declaration=declaration,
            reason=command.reason,
            pre_registered_at=known.pre_registered_at,
            corrected_at=command.at,
        )
    ]


def _told(form: FamilyForm) -> dict[str, Any]:
    """What every fact says of the form, by field."""
    return {each.name: getattr(form, each.name) for each in fields(form)}


def told_of(
    event: FamilyDeclarationAwaited | FamilyMemberPreRegistered | FamilyDetailsCorrected, known: FamilyMember | None
) -> FamilyMember:
    """`known`: before it, on that contract."""
    form = FamilyForm(**{each.name: getattr(event, each.name) for each in fields(FamilyForm)})
    if isinstance(event, FamilyDeclarationAwaited):
        return FamilyMember(form, "awaiting")
    corrections = known.corrections + 1 if known and isinstance(event, FamilyDetailsCorrected) else 0
    return FamilyMember(form, "open", event.declaration, event.pre_registered_at, corrections)
