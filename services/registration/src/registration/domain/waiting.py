"""Forms that wait: what each of them lacks, when it is taken up, and how it ends without that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from contracts.registration import DeclarationAwaited, FormWithdrawn
from contracts.sealing import Sealed
from registration.domain.declaration import Declaration
from registration.domain.family import PersonIsRegisteredOtherwise
from registration.domain.form import Form, Left, may_rest_on, said_by


@dataclass(frozen=True, slots=True)
class TakeUp:
    """A declaration appeared: whatever waited for it is done now."""

    person_id: UUID
    declaration: Declaration
    at: datetime


class WaitsFor(StrEnum):
    """What a form lacks."""

    DECLARATION = "declaration"  # there is none, or none since the exit
    AGREEING_NAME = "agreeing_name"  # there is one, under another name than the form's
    MOBILE = "mobile"  # neither of the two has a number


class Lacking(Protocol):
    """What of a form decides whether it may rest on a declaration."""

    @property
    def name_fingerprint(self) -> str | None: ...
    @property
    def mobile(self) -> Sealed | None: ...
    @property
    def left(self) -> Left | None: ...


def waits_for(form: Lacking, declaration: Declaration | None, at: datetime) -> WaitsFor | None:
    """What the form lacks at that time, for all that is known then. None: nothing.

    A name that differs keeps a form waiting, for either may be mistyped: handed in again with the right name it is done,
    and so it is once the person declares under the form's. Nothing is told of what the declaration says.
    """
    if declaration is None or not may_rest_on(form.left, declaration, at):
        return WaitsFor.DECLARATION
    if form.name_fingerprint != declaration.name_fingerprint:
        return WaitsFor.AGREEING_NAME
    if declaration.mobile is None and form.mobile is None:
        return WaitsFor.MOBILE
    return None


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
