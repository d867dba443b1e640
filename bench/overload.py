"""More than it can do: at 1.5 times the rate that it sustains, and at four times the connections. Whoever is accepted must not wait
much longer than usual, everybody else be told at once, and the process not grow."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from bench.load import Answers, answer, post
from bench.place import SECONDS, Place
from bench.table import Row
from devstack.ports import free_port
from devstack.run import running_stack
from devstack.services import PROGRAMS, Stack
from devstack.settings import Settings
from devstack.story.cast import HONGKOU
from devstack.suite import throwaway_state
from devstack.tokens import Account, token

CONNECTIONS = 32
MORE_CONNECTIONS = 4 * CONNECTIONS
OPEN_CONNECTIONS = 512
"""Of the load that does not wait for answers: more than are ever in flight at once."""
RETRY_S = 1.0
"""What `Retry-After` asks for, and the clients obey."""
PAGE_KB = 4
TURNSTILE = Account("gate_device", contracts=(HONGKOU,))


async def measure(place: Place) -> Sequence[Row]:
    """The gate, on a stack of its own: attempts by strangers, which are refused, and stored like all others."""
    with throwaway_state() as state:
        ports = {program.package: free_port() for program in PROGRAMS}
        async with running_stack(state, Settings().elsewhere(), lambda line: None, ports=ports) as (stack, supervisor):
            access, _ = await token(stack.portal, stack.state, TURNSTILE)
            pid = next(process.pid for process in supervisor.processes if process.name.startswith("gatekeeper"))
            return await _Overload(stack, access, pid).measure()


@dataclass
class _Overload:
    stack: Stack
    access: str
    pid: int

    async def measure(self) -> Sequence[Row]:
        url = self.stack.url("gatekeeper")
        for n in range(2):
            await _closed(url, self._attempts(f"warm-{n}"), connections=CONNECTIONS)
        usual = await _closed(url, self._attempts("usual"), connections=CONNECTIONS)
        before_kb = self._resident_kb()
        more = await _closed(url, self._attempts("more"), connections=MORE_CONNECTIONS)
        sustained = max(usual.per_second, more.per_second)
        faster = await _open(url, self._attempts("faster"), per_second=1.5 * sustained)
        after_kb = self._resident_kb()
        rows = [Row(f"usual: {CONNECTIONS} connections, accepted", usual.per_second, "/s", None, "–")]
        rows.append(Row("usual, p99", usual.percentile_ms(99), "ms", None, "–"))
        for name, load in ((f"{MORE_CONNECTIONS} connections", more), (f"1.5 × {sustained:,.0f}/s", faster)):
            aim = f"≤ 5 × usual; {load.statuses[503]:,} of {sum(load.statuses.values()):,} turned away"
            rows.append(Row(f"{name}, accepted", load.per_second, "/s", usual.per_second, "≈ 1×", "usual"))
            rows.append(Row(f"{name}, p99 of the accepted", load.percentile_ms(99), "ms", usual.percentile_ms(99), aim, "usual"))
        rows.append(Row("resident memory afterwards", after_kb / 1024, "MiB", before_kb / 1024, "≈ 1×", "before"))
        return rows

    def _attempts(self, name: str) -> Iterator[bytes]:
        url, path = self.stack.url("gatekeeper"), f"/v1/contracts/{HONGKOU}/gate-passes"
        people = [str(uuid4()) for _ in range(2_000)]
        return (
            post(url, path, {"person_id": people[n % len(people)]}, token=self.access, key=f"{name}-{n}") for n in itertools.count()
        )

    def _resident_kb(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_KB


# --- Load ---------------------------------------------------------------------------------------------------------------


async def _closed(url: str, requests: Iterator[bytes], *, connections: int) -> Answers:
    """Each connection waits for its answer, and after a 503 as long as that asks for. Only what is accepted has a latency."""
    answers, until = Answers(), time.perf_counter() + SECONDS

    async def client() -> None:
        reader, writer = await _connected(url)
        while time.perf_counter() < until:
            if not await _ask(reader, writer, next(requests), answers, since=time.perf_counter()):
                await asyncio.sleep(RETRY_S)
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    answers.seconds = SECONDS
    return answers


async def _open(url: str, requests: Iterator[bytes], *, per_second: float) -> Answers:
    """At a steady rate, whatever the answers are. A latency counts from when the request was due."""
    answers, began = Answers(), time.perf_counter()
    due = iter([began + n / per_second for n in range(int(SECONDS * per_second))])

    async def client() -> None:
        reader, writer = await _connected(url)
        for at in due:
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            await _ask(reader, writer, next(requests), answers, since=at)
        writer.close()

    await asyncio.gather(*(client() for _ in range(OPEN_CONNECTIONS)))
    answers.seconds = time.perf_counter() - began
    return answers


async def _connected(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(url)
    return await asyncio.open_connection(address.hostname, address.port)


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, answers: Answers, *, since: float
) -> bool:
    """Whether it was accepted."""
    writer.write(request)
    status, _ = await answer(reader)
    answers.statuses[status] += 1
    if status == 503:
        return False
    if status != 200:
        raise RuntimeError(f"answered with {status}")
    answers.latencies_ms.append((time.perf_counter() - since) * 1000)
    return True
