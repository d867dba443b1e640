"""Changing the key-encryption key: what is sealed stays as it is, nobody waits, and in the end the old key opens nothing."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis import rewrapping
from chassis.installation import NOT_TOLD, InstallationSettings, rewrap_keys
from chassis.key_server import Purpose
from chassis.rewrapping import Rewrapped, rewrap
from chassis.sealing import ERASED, Erased, KeyEncryption, SealBroken, Sealing
from tests.chassis.keys_database import KeysDatabase, keys_database

OLD, NEW, THIRD = (bytes([n]) * 32 for n in (1, 2, 3))


@pytest.fixture
async def keys(keys_postgres_dsn: str) -> AsyncIterator[KeysDatabase]:
    async with keys_database(keys_postgres_dsn) as database:
        yield database


async def process(keys: KeysDatabase, key: bytes, other: bytes | None = None) -> Sealing:
    """A process that was started with these keys, with nothing in its cache."""
    return Sealing(await keys.pool("registration"), key_encryption_key=key, other_key_encryption_key=other)


async def sealed_name(sealing: Sealing, stream_id: UUID) -> str:
    return (await sealing.sealer_for([stream_id])).seal(stream_id, "name", "张三")


async def read_name(sealing: Sealing, stream_id: UUID, sealed: str) -> str | Erased:
    return (await sealing.unwrap([stream_id], actor="account-1", purpose=Purpose.PROCESS)).unseal(stream_id, "name", sealed)


class TestKeyEncryptionKey:
    async def test_is_changed_while_processes_are_exchanged_one_by_one(self, keys: KeysDatabase) -> None:
        ada, ben = uuid4(), uuid4()
        before, after = await process(keys, OLD, NEW), await process(keys, NEW, OLD)
        sealed = {ada: await sealed_name(before, ada), ben: await sealed_name(after, ben)}
        for each in (before, after):
            assert {"张三"} == {await read_name(each, *item) for item in sealed.items()}
            await each.sealer_for([ada, ben])
            await each.close()

    async def test_opens_nothing_once_every_key_was_wrapped_by_the_next(self, keys: KeysDatabase) -> None:
        ada = uuid4()
        was = await process(keys, OLD)
        sealed = await sealed_name(was, ada)
        with pytest.raises(SealBroken):
            await read_name(await process(keys, NEW), ada, sealed)

        assert Rewrapped(changed=1) == await rewrap(keys.superuser, KeyEncryption(NEW, other=OLD))
        assert "张三" == await read_name(await process(keys, NEW), ada, sealed)
        with pytest.raises(SealBroken):
            await read_name(was, ada, sealed)
        await was.close()


class TestCommand:
    async def test_says_how_many(self, keys: KeysDatabase, keys_postgres_dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
        sealing = await process(keys, OLD)
        await sealing.sealer_for([uuid4(), uuid4()])
        await sealing.close()
        dsn = urlsplit(keys_postgres_dsn)._replace(path=f"/{keys.address['database']}").geturl()
        told = {"keys_dsn": dsn, "key_encryption_key": b64encode(NEW).decode(), "other_key_encryption_key": b64encode(OLD).decode()}
        assert 0 == await rewrap_keys(InstallationSettings.model_validate(told))
        assert "2 keys wrapped anew, 0 were already\n" == capsys.readouterr().out

    async def test_without_both_keys_changes_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert NOT_TOLD == await rewrap_keys(
            InstallationSettings.model_validate({"keys_dsn": "postgresql://nobody@127.0.0.1:1/none"})
        )
        assert "GATEHOUSE_OTHER_KEY_ENCRYPTION_KEY" in capsys.readouterr().err


class TestRewrapping:
    async def test_goes_through_all_and_does_what_is_left(self, keys: KeysDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rewrapping, "KEYS_AT_ONCE", 2)
        before, after = await process(keys, OLD), await process(keys, NEW)
        for sealing, count in ((before, 5), (after, 3)):
            await sealing.sealer_for([uuid4() for _ in range(count)])
            await sealing.close()
        assert Rewrapped(changed=5, unchanged=3) == await rewrap(keys.superuser, KeyEncryption(NEW, other=OLD))
        assert Rewrapped(unchanged=8) == await rewrap(keys.superuser, KeyEncryption(NEW, other=OLD))

    async def test_tells_of_a_key_that_neither_opens_and_leaves_it(self, keys: KeysDatabase) -> None:
        ada, ben = uuid4(), uuid4()
        for key, person in ((THIRD, ada), (OLD, ben)):
            sealing = await process(keys, key)
            await sealing.sealer_for([person])
            await sealing.close()
        standing = await keys.rows("SELECT wrapped_key FROM key WHERE stream_id = $1", ada)
        assert Rewrapped(changed=1, closed=[ada]) == await rewrap(keys.superuser, KeyEncryption(NEW, other=OLD))
        assert standing == await keys.rows("SELECT wrapped_key FROM key WHERE stream_id = $1", ada)

    async def test_brings_nobody_back_who_is_erased_meanwhile(self, keys: KeysDatabase) -> None:
        """The erasure holds the row while the change waits for it."""
        ada = uuid4()
        sealing = await process(keys, OLD)
        sealed = await sealed_name(sealing, ada)
        async with asyncpg.create_pool(**keys.address, min_size=0) as pool, pool.acquire() as erasing, pool.acquire() as changing:
            transaction = erasing.transaction()
            await transaction.start()
            await erasing.execute("SELECT destroy_key($1)", ada)
            change = asyncio.create_task(rewrap(changing, KeyEncryption(NEW, other=OLD)))
            await keys.until_somebody_waits_for_a_lock()
            await transaction.commit()
            assert Rewrapped() == await change
        assert ERASED == await read_name(sealing, ada, sealed)
        await sealing.close()

    async def test_leaves_whoever_was_erased_before(self, keys: KeysDatabase) -> None:
        sealing = await process(keys, OLD)
        person = uuid4()
        sealed = await sealed_name(sealing, person)
        await sealing.destroy(person)
        assert Rewrapped() == await rewrap(keys.superuser, KeyEncryption(NEW, other=OLD))
        assert ERASED == await read_name(sealing, person, sealed)
        await sealing.close()
