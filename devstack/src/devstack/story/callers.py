"""Whoever speaks to the public APIs in the story: each with an account and a role of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

TOKEN_MARGIN_S = 10.0
"""A token is renewed when it has less than this left."""
RETRIES_MAX = 20
"""How often a 503 is tried again, after the pause that it asks for."""


class Unexpected(Exception):
    """An answer that the story does not allow for."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    token: str | None
    """Consistency token: where the facts stand that this answer speaks of."""


@dataclass
class Caller:
    """An account. `issue` gives a fresh access token and its life in seconds."""

    client: httpx2.AsyncClient
    issue: Callable[[], Awaitable[tuple[str, float]]]
    urls: Mapping[str, str]
    _token: str = ""
    _renew_at: float = 0.0
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(
        self,
        service: str,
        path: str,
        *,
        seen: str | None = None,
        expect: Sequence[int] = (200,),
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """`seen` is a consistency token: the answer has seen at least that."""
        return await self._call(httpx2.Request("GET", self.urls[service] + path, params=query), expect, {"Consistency-Token": seen})

    async def post(
        self,
        service: str,
        path: str,
        body: Mapping[str, Any],
        *,
        key: str,
        seen: str | None = None,
        prefer: str | None = None,
        expect: Sequence[int] = (200, 201, 204),
    ) -> Answer:
        """`key` is the idempotency key: the same one never does anything twice."""
        request = httpx2.Request("POST", self.urls[service] + path, json=body)
        return await self._call(request, expect, {"Idempotency-Key": key, "Consistency-Token": seen, "Prefer": prefer})

    async def upload(self, service: str, path: str, content: bytes, media_type: str) -> Answer:
        """A file, which is its own key."""
        request = httpx2.Request("POST", self.urls[service] + path, content=content)
        return await self._call(request, (202,), {"Content-Type": media_type})

    async def _call(self, request: httpx2.Request, expect: Sequence[int], headers: Mapping[str, str | None]) -> Answer:
        request.headers.update({name: value for name, value in headers.items() if value is not None})
        response = await self._send(request)
        for _ in range(RETRIES_MAX):
            if response.status_code != 503:
                break
            await asyncio.sleep(float(response.headers.get("Retry-After", 1)))
            response = await self._send(request)
        if response.status_code not in expect:
            raise Unexpected(f"{request.method} {request.url}: {response.status_code} {response.text[:500]}")
        body = response.json() if response.content else None
        return Answer(response.status_code, body, response.headers.get("Consistency-Token"))

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["Authorization"] = f"Bearer {await self._access_token()}"
        return await self.client.send(request)

    async def _access_token(self) -> str:
        async with self._renewing:
            if time.monotonic() >= self._renew_at:
                self._token, life_s = await self.issue()
                self._renew_at = time.monotonic() + life_s - TOKEN_MARGIN_S
        return self._token
