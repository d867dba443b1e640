"""Identity: one document, one person, whoever asks and however many at once; and the document is stored nowhere."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.faults import Unavailable
from chassis.identity import DOCUMENTS_MAX, Identities
from chassis.index_keys import IndexKeys
from chassis.key_server import KeyServerUnavailable, create_keys, destroy_key, destroyed_among, is_erasable, other_keys_after
from contracts.identity import Document, DocumentType
from tests.chassis.keys_database import INDEX_KEY, SERVICES, KeysDatabase, keys_database

ASKERS = 32
KEYS = IndexKeys(INDEX_KEY)


@pytest.fixture(scope="module")
async def keys(keys_postgres_dsn: str) -> AsyncIterator[KeysDatabase]:
    async with keys_database(keys_postgres_dsn) as database:
        yield database


@pytest.fixture
async def identities(keys: KeysDatabase) -> AsyncIterator[Identities]:
    identities = Identities(await keys.pool("registration"), KEYS)
    yield identities
    await identities.close()


def a_document() -> Document:
    """A passport that nobody else in this run holds."""
    return Document(type=DocumentType.PASSPORT, number=f"XXX/{secrets.token_hex(5).upper()}")


class TestBlindIndex:
    def test_is_keyed(self) -> None:
        document = a_document()
        assert IndexKeys(bytes(32)).index(document) != KEYS.index(document)

    def test_tells_the_type_from_the_number(self) -> None:
        """Whatever a type allows as its number: the same characters under another type are another document."""
        card = Document.model_construct(type=DocumentType.PERMANENT_RESIDENCE, number="12345678")
        permit = Document.model_construct(type=DocumentType.TAIWAN_PERMIT, number="12345678")
        assert KEYS.index(card) != KEYS.index(permit)

    def test_is_the_same_however_the_number_was_typed(self) -> None:
        old, new = (Document(type=DocumentType.HK_MACAU_PERMIT, number=number) for number in ("h1234567801", "H12345678"))
        assert KEYS.index(old) == KEYS.index(new)

    def test_never_changes(self) -> None:
        """Another value would give every known person a second id."""
        document = Document(type=DocumentType.TAIWAN_PERMIT, number="12345678")
        assert "39673e6bec5935fad0d89f7d90f48734fcb979ece2a38d8f4d726a246aa8fa99" == KEYS.index(document).newest.hex()


class TestIdentify:
    async def test_makes_a_new_person_of_an_unknown_document(self, identities: Identities) -> None:
        first, second = await identities.identify([a_document(), a_document()])
        assert first != second
        assert 4 == first.version

    async def test_answers_in_order_and_always_the_same(self, identities: Identities) -> None:
        ada, ben = a_document(), a_document()
        ada_id, ben_id = await identities.identify([ada, ben])

        assert [ben_id, ada_id, ben_id] == await identities.identify([ben, ada, ben])

    async def test_makes_one_person_of_one_document_given_twice(self, identities: Identities) -> None:
        document = a_document()
        first, second = await identities.identify([document, document])
        assert first == second

    async def test_answers_nothing_to_nothing(self, identities: Identities) -> None:
        assert [] == await identities.identify([])

    async def test_refuses_too_many_at_once(self, identities: Identities) -> None:
        with pytest.raises(ValueError, match=str(DOCUMENTS_MAX)):
            await identities.identify([a_document()] * (DOCUMENTS_MAX + 1))

    async def test_stores_no_trace_of_the_number(self, keys: KeysDatabase, identities: Identities) -> None:
        document = a_document()
        [person_id] = await identities.identify([document])

        [row] = await keys.rows("SELECT i::text FROM identity AS i WHERE person_id = $1", person_id)
        assert document.number not in row[0]
        assert document.number.encode().hex() not in row[0]

    async def test_knows_the_same_person_in_every_service(self, keys: KeysDatabase, identities: Identities) -> None:
        document = a_document()
        gate = Identities(await keys.pool("gatekeeper"), KEYS)

        assert await identities.identify([document]) == await gate.identify([document])
        await gate.close()


class TestRace:
    async def test_of_many_services_for_one_new_document_makes_one_person(self, keys: KeysDatabase) -> None:
        """Each asker has its own transaction. One more is held open before its commit, so that they do race."""
        document = a_document()
        index = KEYS.index(document).newest
        pool = await keys.pool("registration")
        askers = [Identities(await keys.pool(service), KEYS) for service in ("registration", "healthcloud_bridge")]
        askers += [Identities(pool, KEYS) for _ in range(ASKERS - len(askers))]

        async with pool.acquire() as holder:
            transaction = holder.transaction()
            await transaction.start()
            [held] = await holder.fetchval("SELECT identify($1, $2)", [index], ["passport"])
            asking = [asyncio.create_task(asker.identify([document])) for asker in askers]
            await keys.until_somebody_waits_for_a_lock()
            await transaction.commit()

        assert {held} == {person_id for [person_id] in await asyncio.gather(*asking)}
        assert [(1,)] == await keys.rows("SELECT count(*) FROM identity WHERE blind_index = $1", index)
        await asyncio.gather(*(asker.close() for asker in askers))

    async def test_whose_winner_rolls_back_leaves_the_person_to_the_next(self, keys: KeysDatabase, identities: Identities) -> None:
        document = a_document()
        async with (await keys.pool("gatekeeper")).acquire() as holder:
            transaction = holder.transaction()
            await transaction.start()
            [lost] = await holder.fetchval("SELECT identify($1, $2)", [KEYS.index(document).newest], ["passport"])
            asking = asyncio.create_task(identities.identify([document]))
            await keys.until_somebody_waits_for_a_lock()
            await transaction.rollback()

        [person_id] = await asking
        assert lost != person_id
        assert [person_id] == await identities.identify([document])

    async def test_of_groups_in_opposite_order_ends_without_a_deadlock(self, keys: KeysDatabase) -> None:
        documents = [a_document() for _ in range(200)]
        there = Identities(await keys.pool("registration"), KEYS)
        back = Identities(await keys.pool("gatekeeper"), KEYS)

        one, other = await asyncio.gather(there.identify(documents), back.identify(documents[::-1]))
        assert one == other[::-1]
        await asyncio.gather(there.close(), back.close())

    async def test_of_single_calls_shares_round_trips(self, keys: KeysDatabase, identities: Identities) -> None:
        documents = [a_document() for _ in range(ASKERS)]
        person_ids = await asyncio.gather(*(identities.identify([document]) for document in documents))

        # All rows of one transaction have the same now().
        times = await keys.rows(
            "SELECT DISTINCT created_at FROM identity WHERE person_id = ANY($1)", [person_id for [person_id] in person_ids]
        )
        assert 1 == len(times)


class TestKeyServerAway:
    async def test_is_a_missing_dependency(self) -> None:
        nowhere = asyncpg.create_pool("postgresql://nobody@127.0.0.1:1/none", min_size=0, timeout=2)
        async with nowhere:
            with pytest.raises(KeyServerUnavailable) as away:
                await Identities(nowhere, KEYS).identify([a_document()])
        assert isinstance(away.value, Unavailable)


class TestGrants:
    @pytest.mark.parametrize("service", SERVICES)
    async def test_let_only_those_identify_who_meet_people(self, keys: KeysDatabase, service: str) -> None:
        identify = Identities(await keys.pool(service), KEYS).identify([a_document()])
        if service in {"registration", "healthcloud_bridge", "gatekeeper"}:
            assert isinstance((await identify)[0], UUID)
        else:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await identify

    @pytest.mark.parametrize("service", SERVICES)
    @pytest.mark.parametrize("table", ["identity", "key", "access"])
    async def test_let_no_service_touch_a_table(self, keys: KeysDatabase, service: str, table: str) -> None:
        pool = await keys.pool(service)
        for statement in (
            f"SELECT FROM {table}",
            f"INSERT INTO {table} DEFAULT VALUES",
            f"UPDATE {table} SET {'at = at' if table == 'access' else 'created_at = created_at'}",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute(statement)

    @pytest.mark.parametrize("service", SERVICES)
    async def test_bound_every_wait(self, keys: KeysDatabase, service: str) -> None:
        settings = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        pool = await keys.pool(service)
        assert ["5s", "2s", "2s"] == [await pool.fetchval(f"SHOW {setting}") for setting in settings]


class TestErasable:
    async def test_is_for_whomever_anything_was_sealed_also_once_erased(self, keys: KeysDatabase, identities: Identities) -> None:
        pool = await keys.pool("registration")
        (person_id,) = await identities.identify([a_document()])
        assert not await is_erasable(pool, person_id), "only asked for"
        await create_keys(pool, [person_id], [bytes(40)])
        assert await is_erasable(pool, person_id)
        await destroy_key(pool, person_id)
        assert await is_erasable(pool, person_id), "whoever was cut short here asks again"

    async def test_is_no_site_though_it_has_a_key(self, keys: KeysDatabase) -> None:
        pool, site = await keys.pool("registration"), uuid4()
        await create_keys(pool, [site], [bytes(40)])
        assert not await is_erasable(pool, site)


class TestDestroyed:
    async def test_are_those_whose_key_is_gone(self, keys: KeysDatabase) -> None:
        pool, kept, gone, never = await keys.pool("registration"), *(uuid4() for _ in range(3))
        await create_keys(pool, [kept, gone], [bytes(40)] * 2)
        await destroy_key(pool, gone)
        assert {gone} == await destroyed_among(pool, [kept, gone, never])


class TestOthers:
    async def test_are_opened_by_a_key_and_led_to_by_no_document(self, keys: KeysDatabase, identities: Identities) -> None:
        pool, site, erased = await keys.pool("registration"), uuid4(), uuid4()
        (person_id,) = await identities.identify([a_document()])
        await create_keys(pool, [person_id, site, erased], [bytes(40)] * 3)
        await destroy_key(pool, erased)
        nobody = UUID(int=0)
        assert {site} == {person_id, site, erased} & {*await other_keys_after(pool, nobody, 10_000)}
        assert site not in await other_keys_after(pool, site, 10_000)


class TestFind:
    async def test_finds_whoever_is_known_and_makes_nobody(self, keys: KeysDatabase, identities: Identities) -> None:
        finder = Identities(await keys.pool("reporting"), KEYS)
        known, unknown = a_document(), a_document()
        [person_id] = await identities.identify([known])
        assert (person_id, None) == (await finder.find(known), await finder.find(unknown))
        assert await finder.find(unknown) is None
        await finder.close()
