"""Facts about an invented person, with what does not matter filled in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from contracts.gatekeeper import Cause, EntryKind
from contracts.health import (
    ArrivalAssessed,
    Disposition,
    DispositionChanged,
    HealthHoldPlaced,
    HealthHoldWithdrawn,
    HealthReported,
    Hold,
    IsolationMethod,
    IsolationOrdered,
    IsolationOrderWithdrawn,
    IsolationReason,
    ReadingSource,
)
from contracts.identity import DocumentType
from contracts.people import PersonKind
from contracts.policy import Policies
from contracts.registration import (
    PersonDetailsCorrected,
    PersonPreRegistered,
    PinnedDeclaration,
    PreRegistrationWithdrawn,
    RosterMemberImported,
)
from contracts.symptoms import Symptom
from gatekeeper.domain.commands import Attempt, MarkHistory, RelevantFact, TakeNote
from gatekeeper.wiring import person_decider

DECIDER = person_decider(Policies)
PERSON = UUID("00000000-0000-4000-8000-000000000007")
EVENT = UUID("00000000-0000-4000-8000-0000000000aa")
HERE, ELSEWHERE = "W2019010100011", "W2017050130174"
EMPLOYER = "91310109MA1A000006"
SEALED = "g1.1." + "A" * 40
NOW = datetime(2020, 2, 18, 1, 0, tzinfo=UTC)
"""Nine in the morning in Shanghai."""
TODAY = date(2020, 2, 18)


def form_id(contract_no: str, form: int) -> UUID:
    """The event id of the n-th pre-registration on a contract."""
    return uuid5(PERSON, f"{contract_no}/{form}")


def note(fact: RelevantFact, *, form: int = 1, event_id: UUID = EVENT, at: datetime = NOW) -> TakeNote:
    event_id = form_id(fact.contract_no, form) if isinstance(fact, PersonPreRegistered | PersonDetailsCorrected) else event_id
    cause = Cause(service=fact.TYPE.split(".")[1], event_id=event_id, type=fact.TYPE, shard=7, pos=1)
    return TakeNote(fact=fact, cause=cause, at=at)


def mark(service: str = "health", *, unreadable: bool) -> MarkHistory:
    cause = Cause(service=service, event_id=EVENT, type=f"gatehouse.{service}.something.v1", shard=7, pos=1)
    return MarkHistory(person_id=PERSON, unreadable=unreadable, cause=cause, at=NOW)


def pre_registered(*, contract_no: str = HERE, declaration_version: int = 1, at: datetime = NOW) -> PersonPreRegistered:
    return PersonPreRegistered(
        person_id=PERSON,
        contract_no=contract_no,
        district="310109",
        person_kind=PersonKind.WORKER,
        trade="020",
        employer_credit_code=EMPLOYER,
        origin_code="320600",
        origin=SEALED,
        declaration=PinnedDeclaration(
            version=declaration_version, reported_on=TODAY, from_hubei=False, from_wuhan=False, stopover=False
        ),
        document=SEALED,
        document_type=DocumentType.CITIZEN_ID,
        name=SEALED,
        mobile=SEALED,
        taken_up=False,
        pre_registered_at=at,
    )


def corrected(*, contract_no: str = HERE, declaration_version: int = 1) -> PersonDetailsCorrected:
    told = dict(pre_registered(contract_no=contract_no, declaration_version=declaration_version))
    del told["taken_up"], told["same_as"]
    return PersonDetailsCorrected(**told, reason=SEALED, corrected_at=NOW)


def withdrawn(*, contract_no: str = HERE) -> PreRegistrationWithdrawn:
    return PreRegistrationWithdrawn(person_id=PERSON, contract_no=contract_no, district="310109", reason=SEALED, withdrawn_at=NOW)


def imported(*, on_site: bool, contract_no: str = HERE) -> RosterMemberImported:
    return RosterMemberImported(
        person_id=PERSON,
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


def assessed(*, contract_no: str = HERE, form: int = 1, questions: tuple[str, ...] = ()) -> ArrivalAssessed:
    return ArrivalAssessed(
        person_id=PERSON,
        pre_registration_id=form_id(contract_no, form),
        contract_no=contract_no,
        declaration_version=1,
        policy_version=1,
        questions=questions,
        assessed_at=NOW,
    )


def ordered(admissible_on: date, *, order_id: UUID = EVENT) -> IsolationOrdered:
    return IsolationOrdered(
        person_id=PERSON,
        order_id=order_id,
        reason=IsolationReason.KEY_AREA_ORIGIN,
        anchor_date=admissible_on - timedelta(days=14),
        days=14,
        admissible_on=admissible_on,
        policy_version=1,
        declaration_version=1,
        ordered_at=NOW,
    )


def order_withdrawn(*, order_id: UUID = EVENT) -> IsolationOrderWithdrawn:
    return IsolationOrderWithdrawn(
        person_id=PERSON, order_id=order_id, reason_code="wrong_origin", evidence=SEALED, withdrawn_at=NOW
    )


def reported(*, read_at: datetime = NOW, **changes: Any) -> HealthReported:
    return HealthReported(
        person_id=PERSON,
        report_id=EVENT,
        contract_no=HERE,
        reading_celsius=36.5,
        symptoms=(Symptom.NONE,),
        source=ReadingSource.REGISTRAR,
        read_at=read_at,
        reported_at=read_at,
        **changes,
    )


def held(hold: Hold = Hold.FEVER) -> HealthHoldPlaced:
    return HealthHoldPlaced(person_id=PERSON, hold=hold, report_id=EVENT, policy_version=1, placed_at=NOW)


def released(hold: Hold = Hold.FEVER) -> HealthHoldWithdrawn:
    return HealthHoldWithdrawn(person_id=PERSON, hold=hold, report_id=EVENT, policy_version=1, withdrawn_at=NOW)


def disposed(disposition: Disposition) -> DispositionChanged:
    is_ban = disposition is not Disposition.ADMISSIBLE
    return DispositionChanged(
        person_id=PERSON,
        disposition=disposition,
        isolation_from=TODAY if is_ban else None,
        method=IsolationMethod.CENTRAL if is_ban else None,
        reason_code="observed",
        changed_at=NOW,
    )


def attempt(**changes: Any) -> Attempt:
    usual: dict[str, Any] = {
        "person_id": PERSON,
        "attempt_id": EVENT,
        "contract_no": HERE,
        "kind": EntryKind.ENTRY,
        "at": NOW,
        "fresh_as_of": NOW,
    }
    return Attempt(**(usual | changes))
