"""The tests' own PostgreSQL and Kafka, by testcontainers, of the images that docker-compose.yml runs."""

from __future__ import annotations

import asyncio
import re
import sys

from devstack.engine import Engine

ASKED = ("test_event_store", "test_sealing", "test_relay", "test_kafka_access")
"""Tests of both PostgreSQL servers and of both doors of the brokers."""


class TestContainers:
    async def test_are_parts_for_tests(self, engine: Engine, provided: dict[str, str]) -> None:
        suite = [sys.executable, "-m", "devstack", "test", "--", *(f"tests/chassis/{name}.py" for name in ASKED)]
        told = {name: provided[name] for name in ("POSTGRES_IMAGE", "KAFKA_IMAGE")}
        said = await asyncio.to_thread(lambda: engine.run(*suite, told=told))
        assert f"PostgreSQL: Docker, {told['POSTGRES_IMAGE']}, two servers" in said
        assert f"Kafka: Docker, {told['KAFKA_IMAGE']}" in said
        assert re.search(r"\d+ passed", said)
        assert "skipped" not in said

    def test_leave_nothing_behind(self, engine: Engine) -> None:
        left = engine.run("docker", "ps", "--all", "--format", "{{.Names}}") + engine.run("docker", "volume", "ls", "--quiet")
        assert [] == [name for name in left.split() if re.match(r"gatehouse-[0-9a-f]{8}-(postgres|kafka)", name)]
