"""A TCP proxy before PostgreSQL that can lose an answer: what was asked is done, and nobody hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

READY = b"Z\x00\x00\x00\x05I"
"""The server has done all that was asked, and no transaction is open."""
READ_BYTES_MAX = 64 * 1024


@dataclass
class SwallowingProxy:
    """Passes everything on until `lose` says otherwise."""

    dsn: str
    """Leads to the server through here."""
    server: tuple[str, int]
    lost: int = 0
    """Answers that were swallowed, each with its connection."""
    _trigger: bytes | None = None
    _connections: set[asyncio.StreamWriter] = field(default_factory=set)

    def lose(self, trigger: bytes) -> None:
        """Of the next request that contains this, carry out all and tell nothing: then cut both sides off."""
        self._trigger = trigger

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(*self.server)
        self._connections |= {writer, to_server}
        swallows = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._requests(reader, to_server, swallows))
                group.create_task(self._answers(from_server, writer, swallows))
        except* (ConnectionError, EOFError):
            pass
        finally:
            self._connections -= {writer, to_server}
            for each in (writer, to_server):
                each.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader, to_server: asyncio.StreamWriter, swallows: asyncio.Event) -> None:
        while data := await reader.read(READ_BYTES_MAX):
            if self._trigger is not None and self._trigger in data:
                self._trigger = None
                swallows.set()
            to_server.write(data)
            await to_server.drain()
        raise EOFError

    async def _answers(self, from_server: asyncio.StreamReader, writer: asyncio.StreamWriter, swallows: asyncio.Event) -> None:
        while data := await from_server.read(READ_BYTES_MAX):
            if not swallows.is_set():
                writer.write(data)
                await writer.drain()
            elif READY in data:
                self.lost += 1
                break
        raise EOFError

    def abort(self) -> None:
        for writer in self._connections:
            writer.transport.abort()


@asynccontextmanager
async def swallowing_proxy(dsn: str) -> AsyncIterator[SwallowingProxy]:
    """Listens until the block ends."""
    parts = urlsplit(dsn)
    proxy = SwallowingProxy("", (parts.hostname or "", parts.port or 0))
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    proxy.dsn = urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}"))
    try:
        yield proxy
    finally:
        listening.close()
        proxy.abort()
        with suppress(TimeoutError):
            await asyncio.wait_for(listening.wait_closed(), 5)
