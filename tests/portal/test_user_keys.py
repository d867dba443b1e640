"""Changing the key of the portal's digests: whoever was known stays known, nobody is signed out, and the old key finds nobody."""

from __future__ import annotations

import asyncio
import base64
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import asyncpg
import pyotp
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from chassis.settings import keys_bytes
from chassis.testing.wait import eventually
from contracts.access import Role
from devstack.databases import Database
from portal import user_keys
from portal.digests import Digests, UserKeys
from portal.settings import Settings
from portal.user_keys import Rehashed, UserKeyIsAnother, rehash
from portal.users import Supervisor
from portal.wiring import SERVICE
from tests.chassis.captured_log import captured_log
from tests.conftest import MakeDatabase
from tests.portal.browsing import Browser
from tests.portal.conftest import started
from tests.portal.granted import Granted
from tests.portal.test_login import PASSWORD, put, sent_to, signs_in

FIRST, SECOND, THIRD, STOLEN = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3, 4))
OLD, NEW = FIRST, f"{FIRST}\n{SECOND}"
SOMEBODY = {"document_number": "310109198001011230", "mobile": "13800001236"}
SEED = pyotp.random_base32()
WITHIN_S = 30.0
Start = Callable[[str], Awaitable[FastAPI]]
STORED = """
SELECT document_digest FROM site_user UNION ALL SELECT mobile_digest FROM site_user
UNION ALL SELECT session_digest FROM session UNION ALL SELECT totp_secret FROM supervisor
UNION ALL SELECT unnest(ARRAY[challenge_digest, document_digest, mobile_digest, code_digest]) FROM login_code
"""


def digests(told: str) -> Digests:
    return Digests(UserKeys(*keys_bytes(SecretStr(told))))


@pytest.fixture
async def accounts(database: MakeDatabase) -> Database:
    return await database("portal", SERVICE.migrations)


