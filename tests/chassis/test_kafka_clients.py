"""Kafka clients leave nothing open, whenever they are cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from chassis import kafka
from chassis.consumer import TopicFeed
from chassis.kafka import ProducerHolder, make_producer
from devstack.ports import HOST

LEAVES_S_MAX = 10.0
"""As long as a client may take, and no garbage collection does."""


@dataclass
class Hesitant:
    """Before a broker: says at once what it understands, and who it is only when `may_go_on`."""

    broker: tuple[str, int]
    bootstrap: str = ""
    """Leads to the broker through here."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_broker, to_broker = await asyncio.open_connection(*self.broker)
        try:
            await pass_on(reader, to_broker)
            await pass_on(from_broker, writer)
            await pass_on(reader, to_broker)
            self.asked.set()
            await self.may_go_on.wait()
            await pass_on(from_broker, writer)
            await reader.read()
            self.left.set()
        finally:
            for each in (writer, to_broker):
                each.transport.abort()


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request or answer: each says first, in four bytes, how long it is."""
    length = await reader.readexactly(4)
    writer.write(length + await reader.readexactly(int.from_bytes(length)))
    await writer.drain()


@asynccontextmanager
async def hesitant_before(bootstrap: str) -> AsyncIterator[Hesitant]:
    """Listens until the block ends."""
    host, port = bootstrap.rsplit(":", 1)
    broker = Hesitant((host, int(port)))
    listening = await asyncio.start_server(broker.serve, HOST, 0)
    broker.bootstrap = f"{HOST}:{listening.sockets[0].getsockname()[1]}"
    try:
        yield broker
    finally:
        listening.close()


async def fed(bootstrap: str) -> None:
    await TopicFeed(bootstrap, {}).run()


async def produced(bootstrap: str) -> None:
    holder = ProducerHolder(lambda: make_producer(bootstrap))
    try:
        await holder.get()
    finally:
        await holder.close()


@pytest.mark.parametrize("connected", [fed, produced])
async def test_cut_off_while_it_asks_which_brokers_there_are(
    kafka_bootstrap: str, connected: Callable[[str], Awaitable[None]]
) -> None:
    async with hesitant_before(kafka_bootstrap) as broker:
        connecting = asyncio.ensure_future(connected(broker.bootstrap))
        async with asyncio.timeout(LEAVES_S_MAX):
            await broker.asked.wait()
        connecting.cancel()
        broker.may_go_on.set()
        with suppress(asyncio.CancelledError):
            await connecting
        async with asyncio.timeout(LEAVES_S_MAX):
            await broker.left.wait()


class Prompt:
    """A client that is connected in a moment."""

    async def start(self) -> None:
        await asyncio.sleep(0)

    async def stop(self) -> None:
        """At once."""


@pytest.mark.parametrize("moment", range(12))
async def test_cut_off_at_whatever_moment_ends_who_uses_it(moment: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "make_consumer", lambda _: Prompt())

    async def use_for_ever() -> None:
        async with kafka.consuming("", start_s=LEAVES_S_MAX):
            await asyncio.Event().wait()

    using = asyncio.ensure_future(use_for_ever())
    for _ in range(moment):
        await asyncio.sleep(0)
    using.cancel()
    await asyncio.wait([using], timeout=LEAVES_S_MAX)
    assert using.cancelled()
