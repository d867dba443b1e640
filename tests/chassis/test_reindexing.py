"""Changing the index key: whoever a document leads to stays the same, nobody waits, and in the end the old key finds nobody."""

from __future__ import annotations

import asyncio
import random
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import pytest

from chassis import reindexing
from chassis.identity import Identities
from chassis.index_keys import IndexKeys
from chassis.installation import NOT_TOLD, InstallationSettings, reindex_documents
from chassis.key_server import KeyServerUnavailable, destroy_key
from chassis.reindexing import IndexKeyIsAnother, Reindexed, reindex
from chassis.testing.wait import eventually
from contracts.identity import Document, DocumentType
from tests.chassis.captured_log import captured_log
from tests.chassis.keys_database import KeysDatabase, keys_database

FIRST, SECOND, THIRD, STOLEN = (bytes([n]) * 32 for n in (1, 2, 3, 4))
OLD, NEW = IndexKeys(FIRST), IndexKeys(FIRST, SECOND)
GENERATIONS = "SELECT generation, count(*) FROM identity GROUP BY 1 ORDER BY 1"
ROUND = 10
"""Documents that are shown at once."""
WITHIN_S = 30.0


@pytest.fixture
async def keys(keys_postgres_dsn: str) -> AsyncIterator[KeysDatabase]:
    async with keys_database(keys_postgres_dsn) as database:
        yield database


async def process(keys: KeysDatabase, told: IndexKeys, service: str = "registration") -> Identities:
    """One that was started with these keys."""
    return Identities(await keys.pool(service), told)


def documents(count: int) -> list[Document]:
    """Passports that nobody else in this run holds."""
    return [Document(type=DocumentType.PASSPORT, number=f"XXX/{secrets.token_hex(5).upper()}") for _ in range(count)]


class TestIndexKey:
    def test_on_top_of_another_is_told_from_one_alone(self) -> None:
        [document] = documents(1)
        index = NEW.index(document)
        assert (OLD.index(document).newest, NEW.on_top(OLD.index(document).newest)) == (index.former, index.newest)
        assert 3 == len({IndexKeys(FIRST).marks[1], IndexKeys(SECOND).marks[1], NEW.marks[1]})

    async def test_is_changed_while_processes_are_exchanged_one_by_one(self, keys: KeysDatabase) -> None:
        before, after = await process(keys, OLD), await process(keys, NEW, "gatekeeper")
        ada, ben, cid = documents(3)
        people = [*await before.identify([ada]), *await after.identify([ben]), *await before.identify([cid])]
        for each in (before, after):
            assert people == await each.identify([ada, ben, cid])
            await each.close()

    async def test_finds_the_same_people_afterwards_and_not_by_the_old_one(self, keys: KeysDatabase) -> None:
        shown = documents(5)
        was = await process(keys, OLD)
        people = await was.identify(shown)
        assert Reindexed(carried=5, dropped=5) == await reindex(keys.superuser, NEW)
        assert [(2, 5)] == await keys.rows(GENERATIONS)
        now, finds = await process(keys, NEW), await process(keys, NEW, "reporting")
        assert people == await now.identify(shown)
        assert people == [await finds.find(document) for document in shown]
        for each in (was, now, finds):
            await each.close()

    async def test_may_be_changed_again(self, keys: KeysDatabase) -> None:
        shown = documents(5)
        now = await process(keys, OLD)
        people = await now.identify(shown)
        for told in (NEW, IndexKeys(FIRST, SECOND, THIRD)):
            assert Reindexed(carried=5, dropped=5) == await reindex(keys.superuser, told)
            now = await process(keys, told)
            assert people == await now.identify(shown)
        assert [(3, 5)] == await keys.rows(GENERATIONS)


