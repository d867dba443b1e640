"""A correction: something that was typed of somebody who is expected was wrong, or a newer declaration is to be relied on.

Everything but the document can be put right. Whoever was registered under a wrong document is another person: withdrawn,
and pre-registered anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from contracts.people import PersonKind
from contracts.registration import PersonDetailsCorrected, PersonPreRegistered, PinnedDeclaration
from contracts.rejection import Rejection
from contracts.sealing import Sealed
from registration.domain.declaration import Declaration, DeclarationHasChanged, NameDiffersFromDeclaration
from registration.domain.form import Form, expected, form_of
from registration.domain.seen import FORM, require_seen

CORRECTIONS_MAX = 50
"""Of one pre-registration: every one is judged anew and told to the police."""


@dataclass(frozen=True, slots=True)
class Name:
    """姓名, sealed."""

    text: Sealed
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Origin:
    """出发地."""

    code: str
    text: Sealed


@dataclass(frozen=True, slots=True)
class Footing:
    """Whether somebody works or manages, and with which 工种."""

    person_kind: PersonKind
    trade: str | None


@dataclass(frozen=True, slots=True)
class Correct:
    """A registrar puts right what was typed. None: it stays."""

    person_id: UUID
    contract_no: str
    name: Name | None
    mobile: Sealed | None
    origin: Origin | None
    arrival_date: date | None
    footing: Footing | None
    employer_credit_code: str | None
    declaration_version: int | None
    """The declaration to rely on from now on."""
    declaration: Declaration | None
    """The latest one that is known."""
    reason: Sealed
    at: datetime
    based_on: str | None = None
    """`etag_of` what was seen (`registration.domain.seen`). None: it does not say."""


@dataclass(frozen=True, slots=True)
class Details:
    """What holds of somebody who is expected."""

    form: Form
    declaration: PinnedDeclaration
    pre_registered_at: datetime
    corrections: int = 0
    """How often it was put right."""

    def corrected(self, event: PersonDetailsCorrected) -> Details:
        return replace(details_of(event), corrections=self.corrections + 1)


class PreRegistrationIsNotOpen(Rejection):
    """What is over stays as it was told."""

    code = "pre-registration-is-not-open"
    title_zh = "该进场预登记已撤销或已关闭,不能更正"
    title_en = "The pre-registration is no longer open and cannot be corrected"


class DetailsAreCorrectedTooOften(Rejection):
    """Bounded, see `CORRECTIONS_MAX`."""

    code = "details-are-corrected-too-often"
    title_zh = "该进场预登记的更正次数已达上限"
    title_en = "The pre-registration cannot be corrected any more"


def correct(command: Correct, details: Details) -> Sequence[PersonDetailsCorrected]:
    """Texts are sealed and cannot be compared: typed once more, they are corrected once more."""
    require_seen(command.based_on, details.form, FORM, "open", details.declaration.version)
    version, name = command.declaration_version, command.name
    declaration = relied_on(version, name, command.declaration, details.declaration, details.form.name_fingerprint)
    form = _put_right(command, details.form)
    if (form, declaration) == (details.form, details.declaration):
        return []
    if details.corrections >= CORRECTIONS_MAX:
        raise DetailsAreCorrectedTooOften
    return [
        PersonDetailsCorrected(
            person_id=command.person_id,
            **expected(form, declaration),
            reason=command.reason,
            pre_registered_at=details.pre_registered_at,
            corrected_at=command.at,
        )
    ]


def relied_on(
    asked: int | None, name: Name | None, latest: Declaration | None, pinned: PinnedDeclaration, fingerprint: str | None
) -> PinnedDeclaration:
    """The declaration to rely on once this is put right. `fingerprint`: of the name that held so far.

    Raises: DeclarationHasChanged; NameDiffersFromDeclaration.
    """
    if asked is None and name is None:
        return pinned
    if latest is None or asked not in (None, latest.version):
        raise DeclarationHasChanged
    if (name.fingerprint if name else fingerprint) != latest.name_fingerprint:
        raise NameDiffersFromDeclaration
    return pinned if asked is None else latest.pinned


def _put_right(command: Correct, form: Form) -> Form:
    if command.name is not None:
        form = replace(form, name=command.name.text, name_fingerprint=command.name.fingerprint)
    if command.origin is not None:
        form = replace(form, origin=command.origin.text, origin_code=command.origin.code)
    if command.footing is not None:
        form = replace(form, person_kind=command.footing.person_kind, trade=command.footing.trade)
    return replace(
        form,
        mobile=command.mobile or form.mobile,
        arrival_date=command.arrival_date or form.arrival_date,
        employer_credit_code=command.employer_credit_code or form.employer_credit_code,
    )


def details_of(event: PersonPreRegistered | PersonDetailsCorrected) -> Details:
    return Details(form_of(event), event.declaration, event.pre_registered_at)
