"""Programs that we start and that never outlive us, even when we are killed without a chance to clean up."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

POLL_S = 0.02
STOP_DEADLINE_S = 15.0


class ChildEnded(Exception):
    """A program ended that should have gone on."""


class Child:
    """A running program. Its output goes to a log file."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: minus the signal that ended it."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal. Nothing happens if the program has ended already."""
        self._process.send_signal(number)

    def insist(self) -> None:
        """Raises: ChildEnded, if it has."""
        if self.exit_code is not None:
            raise ChildEnded(f"{self.name} ended with {self.exit_code}; the end of {self.log}:\n{_tail(self.log)}")

    async def ended(self, deadline_s: float) -> int:
        """The exit code. Raises: TimeoutError."""
        async with asyncio.timeout(deadline_s):
            while (code := self.exit_code) is None:  # noqa: ASYNC110 - a child offers no event that outlives an event loop
                await asyncio.sleep(POLL_S)
        return code

    async def stop(self, first: signal.Signals = signal.SIGTERM, deadline_s: float = STOP_DEADLINE_S) -> int:
        """Ask it to end, and kill it when it has not by the deadline. The exit code."""
        self.send(first)
        self.send(signal.SIGCONT)  # One that was frozen could not hear the first.
        try:
            return await self.ended(deadline_s)
        except TimeoutError:
            self.send(signal.SIGKILL)
            return await self.ended(deadline_s)


def start(
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str],
    user: str | None = None,
    when_we_die: signal.Signals = signal.SIGKILL,
    folder: Path | None = None,
) -> Child:
    """Start a program in a session of its own: Ctrl-C reaches us alone, and we stop the children in order.

    Call it from the main thread: the kernel sends `when_we_die` when the thread that started the program ends.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*wrapper(user, when_we_die), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
        )
    return Child(name, process, log)


def wrapper(user: str | None, when_we_die: signal.Signals) -> list[str]:
    """What stands before a command to run it as `user` (None: as we are) and to signal it when we die."""
    # setpriv replaces itself by the program, so the process id stays. It sets the death signal last, because the kernel
    # clears it when the user changes. Killed before that, within milliseconds of the start, we would leave the program behind.
    command = ["setpriv", "--pdeathsig", when_we_die.name.removeprefix("SIG")]
    return [*command, *_as_user(user), "--"]


def _as_user(user: str | None) -> list[str]:
    return [] if user is None else [f"--reuid={user}", f"--regid={user}", "--init-groups"]


def environment(**more: str) -> dict[str, str]:
    """The little that a program needs of our environment, and `more`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME") if name in os.environ}
    return {**kept, "LANG": "C.UTF-8", "TZ": "UTC", **more}


async def run(
    name: str,
    command: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str],
    deadline_s: float,
    user: str | None = None,
) -> None:
    """Run a program to its end. Raises: ChildEnded with the end of its log, TimeoutError after killing it."""
    child = start(name, command, log=log, environment=environment, user=user)
    try:
        code = await child.ended(deadline_s)
    finally:
        child.send(signal.SIGKILL)
        await child.ended(STOP_DEADLINE_S)
    if code != 0:
        child.insist()


def strangers_in(folder: Path) -> list[int]:
    """Process ids whose working directory is `folder`: what an earlier devstack left running there."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
    return found


async def end_strangers_in(folder: Path, first: signal.Signals, deadline_s: float = STOP_DEADLINE_S) -> None:
    """Wait until nothing runs in `folder`: `first` asks for it, SIGKILL ends what has not obeyed by the deadline."""
    _signal_all(strangers_in(folder), first)
    try:
        await _deserted(folder, deadline_s)
    except TimeoutError:
        _signal_all(strangers_in(folder), signal.SIGKILL)
        await _deserted(folder, deadline_s)


async def _deserted(folder: Path, deadline_s: float) -> None:
    async with asyncio.timeout(deadline_s):
        while strangers_in(folder):  # noqa: ASYNC110 - processes that are not our children offer nothing to wait for
            await asyncio.sleep(POLL_S)


def _signal_all(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
