"""Keys of requests that are many commands: reserved first, answered afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from chassis.command_handling import command_key
from chassis.database import create_pool
from chassis.event_store import CommandKey
from chassis.faults import IdempotencyKeyReused
from chassis.migrations import LOG
from chassis.remembered import RememberedAnswers
from tests.conftest import MakeDatabase


def key(body: bytes = b"POST /imports\n{}", *, principal: str = "operator") -> CommandKey:
    return command_key(principal=principal, key="one", body=body)


@pytest.fixture
async def remembered(database: MakeDatabase) -> AsyncIterator[RememberedAnswers]:
    made = await database("registration", [LOG])
    owner = await asyncpg.connect(made.owner_dsn)
    await owner.execute("GRANT INSERT (principal, key, body_hash), UPDATE (answer) ON remembered_answer TO registration")
    await owner.close()
    pool = await create_pool(made.app_dsn, application_name="test")
    yield RememberedAnswers(pool)
    await pool.close()


class TestRememberedAnswers:
    async def test_ask_for_the_work_until_there_is_an_answer(self, remembered: RememberedAnswers) -> None:
        assert [None, None] == [await remembered.reserve(key()), await remembered.reserve(key())]
        await remembered.complete(key(), b"done")
        assert b"done" == await remembered.reserve(key())

    async def test_refuse_another_body_from_the_reservation_on(self, remembered: RememberedAnswers) -> None:
        await remembered.reserve(key())
        with pytest.raises(IdempotencyKeyReused):
            await remembered.reserve(key(b"POST /imports\n[]"))
        assert await remembered.reserve(key()) is None

    async def test_keep_the_first_answer_for_all(self, remembered: RememberedAnswers) -> None:
        await asyncio.gather(*(remembered.reserve(key()) for _ in range(8)))
        answers = await asyncio.gather(*(remembered.complete(key(), b"%d" % n) for n in range(8)))
        assert 1 == len({*answers, await remembered.reserve(key())})

    async def test_are_each_principal_s_own(self, remembered: RememberedAnswers) -> None:
        await remembered.reserve(key())
        await remembered.complete(key(), b"done")
        assert await remembered.reserve(key(b"other", principal="another")) is None
