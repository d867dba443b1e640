"""Commands and facts about invented people, with what does not matter filled in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.identity import DocumentType
from contracts.people import ArrivalKind, PersonKind
from contracts.police import ArrivalCorrected, ArrivalErased, ArrivalLinked, ArrivalShared, ArrivalWithdrawn
from contracts.registration import (
    FamilyMemberPreRegistered,
    PersonDetailsCorrected,
    PersonErased,
    PersonPreRegistered,
    PinnedDeclaration,
    PreRegistrationWithdrawn,
)
from police_bridge.domain.commands import Erase, Link, Particulars, Share, Withdraw

PERSON = UUID("00000000-0000-4000-8000-000000000007")
OTHER = UUID("00000000-0000-4000-8000-000000000009")
"""The same person under another document."""
HERE, ELSEWHERE = "W2019010100011", "W2017050130174"
HONGKOU, PUDONG = "310109", "310115"
EMPLOYER = "91310109MA1A000006"
NOW = datetime(2020, 2, 18, 1, 0, tzinfo=UTC)
"""Nine in the morning in Shanghai."""
TODAY = date(2020, 2, 18)

PLAIN = {
    "document": "429999199001010015",
    "name": "测试甲",
    "mobile": "19900000001",
    "origin": "湖北省黄冈市",
    "travel": "火车G13333",
    "stay_address": "上海市虹口区测试路1号",
}
"""What the police reads of a person, field by field. All of it is sealed in every log."""

Seal = Callable[[str, str], str]
"""Field and text to an envelope."""


def pretended(field: str, text: str) -> str:
    """Looks like an envelope, another one for each field."""
    return "g1.1." + f"{field}-".ljust(40, "A")


def later(minutes: float = 1) -> datetime:
    return NOW + timedelta(minutes=minutes)


# --- Facts of registration --------------------------------------------------------------------------------------------


def pre_registered(
    person_id: UUID = PERSON, *, seal: Seal = pretended, plain: dict[str, str] = PLAIN, **changes: Any
) -> PersonPreRegistered:
    """With a temperature, a symptom's worth of Hubei and whatever else the police has no business with."""
    texts = {field: seal(field, text) for field, text in plain.items()}
    declaration = PinnedDeclaration(
        version=3,
        reported_on=TODAY,
        departed_on=TODAY,
        from_hubei=True,
        from_wuhan=False,
        stopover=True,
        stopover_code="429006",
        temperature_celsius=38.7,
        travel=texts["travel"],
        stay_address=texts["stay_address"],
    )
    usual: dict[str, Any] = {
        "person_id": person_id,
        "contract_no": HERE,
        "district": HONGKOU,
        "person_kind": PersonKind.WORKER,
        "trade": "020",
        "employer_credit_code": EMPLOYER,
        "origin_code": "421100",
        "origin": texts["origin"],
        "arrival_date": TODAY,
        "declaration": declaration,
        "document": texts["document"],
        "document_type": DocumentType.CITIZEN_ID,
        "name": texts["name"],
        "mobile": texts["mobile"],
        "taken_up": False,
        "pre_registered_at": NOW,
    }
    return PersonPreRegistered(**usual | changes)


def put_right(person_id: UUID = PERSON, **changes: Any) -> PersonDetailsCorrected:
    told = dict(pre_registered(person_id, **changes))
    del told["taken_up"], told["same_as"]
    return PersonDetailsCorrected(**told, reason=pretended("reason", "登记错误"), corrected_at=later())


def family_member(person_id: UUID = PERSON, **changes: Any) -> FamilyMemberPreRegistered:
    told = dict(pre_registered(person_id, **changes))
    for field in ("person_kind", "trade", "origin_code", "origin", "arrival_date", "taken_up"):
        del told[field]
    return FamilyMemberPreRegistered(**told | {"accompanies": UUID(int=40), "name_fingerprint": "f" * 64})


def no_longer_expected(person_id: UUID = PERSON, **changes: Any) -> PreRegistrationWithdrawn:
    usual: dict[str, Any] = {
        "person_id": person_id,
        "contract_no": HERE,
        "district": HONGKOU,
        "reason": pretended("reason", "重复登记"),
        "withdrawn_at": later(),
    }
    return PreRegistrationWithdrawn(**usual | changes)


def is_erased(person_id: UUID = PERSON) -> PersonErased:
    return PersonErased(person_id=person_id, dropped_forms=(), erased_at=later(9))


# --- Our commands and facts -------------------------------------------------------------------------------------------


def particulars(*, seal: Seal = pretended, **changes: Any) -> Particulars:
    usual: dict[str, Any] = {field: seal(field, text) for field, text in PLAIN.items()} | {
        "kind": ArrivalKind.WORKER,
        "district": HONGKOU,
        "document_type": DocumentType.CITIZEN_ID,
        "origin_code": "421100",
        "arrival_date": TODAY,
    }
    return Particulars(**usual | changes)


def share(
    person_id: UUID = PERSON, *, contract_no: str = HERE, at: datetime = NOW, same_as: tuple[UUID, ...] = (), **changes: Any
) -> Share:
    return Share(person_id, contract_no, particulars(**changes), at, same_as)


def withdraw(person_id: UUID = PERSON, *, contract_no: str = HERE, at: datetime | None = None) -> Withdraw:
    return Withdraw(person_id, contract_no, at or later())


def erase(person_id: UUID = PERSON) -> Erase:
    return Erase(person_id, later(9))


def shared(person_id: UUID = PERSON, *, contract_no: str = HERE, at: datetime = NOW, **changes: Any) -> ArrivalShared:
    return ArrivalShared(person_id=person_id, contract_no=contract_no, shared_at=at, **_told(**changes))


def corrected(person_id: UUID = PERSON, *, contract_no: str = HERE, at: datetime | None = None, **changes: Any) -> ArrivalCorrected:
    return ArrivalCorrected(person_id=person_id, contract_no=contract_no, corrected_at=at or later(), **_told(**changes))


def withdrawn(
    person_id: UUID = PERSON, *, contract_no: str = HERE, district: str = HONGKOU, at: datetime | None = None
) -> ArrivalWithdrawn:
    return ArrivalWithdrawn(person_id=person_id, contract_no=contract_no, district=district, withdrawn_at=at or later())


def link(*same_as: UUID) -> Link:
    return Link(PERSON, same_as, later(5))


def linked(*same_as: UUID, district: str = HONGKOU, at: datetime | None = None) -> ArrivalLinked:
    return ArrivalLinked(person_id=PERSON, district=district, same_as=same_as, linked_at=at or later(5))


def erased(person_id: UUID = PERSON, *, district: str = HONGKOU) -> ArrivalErased:
    return ArrivalErased(person_id=person_id, district=district, erased_at=later(9))


def _told(**changes: Any) -> dict[str, Any]:
    told = particulars(**changes)
    return {name: getattr(told, name) for name in Particulars.__slots__}
