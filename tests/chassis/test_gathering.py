"""Gathering: what waits together runs together, and nobody pays for a neighbour."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from chassis.gathering import Gatherer, Overloaded, Stopped


class Batches:
    """A `run_batch` that a test holds back and lets go. Answers with ten times the item; a negative item fails alone."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []
        self.running = 0
        self.running_max = 0
        self.began = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.error: BaseException | None = None

    async def __call__(self, items: list[int]) -> Sequence[int | Exception]:
        self.seen.append(items)
        self.running += 1
        self.running_max = max(self.running_max, self.running)
        self.began.set()
        try:
            await self.may_end.wait()
        finally:
            self.running -= 1
        if self.error is not None:
            raise self.error
        return [item * 10 if item >= 0 else ValueError(f"negative: {item}") for item in items]

    def hold(self) -> None:
        self.may_end.clear()

    def let_go(self) -> None:
        self.may_end.set()


@pytest.fixture
def batches() -> Batches:
    return Batches()


def gatherer_of(batches: Batches, *, batch_max: int = 100, queue_max: int = 100, in_flight_max: int = 1) -> Gatherer[int, int]:
    return Gatherer(batches, name="test", batch_max=batch_max, queue_max=queue_max, in_flight_max=in_flight_max)


def submit_all(gatherer: Gatherer[int, int], items: Sequence[int]) -> list[asyncio.Task[int]]:
    return [asyncio.create_task(gatherer.submit(item)) for item in items]


async def first_held_batch(gatherer: Gatherer[int, int], batches: Batches, item: int = 0) -> asyncio.Task[int]:
    """A batch of one item that has begun and will not end before `batches.let_go()`."""
    batches.hold()
    task = asyncio.create_task(gatherer.submit(item))
    await batches.began.wait()
    return task


async def nothing() -> None:
    pass


async def everyone_had_a_turn() -> None:
    """Tasks run in the order of their creation: once these two have, all that were ready, and what they began, have run."""
    for _ in range(2):
        await asyncio.create_task(nothing())


class TestSubmit:
    async def test_answers_each_caller_with_its_own_result(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches)

        assert [10, 20, 30] == await asyncio.gather(*submit_all(gatherer, [1, 2, 3]))
        assert [[1, 2, 3]] == batches.seen

    async def test_gathers_what_arrives_during_a_batch_into_the_next(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches)
        first = await first_held_batch(gatherer, batches)
        rest = submit_all(gatherer, [1, 2, 3])
        await everyone_had_a_turn()
        assert 3 == gatherer.waiting
        batches.let_go()

        assert [0, 10, 20, 30] == await asyncio.gather(first, *rest)
        assert [[0], [1, 2, 3]] == batches.seen

    async def test_takes_at_most_batch_max_items_in_order_of_arrival(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches, batch_max=2)

        await asyncio.gather(*submit_all(gatherer, [1, 2, 3, 4, 5]))
        assert [[1, 2], [3, 4], [5]] == batches.seen

    async def test_keeps_one_batch_in_flight(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches, batch_max=1)

        await asyncio.gather(*submit_all(gatherer, range(20)))
        assert 1 == batches.running_max

    async def test_keeps_as_many_batches_in_flight_as_allowed(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches, batch_max=1, in_flight_max=3)
        batches.hold()
        tasks = submit_all(gatherer, range(10))
        await everyone_had_a_turn()
        assert 7 == gatherer.waiting
        batches.let_go()

        await asyncio.gather(*tasks)
        assert 3 == batches.running_max

    async def test_starts_another_batch_beside_one_in_flight_only_when_it_is_full(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches, batch_max=3, in_flight_max=2)
        tasks = [await first_held_batch(gatherer, batches)]
        tasks += submit_all(gatherer, [1, 2])
        await everyone_had_a_turn()
        assert [[0]] == batches.seen
        tasks += submit_all(gatherer, [3, 4])
        await everyone_had_a_turn()
        assert [[0], [1, 2, 3]] == batches.seen
        assert 1 == gatherer.waiting
        batches.let_go()

        assert [0, 10, 20, 30, 40] == await asyncio.gather(*tasks)
        assert [[0], [1, 2, 3], [4]] == batches.seen

    async def test_leaves_nobody_waiting_however_many_batches_end_at_once(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches, batch_max=3, queue_max=1_000, in_flight_max=4)
        for count in range(1, 40):
            batches.hold()
            tasks = submit_all(gatherer, range(count))
            await everyone_had_a_turn()
            batches.let_go()
            async with asyncio.timeout(5):
                assert [item * 10 for item in range(count)] == await asyncio.gather(*tasks)

    async def test_starts_again_after_it_ran_empty(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches)

        for item in range(50):
            assert item * 10 == await gatherer.submit(item)

    async def test_refuses_when_the_queue_is_full_and_takes_again_once_there_is_room(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches, queue_max=2)
        first = await first_held_batch(gatherer, batches)
        taken = submit_all(gatherer, [1, 2])
        await everyone_had_a_turn()
        assert 2 == gatherer.waiting

        with pytest.raises(Overloaded) as refused:
            await gatherer.submit(3)
        assert 1 <= refused.value.retry_after_s

        batches.let_go()
        assert [0, 10, 20] == await asyncio.gather(first, *taken)
        assert 40 == await gatherer.submit(4)
        assert [[0], [1, 2], [4]] == batches.seen


