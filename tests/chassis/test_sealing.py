"""Sealing: readable only with the key, in its place, for a recorded reason; and never again once the key is destroyed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis import key_server
from chassis.key_server import KeyServerUnavailable, Purpose
from chassis.sealing import ERASED, STREAMS_MAX, DataKey, Erased, KeyEncryption, SealBroken, Sealing, StreamIsErased
from contracts.sealing import SEALED_PATTERN
from tests.chassis.keys_database import KEY_ENCRYPTION_KEY, SERVICES, KeysDatabase, keys_database
from tests.house.house import REPOSITORY

MAKERS = 32
SEALERS = {"registration", "healthcloud_bridge", "health", "police_bridge"}
READERS = SEALERS | {"reporting", "portal"}


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(scope="module")
async def keys(keys_postgres_dsn: str) -> AsyncIterator[KeysDatabase]:
    async with keys_database(keys_postgres_dsn) as database:
        yield database


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def sealing(keys: KeysDatabase, clock: Clock) -> AsyncIterator[Sealing]:
    sealing = Sealing(await keys.pool("registration"), key_encryption_key=KEY_ENCRYPTION_KEY, monotonic_s=clock)
    yield sealing
    await sealing.close()


async def sealing_of(keys: KeysDatabase, service: str) -> Sealing:
    """Another process, with nothing in its cache."""
    return Sealing(await keys.pool(service), key_encryption_key=KEY_ENCRYPTION_KEY)


async def sealed_name(sealing: Sealing, stream_id: UUID, name: str = "张三") -> str:
    return (await sealing.sealer_for([stream_id])).seal(stream_id, "name", name)


async def read_name(sealing: Sealing, stream_id: UUID, sealed: str) -> str | Erased:
    unsealer = await sealing.unwrap([stream_id], actor="account-1", purpose=Purpose.PROCESS)
    return unsealer.unseal(stream_id, "name", sealed)


async def accesses(keys: KeysDatabase, stream_id: UUID) -> list[tuple[Any, ...]]:
    """(service, actor, purpose, streams) of every recorded access to the stream, oldest first."""
    recorded = "SELECT service, actor, purpose, stream_ids FROM access WHERE $1 = ANY(stream_ids) ORDER BY access_id"
    return list(await keys.rows(recorded, stream_id))


def data_key(stream_id: UUID | None = None, *, version: int = 1) -> DataKey:
    return DataKey(stream_id or UUID(int=7), version=version, key=bytes(range(32)))


class TestEnvelope:
    @given(text=st.text(), field=st.text(min_size=1))
    def test_opens_to_the_very_text(self, text: str, field: str) -> None:
        assert text == data_key().unseal(field, data_key().seal(field, text))

    @given(text=st.text(alphabet=st.characters(min_codepoint=0x10000, max_codepoint=0x323AF, exclude_categories=["Cs"])))
    def test_keeps_rare_characters_of_four_bytes(self, text: str) -> None:
        assert text == data_key().unseal("name", data_key().seal("name", text))

    @given(text=st.text())
    def test_has_the_published_form_and_shows_nothing(self, text: str) -> None:
        assert re.fullmatch(SEALED_PATTERN, data_key().seal("name", text))

    def test_is_another_one_each_time(self) -> None:
        assert data_key().seal("name", "张三") != data_key().seal("name", "张三")

    def test_opens_in_no_other_field(self) -> None:
        with pytest.raises(SealBroken):
            data_key().unseal("mobile", data_key().seal("name", "张三"))

    def test_opens_for_no_other_stream_even_under_the_same_key(self) -> None:
        with pytest.raises(SealBroken):
            data_key(uuid4()).unseal("name", data_key(uuid4()).seal("name", "张三"))

    def test_opens_under_no_other_key_version(self) -> None:
        sealed = data_key(version=1).seal("name", "张三")
        for relabelled in (sealed, sealed.replace("g1.1.", "g1.2.")):
            with pytest.raises(SealBroken):
                data_key(version=2).unseal("name", relabelled)

    @settings(max_examples=300)
    @given(data=st.data())
    def test_breaks_with_any_character_changed(self, data: st.DataObject) -> None:
        sealed = data_key().seal("name", "欧阳·阿不都")
        at = data.draw(st.integers(0, len(sealed) - 1))
        other = data.draw(st.characters().filter(lambda character: character != sealed[at]))
        with pytest.raises(SealBroken):
            data_key().unseal("name", sealed[:at] + other + sealed[at + 1 :])

    @pytest.mark.parametrize("sealed", ["", "g1", "g1.1.", "g1.1.AAAA", "g2.1." + "A" * 40, "g1.1." + "A" * 41, "g1.1.A.B", "张三"])
    def test_of_another_form_is_broken(self, sealed: str) -> None:
        with pytest.raises(SealBroken):
            data_key().unseal("name", sealed)

    def test_that_is_broken_is_reported_without_its_content(self) -> None:
        with pytest.raises(SealBroken) as broken:
            data_key().unseal("name", "张三")
        assert "张三" not in repr(broken.value)
        assert broken.value.__suppress_context__


class TestFingerprint:
    async def test_is_equal_for_the_same_name_in_every_service(self, keys: KeysDatabase, sealing: Sealing) -> None:
        person = uuid4()
        here = await sealing.sealer_for([person])
        there = await (await sealing_of(keys, "healthcloud_bridge")).sealer_for([person])

        assert here.fingerprint(person, "张三") == there.fingerprint(person, "张三")
        assert here.fingerprint(person, "张三") != there.fingerprint(person, "张四")

    async def test_folds_the_ways_to_write_a_name(self, sealing: Sealing) -> None:
        person = uuid4()
        sealer = await sealing.sealer_for([person])
        assert sealer.fingerprint(person, "阿不都•热合曼") == sealer.fingerprint(person, "阿不都·热合曼")

    async def test_of_one_name_differs_between_people(self, sealing: Sealing) -> None:
        ada, ben = uuid4(), uuid4()
        sealer = await sealing.sealer_for([ada, ben])
        assert sealer.fingerprint(ada, "张三") != sealer.fingerprint(ben, "张三")


class TestSealing:
    async def test_is_read_back_by_another_service(self, keys: KeysDatabase, sealing: Sealing) -> None:
        person = uuid4()
        assert "张三" == await read_name(await sealing_of(keys, "reporting"), person, await sealed_name(sealing, person))

    async def test_makes_many_keys_in_one_round_trip(self, keys: KeysDatabase, sealing: Sealing) -> None:
        people = [uuid4() for _ in range(300)]
        await asyncio.gather(*(sealing.sealer_for([person]) for person in people))

        assert [(300, 1)] == await keys.rows(
            "SELECT count(*), count(DISTINCT created_at) FROM key WHERE stream_id = ANY($1)", people
        )

    async def test_refuses_too_many_streams_at_once(self, sealing: Sealing) -> None:
        people = [uuid4() for _ in range(STREAMS_MAX + 1)]
        with pytest.raises(ValueError, match=str(STREAMS_MAX)):
            await sealing.sealer_for(people)
        with pytest.raises(ValueError, match=str(STREAMS_MAX)):
            await sealing.unwrap(people, actor="account-1", purpose=Purpose.MASKED_PAGE)

    async def test_knows_only_the_streams_asked_for(self, sealing: Sealing) -> None:
        person, stranger = uuid4(), uuid4()
        sealer = await sealing.sealer_for([person])
        unsealer = await sealing.unwrap([person], actor="account-1", purpose=Purpose.PROCESS)

        with pytest.raises(KeyError):
            sealer.seal(stranger, "name", "张三")
        with pytest.raises(KeyError):
            unsealer.unseal(stranger, "name", sealer.seal(person, "name", "张三"))

    async def test_sends_no_data_key_to_the_key_server(self, keys: KeysDatabase, sealing: Sealing) -> None:
        person = uuid4()
        await sealing.sealer_for([person])
        [(wrapped,)] = await keys.rows("SELECT wrapped_key FROM key WHERE stream_id = $1", person)

        opened = KeyEncryption(KEY_ENCRYPTION_KEY).open(key_server.WrappedKey(person, 1, wrapped))
        assert opened is not None
        assert opened._key not in wrapped

    async def test_without_the_right_key_encryption_key_opens_nothing(self, keys: KeysDatabase, sealing: Sealing) -> None:
        person = uuid4()
        sealed = await sealed_name(sealing, person)
        foreign = Sealing(await keys.pool("registration"), key_encryption_key=bytes(32))

        with pytest.raises(SealBroken):
            await read_name(foreign, person, sealed)
        with pytest.raises(SealBroken):
            await foreign.sealer_for([person])

    async def test_notices_a_key_that_was_put_in_anothers_place(self, keys: KeysDatabase, sealing: Sealing) -> None:
        ada, ben = uuid4(), uuid4()
        sealed = await sealed_name(sealing, ada)
        await sealing.sealer_for([ben])
        await keys.superuser.execute(
            "UPDATE key SET wrapped_key = (SELECT wrapped_key FROM key WHERE stream_id = $1) WHERE stream_id = $2", ben, ada
        )
        with pytest.raises(SealBroken):
            await read_name(sealing, ada, sealed)

    async def test_with_one_damaged_key_still_serves_the_others(self, keys: KeysDatabase, sealing: Sealing) -> None:
        ada, ben = uuid4(), uuid4()
        sealed = {person: await sealed_name(sealing, person) for person in (ada, ben)}
        await keys.superuser.execute("UPDATE key SET wrapped_key = sha256(wrapped_key) WHERE stream_id = $1", ada)
        unsealer = await sealing.unwrap([ada, ben], actor="account-1", purpose=Purpose.MASKED_PAGE)
        other = await sealing_of(keys, "health")
        spoiled, fine = await asyncio.gather(other.sealer_for([ada]), other.sealer_for([ben]), return_exceptions=True)

        assert "张三" == unsealer.unseal(ben, "name", sealed[ben])
        with pytest.raises(SealBroken):
            unsealer.unseal(ada, "name", sealed[ada])
        assert isinstance(spoiled, SealBroken)
        assert not isinstance(fine, BaseException)

    async def test_needs_the_key_server(self) -> None:
        nowhere = asyncpg.create_pool("postgresql://nobody@127.0.0.1:1/none", min_size=0, timeout=2)
        async with nowhere:
            sealing = Sealing(nowhere, key_encryption_key=KEY_ENCRYPTION_KEY)
            with pytest.raises(KeyServerUnavailable):
                await sealing.sealer_for([uuid4()])
            with pytest.raises(KeyServerUnavailable):
                await sealing.unwrap([uuid4()], actor="account-1", purpose=Purpose.REVEAL)
            with pytest.raises(KeyServerUnavailable):
                await sealing.destroy(uuid4())


class TestRaceForANewKey:
    async def test_has_one_winner_whose_key_all_use(self, keys: KeysDatabase) -> None:
        """The first maker's transaction is held open, so that the others do race; all of them must then use its key."""
        person = uuid4()
        services = sorted(SEALERS)
        makers = [await sealing_of(keys, services[n % len(services)]) for n in range(MAKERS)]
        encryption = KeyEncryption(KEY_ENCRYPTION_KEY)

        async with (await keys.pool("health")).acquire() as holder:
            transaction = holder.transaction()
            await transaction.start()
            first = await holder.fetchrow("SELECT * FROM create_keys($1, $2)", [person], [encryption.new_wrapped_key(person)])
            making = [asyncio.create_task(sealed_name(maker, person)) for maker in makers]
            await keys.until_somebody_waits_for_a_lock()
            await transaction.commit()

        assert first is not None
        winner = encryption.open(key_server.WrappedKey(person, 1, first["wrapped_key"]))
        assert winner is not None
        assert {"张三"} == {winner.unseal("name", sealed) for sealed in await asyncio.gather(*making)}

    async def test_of_groups_in_opposite_order_ends_without_a_deadlock(self, keys: KeysDatabase) -> None:
        people = [uuid4() for _ in range(300)]
        there, back = await sealing_of(keys, "registration"), await sealing_of(keys, "health")
        one, other = await asyncio.gather(there.sealer_for(people), back.sealer_for(people[::-1]))

        assert all(one.fingerprint(person, "张三") == other.fingerprint(person, "张三") for person in people)

    async def test_against_its_destruction_never_revives_it(self, keys: KeysDatabase, sealing: Sealing) -> None:
        person = uuid4()
        async with (await keys.pool("registration")).acquire() as holder:
            transaction = holder.transaction()
            await transaction.start()
            await holder.execute("SELECT destroy_key($1)", person)
            making = asyncio.create_task(sealing.sealer_for([person]))
            await keys.until_somebody_waits_for_a_lock()
            await transaction.commit()

        with pytest.raises(StreamIsErased):
            (await making).seal(person, "name", "张三")


