from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx2
import pytest

from chassis import probes
from chassis.probes import Check, NotReady
from chassis.web import create_app


async def ask(path: str, checks: Mapping[str, Check]) -> httpx2.Response:
    app = create_app(service="s", title="S", routers=[], authenticator=None, checks=checks)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://s") as client:
        return await client.get(path)


async def fine() -> None: ...


async def away() -> None:
    raise NotReady("database-unreachable")


async def broken() -> None:
    raise ValueError("a message that nobody should read")


async def stuck() -> None:
    await asyncio.Event().wait()


class TestReadyz:
    async def test_is_ready_when_every_check_passes(self) -> None:
        answer = await ask("/readyz", {"database": fine, "keys": fine})
        assert (200, {"ready": True, "checks": {"database": "ok", "keys": "ok"}}) == (answer.status_code, answer.json())

    async def test_says_which_check_fails_and_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(probes, "CHECK_S_MAX", 0.05)
        answer = await ask("/readyz", {"database": away, "broker": stuck, "other": broken, "keys": fine})
        assert 503 == answer.status_code
        assert {"database": "database-unreachable", "broker": "timed-out", "other": "failed", "keys": "ok"} == answer.json()[
            "checks"
        ]


class TestLivez:
    async def test_lives_whatever_is_away(self) -> None:
        assert 200 == (await ask("/livez", {"database": away})).status_code


class TestMetrics:
    async def test_are_shown(self) -> None:
        answer = await ask("/metrics", {})
        assert "gatehouse_http_requests_in_flight" in answer.text
