"""What a form lacks until somebody is expected, or comes along: a declaration, one of that name, or a mobile number."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from contracts.sealing import Sealed
from registration.domain.declaration import Declaration
from registration.domain.form import Left, may_rest_on


class WaitsFor(StrEnum):
    """What a form lacks."""

    DECLARATION = "declaration"  # there is none, or none since the exit
    AGREEING_NAME = "agreeing_name"  # there is one, under another name than the form's
    MOBILE = "mobile"  # neither of the two has a number


class Lacking(Protocol):
    """What of a form decides whether it may rest on a declaration."""

    @property
    def name_fingerprint(self) -> str | None: ...
    @property
    def mobile(self) -> Sealed | None: ...
    @property
    def left(self) -> Left | None: ...


def waits_for(form: Lacking, declaration: Declaration | None, at: datetime) -> WaitsFor | None:
    """What the form lacks at that time, for all that is known then. None: nothing.

    A name that differs keeps a form waiting, for either may be mistyped: handed in again with the right name it is done,
    and so it is once the person declares under the form's. Nothing is told of what the declaration says.
    """
    if declaration is None or not may_rest_on(form.left, declaration, at):
        return WaitsFor.DECLARATION
    if form.name_fingerprint != declaration.name_fingerprint:
        return WaitsFor.AGREEING_NAME
    if declaration.mobile is None and form.mobile is None:
        return WaitsFor.MOBILE
    return None
