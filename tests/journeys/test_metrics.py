"""What a running system tells as metrics: all that its code knows and that alerts and dashboards ask for, within bounds."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from chassis.testing.wait import eventually
from contracts.districts import DISTRICTS
from contracts.registry import EVENTS
from devstack import children
from devstack.ports import HOST, free_port
from devstack.processes import Process
from devstack.services import SERVICES
from tests.house.house import modules, parsed
from tests.journeys.sites import Site
from tests.journeys.stack import JourneyStack
from tests.prometheus.dashboards import DASHBOARDS, expressions
from tests.prometheus.promtool import Promtool
from tests.prometheus.rules import ALERTS, metrics_of

SERIES_MAX = 3_000
"""Of one process, also in a city: what grows with people, sites or time is no label."""
SUFFIXES = re.compile(r"_(total|bucket|count|sum)$")
KINDS = {"Counter", "Gauge", "Histogram"}

Scrape = Mapping[str, Mapping[str, Metric]]
"""Service → name without a suffix of its kind → what is told."""


def declared(module: Path) -> Iterator[str]:
    """The name of every metric that the module makes, with `{}` for what it puts in."""
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS and len(node.args) > 1:
            parts = getattr(node.args[0], "values", [node.args[0]])
            yield SUFFIXES.sub("", "".join(str(each.value) if isinstance(each, ast.Constant) else "{}" for each in parts))


DECLARED = {name for module in modules("chassis", "services") for name in declared(module)}


@pytest.fixture(scope="module")
async def scrape(installation: JourneyStack) -> Scrape:
    """After somebody declared, was registered, measured and let in."""
    async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
        site = await Site.reported(installation, client)
        person = await site.arrives()
        await site.is_measured(person)
        assert "admitted" == (await site.enters(person))["outcome"]
        await client.get(installation.url("registration") + "/v1/nothing-there")

        async def is_counted() -> bool:
            entries = (await families(client, installation.url("reporting")))["gatehouse_entries_today"].samples
            return any(sample.labels["station"] == site.station and sample.value for sample in entries)

        await eventually(is_counted, within_s=90)
        told = {each.package: await families(client, installation.url(each.package)) for each in SERVICES}
        async with disks(installation) as url:
            return told | {"disks": await families(client, url)}


@asynccontextmanager
async def disks(installation: JourneyStack) -> AsyncIterator[str]:
    """The process that looks how full they are, of one volume. Where it is."""
    (installation.state.folder("volumes") / "logs").mkdir(exist_ok=True)
    port = free_port()
    process = Process(
        name="disks",
        command=[sys.executable, "-m", "chassis", "watch-disks"],
        environment=children.environment(GATEHOUSE_DISKS=str(installation.state.folder("volumes")), GATEHOUSE_PORT=str(port)),
        log=installation.state.log("disks"),
        ready_url=f"http://{HOST}:{port}/readyz",
    )
    await process.started()
    yield process.ready_url.removesuffix("/readyz")
    await process.stop()
    assert 0 == process.child.exit_code


async def families(client: httpx2.AsyncClient, url: str) -> Mapping[str, Metric]:
    response = await client.get(f"{url}/metrics")
    assert 200 == response.status_code
    return {SUFFIXES.sub("", family.name): family for family in text_string_to_metric_families(response.text)}


def everywhere(scrape: Scrape) -> set[str]:
    return {name for told in scrape.values() for name in told}


def values(scrape: Scrape, label: str) -> set[str]:
    return {
        sample.labels[label]
        for told in scrape.values()
        for each in told.values()
        for sample in each.samples
        if label in sample.labels
    }


class TestMetrics:
    def test_are_all_told(self, scrape: Scrape) -> None:
        patterns = [re.compile(name.replace("{}", "[a-z_]+")) for name in DECLARED]
        told = everywhere(scrape)
        assert 35 < len(DECLARED)
        assert [] == [pattern.pattern for pattern in patterns if not any(pattern.fullmatch(name) for name in told)]
        ours = {name for name in told if name.startswith("gatehouse_")}
        assert set() == {name for name in ours if not any(pattern.fullmatch(name) for pattern in patterns)}

    @pytest.mark.parametrize("alert", ALERTS)
    def test_are_there_that_an_alert_asks_for(self, alert: str, scrape: Scrape) -> None:
        assert set() == {SUFFIXES.sub("", name) for name in metrics_of(ALERTS[alert]["expr"])} - everywhere(scrape)

    @pytest.mark.parametrize("name", DASHBOARDS)
    def test_are_there_that_a_dashboard_asks_for(self, name: str, scrape: Scrape) -> None:
        asked = {metric for expression in expressions(DASHBOARDS[name]).values() for metric in metrics_of(expression)}
        assert asked
        assert set() == {SUFFIXES.sub("", metric) for metric in asked} - everywhere(scrape)

    @pytest.mark.parametrize("package", [each.package for each in SERVICES])
    async def test_are_named_and_explained_as_prometheus_wants_them(
        self, package: str, installation: JourneyStack, promtool: Promtool
    ) -> None:
        async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
            told = await client.get(installation.url(package) + "/metrics")
        assert "gatehouse_" in told.text
        assert "" == await promtool.complaints_of_metrics(told.text)

    async def test_that_are_named_otherwise_are_noticed(self, promtool: Promtool) -> None:
        told = "# TYPE gatehouse_events counter\ngatehouse_events 1\n"
        assert 'counter metrics should have "_total" suffix' in await promtool.complaints_of_metrics(told)

    def test_tell_the_rate_errors_and_duration_of_every_route_by_its_template(self, scrape: Scrape) -> None:
        asked = scrape["registration"]["gatehouse_http_request_seconds"].samples
        counted = {tuple(sample.labels[name] for name in ("method", "route", "status")) for sample in asked}
        assert {("POST", "/v1/contracts", "201"), ("GET", "unmatched", "404")} <= counted

    def test_tell_what_happened(self, scrape: Scrape) -> None:
        def told(service: str, name: str, **labels: str) -> float:
            samples = scrape[service][name].samples
            return sum(each.value for each in samples if labels.items() <= each.labels.items())

        assert told("registration", "gatehouse_appends", outcome="appended")
        assert told("gatekeeper", "gatehouse_gate_decisions", outcome="admitted")
        assert told("healthcloud_bridge", "gatehouse_healthcloud_queries", outcome="answered")
        assert told("registration", "gatehouse_log_position")
        assert told("health", "gatehouse_projection_position", source="registration")
        assert told("health", "gatehouse_database_bytes") > told("health", "gatehouse_log_bytes") > 0
        assert told("portal", "gatehouse_signing_key_first_used_timestamp_seconds")
        assert told("reporting", "gatehouse_entries_today")
        assert told("disks", "gatehouse_disk_bytes", volumes="logs") > told("disks", "gatehouse_disk_available_bytes") > 0


class TestLabels:
    async def test_are_few_and_from_closed_lists(self, scrape: Scrape, installation: JourneyStack) -> None:
        async with httpx2.AsyncClient(timeout=30, trust_env=False) as client:
            documents: list[Any] = [
                (await client.get(installation.url(each.package) + "/openapi.json")).json() for each in SERVICES
            ]
        described = {path for document in documents for path in document["paths"]}
        routes = {route for route in values(scrape, "route") if route.startswith("/v1/")}
        assert set() == routes - described
        assert all(not re.search(r"[0-9a-f]{8}|\d{4}", route) for route in values(scrape, "route"))
        assert values(scrape, "type") <= EVENTS.keys()
        assert values(scrape, "district") <= DISTRICTS.keys()
        assert values(scrape, "partition") <= {str(partition) for partition in range(64)}

    @pytest.mark.parametrize("package", [each.package for each in SERVICES])
    def test_do_not_make_too_many_series(self, package: str, scrape: Scrape) -> None:
        assert SERIES_MAX > sum(len(each.samples) for each in scrape[package].values())