async def identified(keys: KeysDatabase, index: bytes) -> list[UUID]:
    """Whoever a document with this index belongs to, as the one in a list."""
    found: list[UUID] = await (await keys.pool("registration")).fetchval("SELECT identify($1, $2)", [index], ["passport"])
    return found


async def found_on_disk(keys: KeysDatabase, *wanted: bytes) -> set[bytes]:
    """Which of these bytes the files of the tables and their indexes hold."""
    await keys.superuser.execute("CHECKPOINT")
    relations = "('identity'::regclass, 'key'::regclass)"
    files = await keys.rows(
        "SELECT pg_read_binary_file(pg_relation_filepath(oid)) FROM pg_class"
        f" WHERE oid IN {relations} OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN {relations})"
    )
    return {each for each in wanted if any(each in file for (file,) in files)}


class TestDestroy:
    async def test_makes_a_typed_value_of_everything_sealed(self, keys: KeysDatabase, sealing: Sealing) -> None:
        person = uuid4()
        sealed = await sealed_name(sealing, person)
        await sealing.destroy(person)

        assert ERASED == await read_name(sealing, person, sealed)
        assert ERASED == await read_name(await sealing_of(keys, "reporting"), person, sealed)

    async def test_leaves_everybody_else_readable(self, sealing: Sealing) -> None:
        ada, ben = uuid4(), uuid4()
        sealed = {person: await sealed_name(sealing, person) for person in (ada, ben)}
        await sealing.destroy(ada)
        unsealer = await sealing.unwrap([ada, ben], actor="account-1", purpose=Purpose.MASKED_PAGE)

        assert [ERASED, "张三"] == [unsealer.unseal(person, "name", sealed[person]) for person in (ada, ben)]
        assert [None, "张三"] == [unsealer.text(person, "name", sealed[person]) for person in (ada, ben)]
        assert unsealer.text(ben, "name", None) is None, "there was nothing"

    async def test_takes_key_and_document_off_the_server(self, keys: KeysDatabase, sealing: Sealing) -> None:
        index = uuid4().bytes * 2
        [person] = await identified(keys, index)
        await sealing.sealer_for([person])
        await sealing.destroy(person)

        assert [(None,)] == await keys.rows("SELECT wrapped_key FROM key WHERE stream_id = $1", person)
        assert [] == await keys.rows("SELECT FROM identity WHERE person_id = $1", person)
        assert [person] != await identified(keys, index)

    async def test_takes_its_bytes_off_the_disk_once_the_runbook_was_followed(self, keys: KeysDatabase, sealing: Sealing) -> None:
        index = uuid4().bytes * 2
        [person] = await identified(keys, index)
        await sealing.sealer_for([person])
        [(wrapped,)] = await keys.rows("SELECT wrapped_key FROM key WHERE stream_id = $1", person)
        await sealing.destroy(person)
        assert {wrapped, index} == await found_on_disk(keys, wrapped, index), "nobody needed the room yet"

        runbook = (REPOSITORY / "docs" / "runbooks" / "end-of-epidemic.md").read_text()
        [typed] = [each for each in re.findall(r'<<<"([^"]*)"$', runbook, re.MULTILINE) if "VACUUM (FULL) key" in each]
        for statement in filter(str.strip, typed.split(";")):
            await keys.superuser.execute(statement)

        assert set() == await found_on_disk(keys, wrapped, index)

    async def test_leaves_what_is_dead_to_a_vacuum_that_comes_soon(self, keys: KeysDatabase) -> None:
        soon = ["autovacuum_vacuum_threshold=0", "autovacuum_vacuum_scale_factor=0"]
        options = "SELECT relname, reloptions FROM pg_class WHERE relname IN ('identity', 'key') ORDER BY relname"
        assert [("identity", soon), ("key", soon)] == await keys.rows(options)

    async def test_lets_nothing_be_sealed_afterwards(self, keys: KeysDatabase, sealing: Sealing) -> None:
        person = uuid4()
        await sealing.sealer_for([person])
        await sealing.destroy(person)

        for process in (sealing, await sealing_of(keys, "health")):
            sealer = await process.sealer_for([person])
            with pytest.raises(StreamIsErased):
                sealer.seal(person, "name", "张三")
            with pytest.raises(StreamIsErased):
                sealer.fingerprint(person, "张三")

    async def test_holds_for_a_stream_that_never_had_a_key(self, sealing: Sealing) -> None:
        person = uuid4()
        await sealing.destroy(person)
        with pytest.raises(StreamIsErased):
            await sealed_name(sealing, person)

    async def test_twice_keeps_the_first_time(self, keys: KeysDatabase, sealing: Sealing) -> None:
        person = uuid4()
        await sealing.destroy(person)
        first = await keys.rows("SELECT destroyed_at FROM key WHERE stream_id = $1", person)
        await sealing.destroy(person)

        assert first == await keys.rows("SELECT destroyed_at FROM key WHERE stream_id = $1", person)


