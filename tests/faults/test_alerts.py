"""What only people can put right, as the real Prometheus tells of the running system by the rules of service: an alert stands while
it is so, and is over once what its runbook says was done."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import yaml

from chassis.testing.wait import eventually
from devstack import children, doctor
from devstack.children import Child
from devstack.ports import HOST, free_port
from devstack.services import SIMULATOR
from tests.compose import unreadable
from tests.faults.report import REPORT
from tests.faults.stack import FaultStack, running_stack
from tests.faults.test_crash_points import operate
from tests.faults.traffic import Town, somebody, town
from tests.prometheus.rules import FILE, FOLDER

TOLD_S_MAX = 240.0
"""The longest `for` of these alerts is a minute; looks and counts are seconds apart, and the machine may be busy."""
UNREADABLE_S_MAX = 60.0
ALERTS = {"BannedOnSite", "EventsParked"}


@dataclass(frozen=True)
class Prometheus:
    """One that runs."""

    client: httpx2.AsyncClient
    child: Child

    async def tells(self, alerts: set[str]) -> bool:
        """Whether of `ALERTS` these fire, and no others."""
        self.child.insist()
        try:
            answer = (await self.client.get("/api/v1/alerts")).raise_for_status()
        except httpx2.HTTPError:
            return False  # It is starting.
        firing = {each["labels"]["alertname"] for each in answer.json()["data"]["alerts"] if each["state"] == "firing"}
        return alerts == firing & ALERTS


@pytest.mark.long
class TestAlert:
    async def test_of_what_people_must_act_on_stands_until_they_have(self) -> None:
        async with running_stack() as stack, _prometheus(stack) as prometheus, town(stack) as here:
            person_id = await _banned_on_site(here)
            await _park(stack)
            await eventually(lambda: prometheus.tells(ALERTS), within_s=TOLD_S_MAX)
            await here.leave(person_id, here.sites[0])  # docs/runbooks/banned-on-site.md, 3
            await _discard(stack)  # docs/runbooks/parked.md, 4
            await eventually(lambda: prometheus.tells(set()), within_s=TOLD_S_MAX)
            REPORT.note("banned on a site; an event that nobody can read", "alerts fired, and were over")


async def _banned_on_site(here: Town) -> str:
    """Somebody entered, and is banned since."""
    [site] = here.sites
    person_id = await here.admissible(somebody(), site)
    assert "admitted" == (await here.enter(person_id, site))["outcome"]
    await here.ban(person_id, site)
    return person_id


async def _park(stack: FaultStack) -> None:
    """An event of registration cannot be read, and its own list of supplies parks it."""
    await children.run(
        "an unreadable event",
        [sys.executable, unreadable.__file__],
        log=stack.stack.state.log("unreadable"),
        environment=stack.environment("registration"),
        deadline_s=UNREADABLE_S_MAX,
    )


async def _discard(stack: FaultStack) -> None:
    await operate(stack, "registration", "parked", "list")
    said = stack.stack.state.log("registration-parked").read_text()
    [place] = re.findall(r"^\S+/registration/\d+:\d+", said, re.MULTILINE)
    words = ("--reason", "never written by registration", "--by", "the tests")
    assert 0 == await operate(stack, "registration", "parked", "discard", place, *words)


@asynccontextmanager
async def _prometheus(stack: FaultStack) -> AsyncIterator[Prometheus]:
    """It asks every process, as in service."""
    [finding] = doctor.survey_prometheus()
    program = shutil.which("prometheus")
    if finding.found is None or program is None:
        pytest.fail(doctor.how_to_get([finding]))
    folder = stack.stack.state.folder("prometheus")
    (folder / "prometheus.yml").write_text(yaml.safe_dump(_settings(stack)))
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
        async with httpx2.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
            yield Prometheus(client, child)
    finally:
        await child.stop()


def _settings(stack: FaultStack) -> Mapping[str, Any]:
    """Those of service, with the processes that there are."""
    told = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    [job] = told["scrape_configs"]
    asked = [
        {"targets": [url.removeprefix("http://")], "labels": {"service": service_of(name), "role": name.rpartition("-")[2]}}
        for name, url in stack.probes.items()
        if not name.startswith(SIMULATOR.package)
    ]
    return {
        "global": told["global"],
        "rule_files": [str(FILE)],
        "scrape_configs": [{"job_name": job["job_name"], "static_configs": asked}],
    }


def service_of(process: str) -> str:
    return process.rpartition("-")[0].replace("_", "-")
