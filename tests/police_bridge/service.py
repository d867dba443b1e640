"""The real police-bridge in this process: its app, PostgreSQL, the key server; registration and Kafka as the test wants them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import httpx2

from chassis.auth import Authenticator, Principal, public_keys
from chassis.database import create_pool
from chassis.leases import Leases
from chassis.projector import OwnLog, Projector
from chassis.sealing import Sealing
from chassis.service import Application, Machinery, machinery
from chassis.web import create_app
from contracts.access import Role
from contracts.event import Recorded, recorded_from_meta
from devstack.databases import Database
from police_bridge.domain.commands import PoliceBridgeCommand
from police_bridge.settings import PoliceBridgeSettings
from police_bridge.wired import FOLLOWED
from police_bridge.wiring import PERSON, SERVICE
from tests.at_work import at_work
from tests.in_process import SIGNING_KEY, Caller
from tests.police_bridge.facts import Seal
from tests.told import Told

PARTITIONS = 16
KEY = base64.b64encode(bytes(range(32))).decode()
NOWHERE = "127.0.0.1:1"
"""No broker."""


class Police(Caller):
    """Somebody who reads the feed."""

    async def read(self, *, seen: object = None, prefer: str = "", **query: Any) -> httpx2.Response:
        headers = self._headers(seen) | ({"Prefer": prefer} if prefer else {})
        return await self.client.get("/v1/arrivals", params=query, headers=headers)


@dataclass
class Running:
    """The service and whoever talks to it."""

    parts: Machinery[PoliceBridgeSettings]
    application: Application
    client: httpx2.AsyncClient
    registration: Told
    keys: Mapping[str, Database]

    def police(self, *districts: str, role: Role = Role.POLICE_SUBSCRIBER) -> Police:
        return Police(self.client, Principal("police-of-" + "-".join(districts), role, districts=frozenset(districts)))

    async def sealer(self, person_id: UUID) -> Seal:
        """Seals as registration does: under the person's key, for a field."""
        return partial((await self.parts.sealing.sealer_for([person_id])).seal, person_id)

    async def erase(self, person_id: UUID) -> None:
        """What registration does when somebody's data are to be erased."""
        pool = await create_pool(self.keys["registration"].app_dsn, application_name="erasure")
        await Sealing(pool, key_encryption_key=base64.b64decode(KEY)).destroy(person_id)
        await pool.close()

    async def tell(self, *commands: PoliceBridgeCommand) -> None:
        """Put these facts into the log, without registration."""
        handler = self.parts.handler(PERSON)
        for command in commands:
            await handler.handle(command.person_id, command)

    async def log(self) -> list[Recorded]:
        rows = await self.parts.pool.fetch("SELECT pos, data, meta FROM event ORDER BY shard, pos")
        return [recorded_from_meta(row["meta"], row["pos"], row["data"]) for row in rows]


@asynccontextmanager
async def police_bridge(
    database: Database, keys: Mapping[str, Database], *, kafka_bootstrap: str = NOWHERE, topic_prefix: str = ""
) -> AsyncIterator[Running]:
    """Up until the block ends, without a worker."""
    settings = PoliceBridgeSettings.model_validate(
        {
            "database_dsn": database.app_dsn,
            "keys_dsn": keys["police_bridge"].app_dsn,
            "key_encryption_key": KEY,
            "kafka_bootstrap": kafka_bootstrap,
            "topic_prefix": topic_prefix,
            "partitions": PARTITIONS,
        }
    )
    async with machinery(SERVICE, settings) as parts:
        application = SERVICE.wire(parts)
        async with _client(application) as client:
            yield Running(parts, application, client, Told(FOLLOWED), keys)


@asynccontextmanager
async def projecting(running: Running, *, read_model: bool = True) -> AsyncIterator[None]:
    """Policy and read model (or the policy alone) at work on what `running.registration` is told, without Kafka."""
    parts, application = running.parts, running.application
    assert parts.heads is not None
    projector = Projector(
        pool=parts.pool,
        sources=[running.registration, *([OwnLog(parts.name, parts.pool, parts.heads)] if read_model else [])],
        read_models=application.read_models,
        policies=application.policies,
        partitions=PARTITIONS,
        store=parts.store,
    )
    async with at_work(Leases(parts.pool, projector.works()).run(), parts.heads.run()):
        yield


@asynccontextmanager
async def _client(application: Application) -> AsyncIterator[httpx2.AsyncClient]:
    jwks = httpx2.MockTransport(lambda request: httpx2.Response(200, json=public_keys(SIGNING_KEY)))
    authenticator = Authenticator("http://portal/.well-known/jwks.json", transport=jwks)
    app = create_app(service=SERVICE.name, title=SERVICE.title, routers=application.routers, authenticator=authenticator)
    for name, value in application.state.items():
        setattr(app.state, name, value)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://police-bridge") as client:
        yield client
    await authenticator.close()