class TestFailure:
    async def test_of_one_item_reaches_its_caller_only(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches)
        good, bad, other = await asyncio.gather(*submit_all(gatherer, [1, -1, 2]), return_exceptions=True)

        assert (10, 20) == (good, other)
        assert isinstance(bad, ValueError)

    async def test_of_a_batch_reaches_all_its_callers_and_no_later_one(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches)
        batches.error = ConnectionError("gone")
        failed = await asyncio.gather(*submit_all(gatherer, [1, 2]), return_exceptions=True)
        batches.error = None

        assert [ConnectionError, ConnectionError] == [type(error) for error in failed]
        assert 30 == await gatherer.submit(3)

    async def test_of_counting_is_a_failure_of_the_batch(self) -> None:
        async def one_short(items: list[int]) -> Sequence[int | Exception]:
            return items[1:]

        gatherer = Gatherer(one_short, name="short", batch_max=10, queue_max=10)
        failed = await asyncio.gather(gatherer.submit(1), gatherer.submit(2), return_exceptions=True)
        assert [RuntimeError, RuntimeError] == [type(error) for error in failed]

    async def test_by_a_cancellation_inside_the_batch_does_not_stop_the_gatherer(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches)
        batches.error = asyncio.CancelledError()
        with pytest.raises(Stopped):
            await gatherer.submit(1)
        batches.error = None

        assert 20 == await gatherer.submit(2)


class TestCancellationOfACaller:
    async def test_leaves_the_others_of_its_batch_alone(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches)
        batches.hold()
        first, second = submit_all(gatherer, [1, 2])
        await batches.began.wait()
        first.cancel()
        batches.let_go()

        assert 20 == await second
        assert [[1, 2]] == batches.seen
        assert first.cancelled()

    async def test_withdraws_an_item_that_no_batch_has_taken(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches)
        held = await first_held_batch(gatherer, batches)
        first, second = submit_all(gatherer, [1, 2])
        await everyone_had_a_turn()
        assert 2 == gatherer.waiting
        first.cancel()
        batches.let_go()

        assert [0, 20] == list(await asyncio.gather(held, second))
        assert [[0], [2]] == batches.seen


class TestClose:
    async def test_finishes_what_was_taken_and_takes_nothing_more(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches, batch_max=1)
        held = await first_held_batch(gatherer, batches)
        rest = submit_all(gatherer, [1, 2])
        await everyone_had_a_turn()
        assert 2 == gatherer.waiting
        closing = asyncio.create_task(gatherer.close())
        await everyone_had_a_turn()
        with pytest.raises(Stopped):
            await gatherer.submit(3)
        batches.let_go()
        await closing

        assert [0, 10, 20] == await asyncio.gather(held, *rest)

    async def test_with_a_deadline_fails_who_still_waits(self, batches: Batches) -> None:
        gatherer = gatherer_of(batches)
        held = await first_held_batch(gatherer, batches)
        rest = submit_all(gatherer, [1, 2])
        await everyone_had_a_turn()
        assert 2 == gatherer.waiting
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await gatherer.close()

        failed = await asyncio.gather(held, *rest, return_exceptions=True)
        assert [Stopped, Stopped, Stopped] == [type(error) for error in failed]
        assert 0 == batches.running

    async def test_of_an_idle_gatherer_does_nothing(self, batches: Batches) -> None:
        await gatherer_of(batches).close()
        assert [] == batches.seen
