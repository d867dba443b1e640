"""What is known of one pre-registration, and what ends it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from contracts.sealing import Sealed
from registration.domain.corrections import Details
from registration.domain.form import Left


@dataclass(frozen=True, slots=True)
class PreRegistration:
    """The latest one on a contract."""

    details: Details
    """As they hold now."""
    state: Literal["open", "withdrawn", "closed"]
    left: Left | None = None
    """The last exit that closed one on this contract."""

    @property
    def district(self) -> str:
        return self.details.form.district

    @property
    def employer_credit_code(self) -> str:
        return self.details.form.employer_credit_code

    @property
    def declaration_version(self) -> int:
        return self.details.declaration.version


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The pre-registration, or the form that waits for a declaration, was a mistake."""

    person_id: UUID
    contract_no: str
    reason: Sealed
    entered_at: datetime | None
    """When the gate last admitted the person here, as far as is known."""
    at: datetime
    based_on: str | None = None
    """`etag_of` what was seen (`registration.domain.seen`). None: it does not say."""


@dataclass(frozen=True, slots=True)
class Close:
    """The person left the site for good (退场登记)."""

    person_id: UUID
    contract_no: str
    exited_at: datetime
