"""The HTTP server under an app: uvicorn, with a bound on everything that a client can make large or slow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, cast

import orjson
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from chassis.admission import RETRY_AFTER_S
from chassis.probes import ALWAYS_ANSWERED
from chassis.problems import BAD_REQUEST, HEADERS_TOO_LARGE, MEDIA_TYPE, READ_TIMED_OUT, UNAVAILABLE, Problem, type_of
from chassis.telemetry import request_context

CONNECTIONS_MAX = 2_000
"""Open connections, idle ones too. Whoever asks on one more is turned away; probes are answered."""
BACKLOG_MAX = 2_048
KEEP_ALIVE_S_MAX = 30
"""How long a connection may be silent between requests."""
SHUTDOWN_S_MAX = 10
"""How long requests that are being answered may take to end after the process was told to stop."""
HEADER_BYTES_MAX = 16 * 1024
"""Request line and headers together."""
ARRIVAL_S = 10.0
"""Headers must be complete after this long; of a body, `ARRIVAL_BYTES_MIN` must come in every such stretch."""
ARRIVAL_BYTES_MIN = 64 * 1024
_ALWAYS_ANSWERED = frozenset(path.encode() for path in ALWAYS_ANSWERED)
DISCARD_BYTES_MAX = 1024 * 1024
"""Of a body that nobody reads any more, so much is thrown away before the connection is closed."""


def serve(app: ASGIApp, *, host: str, port: int) -> Server:
    """A server for the app, not yet started: `await server.serve()`. With port 0 the system chooses one."""
    return Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=BoundedHttp,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG_MAX,
            timeout_keep_alive=KEEP_ALIVE_S_MAX,
            timeout_graceful_shutdown=SHUTDOWN_S_MAX,
        )
    )


class _State(ServerState):
    """What the connections of a server share."""

    connections: set[BoundedHttp]  # type: ignore[assignment]  # as `serve` configures it
    leaving = False
    """Whether each answer is the last one of its connection."""


class Server(uvicorn.Server):
    """Leaves signals to whoever runs it: uvicorn would raise them again once it has stopped, before anything else is closed."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state: _State = _State()

    def leave(self) -> None:
        """Go on answering, and close every connection with its next answer, so that the client comes back elsewhere."""
        self.server_state.leaving = True
        for connection in self.server_state.connections:
            connection.leave()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's parser bounds neither the size of headers nor the time in which a request arrives. This one does.

    A request that arrives in one piece, as nearly all do, costs no timer.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._arriving = False
        """Between the first byte of a request and its last."""
        self._head_done = False
        self._head_bytes = 0
        """Of the request that is arriving: the parsed part of its head, or all that came of it in earlier pieces."""
        self._refusal: Problem | None = None
        """Why the request that is arriving is not even given to the app."""
        self._is_one_too_many = False
        self._discarded_bytes = 0
        self._arrived_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._is_one_too_many = len(self.connections) > CONNECTIONS_MAX
        self._watch()  # whoever connects must also say something

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._arrived_bytes += len(data)
        if self._arriving and not self._head_done:
            # The parser keeps an unfinished header to itself, so what is parsed says nothing of what it holds.
            self._head_bytes += len(data)
            if self._head_bytes > 2 * HEADER_BYTES_MAX:
                self._refusal = HEADERS_TOO_LARGE
        super().data_received(data)
        if self._refusal is not None:
            self._refuse(self._refusal)
        if not self._arriving:
            self._stop_watching()
        elif self._timer is None:
            self._watch()

    def leave(self) -> None:
        """The answer that is being made is the last one here."""
        if self._owes_an_answer:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """A request of which something has come is still answered, as the last one."""
        self.leave()
        if not self._arriving and not self._owes_an_answer:
            self.transport.close()

    @property
    def _owes_an_answer(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    @property
    def is_arriving(self) -> bool:
        """Between the first byte of a request and its last."""
        return self._arriving

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arriving, self._head_done, self._head_bytes, self._discarded_bytes = True, False, 0, 0

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        # No exception may leave this callback: the parser would take it for bad syntax. Once too large, nothing that
        # follows on this connection is started either: the client could not tell which answer is whose.
        if size > HEADER_BYTES_MAX:
            self._refusal = HEADERS_TOO_LARGE
        elif self._is_one_too_many and self.url not in _ALWAYS_ANSWERED:
            self._refusal = UNAVAILABLE
        if self._refusal is not None:
            return
        self._head_done = True
        super().on_headers_complete()
        if cast(_State, self.server_state).leaving:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        if not self._head_done:
            return
        if self.cycle.response_complete:
            # Answered before it was read (a 401, a 413). A little is read and thrown away, so that the answer arrives.
            self._discarded_bytes += len(body)
            if self._discarded_bytes > DISCARD_BYTES_MAX:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._arriving = False
        if self._head_done:
            super().on_message_complete()

    def send_400_response(self, _msg: str) -> None:
        self._refuse(BAD_REQUEST)

    def _watch(self) -> None:
        self._arrived_bytes = 0
        self._timer = self.loop.call_later(ARRIVAL_S, self._too_slow)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self._head_done and (self._arrived_bytes >= ARRIVAL_BYTES_MIN or self.flow.read_paused):
            self._watch()  # a long body that keeps coming, or one that we ourselves are slow to take
        elif self._arriving:
            self._refuse(READ_TIMED_OUT)
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer without the app and close. Where the app owes or began an answer to something else, only close."""
        idle = not self._owes_an_answer
        ours = self._arriving and self._head_done and not self.pipeline and not self.cycle.response_started
        if (idle or ours) and not self.transport.is_closing():
            document = {"type": type_of(problem), "title": problem.title_zh, "status": problem.status, "code": problem.code}
            body = orjson.dumps({**document, "trace_id": request_context().trace_id})
            phrase = HTTPStatus(problem.status).phrase
            lines = (
                f"HTTP/1.1 {problem.status} {phrase}",
                f"Content-Type: {MEDIA_TYPE}",
                f"Content-Length: {len(body)}",
                "Connection: close",
                *([f"Retry-After: {RETRY_AFTER_S}"] if problem is UNAVAILABLE else []),
            )
            self.transport.write("\r\n".join((*lines, "", "")).encode() + body)
        self.transport.close()
