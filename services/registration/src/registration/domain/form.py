"""The form 进场预登记 (manual, (三)), which waits in a person's state until a declaration appears."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from contracts.identity import DocumentType
from contracts.people import PersonKind
from contracts.registration import DeclarationAwaited, PersonDetailsCorrected, PersonPreRegistered, PinnedDeclaration
from contracts.sealing import Sealed
from contracts.times import shanghai_date
from registration.domain.declaration import Declaration


@dataclass(frozen=True, slots=True)
class Left:
    """An exit (退场登记) from the site of a contract."""

    at: datetime
    """UTC, by the gate's clock."""
    declaration_version: int
    """The declaration that was pinned until then."""


@dataclass(frozen=True, slots=True)
class Form:
    """The form 进场预登记 as it was filled in."""

    contract_no: str
    district: str
    """The site's."""
    person_kind: PersonKind
    trade: str | None
    employer_credit_code: str
    origin_code: str
    origin: Sealed
    arrival_date: date | None
    document: Sealed
    document_type: DocumentType
    name: Sealed
    name_fingerprint: str | None
    mobile: Sealed | None
    """As typed. Counts only where the declaration has none."""
    complete: bool = True
    """Whether it lacks nothing but the declaration. Our API takes no other."""
    left: Left | None = None
    """The last exit from the site, of somebody who comes back."""


def said_by(form: Form) -> tuple[object, ...]:
    """What of two forms can be compared. Every sealing gives another text: a number that is typed once more may be another."""
    return (
        form.person_kind,
        form.trade,
        form.employer_credit_code,
        form.origin_code,
        form.arrival_date,
        form.document_type,
        form.name_fingerprint,
        form.mobile,
        form.complete,
        form.left,
    )


def may_rest_on(left: Left | None, declaration: Declaration, at: datetime) -> bool:
    """Whether what is handed in at that time may rest on the declaration: whoever left comes back on one made since."""
    if left is None:
        return True
    is_newer = declaration.version > left.declaration_version
    # Health Cloud tells the day, not the hour. And what is not later than the exit, the gate takes for closed by it.
    return is_newer and declaration.pinned.reported_on >= shanghai_date(left.at) and at > left.at


def form_of(event: DeclarationAwaited | PersonPreRegistered | PersonDetailsCorrected) -> Form:
    """What the fact says of the form."""
    return Form(
        contract_no=event.contract_no,
        district=event.district,
        person_kind=event.person_kind,
        trade=event.trade,
        employer_credit_code=event.employer_credit_code,
        origin_code=event.origin_code,
        origin=event.origin,
        arrival_date=event.arrival_date,
        document=event.document,
        document_type=event.document_type,
        name=event.name,
        name_fingerprint=event.name_fingerprint,
        mobile=event.mobile,
    )


def kept_form_of(event: DeclarationAwaited) -> Form:
    """With what only a form that waits has."""
    left = Left(event.left_at, event.left_with_version) if event.left_at and event.left_with_version else None
    return replace(form_of(event), complete=event.complete, left=left)


def expected(form: Form, declaration: PinnedDeclaration) -> dict[str, Any]:
    """What every fact says of somebody who is expected, by field. The form has a mobile number."""
    return {
        "contract_no": form.contract_no,
        "district": form.district,
        "person_kind": form.person_kind,
        "trade": form.trade,
        "employer_credit_code": form.employer_credit_code,
        "origin_code": form.origin_code,
        "origin": form.origin,
        "arrival_date": form.arrival_date,
        "declaration": declaration,
        "document": form.document,
        "document_type": form.document_type,
        "name": form.name,
        "name_fingerprint": form.name_fingerprint,
        "mobile": form.mobile,
    }
