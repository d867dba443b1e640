"""A TCP proxy that can cut, delay, trickle and swallow what goes through it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

from devstack.ports import HOST

READ_BYTES_MAX = 64 * 1024
DELAY_S = 0.4
TRICKLE_BYTES = 64
TRICKLE_S = 0.005


class Mode(StrEnum):
    PASS = "pass"
    CUT = "cut"
    """Connections are reset, and new ones as soon as they are there."""
    DELAY = "delay"
    """Each piece comes `DELAY_S` late."""
    TRICKLE = "trickle"
    """`TRICKLE_BYTES` at a time, every `TRICKLE_S`."""
    SWALLOW = "swallow"
    """Whoever sends thinks that it arrives; nothing does."""


@dataclass
class Proxy:
    """Before one address."""

    host: str
    port: int
    mode: Mode = Mode.PASS
    passed_bytes: int = 0
    _connections: set[asyncio.StreamWriter] = field(default_factory=set)

    def set(self, mode: Mode) -> None:
        """From now on. What was swallowed is missing in the connection: it is reset when that ends."""
        if mode is Mode.CUT or self.mode is Mode.SWALLOW:
            for writer in self._connections:
                writer.transport.abort()
        self.mode = mode

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode is Mode.CUT:
            writer.transport.abort()
            return
        try:
            from_there, to_there = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        self._connections |= {writer, to_there}
        try:
            await asyncio.gather(self._pass_on(reader, to_there), self._pass_on(from_there, writer))
        finally:
            self._connections -= {writer, to_there}
            for each in (writer, to_there):
                each.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until one side closes; then the other is told."""
        with suppress(ConnectionError):
            while data := await reader.read(READ_BYTES_MAX):
                self.passed_bytes += len(data)
                await self._send(data, writer)
        with suppress(ConnectionError):
            writer.close()

    async def _send(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self.mode is Mode.DELAY:
            await asyncio.sleep(DELAY_S)
        while self.mode is Mode.TRICKLE and data:
            writer.write(data[:TRICKLE_BYTES])
            data = data[TRICKLE_BYTES:]
            await asyncio.sleep(TRICKLE_S)
        if self.mode is not Mode.SWALLOW:
            writer.write(data)
            await writer.drain()

    def close(self) -> None:
        for writer in self._connections:
            writer.transport.abort()


@asynccontextmanager
async def proxying(host: str, port: int, *, at: int = 0) -> AsyncIterator[tuple[Proxy, int]]:
    """A proxy before the address, and its own port: `at`, or any."""
    proxy = Proxy(host, port)
    listening = await asyncio.start_server(proxy.serve, HOST, at)
    try:
        yield proxy, listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        proxy.close()
