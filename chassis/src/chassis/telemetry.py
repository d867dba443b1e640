"""What a process tells of itself: log lines, metrics, and which request it is working on. Never personal data.

Reading order: the request context, the log with its allow-list, the metrics.

The log is JSON on stdout, one event a line. A key that is not on the allow-list is dropped, and so is a value that does
not look like what the key promises; both are counted. Exceptions are written as type and places in the code, never with
their message: messages quote input.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO
from uuid import UUID

import orjson
import structlog
from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from chassis.tracing import METHODS, beginning, begun_here, span_id_of, trace_id_of

if TYPE_CHECKING:
    from chassis.auth import Principal

# --- Which request this is ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class RequestContext:
    """What the code below an endpoint may know of the request that it works for."""

    traceparent: str
    """W3C trace context, which whatever follows is told: in the caller's trace where it sent one, see `chassis.tracing`."""
    principal: Principal | None = None
    """Who asks; None before the token was checked and on public endpoints."""
    content: bytes = b""
    """What makes two requests the same: method, path and body. For idempotency keys only; it holds personal data."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; the client finds them in the problem's body and the `traceparent` header."""
        return trace_id_of(self.traceparent)

    @property
    def correlation_id(self) -> UUID:
        """The same as a UUID: what events name as their correlation."""
        return UUID(hex=self.trace_id)


_context: ContextVar[RequestContext] = ContextVar("request_context")


def begin_context(traceparent: str | None = None) -> RequestContext:
    """Start a new context in the running task, in this trace or a new one."""
    context = RequestContext(traceparent or begun_here())
    _context.set(context)
    return context


def request_context() -> RequestContext:
    """The running task's context. Outside of a request (a worker, a test) a new one each time."""
    return _context.get(None) or RequestContext(begun_here())


@contextmanager
def on_behalf_of(principal: Principal | None, *, doing: str) -> Iterator[None]:
    """Until the block ends, whatever the running task does is what he asked for earlier. None: nobody's request.

    `doing` is what its trace calls it.
    """
    with beginning(doing) as act:
        before = _context.set(RequestContext(act.traceparent, principal))
        try:
            yield
        finally:
            _context.reset(before)


# --- Log ---------------------------------------------------------------------------------------------------------------

LOG_KEYS_DROPPED = Counter("gatehouse_log_keys_dropped", "Log keys or values that the allow-list did not let pass")

FRAMES_MAX = 12
"""Places in the code that a logged exception names, innermost last."""
CAUSES_MAX = 5

_EVENT = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
_WORD = re.compile(r"(?!.*[0-9]{9})[A-Za-z0-9_.,:/{}<>+ -]{1,200}")  # nine digits in a row may be a number of a person
_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SPAN_ID = re.compile(r"[0-9a-f]{16}")
_TEMPLATE = re.compile(r"[A-Za-z%.,:;'\"() -]{1,120}")


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, (bool, int, float))


def _is_word(value: object) -> bool:
    return value is None or (isinstance(value, str) and _WORD.fullmatch(value) is not None)


def _is_id(value: object) -> bool:
    return value is None or isinstance(value, UUID) or (isinstance(value, str) and _ID.fullmatch(value) is not None)


def _is_places(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_word, value))


_ALLOWED: Mapping[str, Callable[[object], bool]] = {
    **dict.fromkeys(
        ("count", "dropped", "shard", "pos", "partition", "offset", "version", "epoch", "status", "attempt", "port", "pid"),
        _is_number,
    ),
    **dict.fromkeys(("event_id", "stream_id", "correlation_id", "causation_id", "trace_id"), _is_id),
    **dict.fromkeys(("level", "timestamp", "service", "role", "command", "method", "route", "problem", "check"), _is_word),
    **dict.fromkeys(
        ("event_type", "error_type", "sqlstate", "reason", "topic", "source", "lease", "projection", "policy"), _is_word
    ),
    **dict.fromkeys(("logger", "location"), _is_word),
    **dict.fromkeys(("frames", "causes"), _is_places),
    "span_id": lambda value: isinstance(value, str) and _SPAN_ID.fullmatch(value) is not None,
    "event": lambda value: isinstance(value, str) and _EVENT.fullmatch(value) is not None,
    "template": lambda value: isinstance(value, str) and _TEMPLATE.fullmatch(value) is not None,
}
_NUMBER_SUFFIXES = ("_ms", "_s", "_count", "_bytes", "_max", "_pos", "_version", "_rate")


