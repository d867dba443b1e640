"""Turns on one stream: in order, one at a time, waited for within bounds, and remembered by nobody."""

from __future__ import annotations

import asyncio
import gc
from contextvars import Context
from uuid import UUID, uuid4

import pytest

from chassis.admission import Admission
from chassis.faults import Unavailable
from chassis.turns import WAITING_MAX, Turns
from tests.measured import risen

STREAM = uuid4()


class Room:
    """Where a turn is taken, until it is let go."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.came: list[int] = []
        self.doors: dict[int, asyncio.Event] = {}

    async def enter(self, n: int, stream_id: UUID = STREAM) -> None:
        door = self.doors.setdefault(n, asyncio.Event())
        async with self.turns.turn(stream_id):
            self.came.append(n)
            await door.wait()

    def leave(self, n: int) -> None:
        self.doors[n].set()


def entering(room: Room, count: int) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(room.enter(n)) for n in range(count)]


async def settled() -> None:
    """Everybody went as far as he can."""
    for _ in range(10):
        await asyncio.sleep(0)


class TestTurn:
    async def test_is_one_at_a_time_in_the_order_of_asking(self) -> None:
        room = Room(Turns())
        tasks = entering(room, 3)
        for n in range(3):
            await settled()
            assert [*range(n + 1)] == room.came
            room.leave(n)
        await asyncio.gather(*tasks)

    async def test_of_whoever_gives_up_goes_to_the_next(self) -> None:
        room = Room(Turns())
        tasks = entering(room, 4)
        await settled()
        tasks[1].cancel()  # while he waits
        tasks[0].cancel()  # while it is his
        await settled()
        assert [0, 2] == room.came
        tasks[2].cancel()
        tasks[3].cancel()  # in the moment in which it becomes his
        await settled()
        assert all(task.cancelled() for task in tasks)
        later = asyncio.create_task(room.enter(9))
        await settled()
        assert 9 == room.came[-1]
        room.leave(9)
        await later

    async def test_ends_with_what_went_wrong_in_it(self) -> None:
        turns = Turns()
        with pytest.raises(LookupError):
            async with turns.turn(STREAM):
                raise LookupError
        async with turns.turn(STREAM):
            pass

    async def test_that_does_not_end_holds_up_nobody_for_longer_than_the_bound(self) -> None:
        room = Room(Turns(wait_s_max=0))
        tasks = entering(room, 3)
        await settled()
        assert [0, 1, 2] == room.came, "they go without one"
        for n in (1, 2, 0):
            room.leave(n)
        await asyncio.gather(*tasks)
        async with room.turns.turn(STREAM):
            pass

    async def test_is_waited_for_once_by_whoever_does_several_things_in_it(self) -> None:
        room, other = Room(Turns()), uuid4()
        held = asyncio.create_task(room.enter(0, other))
        await settled()
        async with room.turns.turn(STREAM):
            for stream_id in (STREAM, other):
                async with asyncio.timeout(1), room.turns.turn(stream_id):
                    pass
            following = asyncio.create_task(room.enter(1), context=Context())
            await settled()
            assert [0] == room.came, "it is still a turn"
        for n in (0, 1):
            room.leave(n)
        await asyncio.gather(held, following)
        async with room.turns.turn(STREAM):
            following = asyncio.create_task(room.enter(2), context=Context())
            await settled()
            assert [0, 1] == room.came, "whoever comes again waits again"
        room.leave(2)
        await following

    async def test_is_not_waited_for_by_more_than_have_it_in_time(self) -> None:
        room, shed = Room(Turns()), risen("gatehouse_http_requests_shed_total")
        tasks = entering(room, 1 + WAITING_MAX)
        await settled()
        with pytest.raises(Unavailable) as turned_away:
            async with asyncio.timeout(1):
                await room.enter(99)
        assert (1, 1) == (turned_away.value.retry_after_s, shed())
        elsewhere = asyncio.create_task(room.enter(98, uuid4()))
        await settled()
        assert [0, 98] == room.came
        tasks[1].cancel()  # One less waits.
        await settled()
        tasks.append(asyncio.create_task(room.enter(97)))
        await settled()
        for n in (98, 97, *range(1 + WAITING_MAX)):
            room.doors.setdefault(n, asyncio.Event()).set()
        await asyncio.gather(elsewhere, *tasks, return_exceptions=True)
        assert [0, 98, *range(2, 1 + WAITING_MAX), 97] == room.came

    async def test_is_waited_for_without_a_seat(self) -> None:
        admission, room = Admission(), Room(Turns())

        async def request(n: int) -> None:
            with admission.seat():
                await room.enter(n)

        tasks = [asyncio.create_task(request(n)) for n in range(3)]
        await settled()
        assert (1, 3) == (admission.seated, admission.in_flight)
        for n in range(3):
            room.leave(n)
        await asyncio.gather(*tasks)
        assert (0, 0) == (admission.seated, admission.in_flight)

    async def test_is_forgotten_when_nobody_holds_or_wants_it(self) -> None:
        turns = Turns()
        room = Room(turns)
        tasks = [asyncio.create_task(room.enter(n, UUID(int=n // 2))) for n in range(100)]
        await settled()
        assert 50 == len(turns._lines)
        for n in range(100):
            room.leave(n)
        await asyncio.gather(*tasks)
        del tasks
        gc.collect()
        assert 0 == len(turns._lines)
