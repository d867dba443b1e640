"""What shares out the connections of a service among its apis: by turns, to whichever says that it is ready."""

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
        try:
            address = urlsplit(self._next())
            from_api, to_api = await asyncio.open_connection(address.hostname, address.port)
        except OSError:
            writer.transport.abort()
            return
        self._connections |= {writer, to_api}
        await asyncio.gather(_pass_on(reader, to_api), _pass_on(from_api, writer))
        self._connections -= {writer, to_api}

    def _next(self) -> str:
        """Raises: ConnectionRefusedError where nobody is ready."""
        ready = sorted(self.ready)
        if not ready:
            raise ConnectionRefusedError
        return ready[next(self._turns) % len(ready)]

    def abort(self) -> None:
        for writer in self._connections:
            writer.transport.abort()


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
