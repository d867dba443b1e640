"""Programs that we start: they end when told to, and they never outlive us."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from signal import SIGKILL, SIGSTOP

import pytest

from chassis.testing.wait import eventually
from devstack import children
from devstack.children import Child, ChildEnded

SLEEPER = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
DEAF = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()",
]
PARENT = """
import signal, sys
from pathlib import Path
from devstack import children
child = children.start("child", ["sh", "-c", "echo up; exec sleep 1000"], log=Path(sys.argv[1]), environment=children.environment())
print(child.pid, flush=True)
signal.pause()
"""


async def _up(command: list[str], log: Path) -> Child:
    child = children.start("child", command, log=log, environment=children.environment())
    await eventually(lambda: "up" in log.read_text())
    return child


def _is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


class TestStart:
    def test_says_which_program_ended_and_why(self, tmp_path: Path) -> None:
        child = children.start(
            "the program", ["sh", "-c", "echo no such luck; exit 3"], log=tmp_path / "log", environment=children.environment()
        )
        child._process.wait()
        with pytest.raises(ChildEnded, match=r"(?s)the program ended with 3.*no such luck"):
            child.insist()

    async def test_ends_the_program_when_we_are_killed(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        with subprocess.Popen([sys.executable, "-c", PARENT, log], stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            await eventually(lambda: "up" in log.read_text())
            assert _is_alive(pid)
            parent.send_signal(SIGKILL)
        await eventually(lambda: not _is_alive(pid))


class TestStop:
    async def test_asks_first(self, tmp_path: Path) -> None:
        child = await _up(SLEEPER, tmp_path / "log")
        assert -15 == await child.stop()

    async def test_kills_one_that_does_not_obey(self, tmp_path: Path) -> None:
        child = await _up(DEAF, tmp_path / "log")
        assert -9 == await child.stop(deadline_s=0.3)

    async def test_ends_one_that_is_frozen(self, tmp_path: Path) -> None:
        child = await _up(SLEEPER, tmp_path / "log")
        child.send(SIGSTOP)
        assert -15 == await child.stop()

    async def test_does_nothing_when_repeated(self, tmp_path: Path) -> None:
        child = await _up(SLEEPER, tmp_path / "log")
        assert await child.stop() == await child.stop()


class TestEndStrangersIn:
    async def test_ends_what_somebody_else_left_there(self, tmp_path: Path) -> None:
        with subprocess.Popen(["sleep", "1000"], cwd=tmp_path) as stranger:
            assert [stranger.pid] == children.strangers_in(tmp_path)
            await children.end_strangers_in(tmp_path, SIGKILL, deadline_s=5)

    async def test_leaves_others_alone(self, tmp_path: Path) -> None:
        await children.end_strangers_in(tmp_path, SIGKILL, deadline_s=5)
        assert _is_alive(os.getpid())
