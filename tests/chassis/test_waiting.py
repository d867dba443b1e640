"""Reading one's own writes: an answer waits for what its token stands for, and no longer than it may."""

from __future__ import annotations

import asyncio

import pytest

from chassis import waiting
from chassis.consistency import ConsistencyToken
from chassis.faults import Unavailable
from chassis.waiting import wait_for
from tests.chassis.log_database import LogDatabase


async def reaches(log: LogDatabase, subscriber: str, pos: int, *, shard: int = 5, epoch: int = 1) -> None:
    await log.pool.execute(
        "INSERT INTO position VALUES ($1, 'health', $2, $3, $4)"
        " ON CONFLICT (subscriber, source, shard) DO UPDATE SET epoch = excluded.epoch, last_pos = excluded.last_pos",
        subscriber,
        shard,
        epoch,
        pos,
    )


async def wait(log: LogDatabase, token: str, *subscribers: str) -> None:
    await wait_for(log.pool, ConsistencyToken.parse(token), subscribers=subscribers or ["rows"])


class TestWaitFor:
    async def test_is_over_when_every_subscriber_is_there(self, log: LogDatabase) -> None:
        await reaches(log, "rows", 7)
        waits = asyncio.create_task(wait(log, "health/1/5:7", "rows", "policy"))
        await reaches(log, "policy", 6)
        await asyncio.wait([waits], timeout=3 * waiting.POLL_S_MAX)
        assert not waits.done()
        await reaches(log, "policy", 7)
        await waits

    async def test_is_unavailable_when_the_time_is_up(self, log: LogDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(waiting, "WAIT_S_MAX", 0.1)
        await reaches(log, "rows", 6)
        with pytest.raises(Unavailable):
            await wait(log, "health/1/5:7")

    async def test_takes_what_was_written_before_a_restore_for_what_it_is(self, log: LogDatabase) -> None:
        await reaches(log, "rows", 9, epoch=2)
        await wait(log, "health/1/5:7")

    async def test_does_not_take_a_position_of_before_a_restore_for_that_of_after(
        self, log: LogDatabase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the reader has at that position is not what the client saw there."""
        monkeypatch.setattr(waiting, "WAIT_S_MAX", 0.1)
        await reaches(log, "rows", 9, epoch=1)
        with pytest.raises(Unavailable):
            await wait(log, "health/2/5:7")

    async def test_asks_nothing_without_a_token(self, log: LogDatabase) -> None:
        await wait_for(log.pool, None, subscribers=["rows"])