@pytest.fixture
async def connection(accounts: Database) -> AsyncIterator[asyncpg.Connection]:
    """As the portal's own role."""
    connection = await asyncpg.connect(accounts.app_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def start(accounts: Database, granted: Granted, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Starts a process that was told these keys."""
    async with AsyncExitStack() as running:

        async def start(told: str) -> FastAPI:
            return await running.enter_async_context(started(accounts, granted, monkeypatch, user_key=told))

        yield start


async def ask(browser: Browser) -> int:
    await browser.open("/login")
    return (await browser.submit("/login/code", **SOMEBODY)).status_code


async def nobody_asked_lately(connection: asyncpg.Connection) -> None:
    await connection.execute("UPDATE login_code SET sent_at = sent_at - interval '1 minute'")


class TestProcesses:
    """While some were told the new key, and others not yet."""

    async def test_take_each_other_s_codes_sessions_and_forms(self, start: Start, connection: asyncpg.Connection) -> None:
        old, new = await start(OLD), await start(NEW)
        await put(new.state.portal, SOMEBODY)
        for one, other in ((old, new), (new, old)):
            browser = Browser(one)
            assert 200 == await ask(browser)
            code = sent_to(one.state.portal, SOMEBODY["mobile"])
            browser.client._transport = Browser(other).client._transport
            assert "/contracts" == (await browser.submit("/login", **SOMEBODY, code=code)).url.path
            browser.client._transport = Browser(one).client._transport
            assert "/contracts" == (await browser.open("/contracts")).url.path
            await nobody_asked_lately(connection)

    async def test_open_a_seed_that_the_other_put(self, start: Start) -> None:
        old, new = (each.state.portal.users for each in (await start(OLD), await start(NEW)))
        await new.put_supervisor(Supervisor("city", Role.CITY_SUPERVISOR), password=PASSWORD, totp_secret=SEED)
        now = datetime.now(UTC)
        assert await old.proves_to_be("city", password=PASSWORD, code=pyotp.TOTP(SEED).at(now), now=now)


class TestRehashing:
    async def test_leaves_everybody_known_and_signed_in(self, start: Start, connection: asyncpg.Connection) -> None:
        app = await start(NEW)
        portal, browser = app.state.portal, Browser(app)
        await put(portal, SOMEBODY)
        await portal.users.put_supervisor(Supervisor("city", Role.CITY_SUPERVISOR), password=PASSWORD, totp_secret=SEED)
        await signs_in(portal, browser, SOMEBODY)
        await nobody_asked_lately(connection)
        asking = Browser(app)
        assert 200 == await ask(asking)
        before = {row[0] for row in await connection.fetch(STORED)}

        assert Rehashed(rows=3, seeds=1) == await rehash(connection, digests(NEW))

        assert set() == before & {row[0] for row in await connection.fetch(STORED)}
        assert "/contracts" == (await browser.open("/contracts")).url.path
        page = await asking.submit("/login", **SOMEBODY, code=sent_to(portal, SOMEBODY["mobile"]))
        assert "/contracts" == page.url.path, "and a code that was sent before opens"
        now = datetime.now(UTC)
        assert await portal.users.proves_to_be("city", password=PASSWORD, code=pyotp.TOTP(SEED).at(now), now=now)
        await put(portal, SOMEBODY)
        assert 1 == await connection.fetchval("SELECT count(*) FROM site_user"), "an account that is put again is the same"

    async def test_frees_nobody_who_is_bounded(self, start: Start, connection: asyncpg.Connection) -> None:
        app = await start(NEW)
        browser, users = Browser(app), app.state.portal.users
        await put(app.state.portal, SOMEBODY)
        assert 200 == await ask(browser)
        wrong = "000000" if sent_to(app.state.portal, SOMEBODY["mobile"]) != "000000" else "000001"
        await browser.submit("/login", **SOMEBODY, code=wrong)
        await users.put_supervisor(Supervisor("city", Role.CITY_SUPERVISOR), password=PASSWORD, totp_secret=SEED)
        await connection.execute("UPDATE supervisor SET locked_until = clock_timestamp() + interval '15 minutes'")

        await rehash(connection, digests(NEW))

        assert 429 == await ask(Browser(app)), "codes for one number are still counted"
        assert 1 == await connection.fetchval("SELECT failures FROM login_code")
        await browser.submit("/login", **SOMEBODY, code=wrong)
        assert 2 == await connection.fetchval("SELECT failures FROM login_code")
        now = datetime.now(UTC)
        assert not await users.proves_to_be("city", password=PASSWORD, code=pyotp.TOTP(SEED).at(now), now=now)

    async def test_may_be_done_again_by_another_key(self, start: Start, connection: asyncpg.Connection) -> None:
        await put((await start(OLD)).state.portal, SOMEBODY)
        for told in (NEW, f"{NEW} {THIRD}"):
            assert Rehashed(rows=1) == await rehash(connection, digests(told))
            assert await (await start(told)).state.portal.users.site_user_of(**SOMEBODY)

    async def test_repeated_and_at_the_same_time_is_done_once(
        self, start: Start, accounts: Database, connection: asyncpg.Connection
    ) -> None:
        await put((await start(OLD)).state.portal, SOMEBODY)
        other = await asyncpg.connect(accounts.app_dsn)
        both = await asyncio.gather(*(rehash(each, digests(NEW)) for each in (connection, other)))
        await other.close()
        assert [Rehashed(), Rehashed(rows=1)] == sorted(both)
        assert Rehashed() == await rehash(connection, digests(NEW))
        assert await (await start(NEW)).state.portal.users.site_user_of(**SOMEBODY)

    async def test_cut_short_has_done_nothing(
        self, start: Start, accounts: Database, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old = (await start(OLD)).state.portal
        await put(old, SOMEBODY)
        dying = await asyncpg.connect(accounts.app_dsn)

        async def dies(connection: asyncpg.Connection, digests: Digests) -> tuple[int, int]:
            dying.terminate()
            raise asyncpg.InterfaceError("cut short")

        with monkeypatch.context() as patched:
            patched.setattr(user_keys, "_lock_anew", dies)
            with pytest.raises(asyncpg.InterfaceError):
                await rehash(dying, digests(NEW))
        assert await old.users.site_user_of(**SOMEBODY)
        assert Rehashed(rows=1) == await rehash(connection, digests(NEW))

    async def test_waits_for_whoever_writes_by_the_old_key(
        self, start: Start, accounts: Database, connection: asyncpg.Connection
    ) -> None:
        await start(OLD)
        writing = await asyncpg.connect(accounts.app_dsn)
        async with writing.transaction():
            now = await user_keys.counting(writing, digests(NEW))
            change = asyncio.create_task(rehash(connection, digests(NEW)))
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
            await eventually(lambda: writing.fetchval(waiting), within_s=WITHIN_S)
            await writing.execute(
                "INSERT INTO site_user (user_id, document_digest, mobile_digest) VALUES (gen_random_uuid(), $1, $2)",
                now.of("document", SOMEBODY["document_number"]),
                now.of("mobile", SOMEBODY["mobile"]),
            )
        await writing.close()
        assert Rehashed(rows=1) == await change
        assert await (await start(NEW)).state.portal.users.site_user_of(**SOMEBODY)

    @pytest.mark.parametrize("told", [f"{STOLEN} {SECOND}", f"{NEW} {THIRD}", STOLEN])
    async def test_by_another_key_changes_nothing(self, start: Start, connection: asyncpg.Connection, told: str) -> None:
        old = (await start(OLD)).state.portal
        await put(old, SOMEBODY)
        with pytest.raises(UserKeyIsAnother):
            await rehash(connection, digests(told))
        assert await old.users.site_user_of(**SOMEBODY)


class TestOldKey:
    """Of a process that was forgotten: it knows nobody any more, and must not say so."""

    async def test_is_refused(self, start: Start, connection: asyncpg.Connection) -> None:
        app = await start(OLD)
        portal, signed_in, asking = app.state.portal, Browser(app), Browser(app)
        await put(portal, SOMEBODY)
        await portal.users.put_supervisor(Supervisor("city", Role.CITY_SUPERVISOR), password=PASSWORD, totp_secret=SEED)
        await signs_in(portal, signed_in, SOMEBODY)
        await nobody_asked_lately(connection)
        assert 200 == await ask(asking)
        code = sent_to(portal, SOMEBODY["mobile"])

        await rehash(connection, digests(NEW))

        with captured_log() as lines:
            assert 503 == (await signed_in.open("/contracts")).status_code
            assert 503 == (await asking.submit("/login", **SOMEBODY, code=code)).status_code
            assert 503 == await ask(Browser(app))
            now = datetime.now(UTC)
            with pytest.raises(UserKeyIsAnother):
                await portal.users.proves_to_be("city", password=PASSWORD, code=pyotp.TOTP(SEED).at(now), now=now)
            with pytest.raises(UserKeyIsAnother):
                await put(portal, SOMEBODY)
        assert "portal.user_key_is_another" in [line["event"] for line in lines.events]
        assert 0 == await connection.fetchval("SELECT sum(failures) FROM supervisor")
        assert 0 == await connection.fetchval("SELECT sum(failures) FROM login_code")

        again = Browser(await start(NEW))
        again.client.cookies.update(signed_in.client.cookies)
        assert "/contracts" == (await again.open("/contracts")).url.path, "whoever was refused is still signed in"


class TestCommand:
    async def test_says_how_many(self, start: Start, accounts: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        portal = (await start(OLD)).state.portal
        await put(portal, SOMEBODY)
        for supervisor, seed in (("city", SEED), ("other", SEED)):
            await portal.users.put_supervisor(Supervisor(supervisor, Role.OPS), password=PASSWORD, totp_secret=seed)
        await portal.users._pool.execute("UPDATE supervisor SET totp_secret = '\\x00' || totp_secret WHERE account = 'other'")

        async def typed(told: str) -> int:
            monkeypatch.setenv("GATEHOUSE_USER_KEY", told)
            return await user_keys.rehash_users(SERVICE, Settings(), Namespace())

        with captured_log() as lines:
            assert [0, 0, 1] == [await typed(told) for told in (NEW, NEW, OLD)]
        said = [line for line in lines.events if line["event"] == "portal.users_rehashed"]
        assert [(1, 1, 1), (0, 0, 0)] == [
            tuple(each[f"{what}_count"] for what in ("rows", "seeds", "closed_seeds")) for each in said
        ]
