"""The portal as a process of its own: started, ready, told to stop."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import asyncpg
import httpx2

from chassis.testing.wait import eventually
from devstack.ports import HOST, free_port
from portal.wiring import SERVICE
from tests.conftest import MakeDatabase
from tests.portal.conftest import SEED


async def environment_of(database: MakeDatabase) -> dict[str, str]:
    return {
        "PYTHONPATH": ":".join(path for path in sys.path if path),
        "GATEHOUSE_DATABASE_DSN": (await database("portal", SERVICE.migrations)).app_dsn,
        "GATEHOUSE_SIGNING_KEY": SEED,
        "GATEHOUSE_USER_KEY": SEED,
    }


async def test_does_not_start_where_nobody_would_get_a_code(database: MakeDatabase) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "portal", "api"), env=await environment_of(database), stderr=asyncio.subprocess.PIPE
    )
    _, complaints = await asyncio.wait_for(process.communicate(), timeout=30)
    assert 1 == process.returncode
    (sentence,) = complaints.decode().splitlines()
    for words in ("portal: nobody would get a login code", "GATEHOUSE_MESSAGE_GATEWAY_URL", "GATEHOUSE_SHOWS_LOGIN_CODES"):
        assert words in sentence


async def test_takes_an_account_of_operations(database: MakeDatabase) -> None:
    environment = await environment_of(database)
    secrets = {"GATEHOUSE_PASSWORD": "an invented password", "GATEHOUSE_TOTP_SECRET": "JBSWY3DPEHPK3PXP"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "portal", "supervisor-put", "--id", "ops", "--role", "ops"), env=environment | secrets
    )
    assert 0 == await asyncio.wait_for(process.wait(), timeout=30)
    connection = await asyncpg.connect(environment["GATEHOUSE_DATABASE_DSN"])
    assert [("ops", "ops")] == [tuple(row) for row in await connection.fetch("SELECT account, role FROM supervisor")]
    await connection.close()


async def test_starts_answers_and_stops(database: MakeDatabase) -> None:
    port = free_port()
    environment = {
        **await environment_of(database),
        "GATEHOUSE_MESSAGE_GATEWAY_URL": f"http://{HOST}:{port}/nowhere",
        "GATEHOUSE_PORT": str(port),
        "GATEHOUSE_DRAIN_S": "3",
        "GATEHOUSE_JWKS_URL": f"http://{HOST}:{port}/.well-known/jwks.json",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "portal", "all", env=environment, stdout=asyncio.subprocess.PIPE
    )
    async with httpx2.AsyncClient(base_url=f"http://{HOST}:{port}") as client:

        async def ready() -> bool:
            try:
                return (await client.get("/readyz")).status_code == 200
            except httpx2.HTTPError:
                return False

        await eventually(ready, within_s=30)
        all_well = {"staying": "ok", "database": "ok", "token_keys": "ok"}
        assert all_well == (await client.get("/readyz")).json()["checks"]
        process.send_signal(signal.SIGTERM)

        async def leaving() -> bool:
            return (await client.get("/readyz")).status_code == 503

        await eventually(leaving)
        last = await client.get("/.well-known/jwks.json")
        assert (200, "close") == (last.status_code, last.headers["connection"]), "it answers on, and keeps nobody"
        assert all_well | {"staying": "leaving"} == (await client.get("/readyz")).json()["checks"]
        written, _ = await asyncio.wait_for(process.communicate(), timeout=30)
    assert 0 == process.returncode
    assert all(json.loads(line)["level"] in {"info", "warning"} for line in written.splitlines())
