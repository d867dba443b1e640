"""Keys of requests that are many commands: reserved first, answered afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from chassis import remembered as remembered_module
from chassis.command_handling import command_key
from chassis.database import create_pool
from chassis.event_store import Appended, CommandKey, EventStore
from chassis.faults import IdempotencyKeyReused
from chassis.migrations import LOG
from chassis.remembered import RememberedAnswers, forget_old_answers
from chassis.testing.wait import eventually
from tests.chassis.log_database import LogDatabase
from tests.chassis.tallies import append_of, in_shard, key_of
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

    async def test_hold_no_key_as_it_was_sent(self, remembered: RememberedAnswers) -> None:
        await remembered.reserve(key())
        await remembered.complete(key(), b"done")
        assert [key().stored] == [row["key"] for row in await remembered.pool.fetch("SELECT key FROM remembered_answer")]
        assert "one" not in key().stored

    async def test_are_each_principal_s_own(self, remembered: RememberedAnswers) -> None:
        await remembered.reserve(key())
        await remembered.complete(key(), b"done")
        assert await remembered.reserve(key(b"other", principal="another")) is None


class TestForgetting:
    async def test_leaves_what_is_younger_than_seven_days(self, log: LogDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(remembered_module, "FORGET_ANSWERS_MAX", 10)
        await remember(log, days=7.1, count=35)
        await remember(log, days=6.9, count=3)

        forgetting = asyncio.create_task(forget_old_answers(log.pool))
        await eventually(lambda: has_answers(log, 3))
        forgetting.cancel()
        assert {"6.9"} == {key.partition("/")[0] for (key,) in await log.rows("SELECT key FROM remembered_answer")}

    async def test_is_nothing_that_the_service_may_do_otherwise(self, log: LogDatabase) -> None:
        await remember(log, days=8, count=1)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await log.pool.execute("DELETE FROM remembered_answer")

    async def test_waits_for_nobody(self, log: LogDatabase) -> None:
        await remember(log, days=8, count=2)
        async with log.owner.transaction():
            await log.owner.execute("SELECT FROM remembered_answer WHERE key = '8/1' FOR UPDATE")
            assert 1 == await log.pool.fetchval("SELECT forget_answers(10)")
        assert 1 == await log.pool.fetchval("SELECT forget_answers(10)")

    async def test_lets_an_append_pass_that_brings_the_same_key(self, log: LogDatabase, store: EventStore) -> None:
        await remember(log, days=8, count=1)
        await log.owner.execute("UPDATE remembered_answer SET key = $1", key_of("8/1").stored)
        async with log.owner.transaction():
            assert 1 == await log.owner.fetchval("SELECT forget_answers(10)")
            append = append_of(in_shard(5), key=key_of("8/1"))
            appending = asyncio.create_task(store.append(append))
            await log.blocked_session()
        assert isinstance(await appending, Appended)
        assert [(key_of("8/1").body_hash,)] == await log.rows("SELECT body_hash FROM remembered_answer")


async def remember(log: LogDatabase, *, days: float, count: int) -> None:
    await log.owner.execute(
        "INSERT INTO remembered_answer (principal, key, body_hash, answer, stored_at)"
        " SELECT 'somebody', $1 || '/' || n, 'another', 'first', now() - make_interval(secs => $2)"
        " FROM generate_series(1, $3) AS n",
        str(days),
        days * 86_400,
        count,
    )


async def has_answers(log: LogDatabase, count: int) -> bool:
    return [(count,)] == await log.rows("SELECT count(*) FROM remembered_answer")