@dataclass
class Showing:
    """Documents are shown, known ones and new ones, each at two processes at the same time."""

    askers: list[Identities]
    led_to: dict[Document, UUID]
    rounds: int = 0

    async def go_on(self) -> None:
        while True:
            shown = [*random.sample(list(self.led_to), ROUND // 2), *documents(ROUND // 2)]
            one, other = random.sample(self.askers, 2)
            answers = await asyncio.gather(*(each.identify([document]) for document in shown for each in (one, other)))
            for document, (first,), (second,) in zip(shown, answers[::2], answers[1::2], strict=True):
                assert self.led_to.setdefault(document, first) == first == second, f"round {self.rounds}"
            self.rounds += 1

    async def goes_on(self) -> None:
        rounds = self.rounds
        await eventually(lambda: self.rounds > rounds + 5, within_s=WITHIN_S)


@asynccontextmanager
async def showing(askers: list[Identities], led_to: dict[Document, UUID]) -> AsyncIterator[Showing]:
    told = Showing(askers, led_to)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(told.go_on())
        yield told
        task.cancel()


class TestLoad:
    async def test_makes_one_person_of_each_document(self, keys: KeysDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        """While some processes have the old key alone, while all is carried, and while the new key takes over. People are erased
        meanwhile."""
        monkeypatch.setattr(reindexing, "AT_ONCE", 7)
        old = [await process(keys, OLD, service) for service in ("registration", "gatekeeper")]
        new = [await process(keys, NEW, service) for service in ("registration", "gatekeeper")]
        known = documents(200)
        led_to = dict(zip(known, await old[0].identify(known), strict=True))
        leaving = [led_to.pop(document) for document in known[:50]]
        async with showing([*old, *new], led_to) as shown:
            await shown.goes_on()
            shown.askers = new
            await shown.goes_on()
            pool = await keys.pool("registration")
            change = asyncio.create_task(reindex(keys.superuser, NEW))
            await asyncio.gather(*(destroy_key(pool, person_id) for person_id in leaving))
            assert (await change).carried
            await shown.goes_on()
        rows = await keys.rows("SELECT generation, person_id FROM identity")
        assert {2} == {generation for generation, _ in rows}
        assert sorted(led_to.values()) == sorted(person_id for _, person_id in rows), "and nobody is led to who was erased"
        for each in (*old, *new):
            await each.close()


class TestRace:
    async def test_with_whoever_enters_a_document_under_the_old_key_leaves_nobody_behind(self, keys: KeysDatabase) -> None:
        [document] = documents(1)
        async with (await keys.pool("gatekeeper")).acquire() as entering:
            transaction = entering.transaction()
            await transaction.start()
            [person_id] = await entering.fetchval("SELECT identify($1, $2)", [OLD.index(document).newest], ["passport"])
            change = asyncio.create_task(reindex(await keys.owner(), NEW))
            await keys.until_somebody_waits_for_a_lock()
            await transaction.commit()
        assert Reindexed(carried=1, dropped=1) == await change
        now = await process(keys, NEW)
        assert [person_id] == await now.identify([document])
        await now.close()

    async def test_with_whoever_is_erased_leaves_no_document_that_leads_to_him(self, keys: KeysDatabase) -> None:
        [document] = documents(1)
        was = await process(keys, OLD)
        [person_id] = await was.identify([document])
        carrying = await keys.owner()
        transaction = carrying.transaction()
        await transaction.start()
        assert 1 == await reindexing._carry_all(carrying, NEW)
        erasing = asyncio.create_task(destroy_key(await keys.pool("registration"), person_id))
        await keys.until_somebody_waits_for_a_lock()
        await transaction.commit()
        await erasing
        assert [] == await keys.rows("SELECT FROM identity")
        await was.close()

    async def test_passes_by_whoever_is_being_erased(self, keys: KeysDatabase) -> None:
        [gone, stays] = documents(2)
        was = await process(keys, OLD)
        [person_id, other] = await was.identify([gone, stays])
        async with (await keys.pool("registration")).acquire() as erasing:
            transaction = erasing.transaction()
            await transaction.start()
            await erasing.execute("SELECT destroy_key($1)", person_id)
            change = asyncio.create_task(reindex(await keys.owner(), NEW))
            await eventually(lambda: keys.rows("SELECT FROM identity WHERE is_carried"), within_s=WITHIN_S)
            assert not change.done()
            await transaction.commit()
        await change
        assert [(2, other)] == await keys.rows("SELECT generation, person_id FROM identity")
        await was.close()


class TestOtherKey:
    """Whoever has it would make new people of all who are known."""

    @pytest.mark.parametrize("told", [IndexKeys(STOLEN), IndexKeys(STOLEN, SECOND), IndexKeys(FIRST, SECOND, THIRD)])
    async def test_is_refused(self, keys: KeysDatabase, told: IndexKeys) -> None:
        await self.is_refused(keys, OLD, told)

    async def test_on_top_of_the_right_one_is_refused_once_another_is_known(self, keys: KeysDatabase) -> None:
        await self.is_refused(keys, NEW, IndexKeys(FIRST, STOLEN))

    async def test_is_also_the_old_one_once_the_new_one_counts(self, keys: KeysDatabase) -> None:
        await reindex(keys.superuser, NEW)
        await self.is_refused(keys, NEW, OLD)
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
            await (await keys.pool("gatekeeper")).fetchval("SELECT identify($1, $2)", [bytes(32)], ["passport"])
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
            await (await keys.pool("reporting")).fetchval("SELECT find_person($1)", bytes(32))

    @staticmethod
    async def is_refused(keys: KeysDatabase, right_keys: IndexKeys, told: IndexKeys) -> None:
        right, wrong, finds = await process(keys, right_keys), await process(keys, told), await process(keys, told, "reporting")
        known, document = documents(2)
        await right.identify([known])
        before = await keys.rows("SELECT blind_index FROM identity")
        with captured_log() as lines:
            with pytest.raises(KeyServerUnavailable):
                await wrong.identify([document])
            with pytest.raises(KeyServerUnavailable):
                await finds.find(document)
        assert 2 == [line["event"] for line in lines.events].count("key_server.index_key_is_another")
        assert before == await keys.rows("SELECT blind_index FROM identity")
        for each in (right, wrong, finds):
            await each.close()


class TestReindexing:
    async def test_repeated_does_what_is_left(self, keys: KeysDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        was = await process(keys, OLD)
        people = await was.identify(shown := documents(3))
        assert 3 == await reindexing._carry_all(keys.superuser, NEW)  # It was cut short then.
        assert Reindexed(carried=0, dropped=3) == await reindex(keys.superuser, NEW)
        assert Reindexed(carried=0, dropped=0) == await reindex(keys.superuser, NEW)
        now = await process(keys, NEW)
        assert people == await now.identify(shown)
        for each in (was, now):
            await each.close()

    @pytest.mark.parametrize("told", [IndexKeys(STOLEN, SECOND), IndexKeys(FIRST, SECOND, THIRD)])
    async def test_by_another_key_changes_nothing(self, keys: KeysDatabase, told: IndexKeys) -> None:
        was = await process(keys, OLD)
        await was.identify(documents(3))
        with pytest.raises(IndexKeyIsAnother):
            await reindex(keys.superuser, told)
        assert [(1, 3)] == await keys.rows(GENERATIONS)
        await was.close()


class TestCommand:
    async def test_says_how_many(self, keys: KeysDatabase, keys_postgres_dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
        was = await process(keys, OLD)
        await was.identify(documents(2))
        await was.close()
        dsn = urlsplit(keys_postgres_dsn)._replace(path=f"/{keys.address['database']}").geturl()

        async def typed(*told: bytes) -> int:
            index_key = "\n".join(b64encode(key).decode() for key in told)
            return await reindex_documents(InstallationSettings.model_validate({"keys_dsn": dsn, "index_key": index_key}))

        assert 0 == await typed(FIRST, SECOND)
        assert "2 documents indexed anew, 2 old indexes dropped\n" == capsys.readouterr().out
        assert 1 == await typed(FIRST, STOLEN)
        assert "not the index key" in capsys.readouterr().err

    async def test_without_a_key_changes_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        told = {"keys_dsn": "postgresql://nobody@127.0.0.1:1/none"}
        assert NOT_TOLD == await reindex_documents(InstallationSettings.model_validate(told))
        assert "GATEHOUSE_INDEX_KEY" in capsys.readouterr().err
