"""What happens around every request, and what every exception is answered with.

`Edge` is the outermost layer of every app: trace context, bound on requests in flight, HEAD, headers that every answer
has, metrics. Whatever is raised below it becomes a problem document here, and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import cast

import asyncpg
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import problems as problem
from chassis.admission import Admission
from chassis.endpoint import InvalidHeader
from chassis.event_store import EventStore
from chassis.faults import Forbidden, IdempotencyKeyReused, NotFound, TooManyRequests, Unauthenticated, Unavailable, VersionConflict
from chassis.probes import ALWAYS_ANSWERED
from chassis.problems import FieldError, ProblemType, Refused, problem_response
from chassis.telemetry import REQUESTS_IN_FLIGHT, begin_context, observe_request, request_context
from chassis.tracing import serving
from contracts.rejection import Rejection

RETRY_AFTER_S = 1
"""What a client is told while a dependency is away."""
CLIENT_GONE = 499
"""Status that metrics show where nobody was left to answer."""

_SAFE_HEADERS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]

log = structlog.get_logger()


class Edge:
    """The outermost layer. Below it, whatever cannot be answered is raised."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._admission = Admission()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_at = time.perf_counter()
        is_routine = scope["path"] in ALWAYS_ANSWERED
        with serving(scope["method"], _header(scope, b"traceparent"), is_routine=is_routine) as doing:
            begin_context(doing.traceparent)
            answer = _Answer(send, doing.traceparent)
            if scope["method"] == "HEAD":
                # HEAD is GET without the body (RFC 9110, 9.3.2); the server leaves the body out.
                scope = {**scope, "method": "GET"}
                answer.without_body = True
            REQUESTS_IN_FLIGHT.inc()
            try:
                await self._answer(scope, receive, answer)
            finally:
                REQUESTS_IN_FLIGHT.dec()
                method, route, status = scope["method"], _route_template(scope), answer.status or CLIENT_GONE
                observe_request(method, route, status, time.perf_counter() - started_at)
                doing.answered(status, method=method, route=route)

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            if "\0" in scope["path"] or b"%00" in scope["query_string"]:
                raise Refused(problem.NOT_FOUND)  # PostgreSQL has no text with it, so nothing can be called that
            with nullcontext() if scope["path"] in ALWAYS_ANSWERED else self._admission.seat():
                await self._answer_from_all(scope, receive, answer)
        except ClientDisconnect:
            pass  # nobody is there to read an answer
        except Exception as error:
            if answer.status:
                raise  # it already began; the server cuts it off and logs it
            response = await _answer_for(Request(scope, receive), error)
            await response(scope, receive, answer)

    async def _answer_from_all(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Nothing is refused, or not found, for what a log lacks that was restored. Raises: Unavailable."""
        store: EventStore | None = getattr(scope["app"].state, "store", None)
        epoch = store.epoch if store else 0
        try:
            await self._app(scope, receive, answer)
        except (Rejection, NotFound, VersionConflict):
            if store and not answer.status:
                await store.require_whole(since_epoch=epoch)
            raise


class _Answer:
    """The server's `send`, with the headers that every answer has. Remembers the status."""

    __slots__ = ("_send", "_traceparent", "status", "without_body")

    def __init__(self, send: Send, traceparent: str) -> None:
        self._send = send
        self._traceparent = traceparent.encode()
        self.status = 0
        self.without_body = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = message["headers"]
            given = {name for name, _ in headers}
            headers += [each for each in _SAFE_HEADERS if each[0] not in given]
            headers.append((b"traceparent", self._traceparent))
        elif self.without_body and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)


def _header(scope: Scope, wanted: bytes) -> str | None:
    for name, value in scope["headers"]:
        if name == wanted:
            return cast(bytes, value).decode("latin-1")
    return None


def _route_template(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "unmatched")


# --- Exceptions to answers ---------------------------------------------------------------------------------------------

