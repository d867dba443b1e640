"""A value that everybody in a process works with, and that is read again every second: never older than a bound.

For what is few, changes rarely and is needed where nothing may be awaited, such as in `decide`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

from chassis.database import DATABASE_ERRORS
from chassis.faults import Unavailable

T = TypeVar("T")

LOOK_S = 1.0
"""Between two looks."""
AGE_S_MAX = 10.0
"""How old the value may be that somebody works with."""
RETRY_AFTER_S = 1

log = structlog.get_logger()


class Watched(Generic[T]):
    """Read by `read`, from what was read before."""

    def __init__(
        self, name: str, initial: T, read: Callable[[T], Awaitable[T]], *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._value = initial
        self._read = read
        self._now_s = now_s
        self._looked_at_s = -math.inf
        self._looking = asyncio.Lock()

    @property
    def value(self) -> T:
        """As it was within `AGE_S_MAX`. Raises: Unavailable: nothing is decided by what may not hold any more."""
        if self._age_s > AGE_S_MAX:
            raise Unavailable(retry_after_s=RETRY_AFTER_S)
        return self._value

    async def look(self) -> T:
        """Read it now. What was stored before this call is in it. Raises: what the database raises."""
        asked_at_s = self._now_s()
        async with self._looking:
            if self._looked_at_s <= asked_at_s:  # Else somebody has looked while we waited.
                began_s = self._now_s()
                self._value = await self._read(self._value)
                self._looked_at_s = began_s
        return self._value

    async def ready(self) -> None:
        """Return once `value` may be asked. Raises: what the database raises."""
        if self._age_s > AGE_S_MAX:
            await self.look()

    async def run(self) -> None:
        """Look until cancelled. A database that cannot be reached is asked again."""
        while True:
            try:
                await self.look()
            except (TimeoutError, *DATABASE_ERRORS) as error:
                log.warning("watched.not_read", what=self._name, error_type=type(error).__name__)
            await asyncio.sleep(LOOK_S)

    @property
    def _age_s(self) -> float:
        return self._now_s() - self._looked_at_s
