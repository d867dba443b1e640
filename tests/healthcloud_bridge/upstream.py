"""The real simulator, over real HTTP: in a thread of this process, or as a process of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from chassis.testing.wait import eventually

REPOSITORY = Path(__file__).resolve().parents[2]
API_KEY = "a key of this test"


@dataclass
class Upstream:
    """A running simulator, with what a person or a test can do to it."""

    url: str
    client: httpx2.AsyncClient
    process: subprocess.Popen[bytes]

    async def declare(self, form: dict[str, Any]) -> httpx2.Response:
        return await self.client.post("/declarations", json=form)

    async def misbehave(self, **faults: Any) -> None:
        """Until told otherwise; without arguments, no more."""
        (await self.client.post("/faults", json=faults)).raise_for_status()

    async def query(self, number: str, *, key: str = API_KEY) -> httpx2.Response:
        return await self.client.post("/query", json={"证件号码": number, "姓名": "张小三"}, headers={"X-API-Key": key})


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def simulator(*, port: int | None = None, store: Path | None = None) -> AsyncIterator[Upstream]:
    """A simulator that answers; stopped when the block ends."""
    port = port or free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY / "services" / "healthcloud-bridge" / "simulator"),
        "GATEHOUSE_PORT": str(port),
        "HEALTHCLOUD_SIMULATOR_API_KEY": API_KEY,
        **({"HEALTHCLOUD_SIMULATOR_STORE": str(store)} if store else {}),
    }
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([sys.executable, "-m", "healthcloud_simulator"], env=environment)
    try:
        async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:

            async def answers() -> bool:
                assert process.poll() is None, "the simulator ended"
                try:
                    return (await client.get("/readyz")).status_code == 200
                except httpx2.TransportError:
                    return False

            await eventually(answers, within_s=15)
            yield Upstream(url, client, process)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 10)


def form(number: str, **changes: Any) -> dict[str, Any]:
    """来沪人员健康登记 as the manual's sample fills it in: 38 °C without symptoms, an airport and a train."""
    return {
        "姓名": "张小三",
        "证件类型": "居民身份证",
        "证件号码": number,
        "手机号": "13800000011",
        "上报地址": "101 上海浦东国际机场T1",
        "上报时间": "2020-02-03",
        "体温": "38",
        "健康状况": "无异常症状",
        "出行时间": "2020-02-03",
        "出行方式": "火车G13333",
        "是否湖北出发": "否",
        "是否武汉出发": "否",
        "是否经停": "否",
        "停留地点": "",
        "居住地址": "上海市黄浦区五里桥街道测试地址",
    } | changes
