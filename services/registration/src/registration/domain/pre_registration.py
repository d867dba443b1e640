"""What is known of one pre-registration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
