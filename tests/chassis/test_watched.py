"""A value that is read again and again: never older than its bound, and read once where many ask."""

from __future__ import annotations

import asyncio

import pytest

from chassis.faults import Unavailable
from chassis.testing.wait import eventually
from chassis.watched import AGE_S_MAX, Watched


class Stored:
    """What is read, and a clock."""

    def __init__(self) -> None:
        self.value = 1
        self.reads = 0
        self.now_s = 100.0
        self.is_gone = False
        self.let = asyncio.Event()
        self.let.set()

    async def read(self, known: int) -> int:
        self.reads += 1
        found = self.value
        await self.let.wait()
        if self.is_gone:
            raise OSError("gone")
        return found


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def watched(stored: Stored) -> Watched[int]:
    return Watched("number", 0, stored.read, now_s=lambda: stored.now_s)


class TestValue:
    async def test_is_not_told_before_it_was_read(self, watched: Watched[int]) -> None:
        with pytest.raises(Unavailable):
            _ = watched.value
        await watched.ready()
        assert 1 == watched.value

    async def test_is_not_told_when_it_is_too_old(self, stored: Stored, watched: Watched[int]) -> None:
        await watched.look()
        stored.now_s += AGE_S_MAX
        assert 1 == watched.value
        stored.now_s += 0.1
        with pytest.raises(Unavailable):
            _ = watched.value

    async def test_is_as_old_as_the_beginning_of_its_reading(self, stored: Stored, watched: Watched[int]) -> None:
        stored.let.clear()
        looking = asyncio.create_task(watched.look())
        await eventually(lambda: stored.reads)
        stored.now_s += AGE_S_MAX + 1
        stored.let.set()
        await looking
        with pytest.raises(Unavailable):
            _ = watched.value


class TestLook:
    async def test_sees_what_was_stored_before_it(self, stored: Stored, watched: Watched[int]) -> None:
        stored.let.clear()
        before = asyncio.create_task(watched.look())
        await eventually(lambda: stored.reads)
        stored.value = 2
        after = asyncio.create_task(watched.look())
        await asyncio.sleep(0)
        stored.let.set()
        assert [1, 2] == [await before, await after]

    async def test_of_many_at_the_same_time_is_one(self, stored: Stored, watched: Watched[int]) -> None:
        stored.let.clear()
        first = asyncio.create_task(watched.look())
        await eventually(lambda: stored.reads)
        others = [asyncio.create_task(watched.look()) for _ in range(10)]
        await asyncio.sleep(0)
        stored.let.set()
        await asyncio.gather(first, *others)
        assert 2 == stored.reads

    async def test_that_fails_fails_for_all_who_waited_and_not_for_whoever_comes_after(
        self, stored: Stored, watched: Watched[int]
    ) -> None:
        stored.let.clear()
        stored.is_gone = True
        first = asyncio.create_task(watched.look())
        await eventually(lambda: stored.reads)
        others = [asyncio.create_task(watched.look()) for _ in range(10)]
        await asyncio.sleep(0)
        stored.let.set()
        outcomes = await asyncio.gather(first, *others, return_exceptions=True)
        assert ([OSError] * 11, 2) == ([type(each) for each in outcomes], stored.reads)
        stored.is_gone = False
        assert 1 == await watched.look()

    async def test_goes_on_for_others_when_somebody_gives_up(self, stored: Stored, watched: Watched[int]) -> None:
        stored.let.clear()
        impatient, patient = (asyncio.create_task(watched.look()) for _ in range(2))
        await eventually(lambda: stored.reads)
        impatient.cancel()
        stored.let.set()
        assert 1 == await patient


async def test_a_database_that_is_gone_is_asked_again(
    stored: Stored, watched: Watched[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.watched.LOOK_S", 0)
    stored.is_gone = True

    async def was_asked_thrice() -> bool:
        return stored.reads >= 3

    async def is_known() -> bool:
        try:
            return watched.value == 1
        except Unavailable:
            return False

    running = asyncio.create_task(watched.run())
    await eventually(was_asked_thrice)
    assert not await is_known()
    stored.is_gone = False
    await eventually(is_known)
    running.cancel()
