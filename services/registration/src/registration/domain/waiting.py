"""Forms that wait: when each is taken up, and how it ends without that."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contracts.registration import DeclarationAwaited, FormWithdrawn
from contracts.sealing import Sealed
from registration.domain.declaration import Declaration
from registration.domain.family import PersonIsRegisteredOtherwise
from registration.domain.form import Form, said_by
from registration.domain.lacking import waits_for


@dataclass(frozen=True, slots=True)
class TakeUp:
    """A declaration appeared: whatever waited for it is done now."""

    person_id: UUID
    declaration: Declaration
    at: datetime
    along: Collection[str] = ()
    """Contracts on which whomever the person is to accompany is expected: only there does anybody come along."""


def require_place(form: Form, awaited: Form | None, *, for_one_firm: bool) -> None:
    """Raises: PersonIsRegisteredOtherwise where somebody of one firm would displace what waits for another."""
    if for_one_firm and awaited is not None and awaited.employer_credit_code != form.employer_credit_code:
        raise PersonIsRegisteredOtherwise


def wait(person_id: UUID, form: Form, awaited: Form | None, at: datetime) -> Sequence[DeclarationAwaited]:
    """`awaited`: the one that waits on that contract already; another takes its place."""
    if awaited is not None and said_by(awaited) == said_by(form):
        return []  # The same form once more.
    return [
        DeclarationAwaited(
            person_id=person_id,
            contract_no=form.contract_no,
            district=form.district,
            person_kind=form.person_kind,
            trade=form.trade,
            employer_credit_code=form.employer_credit_code,
            origin_code=form.origin_code,
            origin=form.origin,
            arrival_date=form.arrival_date,
            document=form.document,
            document_type=form.document_type,
            name=form.name,
            mobile=form.mobile,
            name_fingerprint=form.name_fingerprint,
            complete=form.complete,
            left_at=form.left.at if form.left else None,
            left_with_version=form.left.declaration_version if form.left else None,
            asked_at=at,
        )
    ]


def lacking_nothing(command: TakeUp, awaited: Mapping[str, Form]) -> list[Form]:
    """The forms that the declaration completes, by contract."""
    return [
        form for _, form in sorted(awaited.items()) if form.complete and waits_for(form, command.declaration, command.at) is None
    ]


def withdraw(person_id: UUID, form: Form, reason: Sealed, at: datetime) -> Sequence[FormWithdrawn]:
    return [
        FormWithdrawn(person_id=person_id, contract_no=form.contract_no, district=form.district, reason=reason, withdrawn_at=at)
    ]