_DATABASE_AWAY = (
    OSError,  # also TimeoutError: of a connect, of a statement, of the pool
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, restarting, statement timeout
    asyncpg.InsufficientResourcesError,  # out of connections, of disk, of memory
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,  # deadlock, serialisation
    asyncpg.ReadOnlySQLTransactionError,  # a standby
    asyncpg.InterfaceError,  # connection or pool closed meanwhile (and, as a ValueError too, a wrong argument: not that)
    asyncpg.InternalClientError,  # the server ended the session, and a query was sent before that was noticed
)


async def _answer_for(request: Request, error: Exception) -> Response:
    """The answer for any exception. Faults are logged, refusals are not."""
    match error:
        case Refused():
            return _respond(request, error.problem, errors=error.errors, headers=error.headers)
        case Rejection():
            return _respond(request, error)
        case Unauthenticated():
            challenge = 'Bearer realm="gatehouse"' + (', error="invalid_token"' if error.token_given else "")
            return _respond(request, problem.UNAUTHENTICATED, headers={"WWW-Authenticate": challenge})
        case Forbidden():
            return _respond(request, problem.FORBIDDEN)
        case NotFound():
            return _respond(request, problem.NOT_FOUND)
        case VersionConflict():
            kind = problem.VERSION_MISMATCH if "if-match" in request.headers else problem.VERSION_CONFLICT
            return _respond(request, kind, headers={"ETag": f'"{error.version}"'})
        case IdempotencyKeyReused():
            return _respond(request, problem.IDEMPOTENCY_KEY_REUSED)
        case TooManyRequests():
            return _respond(request, problem.TOO_MANY_REQUESTS, headers={"Retry-After": str(error.retry_after_s)})
        case Unavailable():
            return _respond(request, problem.UNAVAILABLE, headers={"Retry-After": str(error.retry_after_s)})
        case InvalidHeader():
            return _respond(request, _HEADER_PROBLEMS.get((error.name, error.missing), problem.BAD_REQUEST))
        case HTTPException():
            return _framework_answer(request, error)
        case _ if isinstance(error, _DATABASE_AWAY) and not isinstance(error, ValueError):
            log.warning("web.dependency_away", route=_route_template(request.scope), exc_info=error)
            return _respond(request, problem.UNAVAILABLE, headers={"Retry-After": str(RETRY_AFTER_S)})
    log.error("web.request_failed", route=_route_template(request.scope), exc_info=error)
    return _respond(request, problem.INTERNAL)


def _respond(
    request: Request, kind: ProblemType, *, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
) -> Response:
    language = request.headers.get("accept-language")
    return problem_response(kind, accept_language=language, trace_id=request_context().trace_id, errors=errors, headers=headers)


_HEADER_PROBLEMS = {
    ("Idempotency-Key", True): problem.IDEMPOTENCY_KEY_MISSING,
    ("Idempotency-Key", False): problem.IDEMPOTENCY_KEY_MALFORMED,
    ("If-Match", True): problem.IF_MATCH_MISSING,
    ("If-Match", False): problem.IF_MATCH_MALFORMED,
}


def _framework_answer(request: Request, error: HTTPException) -> Response:
    headers = dict(error.headers or {})
    if error.status_code == problem.METHOD_NOT_ALLOWED.status:
        headers["Allow"] = ", ".join(sorted(_methods_of(request)))
    kind = problem.OF_STATUS.get(error.status_code)
    if kind is None:
        kind = problem.BAD_REQUEST if error.status_code < 500 else problem.INTERNAL
    return _respond(request, kind, headers=headers)


def _methods_of(request: Request) -> set[str]:
    """What the path takes, over all routes that match it; the framework names only the first one's."""
    scope = dict(request.scope)
    matching = [route for route in request.app.router.routes if route.matches(scope)[0] != Match.NONE]
    methods = {method for route in matching for method in getattr(route, "methods", None) or ()}
    return methods | ({"HEAD"} if "GET" in methods else set())
