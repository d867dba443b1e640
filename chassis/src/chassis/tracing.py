"""Which trace something belongs to, and the spans that tell of it: OpenTelemetry (ADR 46), and the only place that knows it.

A trace is known by its W3C `traceparent`: it comes with a request, stands in the envelope of every event that follows, and goes
on with whatever policies make of these. Where `OTEL_*` names somebody who collects them (`recorded`), each part of the way is a
span besides; else it is handed on as it came, and nothing more is made.

Attributes are of closed lists, as the labels of metrics are: a route's template, a service, a partition, a count. Nothing tells
of whom, and an exception is named by its class, because messages quote input.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import NamedTuple
from uuid import uuid4

from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

TRACES_PER_BATCH_MAX = 128
"""Of the traces that a batch works for, so many are told of it: as many as a span has links."""
FLUSH_S_MAX = 3.0
"""How long a process that ends waits for its last spans to be taken."""

VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "Who collects spans, by OTLP over HTTP: `http://collector:4318`. Without it there are none.",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "The same with its path: `http://collector:4318/v1/traces`.",
        "OTEL_TRACES_EXPORTER": "`otlp`: also without an address, then to this machine. `none`: never.",
        "OTEL_SDK_DISABLED": "`true`: never.",
        "OTEL_TRACES_SAMPLER": "Which traces that begin here are recorded: all, unless told. Those of others, as they said.",
        "OTEL_TRACES_SAMPLER_ARG": "For `parentbased_traceidratio`: which share, such as `0.01`.",
        "OTEL_RESOURCE_ATTRIBUTES": "Told with every span, such as `deployment.environment.name=city`.",
    }
)
"""What decides here, with what it means. The others of OpenTelemetry's variables (`OTEL_EXPORTER_OTLP_*`, `OTEL_BSP_*`, limits)
count as well, as its SDK reads them."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Any other that a client may think of is told as one."""

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_tracer: Tracer | None = None
"""None: nobody collects spans."""
_spans_of_batch: ContextVar[Mapping[str, str]] = ContextVar("spans_of_batch", default=MappingProxyType({}))


class CannotRecord(Exception):
    """`OTEL_*` asks for what this program cannot do."""


class Act(NamedTuple):
    """What is done, as its spans tell it."""

    name: str
    kind: SpanKind
    attributes: Mapping[str, str | int | Sequence[str]]


class Doing(NamedTuple):
    """Something that is being done."""

    traceparent: str
    """What follows from it is told this."""
    span: Span

    def answered(self, status: int, *, method: str = "", route: str = "") -> None:
        """It was a request, and this became of it. `route` is a template, never a path."""
        if not self.span.is_recording():
            return
        self.span.set_attribute("http.response.status_code", status)
        if route:
            self.span.update_name(f"{_known(method)} {route}")
            self.span.set_attribute("http.route", route)
        if status >= 500:
            _failed(self.span, str(status))


def begun_here() -> str:
    """The name of a new trace that nobody records."""
    digits = os.urandom(24).hex()
    return f"00-{digits[:32]}-{digits[32:]}-00"


def trace_id_of(traceparent: str) -> str:
    """32 hexadecimal digits."""
    return traceparent[3:35]


def span_id_of(traceparent: str) -> str:
    """16 hexadecimal digits."""
    return traceparent[36:52]


def serving(method: str, given: str | None, *, is_routine: bool = False) -> AbstractContextManager[Doing]:
    """Answering a request, in the trace that its sender named, if he did. What is asked every second is recorded for him only."""
    parent = given if given and _TRACEPARENT.fullmatch(given) else begun_here() if is_routine else None
    return _doing(Act(_known(method), SpanKind.SERVER, {"http.request.method": _known(method)}), parent)


def asking(method: str, service: str, traceparent: str) -> AbstractContextManager[Doing]:
    """Asking another service, which is to be sent the `traceparent` of this."""
    act = Act(f"{method} {service}", SpanKind.CLIENT, {"http.request.method": method, "peer.service": service})
    return _doing(act, traceparent)


def beginning(name: str) -> AbstractContextManager[Doing]:
    """Doing something that no request asks for now: a trace of its own."""
    return _doing(Act(name, SpanKind.INTERNAL, {}), None)


def _known(method: str) -> str:
    return method if method in METHODS else "_OTHER"


@contextmanager
def _doing(act: Act, parent: str | None) -> Iterator[Doing]:
    if _tracer is None:
        yield Doing(parent or begun_here(), INVALID_SPAN)
        return
    span = _begin(_tracer, act, None if parent is None else _remote(parent))
    try:
        yield Doing(_written(span.get_span_context()), span)
    except BaseException as error:
        _failed(span, type(error).__qualname__)
        raise
    finally:
        span.end()


