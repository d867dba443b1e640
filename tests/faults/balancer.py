"""What shares out the connections of a service among its apis: by turns, to whichever says that it is ready, and answers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2

from devstack.ports import HOST

LOOK_S = 0.1
"""Between two looks at who is ready."""
LOOK_S_MAX = 2.0
READ_BYTES_MAX = 64 * 1024
NOBODY = b"\r\n".join(
    (
        b"HTTP/1.1 503 Service Unavailable",
        b"Content-Type: application/problem+json",
        b"Content-Length: 2",
        b"Retry-After: 1",
        b"Connection: close",
        b"",
        b"{}",
    )
)
"""Said where no api takes the connection: nothing was done."""


@dataclass
class Balancer:
    """Knows nothing of HTTP but the probe. A connection stays where it is until one side closes it."""

    url: str
    apis: list[str]
    """Base URLs. May change while it runs."""
    ready: set[str] = field(default_factory=set)
    _turns: Iterator[int] = field(default_factory=itertools.count)
    _connections: set[asyncio.StreamWriter] = field(default_factory=set)

    async def look(self) -> None:
        """Keep asking who is ready, until cancelled."""
        async with httpx2.AsyncClient(trust_env=False, timeout=LOOK_S_MAX) as client:
            while True:
                for api in list(self.apis):
                    try:
                        is_ready = (await client.get(f"{api}/readyz", headers={"Connection": "close"})).status_code == 200
                    except httpx2.TransportError:
                        is_ready = False
                    (self.ready.add if is_ready else self.ready.discard)(api)
                self.ready &= set(self.apis)
                await asyncio.sleep(LOOK_S)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = await self._connect()
        if found is None:
            await _refuse(reader, writer)
            return
        from_api, to_api = found
        self._connections |= {writer, to_api}
        await asyncio.gather(_pass_on(reader, to_api), _pass_on(from_api, writer))
        self._connections -= {writer, to_api}

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """To whose turn it is, or whoever comes after it and answers. None: nobody does."""
        ready = sorted(self.ready.intersection(self.apis))
        turn = next(self._turns)
        for n in range(len(ready)):
            address = urlsplit(ready[(turn + n) % len(ready)])
            with suppress(OSError):
                return await asyncio.open_connection(address.hostname, address.port)
        return None

    def abort(self) -> None:
        for writer in self._connections:
            writer.transport.abort()


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What was asked is read to its end, or the system would tell of a broken connection before the answer is seen."""
    with suppress(ConnectionError):
        writer.write(NOBODY)
        writer.write_eof()
        while await reader.read(READ_BYTES_MAX):
            pass
    writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one side closes; then the other is told."""
    with suppress(ConnectionError):
        while data := await reader.read(READ_BYTES_MAX):
            writer.write(data)
            await writer.drain()
    with suppress(ConnectionError):
        writer.close()


@asynccontextmanager
async def balancing(api: str) -> AsyncIterator[Balancer]:
    """Before one api, to begin with."""
    balancer = Balancer("", [api])
    listening = await asyncio.start_server(balancer.serve, HOST, 0)
    balancer.url = f"http://{HOST}:{listening.sockets[0].getsockname()[1]}"
    looking = asyncio.create_task(balancer.look())
    try:
        yield balancer
    finally:
        looking.cancel()
        listening.close()
        balancer.abort()
