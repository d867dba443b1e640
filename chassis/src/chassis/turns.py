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
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import monotonic
from uuid import UUID
from weakref import WeakValueDictionary

from chassis.admission import RETRY_AFTER_S, aside
from chassis.faults import Unavailable
from chassis.telemetry import REQUESTS_SHED

TURN_S_MAX = 2.0
"""How long a command waits for its turn, once. Then it goes without one: what hangs in front of it holds up nobody for longer."""
WAITING_MAX = 64
"""Commands that wait for their turn on one stream. With 30 ms for each, the last one has it just before that time is over."""
PAUSE_S_MAX = 0.5
"""The longest time until a command is decided again."""
ROUNDS_MAX = 16
"""How often a command is decided because somebody else's facts came first, before the client is told to try again."""

_has_had_one: ContextVar[bool] = ContextVar("has_had_a_turn", default=False)


@dataclass(eq=False)
class _Line:
    """Of one stream."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Turns:
    """Of the streams that one process decides on. Belongs to one event loop."""

    def __init__(self, *, wait_s_max: float = TURN_S_MAX) -> None:
        self._wait_s_max = wait_s_max
        self._lines: WeakValueDictionary[UUID, _Line] = WeakValueDictionary()
        """Of streams on which somebody decides or waits, and of no others: whoever holds or waits for a lock is who keeps it."""

    @asynccontextmanager
    async def turn(self, stream_id: UUID) -> AsyncIterator[None]:
        """The block is a turn. Who waits for one leaves his seat to others (`chassis.admission`); who gives up is passed over.

        Within the block nobody waits for another one, on whatever stream: so nobody waits twice, and no two for each other.

        Raises: Unavailable, where too many wait.
        """
        if _has_had_one.get():
            yield
            return
        line = self._lines.setdefault(stream_id, _Line())
        is_ours = await self._waited_for(line)
        reset = _has_had_one.set(True)
        try:
            yield
        finally:
            _has_had_one.reset(reset)
            if is_ours:
                line.lock.release()

    async def _waited_for(self, line: _Line) -> bool:
        """Whether it is ours now. Not where that takes too long."""
        if line.waiting >= WAITING_MAX:
            REQUESTS_SHED.inc()
            raise Unavailable(retry_after_s=RETRY_AFTER_S)
        line.waiting += 1
        try:
            with aside():
                async with asyncio.timeout(self._wait_s_max):
                    return await line.lock.acquire()
        except TimeoutError:
            return False
        finally:
            line.waiting -= 1


class Rounds:
    """`async for _ in Rounds()`: whoever begins another one lost the one before, and gives way first."""

    def __init__(self) -> None:
        self._lost = -1
        self._began_s = monotonic()

    def __aiter__(self) -> Rounds:
        return self

    async def __anext__(self) -> None:
        self._lost += 1
        if self._lost == ROUNDS_MAX:
            raise StopAsyncIteration
        if self._lost:
            await _give_way(self._lost, round_s=monotonic() - self._began_s)
        self._began_s = monotonic()


async def _give_way(lost: int, *, round_s: float) -> None:
    """Come back at a random moment, or the same processes meet again.

    `lost`: how many rounds others won. Each doubles the time in which the moment lies, which begins with as long as a round takes:
    that grows with what the database has to do.
    """
    with aside():
        await asyncio.sleep(random.uniform(0, min(PAUSE_S_MAX, round_s * 2 ** (lost - 1))))  # noqa: S311 - jitter
