"""The portal over HTTP in the test's process: on a real database, or its pages with stand-ins for everything behind them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from fastapi import FastAPI

from chassis.auth import Principal
from chassis.service import machinery
from chassis.web import create_app
from contracts.access import Role
from devstack.databases import Database
from devstack.fresh_databases import FreshDatabases
from portal import wiring
from portal.accounts import put_client
from portal.settings import Settings
from portal.wiring import SERVICE
from tests.portal.browsing import Browser
from tests.portal.granted import Granted
from tests.portal.stand_ins import StandIns, app_of

SECRET = "an invented secret"
SEED, OLD_SEED = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
OFFICER = Principal("officer-1", Role.STATION_OFFICER, stations=frozenset({"虹口"}))


@pytest.fixture(scope="module")
async def portal_database(fresh_databases: FreshDatabases) -> AsyncIterator[Database]:
    made = await fresh_databases.make("portal", SERVICE.migrations)
    yield made
    await fresh_databases.drop(made)


@pytest.fixture
def granted() -> Granted:
    """What project leads said, as registration would tell it."""
    return Granted()


@pytest.fixture
async def app(portal_database: Database, granted: Granted, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FastAPI]:
    async with started(portal_database, granted, monkeypatch, user_key=SEED) as app:
        yield app


@asynccontextmanager
async def started(
    database: Database, granted: Granted, monkeypatch: pytest.MonkeyPatch, *, user_key: str
) -> AsyncIterator[FastAPI]:
    """A portal that was told this key, or these."""
    transport = httpx2.MockTransport(granted.answer)
    monkeypatch.setattr(wiring, "_client", lambda: httpx2.AsyncClient(transport=transport))
    monkeypatch.setenv("GATEHOUSE_DATABASE_DSN", database.app_dsn)
    monkeypatch.setenv("GATEHOUSE_SIGNING_KEY", SEED)
    monkeypatch.setenv("GATEHOUSE_USER_KEY", user_key)
    monkeypatch.setenv("GATEHOUSE_MESSAGE_GATEWAY_URL", "http://nowhere")
    monkeypatch.setenv("GATEHOUSE_RETIRING_SIGNING_KEY", OLD_SEED)
    async with machinery(SERVICE, Settings()) as parts:
        await parts.pool.execute("SELECT 1")
        await put_client(parts.pool, OFFICER, secret=SECRET)
        application = SERVICE.wire(parts)
        app = create_app(service="portal", title="Portal", routers=application.routers, authenticator=None)
        for name, value in application.state.items():
            setattr(app.state, name, value)
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://portal") as client:
        yield client


@pytest.fixture
def services() -> StandIns:
    return StandIns()


@pytest.fixture
def browser(services: StandIns) -> Browser:
    """In front of a site operator."""
    return Browser(app_of(services))
