"""Whoever is called: a place that Alertmanager posts to, as it does to a duty phone's gateway."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from chassis.testing.wait import eventually
from tests.house.house import REPOSITORY

CALLED_S_MAX = 600.0
"""From what goes wrong to the message: a minute of the alerts' `for`, one of Alertmanager's patience, and a busy machine."""


@dataclass
class OnCall:
    """What he was told, by alert, in the order in which it came."""

    url: str = ""
    statuses: dict[str, list[str]] = field(default_factory=dict)
    runbooks: dict[str, str] = field(default_factory=dict)

    async def is_told(self, status: str, alerts: Collection[str]) -> None:
        """Wait until of each of them the last word is this. Raises: TimeoutError."""
        await eventually(
            lambda: all(self.statuses.get(alert, [""])[-1] == status for alert in alerts),
            within_s=CALLED_S_MAX,
        )

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        assert length
        for alert in json.loads(await reader.readexactly(int(length[1])))["alerts"]:
            name = alert["labels"]["alertname"]
            self.statuses.setdefault(name, []).append(alert["status"])
            self.runbooks[name] = alert["annotations"]["runbook"]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    def has_runbooks(self) -> bool:
        """Whether there is one for everything that he was told."""
        return all((REPOSITORY / runbook).is_file() for runbook in self.runbooks.values())


@asynccontextmanager
async def on_call(host: str) -> AsyncIterator[OnCall]:
    """He listens there until the block ends."""
    somebody = OnCall()
    listening = await asyncio.start_server(somebody.answer, host, 0)
    async with listening:
        # With what YAML and sed might take for something else.
        somebody.url = f"http://{host}:{listening.sockets[0].getsockname()[1]}/duty?who='night'&loud=1|2"
        yield somebody
