"""`/livez`, `/readyz` and `/metrics`, the same on every process: an api mounts them, a worker serves nothing else.

Live = the event loop answers. Ready = every named check passes; a check that fails says why with a reason code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import asyncpg
import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PROBE_PATHS = ("/livez", "/readyz", "/metrics")
SHARD_HEADS_PATH = "/internal/shard-heads"
"""How far a log reaches: see `chassis.internal_api`."""
ALWAYS_ANSWERED = frozenset({*PROBE_PATHS, SHARD_HEADS_PATH})
"""What a full process answers, too: whether it lives, and what the gates must know to let anybody in."""
CHECK_S_MAX = 1.0
"""Deadline of one readiness check; all run at once."""

Check = Callable[[], Awaitable[None]]
"""Returns when all is well. Raises NotReady with a reason code; anything else counts as `failed`."""


class NotReady(Exception):
    """A readiness check does not pass. The reason is a code (`kebab-case`), shown to whoever asks."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def database_check(pool: asyncpg.Pool) -> Check:
    """Ready while the database answers."""

    async def check() -> None:
        try:
            await pool.fetchval("SELECT 1")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            raise NotReady("database-unreachable") from None

    return check


def probe_routes(checks: Mapping[str, Check]) -> list[Route]:
    """The three routes. `checks` maps a check's name to it."""

    async def livez(_request: Request) -> Response:
        return _json(200, {"live": True})

    async def readyz(_request: Request) -> Response:
        results = dict(zip(checks, await asyncio.gather(*map(_result, checks.values())), strict=True))
        ready = all(result == "ok" for result in results.values())
        return _json(200 if ready else 503, {"ready": ready, "checks": results})

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [Route(path, probe) for path, probe in zip(PROBE_PATHS, (livez, readyz, metrics), strict=True)]


async def _result(check: Check) -> str:
    # One that is late is left behind, not awaited: a query that is cancelled asks its server to cancel it, and a server that
    # does not answer does not answer that either.
    checking = asyncio.ensure_future(check())
    checking.add_done_callback(_retrieve)
    try:
        await asyncio.wait({checking}, timeout=CHECK_S_MAX)
    finally:
        checking.cancel()
    if not checking.done():
        return "timed-out"
    try:
        checking.result()
    except NotReady as error:
        return error.reason
    except TimeoutError:
        return "timed-out"
    except Exception:
        return "failed"
    return "ok"


def _retrieve(checked: asyncio.Future[None]) -> None:
    """Whatever became of a check that was left behind, nobody is there to be told."""
    if not checked.cancelled():
        checked.exception()


def _json(status: int, content: object) -> Response:
    return Response(orjson.dumps(content), status_code=status, media_type="application/json")
