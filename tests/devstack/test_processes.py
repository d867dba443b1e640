"""Service processes, with a stand-in that answers /readyz once it is told to."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from chassis.testing.wait import eventually
from devstack import children
from devstack.children import ChildEnded
from devstack.ports import HOST, free_port
from devstack.processes import Process, Supervisor

PROGRAM = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if Path(sys.argv[2]).exists() else 503)
        self.end_headers()

HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


class StandIn(Process):
    """A process that is ready while a file exists."""

    def __init__(self, folder: Path) -> None:
        self.switch = folder / "ready"
        self.switch.touch()
        port = free_port()
        super().__init__(
            name="stand-in",
            command=[sys.executable, "-c", PROGRAM, str(port), self.switch],
            environment=children.environment(),
            log=folder / "log",
            ready_url=f"http://{HOST}:{port}/readyz",
        )


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[StandIn]:
    process = StandIn(tmp_path)
    yield process
    await process.stop()


class TestProcess:
    async def test_is_ready_when_it_says_so(self, process: StandIn) -> None:
        await process.started()
        assert process.runs

    async def test_is_not_ready_while_it_says_it_is_not(self, process: StandIn) -> None:
        process.switch.unlink()
        process.start()
        with pytest.raises(TimeoutError, match="stand-in is not ready after 1 s, see"):
            await process.ready(deadline_s=1)

    async def test_is_not_ready_when_it_ended(self, tmp_path: Path) -> None:
        failing = Process(
            name="failing",
            command=["false"],
            environment=children.environment(),
            log=tmp_path / "log",
            ready_url=f"http://{HOST}:1/readyz",
        )
        with pytest.raises(ChildEnded, match="failing ended with 1"):
            await failing.started()

    async def test_is_not_ready_while_it_is_frozen(self, process: StandIn) -> None:
        await process.started()
        process.send(SIGSTOP)
        with pytest.raises(TimeoutError):
            await process.ready(deadline_s=0.5)
        process.send(SIGCONT)
        await process.ready()

    async def test_is_another_one_after_a_restart(self, process: StandIn) -> None:
        await process.started()
        first = process.pid
        await process.restart()
        assert first != process.pid

    async def test_can_be_killed_and_started_again(self, process: StandIn) -> None:
        await process.started()
        await process.kill()
        assert not process.runs
        await process.started()

    async def test_is_stopped_though_it_never_started(self, process: StandIn) -> None:
        await process.stop()


class TestSupervisor:
    async def test_starts_again_what_ended(self, process: StandIn) -> None:
        said: list[str] = []
        supervisor = Supervisor([process], said.append)
        await supervisor.started()
        watching = asyncio.create_task(supervisor.watch())
        first = process.pid
        process.send(SIGKILL)
        await eventually(lambda: process.runs and process.pid != first)
        await process.ready()
        watching.cancel()
        assert ["stand-in ended with -9"] == [line.split(";")[0] for line in said]
