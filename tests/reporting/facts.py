"""Facts about invented contracts and people, with what does not matter filled in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from contracts.firms import Firm
from contracts.gatekeeper import EntryAttempted, EntryKind, ExitRegistered, Outcome, PaperEntryRecorded
from contracts.health import Disposition, DispositionChanged, IsolationMethod
from contracts.identity import DocumentType
from contracts.people import PersonKind
from contracts.registration import (
    ContractReported,
    EmployerAdded,
    PersonPreRegistered,
    PinnedDeclaration,
    PreRegistrationWithdrawn,
    RosterMemberImported,
)

PUDONG, HONGKOU = "W2017050130174", "W2019010100011"
NANTONG = Firm(credit_code="91320600000000017M", name="江苏南通三建集团股份有限公司", kind="施工企业")
SHANGHAI = Firm(credit_code="91310000000000029R", name="上海建工集团股份有限公司", kind="施工企业")
EMPLOYER, OTHER_EMPLOYER = "91310109MA1A00002C", "91320600MA1A000015"
SEALED = "g1.1." + "A" * 40
NOW = datetime(2020, 2, 18, 1, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
DISTRICTS = {"浦东": "310115", "虹口": "310109"}
"""Of each station."""


def person(n: int) -> UUID:
    return UUID(int=n)


def reported(
    contract_no: str = HONGKOU,
    *,
    contractor: Firm = SHANGHAI,
    station: str = "虹口",
    project_name: str = "测试4444",
    construction_no: str = "1902HK0001",
) -> ContractReported:
    return ContractReported(
        contract_no=contract_no,
        construction_no=construction_no,
        project_name=project_name,
        general_contractor=contractor,
        station_name=station,
        district=DISTRICTS[station],
        reported_at=NOW,
    )


def employer(contract_no: str = HONGKOU, credit_code: str = EMPLOYER) -> EmployerAdded:
    return EmployerAdded(contract_no=contract_no, credit_code=credit_code, name="测试劳务有限公司", added_at=NOW)


def imported(n: int = 1, contract_no: str = HONGKOU, *, on_site: bool = False, at: datetime = NOW) -> RosterMemberImported:
    return RosterMemberImported(
        person_id=person(n),
        contract_no=contract_no,
        employer_credit_code=EMPLOYER,
        person_kind=PersonKind.WORKER,
        trade="020",
        on_site=on_site,
        document=SEALED,
        document_type=DocumentType.CITIZEN_ID,
        name=SEALED,
        imported_at=at,
    )


def pre_registered(n: int = 1, contract_no: str = HONGKOU) -> PersonPreRegistered:
    return PersonPreRegistered(
        person_id=person(n),
        contract_no=contract_no,
        district="310109",
        person_kind=PersonKind.WORKER,
        trade="020",
        employer_credit_code=EMPLOYER,
        origin_code="320600",
        origin=SEALED,
        declaration=PinnedDeclaration(
            version=1, reported_on=date(2020, 2, 17), from_hubei=False, from_wuhan=False, stopover=False, travel=SEALED
        ),
        document=SEALED,
        document_type=DocumentType.CITIZEN_ID,
        name=SEALED,
        mobile=SEALED,
        taken_up=False,
        pre_registered_at=NOW,
    )


def disposed(n: int = 1, disposition: Disposition = Disposition.SUSPECTED) -> DispositionChanged:
    is_ban = disposition is not Disposition.ADMISSIBLE
    return DispositionChanged(
        person_id=person(n),
        disposition=disposition,
        isolation_from=date(2020, 2, 18) if is_ban else None,
        method=IsolationMethod.CENTRAL if is_ban else None,
        reason_code="observed",
        changed_at=NOW,
    )


def withdrawn(n: int = 1, contract_no: str = HONGKOU) -> PreRegistrationWithdrawn:
    return PreRegistrationWithdrawn(
        person_id=person(n), contract_no=contract_no, district="310109", reason=SEALED, withdrawn_at=NOW
    )


def attempted(
    n: int = 1, contract_no: str = HONGKOU, *, kind: EntryKind = EntryKind.ENTRY, outcome: Outcome = Outcome.ADMITTED
) -> EntryAttempted:
    return EntryAttempted(
        person_id=person(n),
        attempt_id=person(n),
        contract_no=contract_no,
        kind=kind,
        outcome=outcome,
        clearance_version=1,
        policy_version=1,
        attempted_at=NOW,
    )


def on_paper(n: int = 1, contract_no: str = HONGKOU, *, at: datetime = NOW) -> PaperEntryRecorded:
    return PaperEntryRecorded(
        person_id=person(n),
        attempt_id=person(n),
        contract_no=contract_no,
        decided_by=(person(98), person(99)),
        needs_review=False,
        clearance_version=1,
        policy_version=1,
        entered_at=at,
        recorded_at=LATER,
    )


def left(n: int = 1, contract_no: str = HONGKOU, *, at: datetime = LATER) -> ExitRegistered:
    return ExitRegistered(person_id=person(n), contract_no=contract_no, exited_at=at)
