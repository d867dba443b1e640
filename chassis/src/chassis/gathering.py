"""Gathering: many callers, few round trips.

Whoever needs the database submits an item and waits for its own result. Items that arrive while a batch is running
wait together and are the next batch: nobody is delayed on purpose, and the busier the process, the larger the batches
(one commit, one fsync for many). Used by the event store's appender, `chassis.identity` and `chassis.sealing`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import Context
from typing import Generic, TypeVar, cast

from chassis.faults import Unavailable

T = TypeVar("T")
R = TypeVar("R")

RETRY_AFTER_S = 1
"""What a caller is told who is turned away: a full queue is worked off within about a second, or the database is down."""


class Overloaded(Unavailable):
    """The queue is full. The item was not taken."""


class Stopped(Unavailable):
    """The gatherer is closed, or was stopped while the item waited or ran."""


class Gatherer(Generic[T, R]):
    """Runs submitted items in batches, in the order of their arrival.

    `run_batch(items)` answers with one result per item, in order; an `Exception` in place of a result is raised to that
    item's caller alone, an exception that it raises is raised to every caller of the batch. Beside a batch in flight another
    one begins only when it is full, so that little load still gathers; the order between the two is open.

    Belongs to one event loop. Batches run in an empty context, so that no caller's log context leaks into another's.
    """

    def __init__(
        self,
        run_batch: Callable[[list[T]], Awaitable[Sequence[R | Exception]]],
        *,
        name: str,
        batch_max: int,
        queue_max: int,
        in_flight_max: int = 1,
    ) -> None:
        """`batch_max` and `queue_max` count items, `in_flight_max` batches. The queue holds what is not yet in a batch."""
        if batch_max < 1 or queue_max < 1 or in_flight_max < 1:
            raise ValueError("batch_max, queue_max and in_flight_max are at least 1")
        self._run_batch = run_batch
        self._name = name
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._in_flight_max = in_flight_max
        self._waiting: deque[tuple[T, asyncio.Future[R]]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def waiting(self) -> int:
        """Items that no batch has taken yet."""
        return len(self._waiting)

    async def submit(self, item: T) -> R:
        """The item's result.

        A caller that is cancelled before its item's batch began withdraws the item; afterwards the item runs to its end
        and the result is dropped. Other items are not touched in either case.

        Raises: Overloaded, Stopped, and whatever the batch raises.
        """
        if self._closed:
            raise Stopped(retry_after_s=RETRY_AFTER_S)
        if len(self._waiting) >= self._queue_max:
            raise Overloaded(retry_after_s=RETRY_AFTER_S)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((item, future))
        if not self._workers or (len(self._workers) < self._in_flight_max and len(self._waiting) >= self._batch_max):
            # The worker starts after whoever else is ready to run now, and so finds their items too.
            self._workers.add(loop.create_task(self._work(), name=f"gather-{self._name}", context=Context()))
        return await future

    async def close(self) -> None:
        """Take nothing more, finish what was taken. If cancelled (a deadline), stop at once: who still waits gets Stopped."""
        self._closed = True
        workers = list(self._workers)
        try:
            await asyncio.gather(*workers, return_exceptions=True)
        except asyncio.CancelledError:
            # gather() has passed the cancellation on; each worker fails its own batch, and the queue is nobody's now.
            self._fail(self._take(len(self._waiting)), Stopped(retry_after_s=RETRY_AFTER_S))
            raise

    async def _work(self) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        try:
            while batch := self._next_batch():
                try:
                    self._settle(batch, await self._run_batch([item for item, _ in batch]))
                except Exception as error:
                    self._fail(batch, error)
                except asyncio.CancelledError:
                    self._fail(batch, Stopped(retry_after_s=RETRY_AFTER_S))
                    if task.cancelling():
                        # The process stops. A cancellation from inside the batch alone ends only that batch.
                        self._fail(self._take(len(self._waiting)), Stopped(retry_after_s=RETRY_AFTER_S))
                        raise
        finally:
            # No await since the queue was seen empty: an item that comes now starts a new worker.
            self._workers.discard(task)

    def _next_batch(self) -> list[tuple[T, asyncio.Future[R]]]:
        """The only worker takes whatever waits. One beside others takes a full batch or ends; the last of them finds the rest."""
        if len(self._workers) > 1 and len(self._waiting) < self._batch_max:
            return []
        return self._take(self._batch_max)

    def _take(self, count: int) -> list[tuple[T, asyncio.Future[R]]]:
        """Up to `count` items, oldest first, without those whose callers have given up."""
        waiting = self._waiting
        taken: list[tuple[T, asyncio.Future[R]]] = []
        while waiting and len(taken) < count:
            entry = waiting.popleft()
            if not entry[1].done():
                taken.append(entry)
        return taken

    def _settle(self, batch: list[tuple[T, asyncio.Future[R]]], results: Sequence[R | Exception]) -> None:
        if len(results) != len(batch):
            raise RuntimeError(f"{self._name}: {len(results)} results for {len(batch)} items")
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    @staticmethod
    def _fail(batch: Iterable[tuple[T, asyncio.Future[R]]], error: Exception) -> None:
        for _, future in batch:
            if not future.done():
                future.set_exception(error)