def _allow_list(_logger: object, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Only what is known to be harmless passes. Last before rendering, so that nothing is added after it."""
    passed: dict[str, Any] = {}
    for key, value in event_dict.items():
        check = _ALLOWED.get(key) or (_is_number if key.endswith(_NUMBER_SUFFIXES) else None)
        if check is not None and check(value):
            passed[key] = value
    if dropped := len(event_dict) - len(passed):
        LOG_KEYS_DROPPED.inc(dropped)
        passed["dropped"] = dropped
    passed.setdefault("event", "log.unnamed")
    return passed


def _exception_places(_logger: object, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces an exception by its type, its places in the code, and the types of its causes."""
    error = event_dict.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event_dict["error_type"] = type_name(error)
        frames = traceback.walk_tb(error.__traceback__)
        event_dict["frames"] = [place_in_code(frame.f_code.co_filename, line) for frame, line in frames][-FRAMES_MAX:]
        event_dict["causes"] = _causes(error)
        if isinstance(sqlstate := getattr(error, "sqlstate", None), str):
            event_dict["sqlstate"] = sqlstate
    return event_dict


def type_name(error: BaseException) -> str:
    """The exception's class with its module, e.g. `asyncpg.exceptions.UniqueViolationError`."""
    return f"{type(error).__module__}.{type(error).__qualname__}"


def _causes(error: BaseException) -> list[str]:
    causes: list[str] = []
    inner = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    current = error.__cause__ or error.__context__
    while current is not None and len(causes) < CAUSES_MAX:
        causes.append(type_name(current))
        current = current.__cause__ or current.__context__
    return (causes + [type_name(each) for each in inner])[:CAUSES_MAX]


def place_in_code(path: str, line: int) -> str:
    """`package/module.py:line`, without where it is installed."""
    for root in ("/site-packages/", "/src/"):
        path = path.rpartition(root)[2]
    return f"{'/'.join(path.split('/')[-4:])}:{line}"


def _add_trace(_logger: object, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if context := _context.get(None):
        event_dict.setdefault("trace_id", context.trace_id)
        event_dict.setdefault("span_id", span_id_of(context.traceparent))
    return event_dict


def _render(_logger: object, _method: str, event_dict: MutableMapping[str, Any]) -> bytes:
    return orjson.dumps(dict(event_dict), option=orjson.OPT_SORT_KEYS)


def configure_logging(*, service: str, role: str, level: str = "INFO", to: BinaryIO | None = None) -> None:
    """Write events as JSON to stdout: ours, those of libraries that use `logging`, and crashes.

    `role` is what this process is: `api`, `worker`, `all`, `migrate` … Calling it again replaces what was configured.
    `to` takes the lines instead of stdout.
    """

    def add_process(_logger: object, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event_dict["service"], event_dict["role"] = service, role
        return event_dict

    threshold = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            add_process,
            _add_trace,
            _exception_places,
            _allow_list,
            _render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.BytesLoggerFactory(to or sys.stdout.buffer),
        cache_logger_on_first_use=False,  # a test that configures anew must reach loggers that were used before
    )
    root = logging.getLogger()
    root.handlers[:] = [_LibraryHandler()]
    # What libraries say below WARNING is written for their developers.
    root.setLevel(max(threshold, logging.WARNING))
    logging.captureWarnings(True)
    _log_crashes()


class _LibraryHandler(logging.Handler):
    """Takes what libraries say through `logging`. The text is dropped, except for a template that cannot hold data."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        # A message without arguments may have been put together before: only uvicorn's are known to be constants.
        constant = bool(record.args) or record.name.startswith("uvicorn")
        template = record.msg if constant and isinstance(record.msg, str) and _TEMPLATE.fullmatch(record.msg) else "not shown"
        log.log(
            max(logging.DEBUG, min(record.levelno // 10 * 10, logging.CRITICAL)),
            "library.log",
            logger=record.name,
            template=template,
            location=place_in_code(record.pathname, record.lineno),
            exc_info=record.exc_info,
        )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that `logging` calls
        """Says nothing: the default prints the message and its arguments to stderr."""


def _log_crashes() -> None:
    """An exception that ends a thread or the process is logged like any other, not printed with its message."""

    def crashed(kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            structlog.get_logger().critical("process.crashed", exc_info=error)

    sys.excepthook = crashed
    threading.excepthook = lambda args: crashed(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: crashed(args.exc_type, args.exc_value, args.exc_traceback)


# --- Metrics -----------------------------------------------------------------------------------------------------------

disable_created_metrics()  # type: ignore[no-untyped-call]  # When a series began helps nobody, and costs another one for each.

REQUEST_SECONDS = Histogram(
    "gatehouse_http_request_seconds",
    "From the first byte read to the last byte handed to the server, by route template",
    ["method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
REQUESTS_IN_FLIGHT = Gauge("gatehouse_http_requests_in_flight", "Requests being answered now")
REQUESTS_SHED = Counter("gatehouse_http_requests_shed", "Requests that were turned away because the process was full")

_request_seconds: dict[tuple[str, str, int], Histogram] = {}


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count an answered request. `route` is a template, never a path: paths hold identifiers and are without number."""
    key = (method, route, status)
    histogram = _request_seconds.get(key)
    if histogram is None:
        histogram = REQUEST_SECONDS.labels(method if method in METHODS else "other", route, str(status))
        if method in METHODS:
            _request_seconds[key] = histogram
    histogram.observe(seconds)
