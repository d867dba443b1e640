"""The log: whole or not at all, at the expected version, without holes; each command of a group on its own account."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis import event_store
from chassis.consistency import Place
from chassis.database import Connection
from chassis.event_store import (
    NO_STREAM,
    AlreadyStored,
    Append,
    Appended,
    AppendResult,
    Conflict,
    EventStore,
    KeyReused,
    Late,
    Remembered,
    StoredStream,
    append_group,
)
from chassis.faults import Unavailable
from chassis.shard_heads import read_shard
from contracts.event import EVENT_BYTES_MAX, SHARDS, shard_of
from tests.chassis.log_database import LogDatabase
from tests.chassis.tallies import Counted, append_of, in_shard, in_shards, key_of, new_event
from tests.measured import risen

EPOCH = 1
PAST = datetime(2020, 1, 1, tzinfo=UTC)
FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many commands each group carried that a store sent to the database, in order."""
    sizes: list[int] = []

    async def counted(connection: Connection, appends: Sequence[Append], *, epoch: int) -> list[AppendResult]:
        sizes.append(len(appends))
        return await append_group(connection, appends, epoch=epoch)

    monkeypatch.setattr(event_store, "append_group", counted)
    return sizes


class TestMetrics:
    async def test_count_commands_by_outcome_and_events_by_type(self, log: LogDatabase, store: EventStore) -> None:
        appended, conflict, late, failed = (
            risen("gatehouse_appends_total", outcome=each) for each in ("appended", "conflict", "late", "failed")
        )
        events = risen("gatehouse_events_appended_total", type=Counted.TYPE)
        groups, commands = risen("gatehouse_append_group_commands_count"), risen("gatehouse_append_group_commands_sum")
        first, second = in_shards(1, 2)
        await store.append(append_of(first, events=2))
        together = append_of(first, at=1), append_of(second), append_of(in_shard(3), not_after=PAST)
        await asyncio.gather(*map(store.append, together))
        await log.owner.execute("ALTER TABLE event RENAME TO event_away")
        try:
            with pytest.raises(asyncpg.PostgresError):
                await store.append(append_of(in_shard(4)))
        finally:
            await log.owner.execute("ALTER TABLE event_away RENAME TO event")
        assert (2, 1, 1, 1) == (appended(), conflict(), late(), failed())
        assert 3 == events()
        assert (3, 5) == (groups(), commands())


