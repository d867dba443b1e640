"""How commands on one stream keep out of each other's way: within a process by turns, between processes by giving way.

Decided together, all but one of them are decided in vain, and again, until somebody is told to try again who did nothing wrong.
One after the other they need as many commits as when one of all wins each time. What was decided meanwhile is found by the stream's
version, as ever: all this is courtesy, never what correctness rests on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID
from weakref import WeakValueDictionary

from chassis.admission import aside

TURN_S_MAX = 2.0
"""How long a command waits for its turn. Then it goes without one: what hangs in front of it holds up nobody for longer."""
PAUSE_S_MAX = 0.5
"""The longest time until a command is decided again."""


class Turns:
    """Of the streams that one process decides on. Belongs to one event loop."""

    def __init__(self, *, wait_s_max: float = TURN_S_MAX) -> None:
        self._wait_s_max = wait_s_max
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        """Of streams on which somebody decides or waits, and of no others: whoever holds or waits for a lock is who keeps it."""

    @asynccontextmanager
    async def turn(self, stream_id: UUID) -> AsyncIterator[None]:
        """The block is a turn. Who waits for one leaves his seat to others (`chassis.admission`); who gives up is passed over."""
        lock = self._locks.setdefault(stream_id, asyncio.Lock())
        is_ours = await self._waited_for(lock)
        try:
            yield
        finally:
            if is_ours:
                lock.release()

    async def _waited_for(self, lock: asyncio.Lock) -> bool:
        """Whether it is ours now. Not where that takes too long."""
        try:
            with aside():
                async with asyncio.timeout(self._wait_s_max):
                    return await lock.acquire()
        except TimeoutError:
            return False


async def give_way(lost: int, *, round_s: float) -> None:
    """Come back at a random moment, or the same processes meet again.

    `lost`: how many rounds others won. Each doubles the time in which the moment lies, which begins with as long as a round takes:
    that grows with what the database has to do.
    """
    with aside():
        await asyncio.sleep(random.uniform(0, min(PAUSE_S_MAX, round_s * 2 ** (lost - 1))))  # noqa: S311 - jitter