def appending(commands: int) -> Act:
    """A group of commands goes into the log, in one transaction."""
    return Act("append", SpanKind.INTERNAL, {"gatehouse.commands": commands})


def publishing(events: int, *, partition: int) -> Act:
    """The relay hands events to the broker."""
    return Act("publish", SpanKind.PRODUCER, _messages(events, partition, "send"))


def projecting(events: int, *, source: str, partition: int, subscribers: Sequence[str]) -> Act:
    """Read models and policies take events in."""
    attributes = _messages(events, partition, "process") | {"gatehouse.source": source, "gatehouse.subscribers": subscribers}
    return Act(f"project {source}", SpanKind.CONSUMER, attributes)


def _messages(events: int, partition: int, operation: str) -> dict[str, str | int | Sequence[str]]:
    return {
        "messaging.operation.type": operation,
        "messaging.batch.message_count": events,
        "messaging.destination.partition.id": str(partition),
    }


@contextmanager
def at_once(act: Act, traceparents: Iterable[str]) -> Iterator[None]:
    """A span in each of these traces that is recorded. The first has links to the others, and each of them one to it.

    So a trace is whole, and from any of them one comes to what was done in the same transaction.
    """
    parents = [] if _tracer is None else [each for each in dict.fromkeys(traceparents) if _is_recorded(each)]
    if _tracer is None or not parents:
        yield
        return
    first, *others = [_remote(parent) for parent in parents[:TRACES_PER_BATCH_MAX]]
    spans = [_begin(_tracer, act, first, others)]
    spans += [_begin(_tracer, act, each, [spans[0].get_span_context()]) for each in others]
    names = [_written(span.get_span_context()) for span in spans]
    before = _spans_of_batch.set(dict(zip(parents, names, strict=False)))
    try:
        yield
    except BaseException as error:
        for span in spans:
            _failed(span, type(error).__qualname__)
        raise
    finally:
        _spans_of_batch.reset(before)
        for span in spans:
            span.end()


def following(traceparent: str) -> str:
    """What is told to whatever follows from an event: the span of the batch that takes it in, else the event's own."""
    return _spans_of_batch.get().get(traceparent, traceparent)


def _begin(tracer: Tracer, act: Act, parent: SpanContext | None, links: Sequence[SpanContext] = ()) -> Span:
    context = Context() if parent is None else set_span_in_context(NonRecordingSpan(parent), Context())
    return tracer.start_span(act.name, context, act.kind, act.attributes, [Link(each) for each in links])


def _failed(span: Span, what: str) -> None:
    span.set_attribute("error.type", what)
    span.set_status(StatusCode.ERROR)


def _is_recorded(traceparent: str) -> bool:
    return _TRACEPARENT.fullmatch(traceparent) is not None and bool(int(traceparent[53:], 16) & TraceFlags.SAMPLED)


def _remote(traceparent: str) -> SpanContext:
    flags = TraceFlags(int(traceparent[53:], 16))
    return SpanContext(int(trace_id_of(traceparent), 16), int(span_id_of(traceparent), 16), is_remote=True, trace_flags=flags)


def _written(context: SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


# --- Where they are sent -----------------------------------------------------------------------------------------------


@contextmanager
def recorded(*, service: str, role: str) -> Iterator[None]:
    """Until the block ends, spans are sent to whom `OTEL_*` names. Nothing is done where it names nobody.

    They wait in a bounded queue of the SDK, and are dropped beyond it: nobody waits for whoever collects them.

    Raises: CannotRecord.
    """
    if not _is_wanted(os.environ):
        yield
        return
    # Only here: half a second of imports, and 20 MB, that a process without them need not have.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    global _tracer
    ours = {"service.name": service, "service.namespace": "gatehouse", "service.instance.id": str(uuid4()), "gatehouse.role": role}
    provider = TracerProvider(resource=Resource.create(ours), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = provider.get_tracer("gatehouse")
    try:
        yield
    finally:
        _tracer = None
        # The SDK would wait for half a minute.
        flushing = threading.Thread(target=provider.shutdown, name="flush-spans", daemon=True)
        flushing.start()
        flushing.join(FLUSH_S_MAX)


def _is_wanted(told: Mapping[str, str]) -> bool:
    """Raises: CannotRecord."""
    exporter, protocol = told.get("OTEL_TRACES_EXPORTER", ""), told.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
    addresses = told.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), told.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if told.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or exporter == "none" or not (exporter or any(addresses)):
        return False
    if exporter not in ("", "otlp"):
        raise CannotRecord("OTEL_TRACES_EXPORTER is otlp or none")
    if (protocol or told.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf") != "http/protobuf":
        raise CannotRecord("OTEL_EXPORTER_OTLP_PROTOCOL is http/protobuf")
    return True
