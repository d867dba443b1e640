"""An append that others go along with, to streams of their own: all of them are taken, or nothing is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.event_store import Append, Appended, AppendResult, Conflict, EventStore, KeyReused, Late, Outrun, Remembered
from chassis.faults import IdempotencyKeyReused, OtherStreamMoved
from tests.chassis.log_database import LogDatabase
from tests.chassis.tallies import Close, Count, Counted, Tally, TallyIsClosed, append_of, handler, in_shard, in_shards, key_of

ROUNDS = 100
PAST = datetime(2020, 1, 1, tzinfo=UTC)


def joint(append: Append, *along: Append) -> Append:
    return replace(append, along=along)


async def versions(store: EventStore, *streams: UUID) -> list[int]:
    return [stored.version for stored in await store.load_many(streams)]


class TestAppend:
    async def test_takes_all_and_tells_of_each(self, store: EventStore) -> None:
        one, two, third = in_shards(5, 6, 5)
        told: list[tuple[int, int]] = []
        store.on_appended = lambda shard, last_pos: told.append((shard, last_pos))
        taken = await store.append(joint(append_of(one, key=key_of("a")), append_of(two, events=2), append_of(third)))
        assert Appended(version=1, shard=5, last_pos=1) == taken
        assert ([1, 2, 1], [(5, 1), (6, 2), (5, 2)]) == (await versions(store, one, two, third), told)

    @pytest.mark.parametrize("moved", ["its own", "another"])
    async def test_takes_nothing_where_one_has_moved(self, log: LogDatabase, store: EventStore, moved: str) -> None:
        one, two, third, key = *in_shards(5, 6, 7), key_of("a")
        await store.append(append_of(one if moved == "its own" else two))
        refused = await store.append(joint(append_of(one, key=key), append_of(two), append_of(third)))
        assert (Conflict(version=1) if moved == "its own" else Outrun()) == refused
        assert 1 == sum(await versions(store, one, two, third)) == sum((await log.heads()).values())
        assert await store.remembered(key) is None

    async def test_takes_nothing_of_what_was_done_before_or_comes_late(self, store: EventStore) -> None:
        one, two, third = in_shards(5, 6, 7)
        await store.append(append_of(one, key=key_of("a")))
        again = joint(append_of(one, at=1, key=key_of("a")), append_of(two))
        other = joint(append_of(one, at=1, key=key_of("a", body=b"another")), append_of(two))
        late = joint(append_of(third, not_after=PAST), append_of(two))
        answers: Sequence[AppendResult] = (Remembered(b"first"), KeyReused(), Late())
        assert list(answers) == [await store.append(each) for each in (again, other, late)]
        assert [1, 0, 0] == await versions(store, one, two, third)

    async def test_never_fails_its_neighbours(self, store: EventStore) -> None:
        moved, others = in_shard(6), [uuid4() for _ in range(4)]
        await store.append(append_of(moved))
        known = append_of(uuid4(), key=key_of("a"))
        await store.append(known)
        group = [joint(append_of(uuid4()), append_of(each)) for each in others]
        group[1] = joint(append_of(uuid4()), append_of(moved), append_of(others[1]))
        group[2] = joint(known, append_of(others[2]))
        found = await asyncio.gather(*(store.append(each) for each in group))
        assert [Appended, Outrun, Remembered, Appended] == [type(each) for each in found]
        assert [1, 0, 0, 1] == await versions(store, *others)

    async def test_of_two_that_cross_one_is_taken_whole(self, log: LogDatabase) -> None:
        """Two processes at the same moment, with others beside them. A deadlock would be an error, and a second."""
        stores = [await log.store(), await log.store()]
        for _ in range(ROUNDS):
            one, two = uuid4(), uuid4()
            crossing = [joint(append_of(one), append_of(two, events=2)), joint(append_of(two, events=3), append_of(one, events=3))]
            beside = asyncio.gather(*(store.append(append_of(uuid4())) for store in stores for _ in range(5)))
            found = await asyncio.gather(*(store.append(each) for store, each in zip(stores, crossing, strict=True)))
            await beside
            assert 1 == sum(isinstance(each, Appended) for each in found)
            assert await versions(stores[0], one, two) in ([1, 2], [3, 3])


class TestHandle:
    async def test_asks_all_and_answers_a_repeat_for_the_first(self, store: EventStore) -> None:
        tallies, one, two, key = handler(store), uuid4(), uuid4(), key_of("a")

        def count() -> Any:
            return tallies.handle(one, Count(one, 7), key=key, rests_on=[(two, 0)], along={two: Count(two, 8)})

        first = await count()
        assert [(1, Tally((7,))), (1, Tally((8,)))] == [*(await tallies.read_together([one, two])).values()]
        assert [Counted(tally_id=one, amount=7)] == list(first.events)
        again, known = await count(), await tallies.outcome_of(key)
        assert (first.events, True) == (again.events, again.replayed)
        assert again == known
        assert [1, 1] == await versions(store, one, two)

    async def test_knows_what_was_done_when_its_key_is_forgotten(self, log: LogDatabase, store: EventStore) -> None:
        tallies, one, two, key = handler(store), uuid4(), uuid4(), key_of("a")
        first = await tallies.handle(one, Count(one, 7), key=key, rests_on=[(two, 0)], along={two: Count(two, 8)})
        await log.owner.execute("DELETE FROM remembered_answer")
        known = await tallies.outcome_of(key)
        assert known is not None
        assert (first.events, True) == (known.events, known.replayed)
        again = await tallies.handle(one, Count(one, 7), key=key, rests_on=[(two, 1)], along={two: Count(two, 8)})
        assert (first.events, True) == (again.events, again.replayed)
        assert [1, 1] == await versions(store, one, two)
        assert await tallies.outcome_of(key_of("b")) is None

    async def test_refuses_all_where_one_refuses(self, store: EventStore) -> None:
        tallies, one, two = handler(store), uuid4(), uuid4()
        await tallies.handle(two, Close(two))
        with pytest.raises(TallyIsClosed):
            await tallies.handle(one, Count(one, 7), rests_on=[(two, 1)], along={two: Count(two, 8)})
        assert [0, 1] == await versions(store, one, two)

    async def test_asks_nothing_where_it_does_not_say_what_that_rests_on(self, store: EventStore) -> None:
        tallies, one, two, third = handler(store), *(uuid4() for _ in range(3))
        with pytest.raises(ValueError, match="rests on"):
            await tallies.handle(one, Count(one, 7), rests_on=[(two, 0)], along={third: Count(third, 8)})
        assert [0, 0, 0] == await versions(store, one, two, third)

    @pytest.mark.parametrize("when", ["before it is read", "before it is appended"])
    async def test_says_that_another_moved(self, store: EventStore, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
        tallies, one, two = handler(store), uuid4(), uuid4()
        append = store.append

        async def let_another_in_then_append(appended: Append) -> AppendResult:
            await append(append_of(two))
            return await append(appended)

        if when == "before it is read":
            await append(append_of(two))
        else:
            monkeypatch.setattr(store, "append", let_another_in_then_append)
        with pytest.raises(OtherStreamMoved):
            await tallies.handle(one, Count(one, 7), rests_on=[(two, 0)], along={two: Count(two, 8)})
        assert [0, 1] == await versions(store, one, two)

    async def test_says_that_its_key_stands_for_something_else(self, store: EventStore) -> None:
        tallies, one = handler(store), uuid4()
        await tallies.handle(one, Count(one, 7), key=key_of("a"))
        with pytest.raises(IdempotencyKeyReused):
            await tallies.outcome_of(key_of("a", body=b"another"))
