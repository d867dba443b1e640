"""Facts of `registration` about what somebody has looked at (待核)."""

from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from contracts.codes import Account, DeclarationVersion
from contracts.event import Event
from contracts.firms import ContractNo
from contracts.sealing import Sealed
from contracts.times import UtcTime


class ReviewItemKind(StrEnum):
    """What there may be to look at (待核)."""

    DECLARATION_CONTRADICTS = "declaration_contradicts"  # the one that is relied on contradicts itself
    DECLARATION_DIFFERS = "declaration_differs"  # a newer one says otherwise
    ENTERED_THOUGH_WITHDRAWN = "entered_though_withdrawn"  # entry and withdrawal crossed


class ReviewItemSettled(Event):
    """Somebody looked at what was odd about a person on a contract. Nothing else changes."""

    TYPE: ClassVar[Literal["gatehouse.registration.review-item-settled.v1"]] = "gatehouse.registration.review-item-settled.v1"
    person_id: UUID
    """The person, who is also the stream."""
    contract_no: ContractNo
    """Where."""
    kind: ReviewItemKind
    """What there was to look at."""
    declaration_version: DeclarationVersion
    """The declaration that it is about; of two that differ, the newer one."""
    settled_by: Account
    """Who looked."""
    note: Sealed
    """What was found, in their words."""
    settled_at: UtcTime
    """UTC, taken from the command."""
