"""The portal over HTTP, on a real database."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx2
import pyotp
import pytest
from fastapi import FastAPI

from chassis.auth import Authenticator, Principal
from contracts.access import Role
from contracts.citizen_id import check_character
from devstack.databases import Database
from portal import accounts, token_api
from portal.accounts import put_client
from portal.operators import SiteGrant
from portal.users import Users
from tests.chassis.bad_requests import CANARY, Good, bad_requests, check, send
from tests.portal.conftest import OFFICER, SECRET, SEED

Ask = Callable[..., Awaitable[httpx2.Response]]


@pytest.fixture
def ask(client: httpx2.AsyncClient) -> Ask:
    async def ask(client_id: str = "officer-1", client_secret: str = SECRET) -> httpx2.Response:
        return await client.post("/v1/tokens", json={"client_id": client_id, "client_secret": client_secret})

    return ask


async def holder(app: FastAPI, token: str) -> Principal:
    """Who the token says its holder is, to a service that knows the portal's address only."""
    authenticator = Authenticator("http://portal/.well-known/jwks.json", transport=httpx2.ASGITransport(app=app))
    try:
        return await authenticator.authenticate(token)
    finally:
        await authenticator.close()


class TestCreateToken:
    async def test_gives_a_token_that_every_service_takes(self, app: FastAPI, ask: Ask) -> None:
        answer = await ask()
        assert 200 == answer.status_code
        assert ("Bearer", 50) == (answer.json()["token_type"], answer.json()["expires_in"])
        assert "no-store" == answer.headers["cache-control"]
        assert OFFICER == await holder(app, answer.json()["access_token"])

    @pytest.mark.parametrize(
        ("client_id", "secret"), [("officer-1", "wrong"), ("nobody", SECRET), ("officer-1 ", SECRET), ("officer-1", SECRET + " ")]
    )
    async def test_tells_nobody_what_was_wrong(self, ask: Ask, client_id: str, secret: str) -> None:
        answer = await ask(client_id, secret)
        assert (401, "unauthenticated") == (answer.status_code, answer.json()["code"])
        assert secret not in answer.text

    async def test_hashes_a_secret_once(self, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
        assert 200 == (await ask()).status_code
        monkeypatch.setattr(accounts, "_hashed", None)
        assert 200 == (await ask()).status_code

    async def test_forgets_a_secret_that_was_changed(self, app: FastAPI, ask: Ask) -> None:
        assert 200 == (await ask()).status_code
        await put_client(app.state.issuer.accounts._pool, OFFICER, secret="another secret")
        assert 401 == (await ask()).status_code
        assert 200 == (await ask(client_secret="another secret")).status_code

    async def test_gives_the_rights_as_they_are_now(self, app: FastAPI, ask: Ask) -> None:
        await ask()
        changed = Principal("officer-1", Role.STATION_OFFICER, stations=frozenset({"浦东"}))
        await put_client(app.state.issuer.accounts._pool, changed, secret=SECRET)
        assert changed == await holder(app, (await ask()).json()["access_token"])

    async def test_turns_away_who_guesses_but_nobody_else(self, ask: Ask) -> None:
        for _ in range(token_api.FAILURES_MAX):
            assert 401 == (await ask("device-1", "wrong")).status_code
        answer = await ask("device-1", "wrong")
        assert (429, "60") == (answer.status_code, answer.headers["retry-after"])
        assert 200 == (await ask()).status_code

    async def test_bounds_the_hashing(self, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(accounts, "HASHES_WAITING_MAX", 0)
        answer = await ask("officer-1", "wrong")
        assert (503, "2") == (answer.status_code, answer.headers["retry-after"])

    async def test_says_when_its_database_is_away(self, app: FastAPI, ask: Ask) -> None:
        await app.state.issuer.accounts._pool.close()
        answer = await ask()
        assert (503, "1") == (answer.status_code, answer.headers["retry-after"])

    async def test_refuses_bad_requests(self, app: FastAPI, client: httpx2.AsyncClient) -> None:
        good = {"create_token": Good(body={"client_id": CANARY, "client_secret": SECRET})}
        for bad in bad_requests(app.openapi(), good, token=None):
            check(bad, await send(client, bad))


class TestKeys:
    async def test_are_public_keys_only(self, client: httpx2.AsyncClient) -> None:
        keys: list[dict[str, Any]] = (await client.get("/.well-known/jwks.json")).json()["keys"]
        assert [{"kty", "crv", "x", "kid", "use", "alg"}] * 2 == [set(key) for key in keys]
        assert 2 == len({key["kid"] for key in keys})


class TestHome:
    async def test_leads_in_as_the_manual_does(self, client: httpx2.AsyncClient) -> None:
        page = await client.get("/")
        assert "text/html; charset=utf-8" == page.headers["content-type"]
        assert 'lang="zh-CN"' in page.text
        for words in ("我要办", "建设管理服务", "人员", "作业人员实名制", "实名制管理专栏", "作业人员进退场登记", "咨询电话"):
            assert words in page.text

    async def test_says_what_runs_where(self, client: httpx2.AsyncClient) -> None:
        page = await client.get("/services")
        for words in ("进场预登记", "http://127.0.0.1:8103/docs", "http://127.0.0.1:8104/readyz"):
            assert words in page.text

    async def test_loads_nothing_from_elsewhere(self, client: httpx2.AsyncClient) -> None:
        page = await client.get("/")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "unsafe" not in page.headers["content-security-policy"]
        assert "no-store" == page.headers["cache-control"]
        assert "style=" not in page.text
        loaded = set(re.findall(r'(?:src|href)="([^"]+\.(?:js|css|svg))"', page.text))
        assert 4 == len(loaded)
        for each in loaded:
            assert 200 == (await client.get(each)).status_code

    async def test_serves_no_other_file(self, client: httpx2.AsyncClient) -> None:
        for name in ("htmx-2.0.11.LICENSE", "..%2fwiring.py", "vendor"):
            assert 404 == (await client.get(f"/static/{name}")).status_code


class TestCommandLine:
    async def test_makes_an_account(self, app: FastAPI, ask: Ask, portal_database: Database) -> None:
        command = ("client-put", "--id", "device-2", "--role", "gate_device", "--contract", "W1")
        await run(portal_database, *command, GATEHOUSE_CLIENT_SECRET=SECRET)
        token = (await ask("device-2")).json()["access_token"]
        assert Principal("device-2", Role.GATE_DEVICE, contracts=frozenset({"W1"})) == await holder(app, token)

    async def test_makes_a_user_of_sites(self, app: FastAPI, portal_database: Database) -> None:
        number = "31010919800101999" + check_character("31010919800101999")
        told = {"GATEHOUSE_DOCUMENT_NUMBER": number, "GATEHOUSE_MOBILE": "+86 13800009999"}
        await run(portal_database, "site-user-put", "--role", "project_lead", "--contract", "W1", "--contract", "W2", **told)
        users: Users = app.state.portal.users
        user_id = await users.site_user_of(document_number=number, mobile="13800009999")
        assert user_id
        assert [SiteGrant("W1", Role.PROJECT_LEAD), SiteGrant("W2", Role.PROJECT_LEAD)] == await users.grants_of(user_id)

    async def test_makes_a_supervisor(self, app: FastAPI, portal_database: Database) -> None:
        seed = pyotp.random_base32()
        told = {"GATEHOUSE_PASSWORD": SECRET, "GATEHOUSE_TOTP_SECRET": seed}
        await run(portal_database, "supervisor-put", "--id", "station-9", "--role", "station_officer", "--station", "虹口", **told)
        now = datetime.now(UTC)
        users: Users = app.state.portal.users
        assert await users.proves_to_be("station-9", password=SECRET, code=pyotp.TOTP(seed).at(now), now=now)


async def run(database: Database, *arguments: str, **told: str) -> None:
    """`python -m portal …` to its end."""
    environment = {
        "PYTHONPATH": ":".join(path for path in sys.path if path),
        "GATEHOUSE_DATABASE_DSN": database.app_dsn,
        "GATEHOUSE_SIGNING_KEY": SEED,
        "GATEHOUSE_USER_KEY": SEED,
        "LANG": "C.UTF-8",
        **told,
    }
    command = (sys.executable, "-m", "portal", *arguments)
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=asyncio.subprocess.PIPE)
    _, complaints = await asyncio.wait_for(process.communicate(), timeout=30)
    assert (0, b"") == (process.returncode, complaints)


async def test_the_database_keeps_no_secret(app: FastAPI, portal_database: Database) -> None:
    connection = await asyncpg.connect(portal_database.app_dsn)
    rows = await connection.fetch("SELECT client::text FROM client")
    await connection.close()
    assert rows
    assert SECRET not in str(rows)
    assert SECRET.encode().hex() not in str(rows)
