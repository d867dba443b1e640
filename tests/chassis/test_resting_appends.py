"""An append that rests on other streams: taken while they stand where they were read, whoever writes them meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from chassis import event_store
from chassis.database import Connection
from chassis.event_store import (
    Append,
    Appended,
    AppendResult,
    Conflict,
    EventStore,
    Late,
    Outrun,
    Remembered,
    append_group,
    append_whole_group,
)
from chassis.faults import OtherStreamMoved
from tests.chassis.log_database import LogDatabase
from tests.chassis.tallies import Count, Counted, append_of, handler, in_shard, in_shards, key_of

EPOCH = 1
ROUNDS = 100
PAST = datetime(2020, 1, 1, tzinfo=UTC)


def resting(append: Append, *others: UUID, at: int = 1) -> Append:
    return replace(append, along=[Append(other, "tally", at, (), None, None) for other in others])


class TestAppend:
    async def test_is_taken_while_the_others_stand_where_they_were_read(self, log: LogDatabase, store: EventStore) -> None:
        one, two, third = in_shards(5, 6, 5)
        for stream in (two, third):
            await store.append(append_of(stream))
        assert Appended(version=1, shard=5, last_pos=2) == await store.append(resting(append_of(one), two, third))
        assert (1, 1) == ((await store.load(two)).version, (await log.heads())[6])

    async def test_is_outrun_by_a_writer_of_another_and_leaves_nothing(self, log: LogDatabase, store: EventStore) -> None:
        one, two, key = in_shard(5), in_shard(6), key_of("a")
        await store.append(append_of(two, events=2))
        assert Outrun() == await store.append(resting(append_of(one, key=key), two))
        assert [(two,)] == await log.rows("SELECT stream_id FROM stream")
        assert await store.remembered(key) is None
        assert Appended(version=1, shard=5, last_pos=1) == await store.append(resting(append_of(one, key=key), two, at=2))

    async def test_says_first_what_is_wrong_with_its_own_stream(self, store: EventStore) -> None:
        one, two, key = in_shard(5), in_shard(6), key_of("a")
        await store.append(append_of(one, key=key))
        assert Conflict(version=1) == await store.append(resting(append_of(one), two))
        assert Late() == await store.append(resting(append_of(in_shard(5), not_after=PAST), two))
        assert Remembered(answer=b"first") == await store.append(resting(append_of(one, key=key), two))

    async def test_that_is_outrun_never_fails_its_neighbours(self, store: EventStore) -> None:
        moved, stands = in_shards(6, 6)
        await asyncio.gather(store.append(append_of(moved, events=2)), store.append(append_of(stands)))
        group = [append_of(in_shard(1)) for _ in range(4)]
        group[1], group[2] = resting(group[1], moved), resting(group[2], stands)
        found = await asyncio.gather(*(store.append(each) for each in group))
        assert [Appended(1, 1, 1), Outrun(), Appended(1, 1, 3), Appended(1, 1, 2)] == found

    async def test_holds_no_rows_of_its_neighbours(self, store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
        other = in_shard(6)
        await store.append(append_of(other))
        groups: list[list[bool]] = []
        append_now = event_store.append_whole_group

        async def noted(connection: Connection, appends: Sequence[Append], *, epoch: int) -> list[AppendResult]:
            groups.append([bool(append.along) for append in appends])
            return await append_now(connection, appends, epoch=epoch)

        monkeypatch.setattr(event_store, "append_whole_group", noted)
        waiting = [append_of(uuid4()) for _ in range(4)]
        waiting[0], waiting[2] = resting(waiting[0], other), resting(append_of(uuid4()), in_shard(7), at=0)
        found = await asyncio.gather(*(store.append(each) for each in waiting))
        assert {Appended} == {type(each) for each in found}
        assert [[False, False], [True, True]] == groups

    async def test_is_not_in_one_group_with_a_writer_of_another(self, store: EventStore) -> None:
        one, two = in_shards(5, 6)
        await store.append(append_of(two))
        writing, rests = append_of(two, at=1), resting(append_of(one), two)
        found = await asyncio.gather(*(store.append(each) for each in (writing, rests)))
        assert [Appended(2, 6, 2), Outrun()] == found


class TestWhileAnotherIsWritten:
    """The one holds its transaction open while the other arrives: the other waits, and then knows."""

    @pytest.mark.parametrize("version", [0, 1])
    async def test_waits_for_the_writer(self, log: LogDatabase, store: EventStore, version: int) -> None:
        one, two = in_shards(5, 6)
        if version:
            await store.append(append_of(two))
        for commits in (False, True):
            writer = await log.session()
            transaction = writer.transaction()
            await transaction.start()
            await append_group(writer, [append_of(two, at=version)], epoch=EPOCH)
            waiting = asyncio.create_task(store.append(resting(append_of(one, at=int(commits)), two, at=version)))
            await log.blocked_session()
            assert not waiting.done()
            await (transaction.commit() if commits else transaction.rollback())
            assert (Outrun() if commits else Appended(1, 5, 1)) == await waiting

    @pytest.mark.parametrize("version", [0, 1])
    async def test_keeps_the_writer_waiting_until_it_is_stored(self, log: LogDatabase, store: EventStore, version: int) -> None:
        one, two = in_shards(5, 6)
        if version:
            await store.append(append_of(two))
        first = await log.session()
        async with first.transaction():
            taken = await append_whole_group(first, [resting(append_of(one), two, at=version)], epoch=EPOCH)
            assert [Appended(1, 5, 1), Appended(version, 6, None)] == taken
            writing = asyncio.create_task(store.append(append_of(two, at=version)))
            await log.blocked_session()
            assert not writing.done()
        assert Appended(version + 1, 6, version + 1) == await writing

    async def test_of_two_that_rest_on_each_other_one_is_taken(self, log: LogDatabase) -> None:
        """Two processes at the same moment, with others beside them. A deadlock would be an error, and a second."""
        stores = [await log.store(), await log.store()]
        for _ in range(ROUNDS):
            one, two = uuid4(), uuid4()
            await asyncio.gather(*(stores[0].append(append_of(each)) for each in (one, two)))
            crossing = [resting(append_of(one, at=1), two), resting(append_of(two, at=1), one)]
            beside = asyncio.gather(*(store.append(append_of(uuid4())) for store in stores for _ in range(5)))
            found = await asyncio.gather(*(store.append(each) for store, each in zip(stores, crossing, strict=True)))
            await beside
            assert {Outrun, Appended} == {type(each) for each in found}


class TestHandle:
    async def test_says_that_another_moved_and_answers_a_repeat_all_the_same(self, store: EventStore) -> None:
        tallies, one, two, key = handler(store), uuid4(), uuid4(), key_of("a")
        await store.append(append_of(two))
        first = await tallies.handle(one, Count(one, 7), key=key, rests_on=[(two, 1)])
        await store.append(append_of(two, at=1))
        with pytest.raises(OtherStreamMoved):
            await tallies.handle(one, Count(one, 8), rests_on=[(two, 1)])
        again = await tallies.handle(one, Count(one, 7), key=key, rests_on=[(two, 1)])
        assert (first.events, True) == (again.events, again.replayed)
        assert [Counted(tally_id=one, amount=7)] == list(again.events)

    async def test_decides_anew_on_its_own_stream_meanwhile(self, store: EventStore) -> None:
        tallies, one, two = handler(store), uuid4(), uuid4()
        await store.append(append_of(two))
        counting = [tallies.handle(one, Count(one, n), rests_on=[(two, 1)]) for n in range(1, 4)]
        assert [1, 2, 3] == sorted(outcome.version for outcome in await asyncio.gather(*counting))