class TestCache:
    async def test_spares_the_round_trip(self, keys: KeysDatabase, sealing: Sealing) -> None:
        person = uuid4()
        await sealing.sealer_for([person])
        await sealing.sealer_for([person])
        assert [] == await accesses(keys, person)

    async def test_outlives_a_destruction_elsewhere_by_its_ttl_at_most(
        self, keys: KeysDatabase, sealing: Sealing, clock: Clock
    ) -> None:
        person = uuid4()
        sealed = await sealed_name(sealing, person)
        await (await sealing_of(keys, "registration")).destroy(person)

        clock.now_s += 59.9
        late = await sealed_name(sealing, person)
        assert [ERASED, ERASED] == [await read_name(sealing, person, text) for text in (sealed, late)]
        clock.now_s += 0.2
        with pytest.raises(StreamIsErased):
            await sealed_name(sealing, person)

    async def test_drops_the_key_used_longest_ago(self, keys: KeysDatabase) -> None:
        ada, ben, eve = uuid4(), uuid4(), uuid4()
        sealing = Sealing(await keys.pool("registration"), key_encryption_key=KEY_ENCRYPTION_KEY, cached_keys_max=2)
        for person in (ada, ben, ada, eve, ada):
            await sealing.sealer_for([person])
        assert [] == await accesses(keys, ada)

        await sealing.sealer_for([ben])
        assert [("registration", None, "seal", [ben])] == await accesses(keys, ben)


