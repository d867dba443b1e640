"""Commands and facts about an invented person, with what does not matter filled in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from contracts.health import (
    Disposition,
    DispositionChanged,
    HealthHoldPlaced,
    HealthHoldWithdrawn,
    HealthReported,
    Hold,
    IsolationMethod,
    ReadingSource,
)
from contracts.identity import DocumentType
from contracts.people import PersonKind
from contracts.policy import SHIPPED, Authority, Policies, PolicyTerms, policies_of
from contracts.registration import (
    FamilyMemberPreRegistered,
    FamilyMemberWithdrawn,
    PersonDetailsCorrected,
    PersonPreRegistered,
    PinnedDeclaration,
    PreRegistrationWithdrawn,
    RosterMemberImported,
)
from contracts.symptoms import Symptom, TemperatureMethod
from health.domain.commands import AssessArrival, ChangeDisposition, Correction, ReportHealth
from health.domain.policy_set import PolicySet

POLICY = PolicySet(Policies().on(date(2020, 2, 18)))
PERSON = UUID("00000000-0000-4000-8000-000000000007")
REPORT = UUID("00000000-0000-4000-8000-0000000000aa")
CORRECTION = UUID("00000000-0000-4000-8000-0000000000ab")
HERE, ELSEWHERE = "W2019010100011", "W2017050130174"
DISTRICT = "310109"
EMPLOYER, OTHER_EMPLOYER = "91310109MA1A000006", "91320600MA1A000015"
ACCOUNT = "operator-7"
SEALED = "g1.1." + "A" * 40
NOW = datetime(2020, 2, 18, 1, 0, tzinfo=UTC)
"""Nine in the morning in Shanghai."""
TODAY = date(2020, 2, 18)
JIANGSU, HUBEI, WUHAN, HEFEI = "320600", "421100", "420100", "340100"


def terms(**changes: Any) -> PolicyTerms:
    """The shipped terms of the city, changed."""
    return PolicyTerms(**(dict(SHIPPED) | changes))


def added(authority: Authority = Authority.DISTRICT, **changes: Any) -> PolicyTerms:
    """What a district adds, or a site in it."""
    usual: dict[str, Any] = {
        "authority": authority,
        "district": DISTRICT,
        "contract_no": HERE if authority is Authority.SITE else None,
        "valid_from": TODAY,
        "isolation_days": 21,
    }
    return PolicyTerms(**(usual | changes))


def adopted(*adopted: PolicyTerms) -> Policies:
    """The shipped terms, and these as versions 2, 3, …"""
    return policies_of(enumerate(adopted, 2))


def with_threshold(celsius: float) -> PolicySet:
    fever = POLICY.city.fever.model_copy(update={"threshold_celsius": celsius})
    return PolicySet(adopted(terms(fever=fever)).on(TODAY))


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def declaration(version: int = 1, **changes: Any) -> PinnedDeclaration:
    usual: dict[str, Any] = {
        "version": version,
        "reported_on": date(2020, 2, 14),
        "departed_on": date(2020, 2, 13),
        "from_hubei": False,
        "from_wuhan": False,
        "stopover": False,
    }
    return PinnedDeclaration(**(usual | changes))


def assess(
    pinned: PinnedDeclaration | None = None,
    *,
    contract_no: str = HERE,
    origin_code: str = JIANGSU,
    arrival_date: date | None = None,
    district: str = DISTRICT,
    form: str = "",
    at: datetime = NOW,
) -> AssessArrival:
    """What one pre-registration asks. Another content, or another `form`, is another pre-registration."""
    pinned = pinned or declaration()
    return AssessArrival(
        person_id=PERSON,
        pre_registration_id=uuid5(PERSON, f"{contract_no}/{pinned.version}/{origin_code}/{arrival_date}/{form}"),
        contract_no=contract_no,
        district=district,
        origin_code=origin_code,
        arrival_date=arrival_date,
        declaration=pinned,
        at=at,
    )


def report(celsius: float = 36.5, *, read_at: datetime = NOW, at: datetime | None = None, **changes: Any) -> ReportHealth:
    usual: dict[str, Any] = {
        "person_id": PERSON,
        "report_id": REPORT,
        "contract_no": HERE,
        "reading_celsius": celsius,
        "method": TemperatureMethod.AXILLARY,
        "symptoms": (Symptom.NONE,),
        "source": ReadingSource.REGISTRAR,
        "reported_by": ACCOUNT,
        "read_at": read_at,
        "at": at or read_at,
    }
    return ReportHealth(**(usual | changes))


def correction(celsius: float = 36.5, *, of: UUID = REPORT, **changes: Any) -> ReportHealth:
    """A report in place of that one, a minute after it."""
    usual: dict[str, Any] = {"report_id": CORRECTION, "corrects": Correction(of, SEALED), "at": NOW + minutes(1)}
    return report(celsius, **(usual | changes))


def reported(command: ReportHealth, *, latest_read_at: datetime | None = None) -> HealthReported:
    """`latest_read_at`: of a correction."""
    return HealthReported(
        person_id=command.person_id,
        report_id=command.report_id,
        contract_no=command.contract_no,
        reading_celsius=command.reading_celsius,
        method=command.method,
        symptoms=command.symptoms,
        source=command.source,
        corrects=command.corrects.report_id if command.corrects else None,
        reason=command.corrects.reason if command.corrects else None,
        latest_read_at=latest_read_at,
        read_at=command.read_at,
        reported_by=command.reported_by,
        reported_at=command.at,
    )


def placed(hold: Hold, *, at: datetime = NOW, report_id: UUID = REPORT) -> HealthHoldPlaced:
    return HealthHoldPlaced(person_id=PERSON, hold=hold, report_id=report_id, policy_version=1, placed_at=at)


def withdrawn(hold: Hold, *, at: datetime = NOW, report_id: UUID = REPORT) -> HealthHoldWithdrawn:
    return HealthHoldWithdrawn(person_id=PERSON, hold=hold, report_id=report_id, policy_version=1, withdrawn_at=at)


def dispose(disposition: Disposition, **changes: Any) -> ChangeDisposition:
    is_ban = disposition is not Disposition.ADMISSIBLE
    usual: dict[str, Any] = {
        "person_id": PERSON,
        "contract_no": HERE,
        "disposition": disposition,
        "isolation_from": TODAY if is_ban else None,
        "isolation_until": None,
        "method": IsolationMethod.CENTRAL if is_ban else None,
        "reason_code": "contact_of_a_case",
        "evidence": SEALED if is_ban else None,
        "release_document": None,
        "decided_by": (ACCOUNT,),
        "at": NOW,
    }
    return ChangeDisposition(**(usual | changes))


def disposed(command: ChangeDisposition) -> DispositionChanged:
    return DispositionChanged(
        person_id=command.person_id,
        contract_no=command.contract_no,
        disposition=command.disposition,
        isolation_from=command.isolation_from,
        isolation_until=command.isolation_until,
        method=command.method,
        reason_code=command.reason_code,
        evidence=command.evidence,
        review_on=None if command.disposition is Disposition.ADMISSIBLE else command.review_on or TODAY + timedelta(days=7),
        release_document=command.release_document,
        decided_by=command.decided_by,
        changed_at=command.at,
    )


def pre_registered(
    person_id: UUID = PERSON, *, contract_no: str = HERE, employer: str = EMPLOYER, **changes: Any
) -> PersonPreRegistered:
    usual: dict[str, Any] = {
        "person_id": person_id,
        "contract_no": contract_no,
        "district": "310109",
        "person_kind": PersonKind.WORKER,
        "trade": "020",
        "employer_credit_code": employer,
        "origin_code": JIANGSU,
        "origin": SEALED,
        "declaration": declaration(),
        "document": SEALED,
        "document_type": DocumentType.CITIZEN_ID,
        "name": SEALED,
        "mobile": SEALED,
        "taken_up": False,
        "pre_registered_at": NOW,
    }
    return PersonPreRegistered(**(usual | changes))


def corrected(person_id: UUID = PERSON, *, at: datetime = NOW, **changes: Any) -> PersonDetailsCorrected:
    told = dict(pre_registered(person_id, **changes))
    del told["taken_up"], told["same_as"]
    return PersonDetailsCorrected(**told, reason=SEALED, corrected_at=at)


def family_member(person_id: UUID = PERSON, *, contract_no: str = HERE) -> FamilyMemberPreRegistered:
    told = dict(pre_registered(person_id, contract_no=contract_no))
    for field in ("person_kind", "trade", "origin_code", "origin", "arrival_date", "taken_up"):
        del told[field]
    return FamilyMemberPreRegistered(**told | {"accompanies": UUID(int=40), "name_fingerprint": "f" * 64})


def family_member_withdrawn(person_id: UUID = PERSON, *, contract_no: str = HERE) -> FamilyMemberWithdrawn:
    return FamilyMemberWithdrawn(
        person_id=person_id,
        accompanies=UUID(int=40),
        contract_no=contract_no,
        district="310109",
        reason=SEALED,
        withdrawn_at=NOW,
    )


def pre_registration_withdrawn(person_id: UUID = PERSON, *, contract_no: str = HERE) -> PreRegistrationWithdrawn:
    return PreRegistrationWithdrawn(
        person_id=person_id, contract_no=contract_no, district="310109", reason=SEALED, withdrawn_at=NOW
    )


def imported(person_id: UUID = PERSON, *, contract_no: str = HERE, employer: str = EMPLOYER) -> RosterMemberImported:
    return RosterMemberImported(
        person_id=person_id,
        contract_no=contract_no,
        employer_credit_code=employer,
        person_kind=PersonKind.WORKER,
        trade="020",
        on_site=True,
        document=SEALED,
        document_type=DocumentType.CITIZEN_ID,
        name=SEALED,
        imported_at=NOW,
    )
