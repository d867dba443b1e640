"""Every endpoint of a running service, and requests to it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import asyncpg
import httpx2
from joserfc.jwk import OKPKey

from chassis.auth import issue_token
from contracts.access import ALLOWED, Action, Role
from tests.chassis.bad_requests import Bad, Good, bad_requests, send
from tests.in_process import SIGNING_KEY
from tests.journeys.worlds import Example, Place, principal

OF_WORKERS = re.compile(r"worker|lease|position|next_offset|published|freshness|\w+_v\d+")
"""Tables that change by themselves, or follow from facts a moment later."""

NOT_THERE = '"0"'
"""The version of what nobody has made yet, or may not be read."""


@dataclass(frozen=True)
class Operation:
    """An endpoint as OpenAPI has it."""

    place: Place
    path: str
    method: str
    described: Mapping[str, Any]
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        name: str = self.described["operationId"]
        return name

    @property
    def example(self) -> Example:
        return self.place.examples[self.name]

    @property
    def parameters(self) -> Mapping[str, Mapping[str, Any]]:
        return {each["name"]: each for each in self.described.get("parameters", ())}

    @cached_property
    def allowed(self) -> list[Role]:
        """Who may. Empty: everybody, without a token."""
        actions = [Action(each) for each in self.described.get("x-action", ())]
        return [role for role in Role if actions and all(role in ALLOWED[action] for action in actions)]

    @property
    def is_based_on_a_version(self) -> bool:
        """Always. What may be, or may not, is asked for without."""
        return bool(self.parameters.get("If-Match", {}).get("required"))

    @property
    def token(self) -> str | None:
        return token_of(self.allowed[0]) if self.allowed else None

    def bad_requests(self) -> list[Bad]:
        alone = {**self.document, "paths": {self.path: {self.method.lower(): self.described}}}
        return list(bad_requests(alone, {self.name: self.example.good}, token=self.token))

    @cached_property
    def shown_at(self) -> str:
        """Where one reads what this changes: at the same address, or the nearest one above it."""
        addresses = (self.path.rsplit("/", above)[0] for above in range(self.path.count("/")))
        return next(each for each in addresses if "get" in self.document["paths"].get(each, ()))

    async def version(self, good: Good) -> str:
        """What one bases a change on who has just read it; of what asks for none, nothing is read."""
        if not self.is_based_on_a_version:
            return NOT_THERE
        headers = {"Authorization": f"Bearer {self.token}"}
        read = await self.place.running.client.get(self.shown_at.format(**good.path), headers=headers)
        version: str = read.headers.get("ETag", NOT_THERE)
        return version

    def request(self, flaw: str, expected: int, good: Good | None = None, *, key: str = "journey", version: str = NOT_THERE) -> Bad:
        """A request that is good but for what the caller spoils. One that is to be taken is based on a `version` that was read."""
        good = good or self.example.good
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if good.body is not None:
            headers["Content-Type"] = "application/json"
        if "Idempotency-Key" in self.parameters:
            headers["Idempotency-Key"] = key
        if self.is_based_on_a_version:
            headers["If-Match"] = version
        query = "&".join(f"{name}={value}" for name, value in good.query.items())
        url = self.path.format(**good.path) + ("?" + query if query else "")
        if good.file:
            headers["Content-Type"] = good.media_type
        content = good.file if good.body is None else httpx2.Request("POST", "http://x", json=good.body).content
        return Bad(self.name, flaw, self.method, url, expected, tuple(headers.items()), content)

    @asynccontextmanager
    async def stores_nothing(self) -> AsyncIterator[None]:
        before = await stored(self.place)
        yield
        changed = {table: before[table] for table, now in (await stored(self.place)).items() if before[table] != now}
        assert {} == changed, f"{self.name} stored something"


def token_of(role: Role, *, key: OKPKey = SIGNING_KEY, age: timedelta = timedelta(0)) -> str:
    return issue_token(principal(role), key=key, now=datetime.now(UTC) - age)


async def stored(where: Place) -> dict[str, str]:
    """Everything that the service's database and the key server keep: table → a digest of its rows."""
    found: dict[str, str] = {}
    for database in (where.database, where.keys):
        connection = await asyncpg.connect(database.owner_dsn)
        try:
            tables = [row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
            digests = (
                f"SELECT '{table}', md5(string_agg(t::text, E'\n' ORDER BY t::text)) FROM {table} AS t"
                for table in tables
                if not OF_WORKERS.fullmatch(table)
            )
            found |= {f"{database.name}.{table}": digest for table, digest in await connection.fetch(" UNION ALL ".join(digests))}
        finally:
            await connection.close()
    return found


async def answer(operation: Operation, request: Bad) -> httpx2.Response:
    return await send(operation.place.running.client, request)


def with_token(request: Bad, token: str) -> Bad:
    others = (header for header in request.headers if header[0] != "Authorization")
    return replace(request, headers=(*others, ("Authorization", f"Bearer {token}")))


def told(response: httpx2.Response) -> str:
    """Everything that a caller can see, but for the name of the request."""
    body = {name: value for name, value in response.json().items() if name != "trace_id"}
    headers = sorted((name, value) for name, value in response.headers.items() if name != "traceparent")
    return repr((response.status_code, body, headers))
