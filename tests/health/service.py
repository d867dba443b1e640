"""A service that works on people, in the test's process, and whoever talks to it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx2

from chassis.auth import Principal, issue_token
from chassis.service import Application, Machinery, Service
from chassis.settings import ServiceSettings
from contracts.access import Role
from contracts.event import Event, Recorded
from contracts.registry import decode
from devstack.databases import Database
from tests.at_work import at_work
from tests.in_process import SIGNING_KEY, Caller, InProcess, in_process
from tests.told import Told

PARTITIONS = 4
KEY = base64.b64encode(bytes(range(32))).decode()


@dataclass(frozen=True)
class Running:
    """The service, with short ways to what these tests ask of it."""

    service: InProcess[Any]
    keys: Database
    """Where it is recorded who read what of whom."""

    @property
    def parts(self) -> Machinery[Any]:
        return self.service.parts

    @property
    def application(self) -> Application:
        return self.service.application

    @property
    def client(self) -> httpx2.AsyncClient:
        return self.service.client

    @property
    def registration(self) -> Told:
        """The log of registration, as far as the test tells it."""
        return self.service.told["registration"]

    @property
    def gatekeeper(self) -> Told:
        """The log of the gatekeeper, as far as the test tells it."""
        return self.service.told["gatekeeper"]

    def caller(self, role: Role, *contracts: str, employer: str | None = None) -> Caller:
        """An account that no other test has, and so idempotency keys of its own."""
        principal = Principal(f"{role}-{uuid4()}", role, contracts=frozenset(contracts), employer_credit_code=employer)
        return self.service.caller(principal)

    async def facts(self, person_id: UUID) -> list[Event]:
        """The person's own stream."""
        return [decode(each.type, each.data) for each in await self.recorded(person_id)]

    async def recorded(self, person_id: UUID) -> list[Recorded]:
        """The person's own stream, as stored."""
        assert self.parts.store is not None
        return await self.parts.store.read_stream(person_id)

    async def openapi(self) -> Mapping[str, Any]:
        document: Mapping[str, Any] = (await self.client.get("/openapi.json")).json()
        return document


def token_of(caller: Caller) -> str:
    return issue_token(caller.principal, key=SIGNING_KEY, now=datetime.now(UTC))


def settings_of(service: Service[Any], database: Database, keys: Database, own: Mapping[str, Any]) -> ServiceSettings:
    """What the service's processes would be told. `own` are its own settings."""
    told: Mapping[str, Any] = {
        "database_dsn": database.app_dsn,
        "keys_dsn": keys.app_dsn,
        "key_encryption_key": KEY,
        "index_key": KEY,
        "partitions": PARTITIONS,
    }
    settings: ServiceSettings = service.settings.model_validate({**told, **own})
    return settings


@asynccontextmanager
async def running_service(
    service: Service[Any], database: Database, keys: Database, own: Mapping[str, Any] | None = None
) -> AsyncIterator[Running]:
    """Up until the block ends, with what runs beside its api."""
    async with (
        in_process(service, settings_of(service, database, keys, own or {})) as running,
        at_work(*(task() for task in running.application.api_tasks)),
    ):
        yield Running(running, keys)
