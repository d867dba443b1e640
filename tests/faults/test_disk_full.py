"""PostgreSQL has no room left: 503 with Retry-After, nothing that was acknowledged is lost, and with room all goes on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chassis.testing.wait import eventually
from tests.faults.checker import check
from tests.faults.report import REPORT
from tests.faults.stack import running_stack
from tests.faults.traffic import flowing, town

SIZE_MB = 640
"""Of the file system: the databases take about 200 of it, and the log of PostgreSQL as much again."""
BLOCK = bytes(1024 * 1024)
REFUSED_S_MAX = 60.0
FULL_S = 4.0
RECOVERED_S_MAX = 60.0


@pytest.mark.long
class TestDiskFull:
    async def test_refuses_and_goes_on_when_there_is_room(self) -> None:
        async with running_stack(small_disk) as stack, town(stack, sites=2) as here:
            async with flowing(here) as traffic:
                await eventually(lambda: traffic.finished > 3, within_s=RECOVERED_S_MAX)
                filler = fill(stack.postgres.home)
                await eventually(lambda: here.diary.said("503"), within_s=REFUSED_S_MAX)
                await asyncio.sleep(FULL_S)
                filler.unlink()
                if stack.postgres.child.exit_code is not None:
                    await stack.postgres.start()
                ended_s = time.monotonic()
                await eventually(lambda: here.diary.acknowledged_since(ended_s), within_s=RECOVERED_S_MAX)
                REPORT.note("disk full", "503 with Retry-After", recovery_s=time.monotonic() - ended_s)
            assert [] == (await check(stack, here.diary)).wrong


@contextmanager
def small_disk(home: Path, *, size_mb: int = SIZE_MB) -> Iterator[None]:
    """A file system of its own, in memory, where PostgreSQL has its home. Skips the test where we may not mount one."""
    owner = home.stat()
    options = f"size={size_mb}m,uid={owner.st_uid},gid={owner.st_gid},mode=0700"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", home], check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system of our own: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", home], check=True)


def fill(home: Path) -> Path:
    filler = home / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(BLOCK):
                pass
        except OSError:
            os.sync()
    return filler