class TestAppend:
    async def test_draws_the_next_positions_of_the_streams_shard(self, log: LogDatabase, store: EventStore) -> None:
        first, second = in_shards(7, 7)

        assert await store.append(append_of(first, events=2)) == Appended(version=2, shard=7, last_pos=2)
        assert await store.append(append_of(second, events=3)) == Appended(version=3, shard=7, last_pos=5)
        assert await store.append(append_of(first, at=2)) == Appended(version=3, shard=7, last_pos=6)

        assert [(1, 1), (2, 2), (6, 3)] == [(pos, version) for pos, version, *_ in await log.events_of(first)]
        assert [(3, 1), (4, 2), (5, 3)] == [(pos, version) for pos, version, *_ in await log.events_of(second)]
        assert {shard: 6 if shard == 7 else 0 for shard in range(SHARDS)} == await log.heads()

    async def test_stores_what_it_was_given_byte_for_byte(self, store: EventStore) -> None:
        append = append_of(in_shard(63), events=2)

        await store.append(append)

        recorded = await store.read_stream(append.stream_id)
        assert [(event.event_id, event.data, event.meta) for event in append.events] == [
            (event.event_id, event.data, b"\n".join(event.headers)) for event in recorded
        ]

    async def test_keeps_the_state_at_its_version(self, store: EventStore) -> None:
        stream = uuid4()
        await store.append(append_of(stream, events=2))

        assert StoredStream(version=2, state=b"[2]", state_version=1) == await store.load(stream)

    async def test_drops_the_cached_state_where_none_is_given(self, store: EventStore) -> None:
        stream = uuid4()
        await store.append(append_of(stream))
        await store.append(replace(append_of(stream, at=1), state=None, state_version=7))

        assert StoredStream(version=2, state=None, state_version=7) == await store.load(stream)

    async def test_conflicts_at_another_version_and_burns_no_number(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(3)
        await store.append(append_of(stream, events=2))

        for at in (0, 1, 3):
            assert Conflict(version=2) == await store.append(append_of(stream, at=at))
        assert Conflict(version=0) == await store.append(append_of(in_shard(3), at=1))

        assert (await log.heads())[3] == 2
        assert await store.append(append_of(stream, at=2)) == Appended(version=3, shard=3, last_pos=3)

    async def test_checks_the_version_also_without_events(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(3)
        await store.append(append_of(stream))

        assert Conflict(version=1) == await store.append(append_of(stream, at=0, events=0))
        assert Appended(version=1, shard=3, last_pos=None) == await store.append(append_of(stream, at=1, events=0))
        assert Appended(version=0, shard=3, last_pos=None) == await store.append(append_of(in_shard(3), at=0, events=0))

        assert (await log.heads())[3] == 1
        assert StoredStream(version=1, state=b"[1]", state_version=1) == await store.load(stream)

    async def test_is_refused_after_not_after_and_leaves_nothing(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(3)

        assert Late() == await store.append(append_of(stream, not_after=PAST))
        assert NO_STREAM == await store.load(stream)
        assert (await log.heads())[3] == 0
        assert await store.append(append_of(stream, not_after=FUTURE)) == Appended(version=1, shard=3, last_pos=1)

    async def test_writes_a_new_stream_once(self, log: LogDatabase) -> None:
        session = await log.session()
        async with session.transaction():
            await append_group(session, [append_of(uuid4(), events=2) for _ in range(3)], epoch=EPOCH)
            written = "SELECT ARRAY[n_tup_ins, n_tup_upd, n_tup_del] FROM pg_stat_xact_user_tables WHERE relname = 'stream'"
            assert [3, 0, 0] == await session.fetchval(written)

    async def test_takes_a_new_stream_back_that_is_late(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(5)

        assert Late() == await store.append(append_of(stream, not_after=PAST))
        assert [] == await log.rows("SELECT stream_id FROM stream")
        assert Appended(version=1, shard=5, last_pos=1) == await store.append(append_of(stream))

    async def test_tells_who_listens_where_the_shard_has_come(self, store: EventStore) -> None:
        told: list[tuple[int, int]] = []
        store.on_appended = lambda shard, last_pos: told.append((shard, last_pos))
        stream = in_shard(9)

        await store.append(append_of(stream, events=2))
        await store.append(append_of(stream, at=2, events=0))
        await store.append(append_of(stream, at=0))

        assert [(9, 2)] == told


class TestTwoWritersOnOneVersion:
    """The one holds its transaction open while the other arrives: the other waits, and then knows."""

    @pytest.mark.parametrize("version", [0, 2])
    async def test_only_one_wins_and_the_other_burns_no_number(self, log: LogDatabase, store: EventStore, version: int) -> None:
        stream = in_shard(5)
        if version:
            await store.append(append_of(stream, events=version))
        winner = await log.session()
        async with winner.transaction():
            [won] = await append_group(winner, [append_of(stream, at=version)], epoch=EPOCH)
            losing = asyncio.create_task(store.append(append_of(stream, at=version, events=4)))
            await log.blocked_session()
            assert not losing.done()

        assert Appended(version=version + 1, shard=5, last_pos=version + 1) == won
        assert Conflict(version=version + 1) == await losing
        assert (await log.heads())[5] == version + 1

    @pytest.mark.parametrize("version", [0, 2])
    async def test_the_second_wins_when_the_first_is_rolled_back(self, log: LogDatabase, store: EventStore, version: int) -> None:
        stream = in_shard(5)
        if version:
            await store.append(append_of(stream, events=version))
        first = await log.session()
        transaction = first.transaction()
        await transaction.start()
        await append_group(first, [append_of(stream, at=version, events=3)], epoch=EPOCH)
        second = asyncio.create_task(store.append(append_of(stream, at=version)))
        await log.blocked_session()
        await transaction.rollback()

        assert Appended(version=version + 1, shard=5, last_pos=version + 1) == await second
        assert list(range(1, version + 2)) == [pos for pos, *_ in await log.events_of(stream)]

    async def test_the_second_wins_when_the_first_was_late(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(5)
        first = await log.session()
        async with first.transaction():
            assert [Late()] == await append_group(first, [append_of(stream, not_after=PAST)], epoch=EPOCH)
            second = asyncio.create_task(store.append(append_of(stream)))
            await log.blocked_session()
            assert not second.done()

        assert Appended(version=1, shard=5, last_pos=1) == await second
        assert StoredStream(version=1, state=b"[1]", state_version=1) == await store.load(stream)

    async def test_waiting_for_the_other_does_not_make_what_is_late_in_time(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(5)
        first = await log.session()
        async with first.transaction():
            await append_group(first, [append_of(stream)], epoch=EPOCH)
            deadline = await first.fetchval("SELECT clock_timestamp() + interval '500 milliseconds'")
            waiting = asyncio.create_task(store.append(append_of(in_shard(5), not_after=deadline)))
            await log.blocked_session()
            assert await first.fetchval("SELECT clock_timestamp() < $1", deadline), "too slow to show anything"
            await first.execute("SELECT pg_sleep_until($1)", deadline)

        assert Late() == await waiting
        assert (await log.heads())[5] == 1

    async def test_positions_follow_the_order_of_commits_not_of_beginnings(self, log: LogDatabase, store: EventStore) -> None:
        slow, quick = in_shards(5, 5)
        beginning, elsewhere = in_shards(6, 5)
        early = await log.session()
        async with early.transaction():
            # Begun first, but in another shard: it has drawn nothing in shard 5 when the other commits there.
            await append_group(early, [append_of(beginning)], epoch=EPOCH)
            assert await store.append(append_of(quick)) == Appended(version=1, shard=5, last_pos=1)
            assert await append_group(early, [append_of(slow)], epoch=EPOCH) == [Appended(version=1, shard=5, last_pos=2)]
            third = asyncio.create_task(store.append(append_of(elsewhere)))
            await log.blocked_session()
            async with log.pool.acquire() as reader:
                assert [1] == [event.pos for event in await read_shard(reader, 5, after=0)]

        assert Appended(version=1, shard=5, last_pos=3) == await third


class TestGroup:
    async def test_shares_one_transaction(self, log: LogDatabase, store: EventStore, groups: list[int]) -> None:
        streams = [uuid4() for _ in range(150)]

        results = await asyncio.gather(*(store.append(append_of(stream)) for stream in streams))

        assert all(isinstance(result, Appended) for result in results)
        assert [150] == groups
        assert [(1, 150)] == await log.rows("SELECT count(DISTINCT xmin::text), count(*) FROM event")

    async def test_a_full_group_does_not_wait_for_the_one_before(
        self, log: LogDatabase, groups: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(event_store, "GROUP_COMMANDS_MAX", 2)
        store = await log.store()
        held, *others = in_shards(1, 2, 3, 4)
        holder = await log.session()
        async with holder.transaction():
            await append_group(holder, [append_of(held)], epoch=EPOCH)
            first = [asyncio.create_task(store.append(append_of(stream))) for stream in (held, others[0])]
            await log.blocked_session()

            assert [Appended(1, 3, 1), Appended(1, 4, 1)] == await asyncio.gather(
                *(store.append(append_of(stream)) for stream in others[1:])
            )
            assert not any(each.done() for each in first)

        assert [Conflict(version=1), Appended(1, 2, 1)] == await asyncio.gather(*first)
        assert [2, 2] == groups

    async def test_takes_the_neighbours_of_whatever_is_refused(
        self, log: LogDatabase, store: EventStore, groups: list[int]
    ) -> None:
        known, taken = key_of("known"), in_shard(1)
        await store.append(append_of(taken, key=known, answer=b"the first answer"))
        groups.clear()
        refused = [
            append_of(taken, at=0),
            append_of(in_shard(1), not_after=PAST),
            append_of(in_shard(1), key=known),
        ]
        neighbours = [append_of(stream, events=2) for stream in in_shards(1, 1, 1, 2)]
        interleaved = [neighbours[0], refused[0], neighbours[1], refused[1], neighbours[2], refused[2], neighbours[3]]

        results = await asyncio.gather(*(store.append(append) for append in interleaved))

        assert [7] == groups
        assert [
            Appended(version=2, shard=1, last_pos=3),
            Conflict(version=1),
            Appended(version=2, shard=1, last_pos=5),
            Late(),
            Appended(version=2, shard=1, last_pos=7),
            Remembered(answer=b"the first answer"),
            Appended(version=2, shard=2, last_pos=2),
        ] == results
        assert [1, 2, 3, 4, 5, 6, 7] == [pos for (pos,) in await log.rows("SELECT pos FROM event WHERE shard = 1 ORDER BY pos")]

    async def test_refuses_a_reused_key_and_takes_its_neighbours(self, store: EventStore, groups: list[int]) -> None:
        await store.append(append_of(in_shard(1), key=key_of("known")))
        groups.clear()

        results = await asyncio.gather(
            store.append(append_of(in_shard(1))),
            store.append(append_of(in_shard(1), key=key_of("known", body=b"another"))),
            store.append(append_of(in_shard(1), key=key_of("known", principal="somebody else"))),
        )

        assert [3] == groups
        assert [2, None, 3] == [result.last_pos if isinstance(result, Appended) else None for result in results]
        assert KeyReused() == results[1]

    @pytest.mark.parametrize("poison", ["oversize", "empty", "duplicate event id", "no text", "no version"])
    async def test_a_poisoned_command_never_fails_its_neighbours(
        self, log: LogDatabase, store: EventStore, groups: list[int], poison: str
    ) -> None:
        stored = append_of(in_shard(1))
        await store.append(stored)
        groups.clear()
        stream = in_shard(1)
        poisoned = replace(append_of(stream), events=[poisoned_event(poison, stream, stored.events[0].event_id)])
        neighbours = [append_of(in_shard(1)) for _ in range(4)]

        results = await asyncio.gather(
            *(store.append(append) for append in [*neighbours[:2], poisoned, *neighbours[2:]]), return_exceptions=True
        )

        assert groups[0] == 5, "the poisoned one was in no group with the others"
        assert isinstance(results[2], AlreadyStored if poison == "duplicate event id" else asyncpg.PostgresError)
        assert [2, 3, 4, 5] == [result.last_pos for result in results if isinstance(result, Appended)]
        assert (await log.heads())[1] == 5
        assert NO_STREAM == await store.load(stream)

    async def test_two_commands_on_one_stream_are_taken_one_after_the_other(self, store: EventStore, groups: list[int]) -> None:
        stream = in_shard(4)

        commands = [append_of(stream), append_of(stream), append_of(stream, at=1)]

        results = await asyncio.gather(*(store.append(append) for append in commands))

        assert [Appended(1, 4, 1), Conflict(version=1), Appended(2, 4, 2)] == results
        assert [1, 1, 1] == groups

    async def test_one_key_twice_at_once_is_done_once(self, store: EventStore) -> None:
        key = key_of("twice")

        results = await asyncio.gather(*(store.append(append_of(in_shard(4), key=key)) for _ in range(2)))

        assert [Appended(1, 4, 1), Remembered(answer=b"first")] == results

    async def test_says_when_more_waits_than_may(self, log: LogDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(event_store, "QUEUE_COMMANDS_MAX", 3)
        store = await log.store()

        results = await asyncio.gather(*(store.append(append_of(uuid4())) for _ in range(5)), return_exceptions=True)

        assert [Appended, Appended, Appended, Unavailable, Unavailable] == [
            Unavailable if isinstance(result, Unavailable) else type(result) for result in results
        ]


def poisoned_event(poison: str, stream_id: UUID, stored_id: UUID) -> event_store.NewEvent:
    event = new_event(stream_id, 1)
    match poison:
        case "oversize":
            return replace(event, data=b"x" * (EVENT_BYTES_MAX + 1))
        case "empty":
            return replace(event, data=b"")
        case "duplicate event id":
            return replace(event, event_id=stored_id)
        case "no text":
            return replace(event, type="\x00")
        case _:
            return replace(event, type="\ud800")


class TestIdempotencyKey:
    async def test_sent_again_gets_the_first_answer(self, log: LogDatabase, store: EventStore) -> None:
        stream, key = in_shard(8), key_of("again")
        await store.append(append_of(stream, key=key, answer=b"first"))

        again = await store.append(append_of(stream, at=1, key=key, answer=b"second"))

        assert Remembered(answer=b"first") == again
        assert (await log.heads())[8] == 1

    async def test_is_remembered_by_another_process_too(self, log: LogDatabase, store: EventStore) -> None:
        await store.append(append_of(in_shard(8), key=key_of("again")))

        assert Remembered(answer=b"first") == await (await log.store()).append(append_of(in_shard(8), key=key_of("again")))

    async def test_with_another_body_is_a_reuse(self, log: LogDatabase, store: EventStore) -> None:
        stream = in_shard(8)
        await store.append(append_of(stream, key=key_of("again")))

        assert KeyReused() == await store.append(append_of(stream, at=1, key=key_of("again", body=b"another")))
        assert (await log.heads())[8] == 1

    async def test_of_another_principal_is_another_key(self, store: EventStore) -> None:
        await store.append(append_of(in_shard(8), key=key_of("again")))

        other = await store.append(append_of(in_shard(8), key=key_of("again", principal="somebody else")))

        assert Appended(version=1, shard=8, last_pos=2) == other

    @pytest.mark.parametrize(("at", "not_after"), [(1, None), (0, PAST)])
    async def test_is_free_again_when_its_command_was_not_taken(
        self, store: EventStore, at: int, not_after: datetime | None
    ) -> None:
        stream = in_shard(8)
        refused = await store.append(append_of(stream, at=at, not_after=not_after, key=key_of("again")))
        assert isinstance(refused, Conflict | Late)

        assert Appended(version=1, shard=8, last_pos=1) == await store.append(append_of(stream, key=key_of("again", body=b"other")))

    async def test_is_remembered_for_a_command_without_events(self, store: EventStore) -> None:
        stream, key = in_shard(8), key_of("nothing")
        await store.append(append_of(stream, events=0, key=key, answer=b"nothing to do"))

        assert Remembered(answer=b"nothing to do") == await store.append(append_of(stream, events=1, key=key))

    @pytest.mark.parametrize("commits", [True, False])
    async def test_held_by_an_open_transaction_is_waited_for(self, log: LogDatabase, store: EventStore, commits: bool) -> None:
        key = key_of("open")
        first = await log.session()
        transaction = first.transaction()
        await transaction.start()
        await append_group(first, [append_of(in_shard(8), key=key)], epoch=EPOCH)
        second = asyncio.create_task(store.append(append_of(in_shard(8), key=key)))
        await log.blocked_session()
        await (transaction.commit() if commits else transaction.rollback())

        assert (Remembered(answer=b"first") if commits else Appended(version=1, shard=8, last_pos=1)) == await second
        assert (await log.heads())[8] == 1

    async def test_tells_that_an_append_was_lost_with_its_connection(self, log: LogDatabase, store: EventStore) -> None:
        append = append_of(in_shard(8), key=key_of("unknown"))
        holder = await log.session()
        async with holder.transaction():
            await append_group(holder, [append_of(in_shard(8))], epoch=EPOCH)
            broken = asyncio.create_task(store.append(append))
            await holder.execute("SELECT pg_terminate_backend($1)", await log.blocked_session())
            with pytest.raises(asyncpg.PostgresError):
                await broken

        assert Appended(version=1, shard=8, last_pos=2) == await store.append(append)

    async def test_tells_that_an_append_came_true_although_its_connection_broke(self, log: LogDatabase) -> None:
        append = append_of(in_shard(8), key=key_of("unknown"))
        pool = await log.another_pool()
        holder = await log.session()
        async with holder.transaction():
            await append_group(holder, [append_of(in_shard(8))], epoch=EPOCH)
            broken = asyncio.create_task((await EventStore.open(pool)).append(append))
            await log.blocked_session()
            pool.terminate()  # The server notices only when it answers: it waits on, and commits.
            with pytest.raises(asyncpg.PostgresError):
                await broken

        store = await log.store()
        assert Remembered(answer=b"first") == await store.append(append)
        assert [(2, 1)] == [(pos, version) for pos, version, *_ in await log.events_of(append.stream_id)]


class TestEpoch:
    async def test_a_process_of_an_older_epoch_appends_nothing(self, log: LogDatabase) -> None:
        await log.owner.execute("UPDATE store SET epoch = 2")
        async with log.pool.acquire() as connection:
            with pytest.raises(asyncpg.PostgresError) as raised:
                await append_group(connection, [append_of(in_shard(1))], epoch=1)

        assert raised.value.sqlstate == event_store.EPOCH_CHANGED
        assert (await log.heads())[1] == 0

    async def test_that_rose_makes_the_store_conflict_once_and_know_it_then(self, log: LogDatabase, store: EventStore) -> None:
        await log.owner.execute("UPDATE store SET epoch = 2")
        stream, key = in_shard(1), key_of("epoch")

        assert Conflict(version=0) == await store.append(append_of(stream, key=key))
        assert store.epoch == 2
        assert Appended(version=1, shard=1, last_pos=1) == await store.append(append_of(stream, key=key, epoch=2))

    async def test_that_rose_keeps_out_what_was_made_for_the_one_before(self, log: LogDatabase, store: EventStore) -> None:
        """It waited for its turn, and the store has learnt of the new epoch meanwhile. Readers would stop at it."""
        await log.owner.execute("UPDATE store SET epoch = 2")
        await store.learn_epoch()
        neighbours = [append_of(in_shard(1), epoch=2) for _ in range(2)]

        results = await asyncio.gather(*map(store.append, [neighbours[0], append_of(in_shard(1)), neighbours[1]]))

        assert Conflict(version=0) == results[1]
        assert [] == await log.rows("SELECT 1 FROM event WHERE split_part(convert_from(meta, 'UTF8'), E'\n', 9) <> '2'")

    async def test_of_the_heads_is_that_in_which_they_were_written(self, log: LogDatabase, store: EventStore) -> None:
        first, second = append_of(in_shard(1)), append_of(in_shard(2), epoch=2)
        await store.append(first)
        await log.owner.execute("UPDATE store SET epoch = 2")
        await store.learn_epoch()
        await store.append(second)
        reach = await store.reach()
        assert (2, SHARDS) == (reach.epoch, len(reach.heads))
        assert [Place(0, 0, 2), Place(1, 1, 1), Place(2, 1, 2)] == list(reach.heads[:3])
        assert Place(1, 1, 1) == await store.place_of(first.stream_id, version=1)
        assert await store.place_of(first.stream_id, version=2) is None


class TestAppendOnly:
    CHANGES = ("UPDATE event SET data = 'x'", "DELETE FROM event", "TRUNCATE event", "DELETE FROM event WHERE false")
    OTHER_CHANGES = (
        "INSERT INTO event SELECT shard, pos + 1, stream_id, version + 1, gen_random_uuid(), type, data, meta FROM event",
        "INSERT INTO stream (stream_id, kind, version) VALUES (gen_random_uuid(), 'k', 0)",
        "UPDATE stream SET version = 0",
        "UPDATE stream SET state = NULL",
        "DELETE FROM stream",
        "UPDATE shard_head SET last_pos = 0",
        "DELETE FROM shard_head",
        "UPDATE store SET epoch = 9",
        "INSERT INTO remembered_answer (principal, key, body_hash) VALUES ('p', 'k', 'h')",
        "UPDATE remembered_answer SET answer = NULL",
        "DELETE FROM remembered_answer",
        "ALTER TABLE event DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "CREATE TABLE mine (n integer)",
    )

    async def test_even_the_owner_is_stopped_by_the_trigger(self, log: LogDatabase, store: EventStore) -> None:
        await store.append(append_of(in_shard(1)))

        for change in self.CHANGES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="the log is append-only"):
                await log.owner.execute(change)
        assert [(1,)] == await log.rows("SELECT count(*) FROM event")

    async def test_the_service_may_append_and_read_and_nothing_else(self, log: LogDatabase, store: EventStore) -> None:
        assert await store.append(append_of(in_shard(1))) == Appended(version=1, shard=1, last_pos=1)

        for change in self.CHANGES + self.OTHER_CHANGES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match=r"permission denied|must be owner"):
                await log.pool.execute(change)

    async def test_nobody_else_may_append(self, log: LogDatabase) -> None:
        may = await log.rows(
            "SELECT rolname FROM pg_roles WHERE NOT rolsuper AND rolname !~ '^pg_'"
            " AND has_function_privilege(oid, (SELECT oid FROM pg_proc WHERE proname = 'append_group'), 'EXECUTE') ORDER BY 1"
        )
        assert [("tally",), ("tally_owner",)] == may


class TestLoad:
    async def test_answers_in_the_order_asked_for_whoever_asks(self, store: EventStore) -> None:
        streams = [uuid4() for _ in range(20)]
        for n, stream in enumerate(streams):
            await store.append(append_of(stream, events=n)) if n % 2 else None

        alone = await asyncio.gather(*(store.load(stream) for stream in streams))

        assert [n if n % 2 else 0 for n in range(20)] == [stored.version for stored in alone]
        assert alone == await store.load_many(streams)

    async def test_reads_a_stream_between_two_versions(self, store: EventStore) -> None:
        stream = in_shard(2)
        await store.append(append_of(in_shard(2)))
        await store.append(append_of(stream, events=5))

        events = await store.read_stream(stream, after_version=1, to_version=4)

        assert [(2, 3), (3, 4), (4, 5)] == [(event.version, event.pos) for event in events]
        assert [stream] * 3 == [event.stream_id for event in events]

    async def test_reads_a_shard_in_pages(self, log: LogDatabase, store: EventStore) -> None:
        for stream in in_shards(2, 3, 2):
            await store.append(append_of(stream, events=3))

        async with log.pool.acquire() as connection:
            pages = [[event.pos for event in await read_shard(connection, 2, after=after, limit=4)] for after in (0, 4, 6)]

        assert [[1, 2, 3, 4], [5, 6], []] == pages


@dataclass
class Model:
    """What append_group ought to do, written the plain way."""

    versions: dict[UUID, int] = field(default_factory=dict)
    heads: dict[int, int] = field(default_factory=dict)
    answers: dict[str, tuple[bytes, bytes | None]] = field(default_factory=dict)

    def append(self, append: Append) -> AppendResult:
        if append.key and append.key.key in self.answers:
            body, answer = self.answers[append.key.key]
            return Remembered(answer or b"") if body == append.key.body_hash else KeyReused()
        version = self.versions.get(append.stream_id, 0)
        if version != append.expected_version:
            return Conflict(version)
        if append.not_after == PAST:
            return Late()
        if append.key:
            self.answers[append.key.key] = (append.key.body_hash, append.answer)
        shard = shard_of(append.stream_id)
        self.versions[append.stream_id] = version + len(append.events)
        if not append.events:
            return Appended(version, shard, None)
        self.heads[shard] = self.heads.get(shard, 0) + len(append.events)
        return Appended(version + len(append.events), shard, self.heads[shard])


class TestAgainstAModel:
    async def test_random_groups_come_out_as_in_the_model(self, log: LogDatabase) -> None:
        chance = random.Random(20260301)
        streams = [in_shard(chance.randrange(8)) for _ in range(30)]
        model = Model()
        seen: set[type] = set()
        async with log.pool.acquire() as connection:
            for _ in range(150):
                group = [self.command(chance, stream, model) for stream in chance.sample(streams, chance.randint(1, 12))]
                results = await append_group(connection, without_repeated_keys(group), epoch=EPOCH)
                assert [model.append(append) for append in without_repeated_keys(group)] == results
                seen |= set(map(type, results))

        assert {Appended, Conflict, Late, Remembered, KeyReused} == seen
        stored = await log.rows("SELECT stream_id, version FROM stream WHERE version > 0")
        assert {stream: version for stream, version in model.versions.items() if version} == dict(stored)
        assert {shard: model.heads.get(shard, 0) for shard in range(SHARDS)} == await log.heads()
        assert [] == await log.rows(
            "SELECT shard FROM event GROUP BY shard HAVING min(pos) <> 1 OR max(pos) <> count(*)"
            " UNION ALL SELECT 1 FROM event GROUP BY stream_id HAVING min(version) <> 1 OR max(version) <> count(*)"
            " UNION ALL SELECT 1 FROM event WHERE shard <> shard_of(stream_id)"
        )

    @staticmethod
    def command(chance: random.Random, stream: UUID, model: Model) -> Append:
        version = model.versions.get(stream, 0)
        return append_of(
            stream,
            at=chance.choices([version, version + 1, 0], weights=[8, 1, 1])[0],
            events=chance.choices([0, 1, 2, 5], weights=[2, 6, 2, 1])[0],
            key=key_of(str(chance.randrange(300)), body=chance.choice([b"a", b"b"])) if chance.random() < 0.4 else None,
            not_after=chance.choices([None, FUTURE, PAST], weights=[6, 2, 1])[0],
        )


def without_repeated_keys(group: Sequence[Append]) -> list[Append]:
    """The group, each key at most once, as a caller has to give it."""
    keys = [append.key.key if append.key else None for append in group]
    return [append for n, append in enumerate(group) if keys[n] is None or keys[n] not in keys[:n]]


class TestClosing:
    async def test_finishes_what_waits_and_takes_nothing_more(self, store: EventStore) -> None:
        waiting = [asyncio.create_task(store.append(append_of(uuid4()))) for _ in range(5)]
        await asyncio.sleep(0)
        await store.close()

        assert [Appended] * 5 == [type(await task) for task in waiting]
        with pytest.raises(Unavailable):
            await store.append(append_of(uuid4()))


def test_every_shard_is_the_last_six_bits_of_its_streams() -> None:
    assert [shard_of(in_shard(shard)) for shard in range(SHARDS)] == list(range(SHARDS))
