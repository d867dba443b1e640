"""The real Prometheus beside the running system, with the rules of service, only sooner: nobody waits for hours in a test."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import yaml

from devstack import children, doctor
from devstack.children import Child
from devstack.ports import HOST, free_port
from devstack.processes import Process
from devstack.services import SIMULATOR
from tests.faults.stack import FaultStack
from tests.prometheus.rules import FILE, FOLDER

SOONER, SOON_S = 100, 20
"""A rule's times are a hundredth, and no less than this unless they were."""
SECONDS: Mapping[str, int] = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
WINDOW = re.compile(r"(\[|offset )(\d+)([smhd])")
AGE = re.compile(r"(_seconds\)? [<>] )(\d+)()")


@dataclass(frozen=True)
class Left:
    """Alerts that something is waited for of. True where none is."""

    alerts: Sequence[str]

    def __bool__(self) -> bool:
        return not self.alerts


@dataclass
class Prometheus:
    """One that runs."""

    client: httpx2.AsyncClient
    child: Child

    async def has_told(self, alerts: Collection[str]) -> Left:
        """Whether each of these has fired, now or before: some are over before the next thing is broken."""
        told = await self._asked("query", query='last_over_time(ALERTS{alertstate="firing"}[1d])')
        return Left(sorted(set(alerts) - {each["metric"]["alertname"] for each in told["result"]} if told else alerts))

    async def is_quiet(self, alerts: Collection[str]) -> Left:
        """Whether none of these fires, or is about to."""
        known = await self._asked("alerts")
        return Left(
            sorted({each["labels"]["alertname"] for each in known["alerts"]} & set(alerts)) if known else ["nobody answers"]
        )

    async def _asked(self, what: str, **query: str) -> Any:
        """What it answers; None while it starts."""
        self.child.insist()
        try:
            return (await self.client.get(f"/api/v1/{what}", params=query)).raise_for_status().json()["data"]
        except httpx2.HTTPError:
            return None


@asynccontextmanager
async def prometheus(
    stack: FaultStack, disk: Callable[[Path], AbstractContextManager[object]] = nullcontext
) -> AsyncIterator[Prometheus]:
    """It asks every process, as in service. `disk` gives the one volume that is looked at a disk of its own."""
    [finding] = doctor.survey_prometheus()
    program = shutil.which("prometheus")
    if finding.found is None or program is None:
        pytest.fail(doctor.how_to_get([finding]))
    folder = stack.stack.state.folder("prometheus")
    disks = _disks(stack)
    (folder / "alerts.yml").write_text(yaml.safe_dump(hurried(yaml.safe_load(FILE.read_text()))))
    (folder / "prometheus.yml").write_text(yaml.safe_dump(_settings(stack, disks)))
    address = f"{HOST}:{free_port()}"
    child = children.start(
        "prometheus",
        [
            program,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'measured'}",
            f"--web.listen-address={address}",
        ],
        log=stack.stack.state.log("prometheus"),
        environment=children.environment(),
    )
    try:
        with disk(volume_of(stack)):
            await disks.started()
            async with httpx2.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
                yield Prometheus(client, child)
    finally:
        await child.stop()
        await disks.stop()


def volume_of(stack: FaultStack) -> Path:
    """As it is mounted where somebody looks how full its disk is."""
    volume = stack.stack.state.folder("volumes") / "brokers"
    volume.mkdir(exist_ok=True)
    return volume


def _disks(stack: FaultStack) -> Process:
    """The process that looks."""
    port = free_port()
    told = {"GATEHOUSE_DISKS": str(volume_of(stack).parent), "GATEHOUSE_PORT": str(port)}
    return Process(
        name="disks",
        command=[sys.executable, "-m", "chassis", "watch-disks"],
        environment=children.environment(**told),
        log=stack.stack.state.log("disks"),
        ready_url=f"http://{HOST}:{port}/readyz",
    )


def hurried(rules: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same rules, with how long something has to be so, the windows that are looked at, and ages in seconds cut short."""
    return {
        "groups": [
            {
                **group,
                "rules": [
                    {
                        **rule,
                        "expr": AGE.sub(_sooner, WINDOW.sub(_sooner, rule["expr"])),
                        **({"for": re.sub(r"()(\d+)([smhd])", _sooner, rule["for"])} if "for" in rule else {}),
                    }
                    for rule in group["rules"]
                ],
            }
            for group in rules["groups"]
        ]
    }


def _sooner(found: re.Match[str]) -> str:
    before, number, unit = found.groups()
    told_s = int(number) * SECONDS[unit or "s"]
    return f"{before}{min(told_s, max(SOON_S, told_s // SOONER))}{unit and 's'}"


def _settings(stack: FaultStack, disks: Process) -> Mapping[str, Any]:
    """Those of service, with the processes that there are."""
    told = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    [job] = told["scrape_configs"]
    asked = [
        {"targets": [url.removeprefix("http://")], "labels": {"service": _service_of(name), "role": name.rpartition("-")[2]}}
        for name, url in stack.probes.items()
        if not name.startswith(SIMULATOR.package)
    ]
    asked += [{"targets": [urlsplit(disks.ready_url).netloc], "labels": {"service": disks.name}}]
    return {
        "global": told["global"],
        "rule_files": ["alerts.yml"],
        "scrape_configs": [{"job_name": job["job_name"], "static_configs": asked}],
    }


def _service_of(process: str) -> str:
    return process.rpartition("-")[0].replace("_", "-")
