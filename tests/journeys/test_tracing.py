"""One trace, from a form in a browser over every service and both brokers' sides to the read models; as a collector sees it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress

import asyncpg
import pytest

from chassis.testing.wait import eventually
from tests.collector import Collector, Told
from tests.journeys.browser import Browser, granted
from tests.journeys.sites import EMPLOYER, WITHIN_S, Site, somebody

PRE_REGISTRATIONS = "/contracts/{contract_no}/pre-registrations"
WAY = {
    ("portal", f"POST {PRE_REGISTRATIONS}"): "",
    ("portal", "POST registration"): f"portal POST {PRE_REGISTRATIONS}",
    ("registration", f"POST /v1{PRE_REGISTRATIONS}"): "portal POST registration",
    ("registration", "append"): f"registration POST /v1{PRE_REGISTRATIONS}",
    ("registration", "publish"): f"registration POST /v1{PRE_REGISTRATIONS}",
    ("health", "project registration"): f"registration POST /v1{PRE_REGISTRATIONS}",
    ("health", "publish"): "health project registration",
    ("gatekeeper", "project registration"): f"registration POST /v1{PRE_REGISTRATIONS}",
    ("gatekeeper", "project health"): "health project registration",
    ("gatekeeper", "publish"): "gatekeeper project registration",
    ("reporting", "project registration"): f"registration POST /v1{PRE_REGISTRATIONS}",
    ("reporting", "project health"): "health project registration",
    ("police-bridge", "project registration"): f"registration POST /v1{PRE_REGISTRATIONS}",
    ("police-bridge", "publish"): "police-bridge project registration",
}
"""Who does what of a pre-registration, and what it follows from."""


def by_place(spans: Collection[Told]) -> Mapping[tuple[str, str], Told]:
    return {(span.service, span.name): span for span in spans}


def without_cause(spans: Collection[Told]) -> set[str]:
    """What they follow from and was not told."""
    return {span.parent_id for span in spans} - {span.span_id for span in spans} - {""}


async def test_one_trace_follows_a_form_from_the_browser_into_every_read_model(site: Site, collector: Collector) -> None:
    operator, worker, browser = somebody(), somebody(), Browser(site.client, site.stack.url("portal"))
    await site.declares(worker)
    await granted(site, operator)
    assert await browser.signs_in(operator)
    path = f"/contracts/{site.contract_no}/pre-registrations"
    typed = {
        "person_kind": "worker",
        "document_type": "citizen_id",
        "document_number": worker.number,
        "name": worker.name,
        "origin_code": "320000",
        "origin_text": "南通市",
        "employer": EMPLOYER["credit_code"],
        "trade": "020",
    }
    await browser.open(f"{path}/new")
    await browser.submit(f"{path}/declaration", **typed)
    looked_up = browser.trace_id
    assert 200 == await browser.submit(path, **typed), browser.page
    assert "预登记已完成" in browser.page

    async def is_told() -> bool:
        spans = collector.trace(browser.trace_id)
        return WAY.keys() <= by_place(spans).keys() and not without_cause(spans)

    with suppress(TimeoutError):
        await eventually(is_told, within_s=WITHIN_S)
    spans = collector.trace(browser.trace_id)
    assert set() == WAY.keys() - by_place(spans).keys(), "whatever is missing was not told"
    there = {span.span_id: span for span in spans}
    assert [("portal", f"POST {PRE_REGISTRATIONS}")] == [(span.service, span.name) for span in spans if not span.parent_id]
    assert set() == without_cause(spans), "what each follows from is told, too"
    for place, cause in WAY.items():
        causes = [there[span.parent_id] for span in spans if (span.service, span.name) == place and span.parent_id]
        assert not cause or cause in {f"{each.service} {each.name}" for each in causes}, place
    await eventually(lambda: is_there(collector, looked_up, ("healthcloud-bridge", "POST health-cloud")), within_s=WITHIN_S)

    taken_in = by_place(spans)["reporting", "project registration"]
    assert {"people_on_contract_v1"} <= set(taken_in.attributes["gatehouse.subscribers"])

    stored = await traceparents(site, taken_in.trace_id)
    served = by_place(spans)["registration", f"POST /v1{PRE_REGISTRATIONS}"]
    assert {served.span_id} <= {each.split("-")[2] for each in stored}, "the envelope names the span of the request"


async def is_there(collector: Collector, trace_id: str, place: tuple[str, str]) -> bool:
    return place in by_place(collector.trace(trace_id))


async def traceparents(site: Site, trace_id: str) -> list[str]:
    """Of the trace's events in registration's log."""
    connection = await asyncpg.connect(site.stack.databases["registration"].owner_dsn)
    try:
        found = await connection.fetch(
            "SELECT convert_from(meta, 'utf8') FROM event WHERE position($1 IN meta) > 0", trace_id.encode()
        )
        return [line for (meta,) in found for line in meta.split("\n") if trace_id in line]
    finally:
        await connection.close()


@pytest.mark.parametrize("asked", ["livez", "readyz", "metrics", "internal"])
async def test_what_is_asked_all_the_time_is_not_recorded(site: Site, collector: Collector, asked: str) -> None:
    assert collector.requests, "invalid: nothing was recorded"
    assert [] == [span.name for span in collector.spans if asked in span.name]
