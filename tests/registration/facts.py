"""An invented contract and its people, with what does not matter filled in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.firms import Firm
from contracts.gatekeeper import EntryAttempted, EntryKind, Outcome, PaperEntryRecorded
from contracts.healthcloud_bridge import DeclarationReceived
from contracts.identity import DocumentType
from contracts.people import PersonKind
from contracts.registration import (
    ContractReported,
    DeclarationAwaited,
    EmployerAdded,
    FormWithdrawn,
    PersonDetailsCorrected,
    PersonErased,
    PersonPreRegistered,
    PreRegistrationClosed,
    PreRegistrationWithdrawn,
    RosterMemberImported,
)
from registration.domain.contract import ContractDetails
from registration.domain.corrections import Correct
from registration.domain.declaration import Declaration, declaration_of
from registration.domain.erasure import Erase
from registration.domain.form import Form, Left
from registration.domain.person import PreRegister
from registration.domain.pre_registration import Close, Withdraw
from registration.domain.roster import ImportRosterMember
from registration.domain.waiting import TakeUp

PERSON = UUID("00000000-0000-4000-8000-000000000007")
HERE, ELSEWHERE = "W2019010100011", "W2017050130174"
EMPLOYER, OTHER_EMPLOYER = "91310109MA1A00002C", "91320600MA1A000015"
SEALED = "g1.1." + "A" * 40
DECLARED_MOBILE, TYPED_MOBILE = "g1.1." + "M" * 40, "g1.1." + "T" * 40
FINGERPRINT, OTHER_FINGERPRINT = "f" * 64, "0" * 64
NOW = datetime(2020, 2, 18, 1, 0, tzinfo=UTC)
"""Nine in the morning in Shanghai."""
EXITED_AT = NOW + timedelta(hours=9)
TODAY = date(2020, 2, 18)

DETAILS = ContractDetails(
    construction_no="1902HK0001",
    project_name="测试4444",
    general_contractor=Firm(credit_code="91310000000000029R", name="上海建工集团股份有限公司", kind="施工企业"),
    station_name="虹口",
    district="310109",
)

# --- Contracts --------------------------------------------------------------------------------------------------------


def contract_reported(details: ContractDetails = DETAILS) -> ContractReported:
    return ContractReported(
        contract_no=HERE,
        construction_no=details.construction_no,
        project_name=details.project_name,
        general_contractor=details.general_contractor,
        station_name=details.station_name,
        district=details.district,
        reported_at=NOW,
    )


def employer_added(credit_code: str = EMPLOYER, name: str = "上海测试劳务有限公司") -> EmployerAdded:
    return EmployerAdded(contract_no=HERE, credit_code=credit_code, name=name, added_at=NOW)


# --- Declarations -----------------------------------------------------------------------------------------------------


def declaration_received(**changes: Any) -> DeclarationReceived:
    usual: dict[str, Any] = {
        "person_id": PERSON,
        "declaration_version": 1,
        "reported_on": TODAY,
        "report_place": SEALED,
        "health_text": SEALED,
        "departed_on": TODAY,
        "travel": SEALED,
        "from_hubei": False,
        "from_wuhan": False,
        "stopover": False,
        "stay_address": SEALED,
        "mobile": DECLARED_MOBILE,
        "name_fingerprint": FINGERPRINT,
        "channel": "app",
        "relation": "self",
        "received_at": NOW,
    }
    return DeclarationReceived(**usual | changes)


def declared(**changes: Any) -> Declaration:
    """What registration keeps of it."""
    return declaration_of(declaration_received(**changes))


# --- People: commands -------------------------------------------------------------------------------------------------

FORM = Form(
    contract_no=HERE,
    district="310109",
    person_kind=PersonKind.WORKER,
    trade="020",
    employer_credit_code=EMPLOYER,
    origin_code="320600",
    origin=SEALED,
    arrival_date=None,
    document=SEALED,
    document_type=DocumentType.CITIZEN_ID,
    name=SEALED,
    name_fingerprint=FINGERPRINT,
    mobile=None,
)


def form(**changes: Any) -> Form:
    return replace(FORM, **changes)


def pre_register(
    declaration: Declaration | None = None, *, seen: int | None = None, at: datetime = NOW, **changes: Any
) -> PreRegister:
    return PreRegister(person_id=PERSON, form=form(**changes), declaration=declaration, declaration_version_seen=seen, at=at)


def take_up(declaration: Declaration, *, at: datetime = NOW, along: Collection[str] = ()) -> TakeUp:
    return TakeUp(person_id=PERSON, declaration=declaration, at=at, along=along)


def correct(declaration: Declaration | None = None, **changes: Any) -> Correct:
    """`declaration` is the latest one that is known."""
    fields = ("name", "mobile", "origin", "arrival_date", "footing", "employer_credit_code", "declaration_version")
    nothing: dict[str, Any] = dict.fromkeys(fields)
    usual: dict[str, Any] = {"contract_no": HERE, "reason": SEALED, "at": NOW}
    return Correct(person_id=PERSON, declaration=declaration or declared(), **nothing | usual | changes)


def withdraw(*, contract_no: str = HERE, entered_at: datetime | None = None, based_on: str | None = None) -> Withdraw:
    return Withdraw(person_id=PERSON, contract_no=contract_no, reason=SEALED, entered_at=entered_at, at=NOW, based_on=based_on)


def close(*, contract_no: str = HERE) -> Close:
    return Close(person_id=PERSON, contract_no=contract_no, exited_at=EXITED_AT)


def import_member(*, contract_no: str = HERE, on_site: bool = False) -> ImportRosterMember:
    return ImportRosterMember(
        person_id=PERSON,
        contract_no=contract_no,
        employer_credit_code=EMPLOYER,
        person_kind=PersonKind.WORKER,
        trade="020",
        on_site=on_site,
        document=SEALED,
        document_type=DocumentType.CITIZEN_ID,
        name=SEALED,
        at=NOW,
    )


def erase(*, has_key: bool = False, epidemic_ended_on: date | None = TODAY) -> Erase:
    return Erase(person_id=PERSON, has_key=has_key, epidemic_ended_on=epidemic_ended_on, at=NOW)


# --- People: facts ----------------------------------------------------------------------------------------------------


def awaited(person_id: UUID = PERSON, *, at: datetime = NOW, **changes: Any) -> DeclarationAwaited:
    """The form, kept."""
    kept = form(**changes)
    return DeclarationAwaited(
        person_id=person_id,
        contract_no=kept.contract_no,
        district=kept.district,
        person_kind=kept.person_kind,
        trade=kept.trade,
        employer_credit_code=kept.employer_credit_code,
        origin_code=kept.origin_code,
        origin=kept.origin,
        arrival_date=kept.arrival_date,
        document=kept.document,
        document_type=kept.document_type,
        name=kept.name,
        mobile=kept.mobile,
        name_fingerprint=kept.name_fingerprint,
        complete=kept.complete,
        left_at=kept.left.at if kept.left else None,
        left_with_version=kept.left.declaration_version if kept.left else None,
        asked_at=at,
    )


def pre_registered(
    declaration: Declaration | None = None,
    *,
    person_id: UUID = PERSON,
    mobile: str = DECLARED_MOBILE,
    taken_up: bool = False,
    same_as: Sequence[UUID] = (),
    at: datetime = NOW,
    **changes: Any,
) -> PersonPreRegistered:
    expected = form(**changes)
    return PersonPreRegistered(
        person_id=person_id,
        contract_no=expected.contract_no,
        district=expected.district,
        person_kind=expected.person_kind,
        trade=expected.trade,
        employer_credit_code=expected.employer_credit_code,
        origin_code=expected.origin_code,
        origin=expected.origin,
        arrival_date=expected.arrival_date,
        declaration=(declaration or declared()).pinned,
        document=expected.document,
        document_type=expected.document_type,
        name=expected.name,
        name_fingerprint=expected.name_fingerprint,
        mobile=mobile,
        taken_up=taken_up,
        same_as=tuple(same_as) or None,
        pre_registered_at=at,
    )


def corrected(
    declaration: Declaration | None = None, *, mobile: str = DECLARED_MOBILE, at: datetime = NOW, **changes: Any
) -> PersonDetailsCorrected:
    told = dict(pre_registered(declaration, mobile=mobile, **changes))
    del told["taken_up"], told["same_as"]
    return PersonDetailsCorrected(**told, reason=SEALED, corrected_at=at)


def withdrawn(*, person_id: UUID = PERSON, contract_no: str = HERE, at: datetime = NOW) -> PreRegistrationWithdrawn:
    return PreRegistrationWithdrawn(person_id=person_id, contract_no=contract_no, district="310109", reason=SEALED, withdrawn_at=at)


def form_withdrawn(*, person_id: UUID = PERSON, at: datetime = NOW) -> FormWithdrawn:
    return FormWithdrawn(person_id=person_id, contract_no=HERE, district="310109", reason=SEALED, withdrawn_at=at)


def closed(*, contract_no: str = HERE) -> PreRegistrationClosed:
    return PreRegistrationClosed(person_id=PERSON, contract_no=contract_no, closed_at=EXITED_AT)


LEFT = Left(at=EXITED_AT, declaration_version=1)
"""How a form says that it is somebody's who comes back."""


