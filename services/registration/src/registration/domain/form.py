"""The form 进场预登记 (manual, (三)), which waits in a person's state until a declaration appears."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from contracts.identity import DocumentType
from contracts.people import PersonKind
from contracts.registration import DeclarationAwaited
from contracts.sealing import Sealed


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


def said_by(form: Form) -> tuple[object, ...]:
    """What of two forms can be compared."""
    return (
        form.person_kind,
        form.trade,
        form.employer_credit_code,
        form.origin_code,
        form.arrival_date,
        form.document_type,
        form.name_fingerprint,
        form.mobile is None,
        form.complete,
    )


def form_of(event: DeclarationAwaited) -> Form:
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
        complete=event.complete,
    )
