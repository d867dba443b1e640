"""One trace from a request over the log and Kafka to whatever follows; and what it tells, to whom, and of whom never."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from contextvars import Context
from uuid import UUID

import pytest

from chassis.command_handling import Outcome
from chassis.event_store import EventStore
from chassis.telemetry import begin_context, on_behalf_of, request_context
from chassis.tracing import (
    TRACES_PER_BATCH_MAX,
    CannotRecord,
    Doing,
    appending,
    asking,
    at_once,
    beginning,
    following,
    recorded,
    serving,
    trace_id_of,
)
from tests.chassis import sample_api
from tests.chassis.bad_requests import CANARY
from tests.chassis.captured_log import captured_log
from tests.chassis.sample_api import sample_app, sample_client
from tests.chassis.tallies import Count, TallyEvent, handler, in_shards
from tests.collector import Collector, Told

THEIRS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NOT_RECORDED = THEIRS[:-2] + "00"


def named(spans: Sequence[Told], name: str) -> Told:
    [span] = [span for span in spans if span.name == name]
    return span


def traceparent(n: int, *, flags: str = "01") -> str:
    return f"00-{n:032x}-{n:016x}-{flags}"


class TestWithoutACollector:
    def test_a_trace_is_handed_on_as_it_came(self) -> None:
        with recorded(service="tally", role="api"), serving("GET", THEIRS) as doing, asking("GET", "other", THEIRS) as asked:
            assert (THEIRS, THEIRS, False) == (doing.traceparent, asked.traceparent, doing.span.is_recording())
            with at_once(appending(1), [THEIRS]):
                assert THEIRS == following(THEIRS)

    def test_a_new_one_says_that_nobody_records_it(self) -> None:
        with serving("GET", None) as first, beginning("something") as second:
            assert trace_id_of(first.traceparent) != trace_id_of(second.traceparent)
            assert ["00", "00"] == [each.traceparent[-2:] for each in (first, second)]

    def test_the_sdk_is_not_even_loaded(self) -> None:
        program = (
            "import sys; from chassis import runner, tracing\n"
            "with tracing.recorded(service='tally', role='api'):\n"
            "    print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
        )
        ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env={})
        assert "[]\n" == ran.stdout


class TestVariables:
    @pytest.mark.parametrize("told", [{"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}])
    def test_switch_it_off(self, told: dict[str, str], collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        with recorded(service="tally", role="api"), beginning("something"):
            pass
        assert [] == collector.spans

    @pytest.mark.parametrize("told", [{"OTEL_TRACES_EXPORTER": "zipkin"}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}])
    def test_that_ask_for_what_there_is_not_are_refused(
        self, told: dict[str, str], collector: Collector, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(CannotRecord), recorded(service="tally", role="api"):
            pass

    def test_say_which_traces_are_recorded_that_begin_here(self, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
        with recorded(service="tally", role="api"):
            with serving("GET", None) as ours, at_once(appending(1), [ours.traceparent]):
                assert not int(ours.traceparent[-2:], 16) & 1
                assert ours.traceparent == following(ours.traceparent)
            with serving("GET", THEIRS), serving("GET", NOT_RECORDED):
                pass
        assert [trace_id_of(THEIRS)] == [span.trace_id for span in collector.spans]

    def test_may_name_nobody_who_is_there(self, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url + "/elsewhere")
        with captured_log() as lines, recorded(service="tally", role="api"), beginning("something"):
            pass
        assert [] == collector.spans
        assert "library.log" in {line["event"] for line in lines.events}, "it is said in the log, and that is all"


class TestRequest:
    async def test_is_a_span_by_its_route_in_the_callers_trace(self, collector: Collector) -> None:
        with recorded(service="tally", role="api"):
            async with sample_client(sample_app()) as client:
                answer = await client.get("/v1/open/context", headers={"traceparent": THEIRS})
        [span] = collector.spans
        assert ("tally", "GET /v1/open/context", "server", False) == (span.service, span.name, span.kind, span.has_failed)
        assert trace_id_of(THEIRS) == span.trace_id
        assert "b7ad6b7169203331" == span.parent_id
        assert f"00-{span.trace_id}-{span.span_id}-01" == answer.headers["traceparent"] == answer.json()["traceparent"]
        told = {"http.request.method": "GET", "http.route": "/v1/open/context", "http.response.status_code": 200}
        assert told == span.attributes
        assert {"service.namespace": "gatehouse", "gatehouse.role": "api"}.items() <= span.resource.items()

    async def test_without_a_trace_begins_one(self, collector: Collector) -> None:
        with recorded(service="tally", role="api"):
            async with sample_client(sample_app()) as client:
                await client.get("/v1/open/context")
        assert [""] == [span.parent_id for span in collector.spans]

    async def test_that_fails_tells_nothing_of_what_it_held(self, collector: Collector) -> None:
        sample_api.raised[:] = [ValueError(CANARY)]
        with recorded(service="tally", role="api"):
            async with sample_client(sample_app()) as client:
                await client.post("/v1/open/failures")
                await client.get(f"/v1/nothing/{CANARY}", params={"name": CANARY})
                await client.request("310115198001011234", "/v1/open/context")
        failed = named(collector.spans, "POST /v1/open/failures")
        assert (True, "500") == (failed.has_failed, failed.attributes["error.type"])
        assert {"GET unmatched", "_OTHER /v1/open/context"} <= {span.name for span in collector.spans}
        sent = b"".join(collector.requests)
        assert [] == [each for each in (*CANARY.split(), "310115198001011234") if each.encode() in sent]

    @pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
    async def test_of_a_probe_is_not_recorded(self, path: str, collector: Collector) -> None:
        with recorded(service="tally", role="api"):
            async with sample_client(sample_app()) as client:
                await client.get(path)
        assert [] == collector.spans

    async def test_is_named_by_what_it_logs(self, collector: Collector) -> None:
        sample_api.raised[:] = [ValueError("x")]
        with recorded(service="tally", role="api"), captured_log() as lines:
            async with sample_client(sample_app()) as client:
                await client.post("/v1/open/failures")
        [span] = collector.spans
        [line] = [line for line in lines.events if line["event"] == "web.request_failed"]
        assert (span.trace_id, span.span_id) == (line["trace_id"], line["span_id"])


class TestBatch:
    def test_is_a_span_in_each_trace_and_links_them(self, collector: Collector) -> None:
        traces = [traceparent(1), traceparent(2), traceparent(2), traceparent(3), traceparent(4, flags="00"), "none"]
        with recorded(service="tally", role="worker"), at_once(appending(6), traces):
            followed = {each: following(each) for each in traces}
        first, second, third = sorted(collector.spans, key=lambda span: span.trace_id)
        assert [f"{n:016x}" for n in (1, 2, 3)] == [span.parent_id for span in (first, second, third)]
        assert [f"{n:016x}" for n in (2, 3)] == first.links
        assert [[first.span_id]] * 2 == [second.links, third.links]
        assert {"gatehouse.commands": 6} == first.attributes
        assert f"00-{second.trace_id}-{second.span_id}-01" == followed[traces[1]]
        assert traces[-2:] == [followed[each] for each in traces[-2:]], "what nobody records goes on as it was"

    def test_tells_so_many_traces_at_most(self, collector: Collector) -> None:
        traces = [traceparent(n) for n in range(1, TRACES_PER_BATCH_MAX + 10)]
        with recorded(service="tally", role="worker"), at_once(appending(1), traces):
            assert traces[-1] == following(traces[-1])
        assert TRACES_PER_BATCH_MAX == len(collector.spans)

    def test_that_fails_says_by_what_and_not_how(self, collector: Collector) -> None:
        with recorded(service="tally", role="worker"), pytest.raises(LookupError), at_once(appending(1), [THEIRS]):
            raise LookupError(CANARY)
        [span] = collector.spans
        assert (True, "LookupError") == (span.has_failed, span.attributes["error.type"])
        assert CANARY.encode() not in collector.requests[0]


class TestCommand:
    async def test_is_appended_in_its_own_trace_with_whoever_is_in_the_group(self, store: EventStore, collector: Collector) -> None:
        async def asked(stream: UUID, doing: Doing) -> Outcome[TallyEvent]:
            begin_context(doing.traceparent)
            return await handler(store).handle(stream, Count(stream, 1))

        streams = in_shards(1, 2)
        with recorded(service="tally", role="api"), serving("POST", None) as first, serving("POST", None) as second:
            await asyncio.gather(*map(asked, streams, (first, second)))
        appended = [span for span in collector.spans if span.name == "append"]
        assert {trace_id_of(each.traceparent) for each in (first, second)} == {span.trace_id for span in appended}
        assert [[appended[1].parent_id], [appended[0].span_id]] == [span.links for span in appended]
        stored = [(await store.read_stream(stream))[0].traceparent for stream in streams]
        assert [first.traceparent, second.traceparent] == stored

    async def test_of_nobody_is_a_trace_of_its_own(self, store: EventStore, collector: Collector) -> None:
        streams = in_shards(1, 2)
        with recorded(service="tally", role="worker"):
            for stream in streams:
                with on_behalf_of(None, doing="count"):
                    await handler(store).handle(stream, Count(stream, 1))
        begun = [span for span in collector.spans if span.name == "count"]
        assert 2 == len({span.trace_id for span in begun})
        assert {span.span_id for span in begun} == {span.parent_id for span in collector.spans if span.name == "append"}

    def test_outside_of_any_request_is_a_trace_of_its_own(self) -> None:
        first, second = (Context().run(request_context) for _ in range(2))
        assert first.trace_id != second.trace_id