def imported(*, person_id: UUID = PERSON, contract_no: str = HERE, on_site: bool = False) -> RosterMemberImported:
    return RosterMemberImported(
        person_id=person_id,
        contract_no=contract_no,
        employer_credit_code=EMPLOYER,
        person_kind=PersonKind.WORKER,
        trade="020",
        on_site=on_site,
        document=SEALED,
        document_type=DocumentType.CITIZEN_ID,
        name=SEALED,
        imported_at=NOW,
    )


def erased(*dropped_forms: str) -> PersonErased:
    return PersonErased(person_id=PERSON, dropped_forms=dropped_forms, erased_at=NOW)


def entered_on_paper(contract_no: str = HERE) -> PaperEntryRecorded:
    """The gate's, of what two people decided."""
    return PaperEntryRecorded(
        person_id=PERSON,
        attempt_id=PERSON,
        contract_no=contract_no,
        decided_by=(UUID(int=98), UUID(int=99)),
        needs_review=True,
        clearance_version=1,
        policy_version=1,
        entered_at=NOW,
        recorded_at=NOW,
    )


def entry_attempted(
    *,
    person_id: UUID = PERSON,
    contract_no: str = HERE,
    kind: EntryKind = EntryKind.ENTRY,
    outcome: Outcome = Outcome.ADMITTED,
    at: datetime = NOW,
) -> EntryAttempted:
    """The gate's."""
    return EntryAttempted(
        person_id=person_id,
        attempt_id=PERSON,
        contract_no=contract_no,
        kind=kind,
        outcome=outcome,
        clearance_version=1,
        policy_version=1,
        attempted_at=at,
    )
