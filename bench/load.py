"""A load generator that costs little beside what it measures: prepared requests, plain sockets, one answer at a time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import orjson


@dataclass
class Answers:
    """What came back."""

    seconds: float = 0.0
    latencies_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def per_second(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        return percentile(self.latencies_ms, percent)


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

    `per_second` holds the rate down; without it, as fast as they come back. Ends early when the requests run out.
    """
    answers = Answers()
    began = time.perf_counter()
    pace = connections / per_second if per_second else 0.0
    tasks = [_connection(urls[n % len(urls)], requests, answers, began + seconds, pace) for n in range(connections)]
    await asyncio.gather(*tasks)
    answers.seconds = time.perf_counter() - began
    return answers


async def _connection(url: str, requests: Iterator[bytes], answers: Answers, until: float, pace: float) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    for request in requests:
        sent = time.perf_counter()
        if sent >= until:
            break
        writer.write(request)
        status = await answer(reader)
        took = time.perf_counter() - sent
        answers.latencies_ms.append(took * 1000)
        answers.statuses[status] += 1
        if pace > took:
            await asyncio.sleep(pace - took)
    writer.close()


async def answer(reader: asyncio.StreamReader) -> int:
    """The status of the next answer, read to its end."""
    head = await reader.readuntil(b"\r\n\r\n")
    lower = head.lower()
    at = lower.find(b"content-length:")
    if at >= 0:
        await reader.readexactly(int(lower[at + 15 : lower.index(b"\r\n", at)]))
    return int(head[9:12])
