"""`Prefer: wait=<seconds>` (RFC 7240): how long a client would rather wait than be told that something is on its way.

A preference is a wish: one that cannot be read, or that asks for something else, is passed over (RFC 7240, section 2).
`Preference-Applied` says which was met, and with which value.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header

PREFERENCE_APPLIED = "Preference-Applied"
WAIT_S_MAX = 5
"""Who wishes to wait longer waits this long. Less than `server.SHUTDOWN_S_MAX`: a process that stops answers everybody."""
_DIGITS_MAX = 9


def preferred_wait_s(prefer: str | None) -> int | None:
    """The first `wait` of a header's value, at most `WAIT_S_MAX`. None: the client does not ask for it."""
    for preference in (prefer or "").split(","):
        name, _, value = (part.strip() for part in preference.partition(";")[0].partition("="))
        if name.lower() == "wait":
            seconds = value.strip('"')
            is_number = seconds.isascii() and seconds.isdigit() and len(seconds) <= _DIGITS_MAX
            return min(int(seconds), WAIT_S_MAX) if is_number else None
    return None


async def _wait(
    prefer: Annotated[
        str | None,
        Header(alias="Prefer", description=f"`wait=<seconds>`: answer when it has come about, within {WAIT_S_MAX} s at most."),
    ] = None,
) -> int | None:
    return preferred_wait_s(prefer)


Wait = Annotated[int | None, Depends(_wait)]
"""Seconds that the client would wait; None where it did not say."""
