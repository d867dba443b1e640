"""A load generator that costs little beside what it measures: prepared requests, plain sockets, one answer at a time."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import orjson

CONNECTIONS = 4
"""Of a steady load."""
WARM_UP = 200
"""Requests before one is measured: connections are there, plans are made."""


@dataclass
class Answers:
    """What came back."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    processor_s: float = 0.0
    """What the processes that answered took of the processors."""
    bytes_max: int = 0
    """Of the largest body."""

    @property
    def per_second(self) -> float:
        return len(self.latencies_ms) / self.seconds

    @property
    def processor_us(self) -> float:
        """Of one answer. Varies less than the rate where others use the machine, too."""
        return self.processor_s / len(self.latencies_ms) * 1e6

    def percentile_ms(self, percent: float) -> float:
        return percentile(self.latencies_ms, percent)


def processor_seconds(pid: int) -> float:
    """What a process has taken of the processors so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def post(url: str, path: str, body: Mapping[str, object], *, token: str, key: str) -> bytes:
    """A prepared request."""
    content = orjson.dumps(body)
    lines = (
        f"POST {path} HTTP/1.1",
        f"Host: {urlsplit(url).netloc}",
        f"Authorization: Bearer {token}",
        f"Idempotency-Key: {key}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        "",
        "",
    )
    return "\r\n".join(lines).encode() + content


async def drive(
    urls: Sequence[str], requests: Iterator[bytes], *, connections: int, seconds: float, per_second: float | None = None
) -> Answers:
    """Send the requests, spread over the servers, each connection waiting for its answer before it sends the next.

    `per_second` makes each request due at its time, evenly, and its latency counts from then; without it, as fast as they
    come back. Ends early when the requests run out.
    """
    answers = Answers()
    began = time.perf_counter()
    due = itertools.count(began, 1 / per_second) if per_second else None
    tasks = [_connection(urls[n % len(urls)], requests, answers, began + seconds, due) for n in range(connections)]
    await asyncio.gather(*tasks)
    answers.seconds = time.perf_counter() - began
    return answers


async def steadily(url: str, asked: Sequence[bytes], *, per_second: float, seconds: float) -> Answers:
    """These requests over and over, as fast as they come back until everything is warm, then so many a second."""
    requests = itertools.cycle(asked)
    await drive([url], itertools.islice(requests, WARM_UP), connections=CONNECTIONS, seconds=seconds)
    return await drive([url], requests, connections=CONNECTIONS, seconds=seconds, per_second=per_second)


async def _connection(url: str, requests: Iterator[bytes], answers: Answers, until: float, due: Iterator[float] | None) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    for request in requests:
        since = time.perf_counter()
        if due is not None:
            now, since = since, next(due)
            await asyncio.sleep(max(0.0, since - now))
        if since >= until:
            break
        writer.write(request)
        status, size = await answer(reader)
        answers.bytes_max = max(answers.bytes_max, size)
        answers.latencies_ms.append((time.perf_counter() - since) * 1000)
        answers.statuses[status] += 1
    writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, int]:
    """The status of the next answer, read to its end, and how many bytes its body has."""
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    at, size = lower.find(b"content-length:"), 0
    if at >= 0:
        size = int(lower[at + 15 : lower.index(b"\r\n", at)])
        await reader.readexactly(size)
    return int(head[9:12]), size
