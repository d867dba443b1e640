"""A value that everybody in a process works with, and that is read again every second: never older than a bound.

For what is few, changes rarely and is needed where nothing may be awaited, such as in `decide`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

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
        self._running: asyncio.Task[T] | None = None
        self._coming: asyncio.Task[T] | None = None

    @property
    def value(self) -> T:
        """As it was within `AGE_S_MAX`. Raises: Unavailable: nothing is decided by what may not hold any more."""
        if self._age_s > AGE_S_MAX:
            raise Unavailable(retry_after_s=RETRY_AFTER_S)
        return self._value

    async def look(self) -> T:
        """Read it now. What was stored before this call is in it. Raises: what the database raises.

        Whoever comes while it is being read shares the next reading, and its failure: nobody waits for more than two.
        """
        if self._coming is None:
            self._coming = asyncio.create_task(self._look_after(self._running))
            self._coming.add_done_callback(_seen)
        return await asyncio.shield(self._coming)

    async def _look_after(self, running: asyncio.Task[T] | None) -> T:
        if running is not None:
            await asyncio.wait([running])
        self._running, self._coming = self._coming, None
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


def _seen(task: asyncio.Task[Any]) -> None:
    """Whoever asked may be gone: then nobody is told of the failure."""
    if not task.cancelled():
        task.exception()
