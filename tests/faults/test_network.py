"""Every connection of every process goes through a proxy, and is cut, delayed, trickled and swallowed under traffic."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from chassis.testing.wait import eventually
from devstack.ports import HOST
from tests.faults.checker import check
from tests.faults.proxy import Mode, Proxy, proxying
from tests.faults.report import REPORT
from tests.faults.stack import FaultStack
from tests.faults.traffic import Town, flowing, town

DISTURBED_S = 3.0
RECOVERED_S_MAX = 60.0
KAFKA = "Kafka"
CLIENTS = "clients"
LINKS: Mapping[str, str] = {
    "GATEHOUSE_DATABASE_DSN": "PostgreSQL",
    "GATEHOUSE_KEYS_DSN": "the key server",
    "GATEHOUSE_JWKS_URL": "the portal",
    "GATEHOUSE_HEALTHCLOUD_URL": "Health Cloud",
    "GATEHOUSE_REGISTRATION_URL": "other services",
    "GATEHOUSE_HEALTH_URL": "other services",
}
"""Where a process is told to go → what lies there."""
DISTURBED = (*dict.fromkeys(LINKS.values()), KAFKA, CLIENTS)
MODES = [mode for mode in Mode if mode is not Mode.PASS]


@dataclass
class Network:
    """All connections, by what they lead to."""

    proxies: defaultdict[str, list[Proxy]] = field(default_factory=lambda: defaultdict(list))
    urls: dict[str, str] = field(default_factory=dict)
    """Service → where clients go."""

    def set(self, link: str, mode: Mode) -> None:
        for proxy in self.proxies[link]:
            proxy.set(mode)


class TestNetwork:
    @pytest.mark.long
    @pytest.mark.parametrize("mode", MODES)
    async def test_disturbed_anywhere_loses_nothing(self, stack: FaultStack, mode: Mode) -> None:
        async with network(stack) as here:
            await _disturb(stack, here, [(link, mode) for link in DISTURBED])
            assert all(any(proxy.passed_bytes for proxy in proxies) for proxies in here.proxies.values())

    @pytest.mark.long
    async def test_disturbed_where_it_hurts_most_loses_nothing(self, stack: FaultStack) -> None:
        async with network(stack) as here:
            await _disturb(stack, here, [(CLIENTS, Mode.CUT), ("PostgreSQL", Mode.CUT), (KAFKA, Mode.SWALLOW)])


async def _disturb(stack: FaultStack, network: Network, faults: list[tuple[str, Mode]]) -> None:
    async with town(stack, sites=2) as here:
        _go_through(network, here)
        async with flowing(here):
            for link, mode in faults:
                network.set(link, mode)
                await asyncio.sleep(DISTURBED_S)
                network.set(link, Mode.PASS)
                ended_s = time.monotonic()
                await eventually(lambda: here.diary.acknowledged_since(ended_s), within_s=RECOVERED_S_MAX)  # noqa: B023
                REPORT.note(f"{mode} before {link}", "commands acknowledged again", recovery_s=time.monotonic() - ended_s)
        assert [] == (await check(stack, here.diary)).wrong


def _go_through(network: Network, here: Town) -> None:
    for caller in here.callers:
        caller.elsewhere = network.urls


@asynccontextmanager
async def network(stack: FaultStack) -> AsyncIterator[Network]:
    """All processes started anew with proxies of their own; afterwards as they were."""
    made = Network()
    async with AsyncExitStack() as opened:
        kafka, _ = await opened.enter_async_context(proxying(HOST, stack.kafka.inner_port, at=stack.kafka.outer_port))
        made.proxies[KAFKA].append(kafka)
        told = {name: await _through_proxies(stack, name, made, opened) for name in stack.processes}
        for service, url in stack.urls.items():
            proxy, port = await opened.enter_async_context(proxying(HOST, urlsplit(url).port or 0))
            made.proxies[CLIENTS].append(proxy)
            made.urls[service] = f"http://{HOST}:{port}"
        await _start_anew(stack, told)
        try:
            yield made
        finally:
            await _start_anew(stack, {})


async def _through_proxies(stack: FaultStack, name: str, made: Network, opened: AsyncExitStack) -> Mapping[str, str]:
    """What a process is told, so that it goes through proxies."""
    environment = stack.environment(name.rpartition("-")[0])
    told = {"GATEHOUSE_KAFKA_BOOTSTRAP": f"{HOST}:{stack.kafka.outer_port}"}
    for variable, link in LINKS.items():
        if variable in environment:
            address = urlsplit(environment[variable])
            proxy, port = await opened.enter_async_context(proxying(address.hostname or HOST, address.port or 0))
            made.proxies[link].append(proxy)
            login = address.netloc.rpartition("@")[0]
            told[variable] = address._replace(netloc=f"{login}@{HOST}:{port}" if login else f"{HOST}:{port}").geturl()
    return told


async def _start_anew(stack: FaultStack, told: Mapping[str, Mapping[str, str]]) -> None:
    await asyncio.gather(*(process.stop() for process in stack.processes.values()))
    for name, process in stack.processes.items():
        process.start(**told.get(name, {}))
    for process in stack.processes.values():
        await process.ready()
