"""Service processes: start, wait until ready, kill, freeze, start again. And a supervisor that keeps them running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from signal import SIGTERM, Signals
from urllib.parse import urlsplit

from devstack import children
from devstack.children import Child

READY_DEADLINE_S = 60.0
PROBE_TIMEOUT_S = 2.0
PROBE_INTERVAL_S = 0.1
STOP_DEADLINE_S = 30.0
"""As in docker-compose.yml: so long a process may take to answer what it was asked, and to give back what it holds."""
WATCH_INTERVAL_S = 0.2
BACKOFF_S_MIN = 0.5
BACKOFF_S_MAX = 15.0
STEADY_S = 60.0
"""A process that ran this long is restarted without delay again."""


class Process:
    """One process of a service, and its successors after a restart."""

    def __init__(
        self, *, name: str, command: Sequence[str | Path], environment: Mapping[str, str], log: Path, ready_url: str
    ) -> None:
        self.name = name
        self.log = log
        self.ready_url = ready_url
        self._command = command
        self._environment = environment
        self._child: Child | None = None

    @property
    def child(self) -> Child:
        """The running program. Raises: RuntimeError before the first start."""
        if self._child is None:
            raise RuntimeError(f"{self.name} is not started")
        return self._child

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def runs(self) -> bool:
        return self._child is not None and self._child.exit_code is None

    def start(self, **more: str) -> None:
        """Start it, with `more` in its environment, and do not wait. Call it from the main thread: see `children.start`."""
        if self.runs:
            raise RuntimeError(f"{self.name} runs already")
        self._child = children.start(self.name, self._command, log=self.log, environment={**self._environment, **more})

    async def ready(self, deadline_s: float = READY_DEADLINE_S) -> None:
        """Wait until it says that it is ready. Raises: children.ChildEnded, if it ended instead; TimeoutError."""
        try:
            async with asyncio.timeout(deadline_s):
                while not await asyncio.to_thread(_says_ready, self.ready_url):
                    self.child.insist()
                    await asyncio.sleep(PROBE_INTERVAL_S)
        except TimeoutError:
            raise TimeoutError(f"{self.name} is not ready after {deadline_s:.0f} s, see {self.log}") from None

    async def started(self, deadline_s: float = READY_DEADLINE_S) -> None:
        """`start`, then `ready`."""
        self.start()
        await self.ready(deadline_s)

    def send(self, number: Signals) -> None:
        """SIGKILL, SIGSTOP, SIGCONT, …; does not wait."""
        self.child.send(number)

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.send(Signals.SIGKILL)
        await self.child.ended(STOP_DEADLINE_S)

    async def stop(self) -> None:
        """SIGTERM; SIGKILL if that is not enough. Stopping what does not run is harmless."""
        if self._child is not None:
            await self._child.stop(SIGTERM, STOP_DEADLINE_S)

    async def restart(self, deadline_s: float = READY_DEADLINE_S) -> None:
        """Stop it cleanly, start it again, wait until it is ready."""
        await self.stop()
        await self.started(deadline_s)


class Supervisor:
    """Keeps processes running: one that ends is started again, at once, then after ever longer pauses."""

    def __init__(self, processes: Sequence[Process], say: Callable[[str], None]) -> None:
        self.processes = processes
        self._say = say

    async def started(self) -> None:
        """Start all at once and wait until all are ready. Raises: children.ChildEnded, TimeoutError."""
        for process in self.processes:
            process.start()
        for process in self.processes:
            await process.ready()

    async def watch(self) -> None:
        """Restart whatever ends. Runs until it is cancelled."""
        await asyncio.gather(*(self._watch(process) for process in self.processes))

    async def stop(self) -> None:
        """Stop all at once."""
        await asyncio.gather(*(process.stop() for process in self.processes))

    async def _watch(self, process: Process) -> None:
        clock = asyncio.get_running_loop().time
        started_at, pause_s = clock(), 0.0
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            if process.runs:
                continue
            pause_s = 0.0 if clock() - started_at > STEADY_S else min(max(2 * pause_s, BACKOFF_S_MIN), BACKOFF_S_MAX)
            self._say(
                f"{process.name} ended with {process.child.exit_code}; starting it again in {pause_s:.1f} s, see {process.log}"
            )
            await asyncio.sleep(pause_s)
            process.start()
            started_at = clock()


def _says_ready(url: str) -> bool:
    place = urlsplit(url)
    with closing(HTTPConnection(place.netloc, timeout=PROBE_TIMEOUT_S)) as connection, suppress(OSError, HTTPException):
        connection.request("GET", place.path)
        return connection.getresponse().status == HTTPStatus.OK
    return False