class TestAccess:
    async def test_to_a_masked_page_is_one_row_with_all_its_people(self, keys: KeysDatabase, sealing: Sealing) -> None:
        people = sorted(uuid4() for _ in range(15))
        await sealing.sealer_for(people)
        reporting = await sealing_of(keys, "reporting")
        await reporting.unwrap(people[::-1], actor="officer-7", purpose=Purpose.MASKED_PAGE)

        assert [("reporting", "officer-7", "masked_page", people)] == await accesses(keys, people[0])
        assert await accesses(keys, people[0]) == await accesses(keys, people[14])

    async def test_to_reveal_is_one_row_for_each_person(self, keys: KeysDatabase, sealing: Sealing) -> None:
        people = [uuid4() for _ in range(3)]
        await sealing.sealer_for(people)
        reporting = await sealing_of(keys, "reporting")
        await reporting.unwrap([*people, people[0]], actor="officer-7", purpose=Purpose.REVEAL)

        for person in people:
            assert [("reporting", "officer-7", "reveal", [person])] == await accesses(keys, person)

    async def test_is_recorded_each_time(self, keys: KeysDatabase, sealing: Sealing) -> None:
        person = uuid4()
        sealed = await sealed_name(sealing, person)
        for _ in range(3):
            await read_name(sealing, person, sealed)
        assert [("registration", "account-1", "process", [person])] * 3 == await accesses(keys, person)

    async def test_to_seal_for_a_known_person_is_recorded_too(self, keys: KeysDatabase, sealing: Sealing) -> None:
        """The key leaves the server then as well, and whoever has it could read."""
        person = uuid4()
        await sealing.sealer_for([person])
        await (await sealing_of(keys, "health")).sealer_for([person])
        assert [("health", None, "seal", [person])] == await accesses(keys, person)

    async def test_is_recorded_even_of_somebody_without_a_key(self, keys: KeysDatabase, sealing: Sealing) -> None:
        nobody = uuid4()
        unsealer = await sealing.unwrap([nobody], actor="account-1", purpose=Purpose.REVEAL)

        assert [("registration", "account-1", "reveal", [nobody])] == await accesses(keys, nobody)
        with pytest.raises(SealBroken):
            unsealer.unseal(nobody, "name", data_key(nobody).seal("name", "张三"))

    @pytest.mark.parametrize(
        ("actor", "purpose"), [("", "reveal"), (None, "reveal"), ("a", "seal"), ("a", "curiosity"), ("a", None)]
    )
    async def test_without_who_and_why_gives_no_key(self, keys: KeysDatabase, actor: str | None, purpose: str | None) -> None:
        pool = await keys.pool("reporting")
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await pool.fetch("SELECT * FROM unwrap($1, $2, $3)", [uuid4()], actor, purpose)

    @pytest.mark.parametrize("statement", ["UPDATE access SET actor = 'nobody'", "DELETE FROM access", "TRUNCATE access"])
    async def test_is_never_rewritten_not_even_by_a_superuser(self, keys: KeysDatabase, sealing: Sealing, statement: str) -> None:
        await sealing.unwrap([uuid4()], actor="account-1", purpose=Purpose.PROCESS)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await keys.superuser.execute(statement)


