"""Who collects spans: OTLP over HTTP, as an operator's collector takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from devstack.ports import HOST

REQUESTS_KEPT_MAX = 20_000


@dataclass(frozen=True)
class Told:
    """A span, as it was told."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    links: Sequence[str]
    """Spans that it was linked to."""
    attributes: Mapping[str, Any]
    has_failed: bool
    resource: Mapping[str, Any]


@dataclass
class Collector:
    """Keeps what it was sent."""

    url: str = ""
    requests: deque[bytes] = field(default_factory=lambda: deque(maxlen=REQUESTS_KEPT_MAX))
    """As they came, the last of them."""

    @property
    def variables(self) -> dict[str, str]:
        """What a process must be told to send here, soon after."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "500"}

    @property
    def spans(self) -> list[Told]:
        return [span for request in list(self.requests) for span in _spans(ExportTraceServiceRequest.FromString(request))]

    def trace(self, trace_id: str) -> list[Told]:
        """Its spans so far."""
        found = (request for request in list(self.requests) if bytes.fromhex(trace_id) in request)
        spans = (span for request in found for span in _spans(ExportTraceServiceRequest.FromString(request)))
        return [span for span in spans if span.trace_id == trace_id]


def _spans(request: ExportTraceServiceRequest) -> Iterator[Told]:
    for of_process in request.resource_spans:
        resource = _read(of_process.resource.attributes)
        for span in (span for scope in of_process.scope_spans for span in scope.spans):
            yield Told(
                service=resource["service.name"],
                name=span.name,
                kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_id=span.parent_span_id.hex(),
                links=[link.span_id.hex() for link in span.links],
                attributes=_read(span.attributes),
                has_failed=span.status.code == Status.STATUS_CODE_ERROR,
                resource=resource,
            )


def _read(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    found = getattr(value, kind)
    return [_value(each) for each in found.values] if kind == "array_value" else found


@contextmanager
def collecting() -> Iterator[Collector]:
    """On this machine, until the block ends."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_ours = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
            if is_ours:
                collector.requests.append(body)
            self.send_response(200 if is_ours else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as it is declared
            """Says nothing."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.daemon_threads = True
    serving = Thread(target=server.serve_forever, name="collector", daemon=True)
    serving.start()
    collector.url = f"http://{HOST}:{server.server_port}"
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
