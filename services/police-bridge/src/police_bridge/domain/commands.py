"""What police-bridge can be asked to do with a person's stream. All texts are sealed, as registration sealed them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from contracts.identity import DocumentType
from contracts.people import ArrivalKind


@dataclass(frozen=True, slots=True)
class Particulars:
    """What the police is told of who arrives, and nothing more. Fields as in `contracts.police`."""

    kind: ArrivalKind
    district: str
    document: str
    document_type: DocumentType
    name: str
    mobile: str | None = None
    origin_code: str | None = None
    origin: str | None = None
    travel: str | None = None
    arrival_date: date | None = None
    stay_address: str | None = None
    accompanies: UUID | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """The person is expected on the contract's site, and this is what holds of him."""

    person_id: UUID
    contract_no: str
    particulars: Particulars
    at: datetime
    same_as: tuple[UUID, ...] = ()
    """Under which other ids the person was known by then."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The person is not expected there after all."""

    person_id: UUID
    contract_no: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Link:
    """The person is the same as these others, and as nobody else."""

    person_id: UUID
    same_as: tuple[UUID, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Erase:
    """Nobody may be able to tell any more who the person was."""

    person_id: UUID
    at: datetime


PoliceBridgeCommand = Share | Withdraw | Link | Erase