class TestGrants:
    @pytest.mark.parametrize("service", SERVICES)
    async def test_let_only_those_make_keys_who_seal(self, keys: KeysDatabase, service: str) -> None:
        create = (await sealing_of(keys, service)).sealer_for([uuid4()])
        if service in SEALERS:
            await create
        else:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await create

    @pytest.mark.parametrize("service", SERVICES)
    async def test_let_the_gate_read_no_key(self, keys: KeysDatabase, service: str) -> None:
        unwrap = (await sealing_of(keys, service)).unwrap([uuid4()], actor="account-1", purpose=Purpose.PROCESS)
        if service in READERS:
            await unwrap
        else:
            assert "gatekeeper" == service
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await unwrap

    @pytest.mark.parametrize("service", SERVICES)
    async def test_let_only_reporting_say_who_saw_somebody(self, keys: KeysDatabase, service: str) -> None:
        record = (await sealing_of(keys, service)).accesses(uuid4(), before=1, limit=1)
        if service == "reporting":
            assert [] == await record
        else:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await record

    @pytest.mark.parametrize("service", SERVICES)
    async def test_let_only_registration_erase(self, keys: KeysDatabase, service: str) -> None:
        destroy = (await sealing_of(keys, service)).destroy(uuid4())
        if service == "registration":
            await destroy
        else:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await destroy

    async def test_cannot_be_widened_by_a_table_of_the_same_name(self, keys: KeysDatabase) -> None:
        """The functions run with their owner's rights, so no caller may choose what their names mean."""
        [(paths,)] = await keys.rows(
            "SELECT array_agg(DISTINCT setting) FROM pg_proc, unnest(proconfig) AS setting "
            "WHERE prosecdef AND setting LIKE 'search_path=%'"
        )
        assert ["search_path=public, pg_temp"] == paths
        unpinned = (
            "SELECT proname FROM pg_proc WHERE prosecdef AND (proconfig IS NULL OR NOT proconfig::text LIKE '%search_path=%')"
        )
        assert [] == await keys.rows(unpinned)
        for service in SERVICES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await (await keys.pool(service)).execute("CREATE TEMPORARY TABLE identity (blind_index bytea, person_id uuid)")

    async def test_leave_the_public_out(self, keys: KeysDatabase) -> None:
        open_to_all = (
            "SELECT proname FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) AS acl "
            "WHERE pronamespace = 'public'::regnamespace AND acl.grantee = 0"
        )
        assert [] == await keys.rows(open_to_all)
        assert [(False,)] == await keys.rows("SELECT has_database_privilege('public', current_database(), 'CONNECT')")
