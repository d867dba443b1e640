"""A real service in the test's process: its app, its worker, PostgreSQL. Only what Kafka would bring is told by the test.

async with in_process(SERVICE, settings) as running:
    token = running.told["gatekeeper"].tell(entry_attempted())
    response = await running.caller(Principal("account", Role.SITE_OPERATOR, contracts=…)).get(path, seen=token)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import uuid4

import httpx2
from fastapi import FastAPI
from joserfc.jwk import OKPKey

from chassis.api import api_of
from chassis.auth import Authenticator, Principal, issue_token, public_keys
from chassis.leases import Leases
from chassis.projector import OwnLog, Projector, Source
from chassis.service import Application, Machinery, Service, machinery
from chassis.settings import ServiceSettings
from tests.told import Told

S = TypeVar("S", bound=ServiceSettings)

SIGNING_KEY = OKPKey.generate_key("Ed25519", {"kid": "test"}, private=True)


@dataclass
class Caller:
    """Somebody with a token."""

    client: httpx2.AsyncClient
    principal: Principal

    async def get(self, path: str, *, seen: object = None, **query: Any) -> httpx2.Response:
        return await self.client.get(path, params=query, headers=self._headers(seen))

    async def post(self, path: str, body: Any, *, key: str | None = None, seen: object = None, **headers: str) -> httpx2.Response:
        headers = self._headers(seen) | {"Idempotency-Key": key or str(uuid4())} | headers
        return await self.client.post(path, json=body, headers=headers)

    async def upload(self, path: str, content: bytes, media_type: str, *, key: str | None = None, **query: Any) -> httpx2.Response:
        headers = self._headers(None) | {"Content-Type": media_type} | ({"Idempotency-Key": key} if key else {})
        return await self.client.post(path, content=content, headers=headers, params=query)

    async def put(self, path: str, body: Any, *, version: int, seen: object = None) -> httpx2.Response:
        """Based on the version that was read."""
        headers = self._headers(seen) | {"If-Match": f'"{version}"'}
        return await self.client.put(path, json=body, headers=headers)

    async def delete(self, path: str) -> httpx2.Response:
        return await self.client.delete(path, headers=self._headers(None))

    def _headers(self, seen: object) -> dict[str, str]:
        token = issue_token(self.principal, key=SIGNING_KEY, now=datetime.now(UTC))
        return {"Authorization": f"Bearer {token}"} | ({"Consistency-Token": str(seen)} if seen else {})


@dataclass
class InProcess(Generic[S]):
    """The service and whoever talks to it."""

    parts: Machinery[S]
    application: Application
    app: FastAPI
    client: httpx2.AsyncClient
    told: Mapping[str, Told]
    """By service: the logs that it reads."""

    def caller(self, principal: Principal) -> Caller:
        return Caller(self.client, principal)


@asynccontextmanager
async def in_process(
    service: Service[S], settings: S, *, with_policies: bool = True, with_worker: bool = True
) -> AsyncIterator[InProcess[S]]:
    """Up until the block ends. Without a worker it is one more api beside another, which has one."""
    async with machinery(service, settings) as parts:
        application = service.wire(parts)
        if not with_policies:
            application.policies = []
        for ready in application.ready:
            await ready()
        told = {name: Told(name) for name in service.reads}
        tasks = _worker(parts, application, list(told.values())) if with_worker else []
        tasks += [asyncio.create_task(task()) for task in application.api_tasks]
        try:
            async with _app(service, parts, application) as app:
                transport = httpx2.ASGITransport(app)
                async with httpx2.AsyncClient(transport=transport, base_url=f"http://{service.name}") as client:
                    yield InProcess(parts, application, app, client, told)
        finally:
            await _cancel(tasks)


def _worker(parts: Machinery[Any], application: Application, told: Sequence[Source]) -> list[asyncio.Task[None]]:
    own = [OwnLog(parts.name, parts.pool, parts.heads)] if parts.heads else []
    if not (own or told):
        return []  # There is nothing to follow, and the service has no tables for it.
    projector = Projector(
        pool=parts.pool,
        sources=[*own, *told],
        read_models=application.read_models,
        policies=application.policies,
        partitions=parts.settings.partitions,
        store=parts.store,
        durable=application.durable_projections,
    )
    works = [Leases(parts.pool, projector.works()).run(), *([parts.heads.run()] if parts.heads else [])]
    return [asyncio.create_task(work) for work in works]


@asynccontextmanager
async def _app(service: Service[S], parts: Machinery[S], application: Application) -> AsyncIterator[FastAPI]:
    jwks = httpx2.MockTransport(lambda request: httpx2.Response(200, json=public_keys(SIGNING_KEY)))
    authenticator = Authenticator("http://portal/.well-known/jwks.json", transport=jwks)
    app = api_of(service, parts, application, authenticator)
    yield app
    await authenticator.close()


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
