"""Several who do something at the same moment, in an order that the test chooses: each is held before whatever he appends, or at
another place that a test names.

Each as if through a process of his own: none waits there until it is his turn (`chassis.turns`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import pytest

import chassis.turns
from chassis.event_store import Append, AppendResult, EventStore

T = TypeVar("T")


@dataclass(eq=False)
class Turn(Generic[T]):
    """Somebody in the middle of something."""

    doing: asyncio.Task[T]
    held: asyncio.Future[None] | None = None
    """Until it is his turn again."""
    appends: int = 0
    is_at: str = ""
    """Before what he is held."""

    @property
    def is_done(self) -> bool:
        return self.doing.done()


@dataclass
class Turns:
    """One at a time goes on, until he is about to append again, or done."""

    _begun: list[Turn[Any]] = field(default_factory=list)
    _moving: Turn[Any] | None = None
    _held: asyncio.Event = field(default_factory=asyncio.Event)

    async def begin(self, something: Coroutine[Any, Any, T]) -> Turn[T]:
        """He has read and decided, and appends next; or he is done."""
        turn = Turn(asyncio.ensure_future(something))
        self._begun.append(turn)
        await self._move(turn)
        return turn

    async def go_on(self, turn: Turn[T]) -> None:
        assert turn.held is not None
        assert not turn.is_done
        turn.held.set_result(None)
        await self._move(turn)

    async def end(self, turn: Turn[T]) -> T:
        while not turn.is_done:
            await self.go_on(turn)
        return turn.doing.result()

    async def _move(self, turn: Turn[Any]) -> None:
        self._moving = turn
        self._held.clear()
        held = asyncio.ensure_future(self._held.wait())
        await asyncio.wait([turn.doing, held], return_when=asyncio.FIRST_COMPLETED)
        held.cancel()
        self._moving = None

    async def hold(self, *, before: str = "append") -> None:
        """Return when it is the turn of whoever gets here now. Of nobody who began here: at once."""
        if turn := self._moving:
            turn.held, turn.is_at = asyncio.get_running_loop().create_future(), before
            turn.appends += before == "append"
            self._held.set()
            await turn.held

    def abandon(self) -> None:
        for turn in self._begun:
            turn.doing.cancel()


@contextmanager
def turns(store: EventStore) -> Iterator[Turns]:
    held, append = Turns(), store.append

    async def in_turn(appended: Append) -> AppendResult:
        await held.hold()
        return await append(appended)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "append", in_turn)
        patch.setattr(chassis.turns.Turns, "turn", lambda *_: nullcontext())
        try:
            yield held
        finally:
            held.abandon()
