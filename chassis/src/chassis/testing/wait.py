"""Waiting for what another process or task does: polled, with a deadline, never slept for."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

WITHIN_S = 30.0
POLL_S_MIN, POLL_S_MAX = 0.001, 0.050
"""Between two looks: short at first, doubled each time."""


@overload
async def eventually(condition: Callable[[], Awaitable[T]], *, within_s: float = WITHIN_S) -> T: ...


@overload
async def eventually(condition: Callable[[], T], *, within_s: float = WITHIN_S) -> T: ...


async def eventually(condition: Callable[[], object], *, within_s: float = WITHIN_S) -> object:
    """The first true answer of `condition`, which may be a coroutine function. Asked once more when time is up.

    Raises: TimeoutError, which quotes the last answer; whatever the condition raises, at once.
    """
    deadline = time.monotonic() + within_s
    pause = POLL_S_MIN
    while True:
        is_last = time.monotonic() >= deadline
        answer = condition()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if is_last:
            raise TimeoutError(f"not within {within_s} s; the last answer was {value!r}")
        await asyncio.sleep(min(pause, max(deadline - time.monotonic(), 0)))
        pause = min(pause * 2, POLL_S_MAX)
