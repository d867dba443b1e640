"""The test suite on parts of its own: other ports, another folder, thrown away afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT, SIGKILL
from tempfile import mkdtemp

from devstack import children, docker, doctor, parts
from devstack.children import Child
from devstack.missing import MissingPart
from devstack.run import teller
from devstack.settings import REPOSITORY, Settings
from devstack.state import State

DISK = Path("/var/tmp")  # noqa: S108 - a disk, unlike /tmp on many machines: what the tests say of fsync must be true

SUITE_DEADLINE_S = 7200.0
"""Twice what all faults take where nothing else runs."""
REPORT_DEADLINE_S = 30.0


@contextmanager
def throwaway_state() -> Iterator[State]:
    """A state folder that nobody else uses and that is gone afterwards."""
    root = Path(mkdtemp(prefix="gatehouse-", dir=DISK if DISK.is_dir() else None))
    root.chmod(0o711)  # PostgreSQL's user must pass through.
    state = State(root)
    try:
        with state.locked():
            yield state
    finally:
        shutil.rmtree(root)
        docker.forget(state)


async def test(settings: Settings, arguments: Sequence[str]) -> int:
    """Run pytest with these arguments. Its exit code."""
    with throwaway_state() as state:
        say = teller()
        try:
            await doctor.provide(doctor.survey_prometheus(), say)
        except MissingPart as missing:
            say(str(missing))  # What needs it fails; everything else does not.
        async with parts.running(state, settings.elsewhere(), say) as found:
            environment = {**os.environ, **found.environment(), "GATEHOUSE_STATE": str(state.root)}
            return await _pytest(arguments, environment, state)


async def _pytest(arguments: Sequence[str], environment: dict[str, str], state: State) -> int:
    pytest = _start(arguments, environment, state)
    try:
        return await pytest.ended(SUITE_DEADLINE_S)
    finally:
        # Interrupted, it still reports what it has.
        await pytest.stop(SIGINT, REPORT_DEADLINE_S)


def _start(arguments: Sequence[str], environment: dict[str, str], state: State) -> Child:
    # Not by `children.start`: its output belongs on the terminal. A session of its own, so that Ctrl-C reaches us alone
    # and PostgreSQL and Kafka are still there while it ends.
    command = [*children.wrapper(user=None, when_we_die=SIGKILL), sys.executable, "-m", "pytest", *arguments]
    process = subprocess.Popen(command, env=environment, cwd=REPOSITORY, start_new_session=True)
    return Child("pytest", process, state.log("pytest"))
