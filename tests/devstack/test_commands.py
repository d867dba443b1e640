"""`python -m devstack …`, as a process of its own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from signal import SIGINT, SIGKILL

import pytest

from chassis.testing.wait import eventually
from devstack.ports import HOST
from devstack.settings import Settings
from devstack.state import State
from devstack.suite import throwaway_state

PARTS = ("GATEHOUSE_POSTGRES_DSN", "GATEHOUSE_KEYS_POSTGRES_DSN", "GATEHOUSE_KAFKA_BOOTSTRAP")
TIMEOUT_S = 60.0


def _devstack(*arguments: str, environment: Mapping[str, str] = os.environ) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "devstack", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def _is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


class TestDoctor:
    def test_finds_everything_here(self) -> None:
        answer = _devstack("doctor")
        assert (0, "") == (answer.returncode, answer.stderr)
        assert re.search(r"^PostgreSQL 15\+ +ok +\d", answer.stdout, re.MULTILINE)

    def test_says_what_is_missing_and_how_to_get_it(self, tmp_path: Path) -> None:
        alone = {name: value for name, value in os.environ.items() if name not in PARTS} | {
            "PATH": str(tmp_path),
            "GATEHOUSE_CACHE": str(tmp_path),
        }
        answer = _devstack("doctor", environment=alone)
        assert 1 == answer.returncode
        assert re.search(r"^Java 17\+ +MISSING +default-jre-headless$", answer.stdout, re.MULTILINE)
        assert re.search(r"^Maven +MISSING +maven$", answer.stdout, re.MULTILINE)


class TestTest:
    def test_hands_on_the_exit_code_of_pytest(self, real_parts: object) -> None:
        """On the parts of this run, so that it starts none: pytest answers 4 when it is used wrongly."""
        assert 4 == _devstack("test", "--", "no/such/test").returncode


class TestParts:
    def test_needs_both_postgres_servers_from_the_environment(self, tmp_path: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in PARTS}
        half = {"GATEHOUSE_STATE": str(tmp_path), "GATEHOUSE_POSTGRES_DSN": "postgresql://x@127.0.0.1:1/x"}
        answer = _devstack("parts", environment=environment | half)
        assert 1 == answer.returncode
        assert "GATEHOUSE_KEYS_POSTGRES_DSN" in answer.stderr


class TestEmbeddedParts:
    @pytest.fixture
    def own_state(self) -> Iterator[State]:
        with throwaway_state() as state:
            yield State(state.root / "inner")

    async def test_end_with_a_devstack_that_was_killed_and_come_back_with_the_next(self, own_state: State) -> None:
        with self._running(own_state) as first:
            ports = self._ports(first)
            first.send_signal(SIGKILL)
        await eventually(lambda: not any(map(_is_open, ports)), within_s=TIMEOUT_S)
        with self._running(own_state) as second:
            assert all(map(_is_open, self._ports(second)))
            second.send_signal(SIGINT)
        assert 0 == second.returncode

    async def test_are_backed_up_while_they_run_and_restored_while_they_do_not(self, own_state: State) -> None:
        environment = self._environment(own_state)
        with self._running(own_state) as running:
            self._ports(running)
            assert 0 == _devstack("backup", environment=environment).returncode
            assert "stop it first" in _devstack("restore", environment=environment).stderr
            running.send_signal(SIGINT)
        assert "`make run` first" in _devstack("backup", environment=environment).stderr
        for server in ("main", "keys"):
            assert 0 == _devstack("restore", "--server", server, environment=environment).returncode
        assert 2 == _devstack("restore", "--until", "2020-02-20T08:30:00", environment=environment).returncode, "without an offset"
        with self._running(own_state) as running:
            assert all(map(_is_open, self._ports(running)))
            running.send_signal(SIGINT)
        assert 0 == running.returncode

    def _running(self, state: State) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "devstack", "parts"]
        return subprocess.Popen(command, env=self._environment(state), stdout=subprocess.PIPE, text=True)

    def _environment(self, state: State) -> dict[str, str]:
        outside = {name: value for name, value in os.environ.items() if name not in PARTS}
        settings = {"GATEHOUSE_STATE": str(state.root), "GATEHOUSE_CACHE": str(Settings().cache)}
        ports = {f"GATEHOUSE_EMBEDDED_{part}_PORT": "0" for part in ("POSTGRES", "KEYS_POSTGRES", "KAFKA")}
        return outside | settings | ports

    def _ports(self, devstack: subprocess.Popen[str]) -> list[int]:
        assert devstack.stdout is not None
        found: list[int] = []
        while len(found) < len(PARTS):
            line = devstack.stdout.readline()
            assert line, "it ended before it had started everything"
            if line.startswith("export "):
                found.append(int(line.rpartition(":")[2].split("/")[0]))
        return found
